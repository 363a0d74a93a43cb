#include "core/run/sample_candidates.h"

#include <stdbool.h>
#include <stdlib.h>

static bool before(const bp_candidate *a, const bp_candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static int compare(const void *a, const void *b) { return before(b, a) - before(a, b); }

static void swap(bp_candidate *a, bp_candidate *b) {
    bp_candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* A heap whose root is the last in order. */
static void sift(bp_candidate *heap, size_t n, size_t at) {
    for (;;) {
        size_t last = at, left = 2 * at + 1, right = left + 1;
        if (left < n && before(&heap[last], &heap[left])) last = left;
        if (right < n && before(&heap[last], &heap[right])) last = right;
        if (last == at) return;
        swap(&heap[at], &heap[last]);
        at = last;
    }
}

void bp_candidates_sort(bp_candidates *candidates, size_t count) {
    bp_candidate *items = candidates->items;
    if (count > candidates->n) count = candidates->n;
    if (!count) return;
    if (count < candidates->n) {
        for (size_t i = count / 2; i-- > 0;) sift(items, count, i);
        for (size_t i = count; i < candidates->n; i++) {
            if (!before(&items[i], &items[0])) continue;
            swap(&items[i], &items[0]);
            sift(items, count, 0);
        }
    }
    qsort(items, count, sizeof *items, compare);
}

size_t bp_candidates_best(const bp_candidates *candidates) {
    size_t best = 0;
    for (size_t i = 1; i < candidates->n; i++)
        if (before(&candidates->items[i], &candidates->items[best])) best = i;
    return best;
}

double bp_candidates_total(const bp_candidates *candidates, double greatest) {
    double total = 0;
    for (size_t i = 0; i < candidates->n; i++) total += bp_weight(candidates->items[i].logit, greatest);
    return total;
}
