#include "core/text/words.h"

#include <stdlib.h>

#include "core/base/size.h"

enum { FIRST_SLOTS = 1 << 8, MOST_WORDS = 1 << 16, MOST_IDS = 1 << 22 };

static void place(bp_word *slots, size_t n_slots, bp_word word) {
    size_t at = word.hash >> 8 & (n_slots - 1);
    while (slots[at].hash) at = (at + 1) & (n_slots - 1);
    slots[at] = word;
}

static bool grow(bp_words *w) {
    size_t n_slots = w->n_slots ? w->n_slots * 4 : FIRST_SLOTS;
    bp_word *slots = bp_new_array(n_slots, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < w->n_slots; i++)
        if (w->slots[i].hash) place(slots, n_slots, w->slots[i]);
    free(w->slots);
    w->slots = slots;
    w->n_slots = n_slots;
    return true;
}

static void forget_all(bp_words *w) {
    memset(w->slots, 0, w->n_slots * sizeof *w->slots);
    w->count = w->ids.count = 0;
    bp_text_clear(&w->texts);
}

void bp_words_add(bp_words *w, const char *word, size_t n, uint64_t hash, const int32_t *ids, size_t n_ids) {
    if (w->count == MOST_WORDS || w->ids.count + n_ids > MOST_IDS) forget_all(w);
    if (w->count * 2 >= w->n_slots && !grow(w)) return;
    void *room = w->ids.ids;
    bool ok = bp_grow(&room, &w->ids.capacity, w->ids.count + n_ids, sizeof *ids);
    w->ids.ids = room;
    bp_word slot = { hash, (uint32_t)w->texts.size, (uint32_t)n, (uint32_t)w->ids.count, (uint32_t)n_ids };
    if (ok) bp_text_add(&w->texts, word, n);
    if (!ok || w->texts.failed) return;
    if (n_ids) memcpy(w->ids.ids + w->ids.count, ids, n_ids * sizeof *ids);
    w->ids.count += n_ids;
    place(w->slots, w->n_slots, slot);
    w->count++;
}

void bp_words_free(bp_words *w) {
    free(w->slots);
    bp_text_free(&w->texts);
    free(w->ids.ids);
    *w = (bp_words){ 0 };
}
