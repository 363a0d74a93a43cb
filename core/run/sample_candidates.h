/* The tokens that may still be chosen, each with its logit. */
#ifndef BP_RUN_SAMPLE_CANDIDATES_H
#define BP_RUN_SAMPLE_CANDIDATES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bp_candidate {
    int32_t id;
    float logit; /* never NaN */
} bp_candidate;

typedef struct bp_candidates {
    bp_candidate *items;
    size_t n; /* at least 1 */
} bp_candidates;

/* A weight in the softmax, 1 for the greatest logit; right for infinite logits too. */
static inline double bp_weight(double logit, double greatest) { return logit == greatest ? 1 : exp(logit - greatest); }

/* Bring the `count` likeliest (all, where fewer are there) to the front, likeliest first, lower ids first among equals.
 * Time O(n log count). */
void bp_candidates_sort(bp_candidates *candidates, size_t count);
/* The index of the likeliest, with the lowest id among equals. */
size_t bp_candidates_best(const bp_candidates *candidates);
/* The sum of the weights. */
double bp_candidates_total(const bp_candidates *candidates, double greatest);

#endif
