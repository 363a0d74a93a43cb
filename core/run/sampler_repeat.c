/* The steps that look back: penalties and DRY. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/run/sampler_state.h"

size_t bp_history_begin(const bp_sampler *sampler, int64_t n) {
    return n < 0 || (uint64_t)n >= sampler->n_history ? 0 : sampler->n_history - (size_t)n;
}

static bool has_count(const bp_sampler *sampler, int32_t id) {
    return id >= 0 && (size_t)id < sampler->counts_capacity;
}

/* Repetition: Keskar et al., "CTRL", 2019, with the sign rule that later programs agreed on. */
void bp_step_penalties(bp_sampler *sampler, bp_candidates *c) {
    const bp_sampler_settings *s = &sampler->settings;
    size_t begin = bp_history_begin(sampler, s->penalty_last);
    for (size_t i = begin; i < sampler->n_history; i++)
        if (has_count(sampler, sampler->history[i])) sampler->counts[sampler->history[i]]++;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t count = sampler->counts[c->items[i].id];
        if (!count) continue;
        double logit = c->items[i].logit;
        logit = logit <= 0 ? logit * s->repeat_penalty : logit / s->repeat_penalty;
        c->items[i].logit = (float)(logit - count * s->frequency_penalty - s->presence_penalty);
    }
    for (size_t i = begin; i < sampler->n_history; i++)
        if (has_count(sampler, sampler->history[i])) sampler->counts[sampler->history[i]] = 0;
}

bool bp_breaker_ends(bp_sampler *sampler, int32_t id) {
    bp_text *tail = &sampler->tail;
    size_t kept = tail->size;
    if (!sampler->n_breakers) return false;
    bp_text_clear(&sampler->piece);
    if (bp_token_bytes(sampler->tokenizer, id, true, &sampler->piece, NULL)) return false;
    bp_text_add(tail, bp_text_get(&sampler->piece), sampler->piece.size);
    bool ends = false;
    for (size_t i = 0; !ends && i < sampler->n_breakers; i++) {
        size_t n = strlen(sampler->breakers[i]), from = kept + 1 > n ? kept + 1 - n : 0;
        ends = tail->size > from && memmem(tail->data + from, tail->size - from, sampler->breakers[i], n);
    }
    size_t most = sampler->longest_breaker - 1, drop = tail->size > most ? tail->size - most : 0;
    if (drop) memmove(tail->data, tail->data + drop, tail->size -= drop);
    return ends;
}

/* For each place before the last: how many tokens up to it are those at the end, at most `most` (the Z-algorithm, on
 * the reversed tokens). lengths[i] is that of the i-th token from the end. */
static void match_lengths(const int32_t *tokens, size_t n, uint32_t most, uint32_t *lengths) {
    const int32_t *last = tokens + n - 1;
    size_t left = 0, right = 0;
    for (size_t i = 1; i < n; i++) {
        size_t length = i < right ? BP_MIN(right - i, (size_t)lengths[i - left]) : 0;
        while (i + length < n && length < most && last[-(ptrdiff_t)length] == last[-(ptrdiff_t)(i + length)]) length++;
        lengths[i] = (uint32_t)length;
        if (i + length > right) left = i, right = i + length;
    }
}

static size_t since_breaker(const bp_sampler *sampler, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (sampler->breaks[sampler->n_history - 1 - i]) return i;
    return n;
}

static double dry_penalty(const bp_sampler_settings *s, uint32_t length) {
    double excess = (double)length - (double)s->dry_allowed_length;
    return fmin(s->dry_multiplier * pow(s->dry_base, excess), 1e30);
}

/* "Don't repeat yourself": a token that would lengthen a sequence seen before loses multiplier * base^(length -
 * allowed_length) (p-e-w, text-generation-webui pull request 5677, 2024). No sequence reaches over a breaker. */
void bp_step_dry(bp_sampler *sampler, bp_candidates *c) {
    const bp_sampler_settings *s = &sampler->settings;
    size_t begin = bp_history_begin(sampler, s->dry_last), n = sampler->n_history - begin;
    size_t most = since_breaker(sampler, n);
    if (n < 2 || (int64_t)n <= s->dry_allowed_length || (int64_t)most < s->dry_allowed_length) return;
    const int32_t *last = sampler->history + sampler->n_history - 1;
    uint32_t *lengths = sampler->scratch;
    match_lengths(sampler->history + begin, n, (uint32_t)most, lengths);
    for (size_t i = 1; i < n; i++) { /* kept plus one, since 0 is "none" */
        int32_t id = last[-(ptrdiff_t)(i - 1)];
        if (lengths[i] < s->dry_allowed_length || !has_count(sampler, id)) continue;
        sampler->counts[id] = BP_MAX(sampler->counts[id], lengths[i] + 1);
    }
    for (size_t i = 0; i < c->n; i++) {
        uint32_t found = sampler->counts[c->items[i].id];
        if (found) c->items[i].logit = (float)(c->items[i].logit - dry_penalty(s, found - 1));
    }
    for (size_t i = 0; i < n; i++)
        if (has_count(sampler, last[-(ptrdiff_t)i])) sampler->counts[last[-(ptrdiff_t)i]] = 0;
}
