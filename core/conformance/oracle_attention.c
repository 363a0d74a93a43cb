/* What the ops on the KV cache compute, in double precision. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformance/check_case.h"
#include "core/quant/quant.h"

/* A cache and the tables by which its keys are found. */
typedef struct paged {
    const bp_check_value *cache;
    const double *sequences, *table, *len, *start;
    int64_t width;
} paged;

static paged paged_from(const bp_check_case *c, uint32_t cache, uint32_t sequences) {
    paged p = {
        bp_check_arg(c, cache),          bp_check_real(c, sequences),     bp_check_real(c, sequences + 1),
        bp_check_real(c, sequences + 2), bp_check_real(c, sequences + 3), bp_check_arg(c, sequences + 1)->dim[0]
    };
    return p;
}

static int64_t row_at(const bp_check_value *cache, int64_t block, int64_t in_block, int64_t head) {
    return ((block * cache->dim[2] + head) * cache->dim[1] + in_block) * cache->dim[0];
}

/* Key (or value) row j of sequence q for a head; NULL where its block is none of the cache's. */
static const double *row_of(const paged *p, const bp_check_value *cache, int64_t q, int64_t j, int64_t head) {
    int64_t block = (int64_t)p->table[q * p->width + j / cache->dim[1]];
    if (block < 0 || block >= cache->dim[3]) return NULL;
    return cache->real + row_at(cache, block, j % cache->dim[1], head);
}

static double slope(const bp_attention_params *a, int64_t h) {
    int64_t n = 1;
    while (n * 2 <= a->n_head) n *= 2;
    if (h < n) return exp2(-a->alibi * (double)(h + 1) / (double)n);
    return exp2(-a->alibi * (double)(2 * (h - n) + 1) / (double)(2 * n));
}

static bool visible(const bp_attention_params *a, int64_t p, int64_t pk) {
    if (!a->causal) return !a->window || llabs((long long)(p - pk)) <= a->window / 2;
    return pk <= p && (!a->window || p - pk < a->window) && (!a->chunk || pk / a->chunk == p / a->chunk);
}

static double score_of(const bp_check_case *c, const paged *p, int64_t t, int64_t h, int64_t j) {
    const bp_attention_params *a = &c->params.attention;
    int64_t q = (int64_t)p->sequences[t], position = (int64_t)bp_check_real(c, c->op == BP_OP_ATTENTION ? 3 : 2)[t];
    if (j >= (int64_t)p->len[q]) return -INFINITY;
    int64_t pk = (p->start ? (int64_t)p->start[q] : 0) + j;
    const double *key = row_of(p, p->cache, q, j, h / (a->n_head / a->n_head_kv));
    if (!key || !visible(a, position, pk)) return -INFINITY;
    const double *query = bp_check_real(c, 0) + (t * a->n_head + h) * a->head_dim;
    double score = 0;
    for (uint32_t i = 0; i < a->head_dim; i++) score += query[i] * key[i];
    score *= a->scale;
    if (a->softcap != 0) score = a->softcap * tanh(score / a->softcap);
    return a->alibi != 0 ? score - slope(a, h) * fabs((double)(pk - position)) : score;
}

static void attend(bp_check_case *c, const paged *p, int64_t t, int64_t h, double *out) {
    const bp_attention_params *a = &c->params.attention;
    const bp_check_value *values = bp_check_arg(c, 2);
    const double *sinks = bp_check_real(c, 8);
    int64_t q = (int64_t)p->sequences[t];
    double top = sinks ? sinks[h] : -INFINITY, scores[BP_CHECK_KEYS];
    for (int64_t j = 0; j < (int64_t)p->len[q]; j++) top = fmax(top, scores[j] = score_of(c, p, t, h, j));
    if (top == -INFINITY) return;
    double sum = sinks ? exp(sinks[h] - top) : 0;
    for (int64_t j = 0; j < (int64_t)p->len[q]; j++) {
        double weight = exp(scores[j] - top);
        const double *row = row_of(p, values, q, j, h / (a->n_head / a->n_head_kv));
        sum += weight;
        for (uint32_t i = 0; row && i < a->head_dim_v; i++) out[i] += weight * row[i];
    }
    for (uint32_t i = 0; i < a->head_dim_v; i++) out[i] /= sum;
}

void bp_oracle_attention(bp_check_case *c) {
    const bp_attention_params *a = &c->params.attention;
    paged p = paged_from(c, 1, 4);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t th = 0; th < out->dim[1] * a->n_head; th++) {
        attend(c, &p, th / a->n_head, th % a->n_head, out->real + th * a->head_dim_v);
    }
}

void bp_oracle_scores(bp_check_case *c) {
    paged p = paged_from(c, 1, 3);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t j = i % out->dim[0], h = i / out->dim[0] % out->dim[1], t = i / out->dim[0] / out->dim[1];
        out->real[i] = score_of(c, &p, t, h, j);
    }
}

void bp_oracle_mix(bp_check_case *c) {
    const bp_attention_params *a = &c->params.attention;
    const bp_check_value *probability = bp_check_arg(c, 0);
    paged p = paged_from(c, 1, 2);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t th = i / a->head_dim_v, t = th / a->n_head, h = th % a->n_head, q = (int64_t)p.sequences[t];
        for (int64_t j = 0; j < (int64_t)p.len[q]; j++) {
            const double *row = row_of(&p, p.cache, q, j, h / (a->n_head / a->n_head_kv));
            double term = row ? probability->real[th * probability->dim[0] + j] * row[i % a->head_dim_v] : 0;
            out->real[i] += term;
            out->energy += term * term;
        }
    }
}

void bp_oracle_softmax(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    const double *sinks = bp_check_real(c, 1);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t r = 0, n = x->dim[0]; r < x->count / n; r++) {
        double sink = sinks ? sinks[r % x->dim[1]] : -INFINITY, top = sink, sum = 0;
        for (int64_t i = 0; i < n; i++) top = fmax(top, x->real[r * n + i]);
        if (top == -INFINITY) continue;
        sum = exp(sink - top);
        for (int64_t i = 0; i < n; i++) sum += out->real[r * n + i] = exp(x->real[r * n + i] - top);
        for (int64_t i = 0; i < n; i++) out->real[r * n + i] /= sum;
    }
}

static void store(const bp_check_value *from, const double *slots, bp_check_value *cache) {
    int64_t heads = cache->dim[2], width = cache->dim[0];
    for (int64_t t = 0; t < from->dim[1]; t++) {
        int64_t slot = (int64_t)slots[t];
        if (slot < 0 || slot >= cache->dim[1] * cache->dim[3]) continue;
        for (int64_t h = 0; h < heads; h++) {
            int64_t at = row_at(cache, slot / cache->dim[1], slot % cache->dim[1], h);
            memcpy(cache->real + at, from->real + (t * heads + h) * width, sizeof(double) * (size_t)width);
        }
    }
}

void bp_oracle_kv_write(bp_check_case *c) {
    store(bp_check_arg(c, 0), bp_check_real(c, 2), bp_check_result(c, 0));
    if (bp_check_arg(c, 1)) store(bp_check_arg(c, 1), bp_check_real(c, 2), bp_check_result(c, 1));
}

static double yarn_corner(const bp_rope_params *r, double beta) {
    return r->n_dims * log(r->n_ctx_orig / (beta * 2 * 3.14159265358979323846)) / (2 * log(r->base));
}

/* Angle and magnitude of pair i at a position. */
static double rope_angle(const bp_rope_params *r, double position, int64_t i, const double *factors,
                         double *magnitude) {
    double freq = r->freq_scale != 0 ? r->freq_scale : 1;
    double theta = position * pow(r->base, -2.0 * (double)i / r->n_dims) / (factors ? factors[i] : 1);
    *magnitude = r->attn_scale != 0 ? r->attn_scale : 1;
    if (r->yarn_factor == 0) return freq * theta;
    double low = fmax(0, floor(yarn_corner(r, r->beta_fast)));
    double high = fmin(r->n_dims - 1, ceil(yarn_corner(r, r->beta_slow)));
    double ramp = fmin(1, fmax(0, ((double)i - low) / fmax(0.001, high - low))), mix = r->yarn_factor * (1 - ramp);
    *magnitude *= 1 + 0.1 * log(1 / freq);
    return freq * theta * (1 - mix) + theta * mix;
}

static int64_t section_of(const bp_rope_params *r, int64_t i) {
    int64_t sum = 0;
    for (int k = 0; k < 4; k++) sum += r->sections[k];
    if (!sum) return 0;
    for (int64_t k = 0, at = i % sum; k < 4; at -= r->sections[k++]) if (at < r->sections[k]) return k;
    return 3;
}

void bp_oracle_rope(bp_check_case *c) {
    const bp_rope_params *r = &c->params.rope;
    const bp_check_value *x = bp_check_arg(c, 0), *positions = bp_check_arg(c, 1);
    double *y = bp_check_result(c, 0)->real;
    memcpy(y, x->real, sizeof *y * (size_t)x->count);
    for (int64_t head = 0; head < x->count / r->head_dim; head++) {
        int64_t t = head * r->head_dim / x->dim[0];
        for (int64_t i = 0; i < r->n_dims / 2; i++) {
            double p = positions->rank == 2 ? positions->real[t * 4 + section_of(r, i)] : positions->real[t];
            double m, angle = rope_angle(r, p, i, bp_check_real(c, 2), &m);
            int64_t a = head * r->head_dim + (r->pairing == BP_ROPE_ADJACENT ? 2 * i : i);
            int64_t b = a + (r->pairing == BP_ROPE_ADJACENT ? 1 : r->n_dims / 2);
            y[a] = m * (x->real[a] * cos(angle) - x->real[b] * sin(angle));
            y[b] = m * (x->real[a] * sin(angle) + x->real[b] * cos(angle));
        }
    }
}
