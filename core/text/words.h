/* Words and their ids, remembered while a text is encoded: the words of prose come again and again. */
#ifndef BP_TEXT_WORDS_H
#define BP_TEXT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/text/tokenizer.h"

enum { BP_LONGEST_KEPT_WORD = 64 }; /* longer words are not remembered */

typedef struct bp_word {
    uint64_t hash; /* 0: free */
    uint32_t text, n_text, ids, n_ids; /* where in texts and ids */
} bp_word;

typedef struct bp_words {
    bp_word *slots;
    size_t n_slots, count; /* n_slots: a power of two */
    bp_text texts;
    bp_tokens ids;
} bp_words; /* all zeros is empty */

/* Never 0. n is at most BP_LONGEST_KEPT_WORD. */
static inline uint64_t bp_word_hash(const char *word, size_t n) {
    uint64_t hash = n * UINT64_C(0x9E3779B97F4A7C15);
    for (; n >= 8; word += 8, n -= 8) {
        uint64_t part;
        memcpy(&part, word, 8);
        hash = (hash ^ part) * UINT64_C(0xBF58476D1CE4E5B9);
        hash ^= hash >> 29;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < n; i++) rest = rest << 8 | (unsigned char)word[i];
    hash = (hash ^ rest) * UINT64_C(0x94D049BB133111EB);
    return (hash ^ hash >> 31) | 1;
}

/* The word, or NULL where it is not there. */
static inline const bp_word *bp_words_find(const bp_words *w, const char *word, size_t n, uint64_t hash) {
    if (!w->n_slots) return NULL;
    for (size_t at = hash >> 8 & (w->n_slots - 1); w->slots[at].hash; at = (at + 1) & (w->n_slots - 1)) {
        const bp_word *slot = &w->slots[at];
        if (slot->hash == hash && slot->n_text == n && !memcmp(w->texts.data + slot->text, word, n)) return slot;
    }
    return NULL;
}

/* Remember a word that is not there. Where memory is short, it is forgotten instead. */
void bp_words_add(bp_words *w, const char *word, size_t n, uint64_t hash, const int32_t *ids, size_t n_ids);
void bp_words_free(bp_words *w);

#endif
