/* Merging neighbours in the order of a vocabulary's preferences, in O(n log n): a linked list of symbols and a heap of
 * the pairs that could merge. Both kinds of BPE use it. */
#ifndef BP_TEXT_MERGE_H
#define BP_TEXT_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text/words.h"

typedef struct bp_symbol {
    uint32_t start, length; /* its bytes in the text; length 0: merged away */
    int32_t id;             /* token, -1: none */
    int32_t previous, next; /* -1: none */
} bp_symbol;

typedef struct bp_candidate {
    uint32_t order, left, length;
    int32_t merged;
} bp_candidate;

/* Memory that one call of bp_tokenize uses again and again. All zeros is empty. */
typedef struct bp_scratch {
    bp_symbol *symbols;
    bp_candidate *heap;
    uint32_t *ends, *next_ends; /* where the words of a text end */
    bp_words words, parts;      /* kept ids: of words, and of words before merges across them */
    bp_tokens part_ids;
    bp_text text, normal;       /* the text as it is encoded; normalised */
    bp_text stages[2], steps[2]; /* of a pipeline: the text as it is normalised, and as it is cut */
    bool at_start, control;     /* does the piece begin the text? are control tokens matched? */
    void *paths;                /* Viterbi's */
    size_t path_room;
    size_t n_symbols, symbol_room, n_heap, heap_room, end_room, next_end_room;
} bp_scratch;

enum { BP_MERGE_MAX_TEXT = 1 << 29 }; /* bytes that can be encoded at a time */

/* Whether left and right merge: to which token, and how early (lowest order first, then leftmost). */
typedef bool bp_pair_fn(const void *self, const char *text, const bp_symbol *left, const bp_symbol *right,
                        bp_candidate *out);

/* Make room for n symbols, of which the first n_symbols then are the caller's to fill (start, length, id). */
bool bp_merge_reserve(bp_scratch *s, size_t n);
/* Link s->n_symbols symbols and merge until no pair merges. Symbol 0 stays first; follow `next`. */
void bp_merge_run(bp_scratch *s, const char *text, bp_pair_fn *pair, const void *self);
void bp_scratch_free(bp_scratch *s);

#endif
