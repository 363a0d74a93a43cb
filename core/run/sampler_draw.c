/* The end of the chain: a draw from what is left, or mirostat (Basu et al., "Mirostat", ICLR 2021). */
#include <math.h>

#include "core/base/size.h"
#include "core/run/sample_random.h"
#include "core/run/sampler_state.h"

enum { MIROSTAT_TOKENS = 100 }; /* likeliest tokens from which version 1 estimates Zipf's exponent */

/* An index into the candidates. */
static size_t draw(bp_sampler *sampler, const bp_candidates *c) {
    size_t chosen = bp_candidates_best(c);
    double greatest = c->items[chosen].logit;
    double left = bp_random_unit(sampler->seed, sampler->drawn++) * bp_candidates_total(c, greatest);
    for (size_t i = 0; i < c->n; i++) {
        double weight = bp_weight(c->items[i].logit, greatest);
        if (weight > 0) chosen = i;
        left -= weight;
        if (left < 0) break;
    }
    return chosen;
}

/* Of a logit, in bits; total: of the weights. */
static double surprise(double logit, double greatest, double total) {
    return log2(total) + (greatest - logit) / log(2);
}

/* Version 1: k such that the likeliest k tokens, Zipf-distributed, have the surprise mu. */
static size_t zipf_k(const bp_sampler *sampler, const bp_candidates *c, double n_vocab) {
    double products = 0, squares = 0;
    for (size_t i = 0; i + 1 < BP_MIN(c->n, (size_t)MIROSTAT_TOKENS); i++) {
        double t = log((double)(i + 2) / (double)(i + 1)), b = c->items[i].logit - c->items[i + 1].logit;
        products += t * b;
        squares += t * t;
    }
    double s = squares > 0 ? products / squares : 1, epsilon = s - 1;
    double k = pow(epsilon * pow(2, sampler->mu) / (1 - pow(n_vocab, -epsilon)), 1 / s);
    return k >= 1 && k < (double)c->n ? (size_t)k : k < 1 ? 1 : c->n;
}

static void cut_1(const bp_sampler *sampler, bp_candidates *c, double n_vocab) {
    bp_candidates_sort(c, MIROSTAT_TOKENS);
    size_t k = zipf_k(sampler, c, n_vocab);
    bp_candidates_sort(c, k);
    c->n = k;
}

/* Version 2: the tokens of at most the surprise mu, and the likeliest. */
static void cut_2(const bp_sampler *sampler, bp_candidates *c, double greatest) {
    bp_candidate best = c->items[bp_candidates_best(c)];
    double total = bp_candidates_total(c, greatest);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (surprise(c->items[i].logit, greatest, total) <= sampler->mu) c->items[kept++] = c->items[i];
    if (!kept) c->items[kept++] = best;
    c->n = kept;
}

static size_t mirostat(bp_sampler *sampler, bp_candidates *c, double n_vocab) {
    const bp_sampler_settings *s = &sampler->settings;
    double greatest = c->items[bp_candidates_best(c)].logit;
    if (!isfinite(greatest)) return draw(sampler, c);
    if (s->mirostat == 1) cut_1(sampler, c, n_vocab);
    else cut_2(sampler, c, greatest);
    size_t chosen = draw(sampler, c);
    double seen = surprise(c->items[chosen].logit, greatest, bp_candidates_total(c, greatest));
    sampler->mu -= s->mirostat_eta * (seen - s->mirostat_tau);
    return chosen;
}

int32_t bp_sampler_draw(bp_sampler *sampler, bp_candidates *c, int32_t n_vocab) {
    if (sampler->settings.temperature <= 0) return c->items[bp_candidates_best(c)].id;
    size_t chosen = sampler->settings.mirostat ? mirostat(sampler, c, n_vocab) : draw(sampler, c);
    return c->items[chosen].id;
}
