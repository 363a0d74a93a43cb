#define _GNU_SOURCE
#include "core/run/generate.h"

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/device/cancel.h"

/* What the next token is chosen from: the likeliest tokens, which the device finds, or all logits. */
typedef struct ahead {
    bool greedy, few;
    bp_likeliest likeliest;
    const float *logits; /* NULL: they are on the device */
} ahead;

static bp_status feed(const bp_generation *g, const int32_t *ids, int64_t n, ahead *a, bp_error *error) {
    a->logits = NULL;
    return a->greedy || a->few ? bp_run_likeliest(g->run, g->sequence, ids, n, &a->likeliest, error)
                               : bp_run_feed(g->run, g->sequence, ids, n, false, &a->logits, error);
}

static bp_status feed_prompt(const bp_generation *g, const int32_t *prompt, int64_t n, ahead *a, bp_error *error) {
    bp_status status = n > 0 ? BP_OK : bp_fail(error, BP_E_INVALID, "the prompt is empty");
    if (!status) status = feed(g, prompt, n, a, error);
    for (int64_t i = 0; !status && i < n; i++) {
        status = bp_sampler_accept_prompt(g->sampler, prompt[i]);
        if (status) bp_fail(error, status, "out of memory while sampling");
    }
    return status;
}

/* Give a token to `each`; *on: whether to go on. */
static bp_status give(const bp_generation *g, int32_t id, float logprob, const float *logits, bool *on, bp_error *error) {
    bp_text piece = { 0 };
    bp_status status = bp_token_bytes(g->tokenizer, id, false, &piece, error);
    const bp_generated token = { id, bp_text_get(&piece), piece.size, logprob, logits };
    if (!status) *on = g->each(g->self, &token);
    bp_text_free(&piece);
    return status;
}

static bp_status choose_of_all(const bp_generation *g, const ahead *a, int32_t *id, float *logprob) {
    return bp_sampler_next(g->sampler, a->logits, bp_run_n_vocab(g->run), id, g->logprobs ? logprob : NULL);
}

static bp_status choose_of_few(const bp_generation *g, const ahead *a, int32_t *id, bool *enough) {
    const bp_likeliest *l = &a->likeliest;
    return bp_sampler_next_few(g->sampler, l->ids, l->logits, l->logits ? (int32_t)l->n : 0, bp_run_n_vocab(g->run), id, enough);
}

/* Where the likeliest few may not hold the choice, the logits are fetched after all. */
static bp_status choose(const bp_generation *g, ahead *a, int32_t *id, float *logprob, bp_error *error) {
    bool enough = a->greedy;
    bp_status status = a->few ? choose_of_few(g, a, id, &enough) : BP_OK;
    if (a->greedy) *id = a->likeliest.ids[0];
    if (!status && !enough && a->few) {
        status = bp_run_logits(g->run, &a->logits, error);
        if (status) return status;
    }
    if (!status && !enough) status = choose_of_all(g, a, id, logprob);
    return status ? bp_fail(error, status, "the model gave no token to choose: all its logits are NaN or -infinity, or none of them fits the grammar") : BP_OK;
}

static bp_status make_tokens(const bp_generation *g, ahead *a, bp_generation_result *result, bp_error *error) {
    result->end = BP_END_LIMIT;
    while (result->n_made < g->limit) {
        int32_t id = 0;
        float logprob = 0;
        bool on = true;
        bp_status status = bp_cancel_wanted() ? BP_OK : choose(g, a, &id, &logprob, error);
        if (status) return status;
        if (bp_cancel_wanted()) result->end = BP_END_CALLER;
        else if (bp_token_ends(g->tokenizer, id)) result->end = BP_END_TOKEN;
        if (result->end != BP_END_LIMIT) return BP_OK;
        status = bp_sampler_accept(g->sampler, id);
        if (status) return bp_fail(error, status, "out of memory while sampling");
        status = give(g, id, logprob, a->logits, &on, error);
        if (status) return status;
        result->n_made++;
        if (!on) result->end = BP_END_CALLER;
        else if (result->n_made < g->limit && bp_run_length(g->run, g->sequence) >= bp_run_context(g->run)) result->end = BP_END_CONTEXT;
        if (result->end != BP_END_LIMIT || result->n_made == g->limit) return BP_OK;
        status = feed(g, &id, 1, a, error);
        if (status) return status;
    }
    return BP_OK;
}

bp_status bp_generate(const bp_generation *g, const int32_t *prompt, int64_t n, bp_generation_result *result, bp_error *error) {
    const bool plain = !g->logprobs && bp_sampler_is_greedy(g->sampler);
    ahead a = { .greedy = plain, .few = !plain && !g->logprobs && bp_sampler_reach(g->sampler) };
    const double begin = bp_now();
    *result = (bp_generation_result){ .n_prompt = n };
    bp_status status = feed_prompt(g, prompt, n, &a, error);
    const double middle = bp_now();
    result->prompt_seconds = middle - begin;
    if (!status) status = make_tokens(g, &a, result, error);
    result->made_seconds = bp_now() - middle;
    return status;
}
