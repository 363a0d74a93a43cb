#define _GNU_SOURCE
#include "core/run/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/sample_candidates.h"
#include "core/run/sample_random.h"

struct bp_sampler {
    bp_sampler_settings settings;
    uint64_t seed, drawn; /* drawn: random numbers used so far */
    int32_t *history;     /* a ring of the last penalty_last tokens */
    size_t n_history, next_history;
    bp_candidate *items; /* of capacity candidates */
    uint32_t *counts;    /* of counts_capacity tokens; zeros between calls */
    size_t capacity, counts_capacity;
};

bp_sampler_settings bp_sampler_settings_from(const bp_config *config) {
    bp_sampler_settings s;
#define READ_double bp_config_float
#define READ_int64_t bp_config_int
#define BP_SAMPLER_SETTING(type, name, option, least, most) s.name = READ_##type(config, BP_OPT_##option);
#include "core/run/samplers.def"
#undef BP_SAMPLER_SETTING
    return s;
}

static bp_status check(const bp_sampler_settings *s, bp_error *error) {
#define BP_SAMPLER_SETTING(type, name, option, least, most)                                                        \
    if (!(s->name >= (type)(least) && s->name <= (type)(most)))                                                    \
        return bp_fail(error, BP_E_INVALID, "%s is %g, but must be from %g to %g", #name, (double)s->name,         \
                       (double)(least), (double)(most));
#include "core/run/samplers.def"
#undef BP_SAMPLER_SETTING
    return BP_OK;
}

static uint64_t clock_seed(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return bp_random_bits((uint64_t)now.tv_sec, (uint64_t)now.tv_nsec);
}

bp_status bp_sampler_new(const bp_sampler_settings *settings, bp_sampler **out, bp_error *error) {
    bp_status status = check(settings, error);
    if (status) return status;
    bp_sampler *sampler = calloc(1, sizeof *sampler);
    int32_t *history = bp_new_array((size_t)settings->penalty_last, sizeof *history);
    if (!sampler || !history) {
        free(sampler);
        free(history);
        return bp_fail(error, BP_E_NO_MEMORY, "no memory for a sampler");
    }
    sampler->settings = *settings;
    sampler->history = history;
    sampler->seed = settings->seed ? (uint64_t)settings->seed : clock_seed();
    *out = sampler;
    return BP_OK;
}

void bp_sampler_free(bp_sampler *sampler) {
    if (!sampler) return;
    free(sampler->history);
    free(sampler->items);
    free(sampler->counts);
    free(sampler);
}

uint64_t bp_sampler_seed(const bp_sampler *sampler) { return sampler->seed; }

void bp_sampler_reset(bp_sampler *sampler) { sampler->drawn = sampler->n_history = sampler->next_history = 0; }

void bp_sampler_accept(bp_sampler *sampler, int32_t id) {
    size_t room = (size_t)sampler->settings.penalty_last;
    if (!room) return;
    sampler->history[sampler->next_history] = id;
    sampler->next_history = (sampler->next_history + 1) % room;
    if (sampler->n_history < room) sampler->n_history++;
}

static void count_history(bp_sampler *sampler, int32_t n_vocab, bool clear) {
    for (size_t i = 0; i < sampler->n_history; i++) {
        int32_t id = sampler->history[i];
        if (id < 0 || id >= n_vocab) continue;
        sampler->counts[id] = clear ? 0 : sampler->counts[id] + 1;
    }
}

/* Repetition: Keskar et al., "CTRL", 2019, with the sign rule that later programs agreed on. */
static void apply_penalties(const bp_sampler *sampler, bp_candidates *c) {
    const bp_sampler_settings *s = &sampler->settings;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t count = sampler->counts[c->items[i].id];
        if (!count) continue;
        double logit = c->items[i].logit;
        logit = logit <= 0 ? logit * s->repeat_penalty : logit / s->repeat_penalty;
        c->items[i].logit = (float)(logit - count * s->frequency_penalty - s->presence_penalty);
    }
}

static void apply_top_k(const bp_sampler *sampler, bp_candidates *c) {
    size_t k = BP_MIN((size_t)sampler->settings.top_k, c->n);
    bp_candidates_sort(c, k);
    c->n = k;
}

/* The shortest run of likeliest tokens with a probability of p in all: Holtzman et al., 2019. Sorts only as far as
 * needed. */
static void apply_top_p(const bp_sampler *sampler, bp_candidates *c) {
    double greatest = c->items[bp_candidates_best(c)].logit;
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

/* Tokens with at least the share p of the likeliest's probability: Nguyen et al., "Min-p sampling", 2024. */
static void apply_min_p(const bp_sampler *sampler, bp_candidates *c) {
    double greatest = c->items[bp_candidates_best(c)].logit, least = greatest + log(sampler->settings.min_p);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].logit >= least) c->items[kept++] = c->items[i];
    c->n = kept;
}

/* Logits become their distances from the greatest, so that no temperature overflows. */
static void apply_temperature(const bp_sampler *sampler, bp_candidates *c) {
    double greatest = c->items[bp_candidates_best(c)].logit;
    for (size_t i = 0; i < c->n; i++) {
        double logit = c->items[i].logit;
        c->items[i].logit = logit == greatest ? 0 : (float)((logit - greatest) / sampler->settings.temperature);
    }
}

static int32_t draw(bp_sampler *sampler, const bp_candidates *c) {
    size_t best = bp_candidates_best(c);
    if (sampler->settings.temperature <= 0) return c->items[best].id;
    double greatest = c->items[best].logit;
    double left = bp_random_unit(sampler->seed, sampler->drawn++) * bp_candidates_total(c, greatest);
    int32_t id = c->items[best].id;
    for (size_t i = 0; i < c->n; i++) {
        double weight = bp_weight(c->items[i].logit, greatest);
        if (weight > 0) id = c->items[i].id;
        left -= weight;
        if (left < 0) break;
    }
    return id;
}

static int32_t run_chain(bp_sampler *sampler, bp_candidates *c) {
    const bp_sampler_settings *s = &sampler->settings;
#define BP_SAMPLER(name, active) \
    if (active) apply_##name(sampler, c);
#include "core/run/samplers.def"
#undef BP_SAMPLER
    return draw(sampler, c);
}

/* Greedy with an empty history or no penalties: one pass over the logits. */
static bool is_plain_greedy(const bp_sampler *sampler) {
    const bp_sampler_settings *s = &sampler->settings;
    if (s->temperature > 0) return false;
    return !sampler->n_history || (s->repeat_penalty == 1 && s->frequency_penalty == 0 && s->presence_penalty == 0);
}

static int32_t greatest_index(const float *logits, int32_t n_vocab) {
    int32_t best = -1;
    float greatest = -INFINITY;
    for (int32_t i = 0; i < n_vocab; i++) {
        if (!(logits[i] > greatest)) continue;
        greatest = logits[i];
        best = i;
    }
    return best;
}

static bool make_room(bp_sampler *sampler, size_t n) {
    void *items = sampler->items, *counts = sampler->counts;
    size_t old = sampler->counts_capacity;
    bool done = bp_grow(&items, &sampler->capacity, n, sizeof *sampler->items);
    done = bp_grow(&counts, &sampler->counts_capacity, n, sizeof *sampler->counts) && done;
    sampler->items = items;
    sampler->counts = counts;
    if (sampler->counts_capacity > old)
        memset(sampler->counts + old, 0, (sampler->counts_capacity - old) * sizeof *sampler->counts);
    return done;
}

static int32_t choose(bp_sampler *sampler, const float *logits, int32_t n_vocab) {
    bp_candidates c = { .items = sampler->items };
    for (int32_t i = 0; i < n_vocab; i++)
        if (logits[i] > -INFINITY) c.items[c.n++] = (bp_candidate){ i, logits[i] };
    if (!c.n) return -1;
    count_history(sampler, n_vocab, false);
    int32_t id = run_chain(sampler, &c);
    count_history(sampler, n_vocab, true);
    return id;
}

static float log_probability(const float *logits, int32_t n_vocab, int32_t id) {
    double greatest = logits[greatest_index(logits, n_vocab)], total = 0;
    for (int32_t i = 0; i < n_vocab; i++)
        if (!isnan(logits[i])) total += bp_weight(logits[i], greatest);
    double above = logits[id] == greatest ? 0 : logits[id] - greatest;
    return (float)(above - log(total));
}

bp_status bp_sampler_next(bp_sampler *sampler, const float *logits, int32_t n_vocab, int32_t *id, float *logprob) {
    int32_t chosen;
    if (n_vocab <= 0) return BP_E_INVALID;
    if (is_plain_greedy(sampler)) {
        chosen = greatest_index(logits, n_vocab);
    } else {
        if (!make_room(sampler, (size_t)n_vocab)) return BP_E_NO_MEMORY;
        chosen = choose(sampler, logits, n_vocab);
    }
    if (chosen < 0) return BP_E_INVALID;
    *id = chosen;
    if (logprob) *logprob = log_probability(logits, n_vocab, chosen);
    return BP_OK;
}
