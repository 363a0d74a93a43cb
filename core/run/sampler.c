#define _GNU_SOURCE
#include "core/run/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/sample_logprobs.h"
#include "core/run/sample_random.h"
#include "core/run/sampler_state.h"

enum { SCRATCH_BYTES = 16, HISTORY_LIMIT = 1 << 20 };

static uint64_t clock_seed(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return bp_random_bits((uint64_t)now.tv_sec, (uint64_t)now.tv_nsec);
}

bp_status bp_sampler_new(const bp_sampler_settings *settings, const bp_tokenizer *tokenizer, bp_sampler **out,
                         bp_error *error) {
    bp_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) return bp_fail(error, BP_E_NO_MEMORY, "no memory for a sampler");
    sampler->settings = *settings;
    sampler->tokenizer = tokenizer;
    sampler->seed = settings->seed ? (uint64_t)settings->seed : clock_seed();
    bp_status status = bp_sampler_read(sampler, settings, error);
    if (status) {
        bp_sampler_free(sampler);
        return status;
    }
    bp_sampler_reset(sampler);
    *out = sampler;
    return BP_OK;
}

void bp_sampler_free(bp_sampler *sampler) {
    if (!sampler) return;
    for (size_t i = 0; i < sampler->n_breakers; i++) free(sampler->breakers[i]);
    free(sampler->breakers);
    free(sampler->biases);
    free(sampler->history);
    free(sampler->breaks);
    bp_text_free(&sampler->tail);
    bp_text_free(&sampler->piece);
    free(sampler->items);
    free(sampler->counts);
    free(sampler->scratch);
    bp_sampler_free_grammar(sampler);
    free(sampler);
}

uint64_t bp_sampler_seed(const bp_sampler *sampler) { return sampler->seed; }

void bp_sampler_reset(bp_sampler *sampler) {
    sampler->drawn = 0;
    sampler->n_history = 0;
    sampler->mu = 2 * sampler->settings.mirostat_tau;
    bp_text_clear(&sampler->tail);
    if (sampler->matcher) bp_grammar_matcher_reset(sampler->matcher);
}

/* Tokens that the steps look back at, at most. */
static size_t window(const bp_sampler *sampler) {
    int64_t penalties = sampler->settings.penalty_last;
    int64_t dry = sampler->settings.dry_multiplier > 0 ? sampler->settings.dry_last : 0;
    return penalties < 0 || dry < 0 ? HISTORY_LIMIT : (size_t)BP_MAX(penalties, dry);
}

/* Room for one more token: old ones are dropped by the half, where twice the window is there. */
static bool make_history(bp_sampler *sampler, size_t most) {
    if (sampler->n_history >= 2 * most) {
        size_t drop = sampler->n_history - (most - 1);
        memmove(sampler->history, sampler->history + drop, (most - 1) * sizeof *sampler->history);
        memmove(sampler->breaks, sampler->breaks + drop, (most - 1) * sizeof *sampler->breaks);
        sampler->n_history = most - 1;
    }
    void *history = sampler->history, *breaks = sampler->breaks;
    bool done = bp_grow(&history, &sampler->history_room, sampler->n_history + 1, sizeof *sampler->history);
    done = bp_grow(&breaks, &sampler->breaks_room, sampler->n_history + 1, sizeof *sampler->breaks) && done;
    sampler->history = history;
    sampler->breaks = breaks;
    return done;
}

bp_status bp_sampler_accept(bp_sampler *sampler, int32_t id) {
    bp_status status = sampler->matcher ? bp_grammar_matcher_accept(sampler->matcher, id, NULL) : BP_OK;
    return status ? status : bp_sampler_accept_prompt(sampler, id);
}

bp_status bp_sampler_accept_prompt(bp_sampler *sampler, int32_t id) {
    size_t most = window(sampler);
    if (!most) return BP_OK;
    if (!make_history(sampler, most)) return BP_E_NO_MEMORY;
    sampler->history[sampler->n_history] = id;
    sampler->breaks[sampler->n_history++] = bp_breaker_ends(sampler, id);
    return BP_OK;
}

static const struct step {
    void (*run)(bp_sampler *sampler, bp_candidates *c);
    bool cuts;
} steps[BP_STEP_COUNT] = {
#define BP_SAMPLER(name, also, cuts, active) { bp_step_##name, cuts },
#include "core/run/samplers.def"
#undef BP_SAMPLER
};

bool bp_sampler_step_active(const bp_sampler *sampler, enum bp_sampler_step step) {
    const bp_sampler_settings *s = &sampler->settings;
    if (steps[step].cuts && (s->temperature <= 0 || s->mirostat)) return false;
    switch (step) {
#define BP_SAMPLER(name, also, cuts, active) case BP_STEP_##name: return active;
#include "core/run/samplers.def"
#undef BP_SAMPLER
    case BP_STEP_COUNT: break;
    }
    return false;
}

void bp_sampler_run_steps(bp_sampler *sampler, bp_candidates *c, size_t first, size_t last) {
    for (size_t i = first; i < last; i++)
        if (bp_sampler_step_active(sampler, sampler->order[i])) steps[sampler->order[i]].run(sampler, c);
}

static int32_t run_chain(bp_sampler *sampler, bp_candidates *c, int32_t n_vocab) {
    bp_sampler_run_steps(sampler, c, 0, sampler->n_order);
    return bp_sampler_draw(sampler, c, n_vocab);
}

static bool has_active_step(const bp_sampler *sampler) {
    for (size_t i = 0; i < sampler->n_order; i++)
        if (bp_sampler_step_active(sampler, sampler->order[i])) return true;
    return false;
}

/* Nothing but the history can change the logits. */
static bool is_unbiased(const bp_sampler *sampler) {
    return sampler->settings.temperature <= 0 && !sampler->n_biases && !sampler->matcher;
}

/* Greedy where nothing changes the logits: one pass over them. */
static bool is_plain_greedy(const bp_sampler *sampler) {
    return is_unbiased(sampler) && (!sampler->n_history || !has_active_step(sampler));
}

bool bp_sampler_is_greedy(const bp_sampler *sampler) { return is_unbiased(sampler) && !has_active_step(sampler); }

bool bp_sampler_make_room(bp_sampler *sampler, size_t n) {
    void *items = sampler->items, *counts = sampler->counts;
    size_t old = sampler->counts_capacity, scratch = BP_MAX(n, sampler->n_history);
    bool done = bp_grow(&items, &sampler->capacity, n, sizeof *sampler->items);
    done = bp_grow(&counts, &sampler->counts_capacity, n, sizeof *sampler->counts) && done;
    done = bp_grow(&sampler->scratch, &sampler->scratch_capacity, scratch, SCRATCH_BYTES) && done;
    sampler->items = items;
    sampler->counts = counts;
    if (sampler->counts_capacity > old)
        memset(sampler->counts + old, 0, (sampler->counts_capacity - old) * sizeof *sampler->counts);
    return done;
}

/* The candidates: logits with their biases, without NaN and -infinity. */
static bp_candidates gather(const bp_sampler *sampler, const float *logits, int32_t n_vocab) {
    bp_candidates c = { .items = sampler->items };
    size_t next = 0;
    for (int32_t i = 0; i < n_vocab; i++) {
        float logit = logits[i];
        if (next < sampler->n_biases && sampler->biases[next].id == i) logit += sampler->biases[next++].bias;
        if (logit > -INFINITY) c.items[c.n++] = (bp_candidate){ i, logit };
    }
    return c;
}

bp_status bp_sampler_next(bp_sampler *sampler, const float *logits, int32_t n_vocab, int32_t *id, float *logprob) {
    int32_t chosen;
    if (n_vocab <= 0) return BP_E_INVALID;
    if (is_plain_greedy(sampler)) {
        chosen = bp_greatest_logit(logits, n_vocab);
    } else {
        if (!bp_sampler_make_room(sampler, (size_t)n_vocab)) return BP_E_NO_MEMORY;
        bp_candidates c = gather(sampler, logits, n_vocab);
        if (sampler->matcher && !bp_sampler_keep_allowed(sampler, &c)) return BP_E_INVALID;
        chosen = c.n ? run_chain(sampler, &c, n_vocab) : -1;
    }
    if (chosen < 0 || chosen >= n_vocab) return BP_E_INVALID;
    *id = chosen;
    if (logprob) *logprob = bp_logprob_of(logits, n_vocab, chosen);
    return BP_OK;
}
