/* Choosing from the likeliest tokens alone. Before the chain keeps the likeliest k, biases, penalties and DRY may change
 * single tokens. Where all that they do is to lower logits, a token that is not given stays behind those given that were
 * not changed: k of these, and the likeliest k after the changes are among the given. */
#include <math.h>

#include "core/base/size.h"
#include "core/run/sampler_state.h"

static bool looks_back(enum bp_sampler_step step) { return step == BP_STEP_penalties || step == BP_STEP_dry; }

/* How many of the likeliest the chain keeps, and before which step; 0: it may look at all. */
static size_t kept_by(const bp_sampler *sampler, size_t *before) {
    const bp_sampler_settings *s = &sampler->settings;
    *before = sampler->n_order;
    if (s->temperature <= 0) return 1; /* nothing cuts: the likeliest after the changes */
    for (size_t i = 0; i < sampler->n_order; i++) {
        const enum bp_sampler_step step = sampler->order[i];
        if (!bp_sampler_step_active(sampler, step) || looks_back(step)) continue;
        *before = i;
        return step == BP_STEP_top_k ? (size_t)s->top_k : 0;
    }
    return 0;
}

static bool may_raise(const bp_sampler *sampler) {
    const bp_sampler_settings *s = &sampler->settings;
    for (size_t i = 0; i < sampler->n_biases; i++)
        if (!(sampler->biases[i].bias <= 0)) return true;
    return bp_sampler_step_active(sampler, BP_STEP_penalties) &&
           (s->repeat_penalty < 1 || s->frequency_penalty < 0 || s->presence_penalty < 0);
}

/* Tokens that may be changed, at most. */
static size_t may_change(const bp_sampler *sampler) {
    const bp_sampler_settings *s = &sampler->settings;
    size_t n = BP_MIN(sampler->n_biases, (size_t)BP_SAMPLER_REACH);
    const int64_t windows[] = { bp_sampler_step_active(sampler, BP_STEP_penalties) ? s->penalty_last : 0,
                                bp_sampler_step_active(sampler, BP_STEP_dry) ? s->dry_last : 0 };
    for (size_t i = 0; i < BP_COUNT(windows); i++)
        n += windows[i] < 0 || windows[i] > BP_SAMPLER_REACH ? BP_SAMPLER_REACH : (size_t)windows[i];
    return n;
}

uint32_t bp_sampler_reach(const bp_sampler *sampler) {
    size_t before, kept = kept_by(sampler, &before);
    if (!kept || kept > BP_SAMPLER_REACH || sampler->matcher || may_raise(sampler)) return 0;
    return (uint32_t)BP_MIN(kept + may_change(sampler), (size_t)BP_SAMPLER_REACH);
}

/* They are sorted by id, and may be as many as the file suppresses. */
static float bias_of(const bp_sampler *sampler, int32_t id) {
    size_t at = 0;
    for (size_t end = sampler->n_biases; at < end;) {
        const size_t middle = at + (end - at) / 2;
        if (sampler->biases[middle].id < id) at = middle + 1;
        else end = middle;
    }
    return at < sampler->n_biases && sampler->biases[at].id == id ? sampler->biases[at].bias : 0;
}

static bp_candidates gather(const bp_sampler *sampler, const int32_t *ids, const float *logits, int32_t n) {
    bp_candidates c = { .items = sampler->items };
    for (int32_t i = 0; i < n; i++) {
        const float logit = sampler->n_biases ? logits[i] + bias_of(sampler, ids[i]) : logits[i];
        if (logit > -INFINITY) c.items[c.n++] = (bp_candidate){ ids[i], logit };
    }
    return c;
}

/* Candidates, in the order of ids, whose logits are as given. */
static size_t unchanged(const bp_candidates *c, const int32_t *ids, const float *logits, int32_t n) {
    size_t count = 0, at = 0;
    for (int32_t i = 0; i < n && at < c->n; i++) {
        if (c->items[at].id != ids[i]) continue;
        count += c->items[at++].logit == logits[i];
    }
    return count;
}

bp_status bp_sampler_next_few(bp_sampler *sampler, const int32_t *ids, const float *logits, int32_t n, int32_t n_vocab, int32_t *id,
                              bool *enough) {
    size_t before, kept = kept_by(sampler, &before);
    *enough = n > 0 && bp_sampler_reach(sampler) > 0;
    if (!*enough) return BP_OK;
    if (!bp_sampler_make_room(sampler, (size_t)n_vocab)) return BP_E_NO_MEMORY;
    bp_candidates c = gather(sampler, ids, logits, n);
    bp_sampler_run_steps(sampler, &c, 0, before);
    const bool all = n >= n_vocab || !(logits[n - 1] > -INFINITY);
    *enough = all || unchanged(&c, ids, logits, n) >= kept;
    if (!*enough) return BP_OK;
    if (!c.n) return BP_E_INVALID;
    bp_sampler_run_steps(sampler, &c, before, sampler->n_order);
    *id = bp_sampler_draw(sampler, &c, n_vocab);
    return BP_OK;
}
