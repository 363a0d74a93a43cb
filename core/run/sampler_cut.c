/* The steps that take candidates away, and temperature. */
#include <math.h>
#include <stdlib.h>

#include "core/base/size.h"
#include "core/run/sample_random.h"
#include "core/run/sampler_state.h"

static double greatest_of(const bp_candidates *c) { return c->items[bp_candidates_best(c)].logit; }

void bp_step_top_k(bp_sampler *sampler, bp_candidates *c) {
    size_t k = BP_MIN((size_t)sampler->settings.top_k, c->n);
    bp_candidates_sort(c, k);
    c->n = k;
}

/* The shortest run of likeliest tokens with a probability of p in all: Holtzman et al., 2019. Sorts only as far as
 * needed. */
void bp_step_top_p(bp_sampler *sampler, bp_candidates *c) {
    double greatest = greatest_of(c);
    double wanted = sampler->settings.top_p * bp_candidates_total(c, greatest), sum = 0;
    size_t kept = 0;
    for (size_t sorted = 64; kept < c->n; sorted *= 8) {
        bp_candidates_sort(c, sorted);
        for (kept = 0, sum = 0; kept < BP_MIN(sorted, c->n) && (!kept || sum < wanted); kept++)
            sum += bp_weight(c->items[kept].logit, greatest);
        if (sum >= wanted) break;
    }
    c->n = kept;
}

static void keep_from(bp_candidates *c, double least) {
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit >= least) c->items[kept++] = c->items[i];
    c->n = kept;
}

/* Tokens with at least the share p of the likeliest's probability: Nguyen et al., "Min-p sampling", 2024. */
void bp_step_min_p(bp_sampler *sampler, bp_candidates *c) {
    keep_from(c, greatest_of(c) + log(sampler->settings.min_p));
}

/* Logits at most n standard deviations below the greatest: Tang et al., "Top-nσ", 2024. */
void bp_step_top_n_sigma(bp_sampler *sampler, bp_candidates *c) {
    double greatest = greatest_of(c), mean = 0, squares = 0;
    if (!isfinite(greatest)) return;
    for (size_t i = 0; i < c->n; i++) mean += c->items[i].logit / (double)c->n;
    for (size_t i = 0; i < c->n; i++) squares += (c->items[i].logit - mean) * (c->items[i].logit - mean);
    keep_from(c, greatest - sampler->settings.top_n_sigma * sqrt(squares / (double)c->n));
}

/* How far a candidate's surprise is from the entropy. */
typedef struct typical {
    double distance;
    bp_candidate item;
} typical;

static int more_typical(const void *a, const void *b) {
    const typical *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    if (x->item.logit != y->item.logit) return x->item.logit > y->item.logit ? -1 : 1;
    return (x->item.id > y->item.id) - (x->item.id < y->item.id);
}

/* -log of a candidate's probability; total: of the weights. */
static double surprise(const bp_candidate *item, double greatest, double total) {
    return item->logit == greatest ? log(total) : log(total) + (greatest - item->logit);
}

static double entropy_of(const bp_candidates *c, double greatest, double total) {
    double entropy = 0;
    for (size_t i = 0; i < c->n; i++) {
        double p = bp_weight(c->items[i].logit, greatest) / total;
        if (p > 0) entropy += p * surprise(&c->items[i], greatest, total);
    }
    return entropy;
}

/* The tokens of most typical surprise that make up more than p: Meister et al., "Locally Typical Sampling", 2022. */
void bp_step_typical(bp_sampler *sampler, bp_candidates *c) {
    typical *all = sampler->scratch;
    double greatest = greatest_of(c), total = bp_candidates_total(c, greatest);
    double entropy = entropy_of(c, greatest, total);
    for (size_t i = 0; i < c->n; i++)
        all[i] = (typical){ fabs(surprise(&c->items[i], greatest, total) - entropy), c->items[i] };
    qsort(all, c->n, sizeof *all, more_typical);
    double sum = 0;
    size_t kept = 0;
    while (kept < c->n && sum <= sampler->settings.typical) {
        sum += bp_weight(all[kept].item.logit, greatest) / total;
        c->items[kept] = all[kept].item;
        kept++;
    }
    c->n = kept;
}

/* Exclude top choices: with the probability given, of all tokens that reach the threshold only the least likely stays
 * (p-e-w, text-generation-webui pull request 6335, 2024). */
void bp_step_xtc(bp_sampler *sampler, bp_candidates *c) {
    if (c->n < 2) return;
    if (bp_random_unit(sampler->seed, sampler->drawn++) >= sampler->settings.xtc_probability) return;
    double greatest = greatest_of(c), least = sampler->settings.xtc_threshold * bp_candidates_total(c, greatest);
    size_t likely = 0;
    for (size_t i = 0; i < c->n; i++) likely += bp_weight(c->items[i].logit, greatest) >= least;
    if (likely < 2) return;
    bp_candidates_sort(c, likely);
    c->items += likely - 1;
    c->n -= likely - 1;
}

/* Temperature by entropy: from temperature - range where one token is sure to temperature + range where all are equal
 * (llama.cpp's dynatemp). */
static double temperature_now(const bp_sampler *sampler, const bp_candidates *c, double greatest) {
    const bp_sampler_settings *s = &sampler->settings;
    if (s->dynatemp_range <= 0 || c->n < 2) return s->temperature;
    double low = fmax(0, s->temperature - s->dynatemp_range), high = s->temperature + s->dynatemp_range;
    double share = entropy_of(c, greatest, bp_candidates_total(c, greatest)) / log((double)c->n);
    return low + (high - low) * pow(fmin(share, 1), s->dynatemp_exponent);
}

/* Logits become their distances from the greatest, so that no temperature overflows. */
void bp_step_temperature(bp_sampler *sampler, bp_candidates *c) {
    double greatest = greatest_of(c), temperature = temperature_now(sampler, c, greatest);
    for (size_t i = 0; i < c->n; i++) {
        double logit = c->items[i].logit;
        c->items[i].logit = logit == greatest ? 0 : (float)((logit - greatest) / temperature);
    }
}
