#include "core/text/merge.h"

#include <stdlib.h>

#include "core/base/size.h"

static inline uint64_t key(const bp_candidate *c) { return (uint64_t)c->order << 32 | c->left; }

/* A heap of which each entry has four below it: fewer levels than with two, and the four lie beside each other. */
enum { WAYS = 4 };

static void push(bp_scratch *s, bp_candidate c) {
    size_t at = s->n_heap++;
    while (at && key(&c) < key(&s->heap[(at - 1) / WAYS])) {
        s->heap[at] = s->heap[(at - 1) / WAYS];
        at = (at - 1) / WAYS;
    }
    s->heap[at] = c;
}

static size_t least_below(const bp_scratch *s, size_t first) {
    size_t least = first, end = BP_MIN(first + WAYS, s->n_heap);
    uint64_t best = key(&s->heap[first]);
    for (size_t i = first + 1; i < end; i++) {
        uint64_t other = key(&s->heap[i]);
        least = other < best ? i : least;
        best = other < best ? other : best;
    }
    return least;
}

static bp_candidate pop(bp_scratch *s) {
    bp_candidate top = s->heap[0], last = s->heap[--s->n_heap];
    size_t at = 0;
    for (size_t first; (first = WAYS * at + 1) < s->n_heap;) {
        size_t child = least_below(s, first);
        if (key(&s->heap[child]) >= key(&last)) break;
        s->heap[at] = s->heap[child];
        at = child;
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
