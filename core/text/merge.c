#include "core/text/merge.h"

#include <stdlib.h>

#include "core/base/size.h"

static inline uint64_t key(const bp_candidate *c) { return (uint64_t)c->order << 32 | c->left; }

static void push(bp_scratch *s, bp_candidate c) {
    size_t at = s->n_heap++;
    while (at && key(&c) < key(&s->heap[(at - 1) / 2])) {
        s->heap[at] = s->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->heap[at] = c;
}

static bp_candidate pop(bp_scratch *s) {
    bp_candidate top = s->heap[0], last = s->heap[--s->n_heap];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s->n_heap; at = child) {
        child += child + 1 < s->n_heap && key(&s->heap[child + 1]) < key(&s->heap[child]);
        if (key(&s->heap[child]) >= key(&last)) break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = last;
    return top;
}

static void consider(bp_scratch *s, int32_t left, const char *text, bp_pair_fn *pair, const void *self) {
    if (left < 0 || s->symbols[left].next < 0) return;
    const bp_symbol *a = &s->symbols[left], *b = &s->symbols[a->next];
    bp_candidate c = { .left = (uint32_t)left, .length = a->length + b->length };
    if (pair(self, text, a, b, &c)) push(s, c);
}

static void link_all(bp_scratch *s) {
    for (size_t i = 0; i < s->n_symbols; i++) {
        s->symbols[i].previous = (int32_t)i - 1;
        s->symbols[i].next = i + 1 < s->n_symbols ? (int32_t)i + 1 : -1;
    }
}

static void join(bp_scratch *s, const bp_candidate *c) {
    bp_symbol *left = &s->symbols[c->left], *right = &s->symbols[left->next];
    left->length = c->length;
    left->id = c->merged;
    left->next = right->next;
    right->length = 0;
    if (left->next >= 0) s->symbols[left->next].previous = (int32_t)c->left;
}

/* Boundaries between symbols only vanish, so the total length tells whether a candidate is still the same pair. */
static bool is_current(const bp_scratch *s, const bp_candidate *c) {
    const bp_symbol *left = &s->symbols[c->left];
    return left->length && left->next >= 0 && left->length + s->symbols[left->next].length == c->length;
}

bool bp_merge_reserve(bp_scratch *s, size_t n) {
    return n <= BP_MERGE_MAX_TEXT && bp_grow((void **)&s->symbols, &s->symbol_room, n, sizeof *s->symbols) &&
           bp_grow((void **)&s->heap, &s->heap_room, n * 3, sizeof *s->heap);
}

void bp_merge_run(bp_scratch *s, const char *text, bp_pair_fn *pair, const void *self) {
    s->n_heap = 0;
    link_all(s);
    for (size_t i = 0; i + 1 < s->n_symbols; i++) consider(s, (int32_t)i, text, pair, self);
    while (s->n_heap) {
        bp_candidate c = pop(s);
        if (!is_current(s, &c)) continue;
        join(s, &c);
        consider(s, s->symbols[c.left].previous, text, pair, self);
        consider(s, (int32_t)c.left, text, pair, self);
    }
}

void bp_scratch_free(bp_scratch *s) {
    free(s->symbols);
    free(s->heap);
    free(s->ends);
    free(s->next_ends);
    bp_words_free(&s->words);
    bp_words_free(&s->parts);
    free(s->part_ids.ids);
    bp_text_free(&s->text);
    bp_text_free(&s->normal);
    for (int i = 0; i < 2; i++) {
        bp_text_free(&s->stages[i]);
        bp_text_free(&s->steps[i]);
    }
    free(s->paths);
    *s = (bp_scratch){ 0 };
}
