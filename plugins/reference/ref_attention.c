#include "reference.h"

void ref_softmax_row(double *x, int64_t n, const float *sink) {
    double top = sink ? *sink : -INFINITY, sum;
    int nan = 0, seen = 0;
    for (int64_t i = 0; i < n; i++) {
        nan |= isnan(x[i]) != 0;
        seen |= x[i] > -INFINITY;
        if (x[i] > top) top = x[i];
    }
    sum = sink ? exp(*sink - top) : 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = nan ? NAN : seen ? exp(x[i] - top) : 0;
        sum += x[i];
    }
    for (int64_t i = 0; seen && i < n; i++) x[i] /= sum;
}

bp_status ref_run_SOFTMAX(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    const float *sinks = c->in[1].data;
    int64_t n = x->ne[0];
    REF_NEED(ref_same(x, out) && (!sinks || ref_count(&c->in[1]) == x->ne[1]));
    double *row = ref_alloc(c, n, sizeof *row);
    if (!row) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a row", NULL);
    for (int64_t r = 0; r < ref_rows(x); r++) {
        const float *from = ref_row(x, r);
        float *to = ref_row(out, r);
        for (int64_t i = 0; i < n; i++) row[i] = from[i];
        ref_softmax_row(row, n, sinks ? sinks + r % x->ne[1] : NULL);
        for (int64_t i = 0; i < n; i++) to[i] = (float)row[i];
    }
    ref_free(c, row);
    return BP_OK;
}

bp_status ref_run_KV_WRITE(const bp_simple_call *c, bp_error *error) {
    int64_t n_head = ((const bp_kv_write_params *)c->params)->n_head_kv, n_tokens = ref_count(&c->in[2]);
    const int32_t *slots = c->in[2].data;
    REF_NEED(!c->in[1].data == !c->out[1].data);
    for (int kind = 0; kind < 2; kind++) {
        const bp_simple_tensor *x = &c->in[kind], *cache = &c->out[kind];
        if (!x->data) continue;
        REF_NEED(cache->ne[2] == n_head && x->ne[0] == n_head * cache->ne[0] && ref_rows(x) == n_tokens);
        int64_t size = cache->ne[1];
        for (int64_t t = 0; t < n_tokens; t++)
            for (int64_t h = 0; h < n_head && slots[t] >= 0 && slots[t] < size * cache->ne[3]; h++)
                ref_encode(cache->type, (float *)ref_row(x, t) + h * cache->ne[0], cache->ne[0],
                           ref_row(cache, (slots[t] / size * n_head + h) * size + slots[t] % size));
    }
    return BP_OK;
}

/* What the three attention ops share. */
typedef struct view {
    const bp_attention_params *p;
    const bp_simple_tensor *table;
    const int32_t *positions, *sequences, *kv_len, *kv_start;
    int64_t n_sequences, n_tokens;
} view;

/* The row of the cache in which token j of sequence q has KV head h; NULL where there is none. */
static const void *cache_row(const view *v, const bp_simple_tensor *cache, int64_t q, int64_t h, int64_t j) {
    int64_t size = cache->ne[1], at = j / size;
    if (at >= v->table->ne[0]) return NULL;
    int64_t block = ((const int32_t *)v->table->data)[q * v->table->ne[0] + at];
    if (block < 0 || block >= cache->ne[3]) return NULL;
    return ref_row(cache, (block * cache->ne[2] + h) * size + j % size);
}

/* Cached tokens of sequence q that can be read. */
static int64_t keys_of(const view *v, int64_t q, const bp_simple_tensor *cache) {
    if (q < 0 || q >= v->n_sequences || v->kv_len[q] < 0) return 0;
    int64_t room = v->table->ne[0] * cache->ne[1];
    return v->kv_len[q] < room ? v->kv_len[q] : room;
}

static int visible(const bp_attention_params *p, int64_t at, int64_t key) {
    int64_t distance = at > key ? at - key : key - at;
    if (!p->causal) return !p->window || distance <= p->window / 2;
    return key <= at && (!p->window || distance < p->window) && (!p->chunk || key / p->chunk == at / p->chunk);
}

static double slope(const bp_attention_params *p, int64_t h) {
    int64_t n = 1;
    while (2 * n <= p->n_head) n *= 2;
    if (h < n) return exp2(-p->alibi * (double)(h + 1) / (double)n);
    return exp2(-p->alibi * (double)(2 * (h - n) + 1) / (double)(2 * n));
}

static double score(const bp_attention_params *p, const double *key, const float *q, int64_t h, int64_t at,
                    int64_t key_at) {
    double s = (double)p->scale * ref_dot(key, q + h * p->head_dim, p->head_dim);
    if (p->softcap != 0) s = p->softcap * tanh(s / p->softcap);
    return p->alibi != 0 ? s - slope(p, h) * fabs((double)(key_at - at)) : s;
}

/* Scores of token t: s[h * n + j] for all heads and the first n keys of its sequence. f, d: head_dim scratch values.
 */
static void token_scores(const view *v, const bp_simple_tensor *cache, const float *q, int64_t t, int64_t n,
                         double *s, float *f, double *d) {
    const bp_attention_params *p = v->p;
    int64_t seq = v->sequences[t], at = v->positions[t], group = p->n_head / p->n_head_kv;
    int64_t start = v->kv_start && n ? v->kv_start[seq] : 0;
    for (int64_t kv = 0; kv < p->n_head_kv; kv++)
        for (int64_t j = 0; j < n; j++) {
            const void *row = visible(p, at, start + j) ? cache_row(v, cache, seq, kv, j) : NULL;
            if (row) ref_decode(cache->type, row, p->head_dim, f);
            for (int64_t i = 0; row && i < p->head_dim; i++) d[i] = f[i];
            for (int64_t h = kv * group; h < (kv + 1) * group; h++)
                s[h * n + j] = row ? score(p, d, q, h, at, start + j) : -INFINITY;
        }
}

/* out = sum of p[h * n + j] * v; keys of weight 0 are not read. f: head_dim_v values; d: n_head * head_dim_v. */
static void token_mix(const view *v, const bp_simple_tensor *cache, const double *p, int64_t n, int64_t seq,
                      float *out, float *f, double *d) {
    int64_t width = v->p->head_dim_v, group = v->p->n_head / v->p->n_head_kv;
    for (int64_t i = 0; i < v->p->n_head * width; i++) d[i] = 0;
    for (int64_t kv = 0; kv < v->p->n_head_kv; kv++)
        for (int64_t j = 0; j < n; j++) {
            const void *row = cache_row(v, cache, seq, kv, j);
            int used = 0;
            for (int64_t h = kv * group; h < (kv + 1) * group; h++) used |= p[h * n + j] != 0;
            if (!row || !used) continue;
            ref_decode(cache->type, row, width, f);
            for (int64_t h = kv * group; h < (kv + 1) * group; h++)
                for (int64_t i = 0; p[h * n + j] != 0 && i < width; i++)
                    d[h * width + i] += p[h * n + j] * (double)f[i];
        }
    for (int64_t i = 0; i < v->p->n_head * width; i++) out[i] = (float)d[i];
}

static int64_t most_keys(const view *v, const bp_simple_tensor *cache) {
    int64_t most = 0;
    for (int64_t q = 0; q < v->n_sequences; q++)
        if (keys_of(v, q, cache) > most) most = keys_of(v, q, cache);
    return most;
}

static bp_status check_view(const view *v, const bp_simple_call *c, uint32_t lens, bp_error *error) {
    REF_NEED(v->p->n_head && v->p->n_head_kv && v->p->n_head % v->p->n_head_kv == 0);
    REF_NEED(v->table->ne[1] == v->n_sequences && ref_count(&c->in[lens]) == v->n_sequences);
    REF_NEED(!v->kv_start || ref_count(&c->in[lens + 1]) == v->n_sequences);
    return BP_OK;
}

static bp_status check_cache(const view *v, const bp_simple_tensor *cache, int64_t width, bp_error *error) {
    REF_NEED(cache->ne[0] >= width && cache->ne[2] == v->p->n_head_kv && cache->ne[1] > 0);
    REF_NEED(width % bp_type(cache->type).block_values == 0);
    return BP_OK;
}

/* Scratch memory: scores, one row in float and in double, and the sums of all heads. */
typedef struct scratch {
    double *scores, *row, *sums;
    float *f;
} scratch;

static bp_status scratch_new(const bp_simple_call *c, const view *v, int64_t n, scratch *s, bp_error *error) {
    int64_t width = (int64_t)v->p->head_dim + v->p->head_dim_v;
    s->scores = ref_alloc(c, v->p->n_head, (uint64_t)(n > 0 ? n : 1) * sizeof *s->scores);
    s->row = ref_alloc(c, width, sizeof *s->row);
    s->sums = ref_alloc(c, v->p->n_head, (uint64_t)(width + 1) * sizeof *s->sums);
    s->f = ref_alloc(c, width, sizeof *s->f);
    return s->scores && s->row && s->sums && s->f
               ? BP_OK
               : bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for scores", NULL);
}

static void scratch_free(const bp_simple_call *c, scratch *s) {
    ref_free(c, s->scores);
    ref_free(c, s->row);
    ref_free(c, s->sums);
    ref_free(c, s->f);
}

bp_status ref_run_ATTENTION(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *q = &c->in[0], *k = &c->in[1], *vc = &c->in[2], *out = &c->out[0];
    view v = { c->params,     &c->in[5],     c->in[3].data,        c->in[4].data,
               c->in[6].data, c->in[7].data, ref_count(&c->in[6]), ref_rows(q) };
    const float *sinks = c->in[8].data;
    bp_status status = check_view(&v, c, 6, error);
    if (!status) status = check_cache(&v, k, v.p->head_dim, error);
    if (!status) status = check_cache(&v, vc, v.p->head_dim_v, error);
    if (status) return status;
    REF_NEED(q->ne[0] == (int64_t)v.p->n_head * v.p->head_dim &&
             out->ne[0] == (int64_t)v.p->n_head * v.p->head_dim_v);
    REF_NEED(ref_rows(out) == v.n_tokens && ref_count(&c->in[3]) == v.n_tokens && ref_count(&c->in[4]) == v.n_tokens);
    REF_NEED(!sinks || ref_count(&c->in[8]) == v.p->n_head);
    scratch s;
    status = scratch_new(c, &v, most_keys(&v, k), &s, error);
    for (int64_t t = 0; !status && t < v.n_tokens; t++) {
        int64_t seq = v.sequences[t], n = keys_of(&v, seq, k);
        token_scores(&v, k, ref_row(q, t), t, n, s.scores, s.f, s.row);
        for (int64_t h = 0; h < v.p->n_head; h++) ref_softmax_row(s.scores + h * n, n, sinks ? sinks + h : NULL);
        token_mix(&v, vc, s.scores, n, seq, ref_row(out, t), s.f, s.sums);
    }
    scratch_free(c, &s);
    return status;
}

bp_status ref_run_ATTENTION_SCORES(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *q = &c->in[0], *k = &c->in[1], *out = &c->out[0];
    view v = { c->params,     &c->in[4],     c->in[2].data,        c->in[3].data,
               c->in[5].data, c->in[6].data, ref_count(&c->in[5]), ref_rows(q) };
    int64_t n_kv = out->ne[0], n_head = v.p->n_head;
    bp_status status = check_view(&v, c, 5, error);
    if (!status) status = check_cache(&v, k, v.p->head_dim, error);
    if (status) return status;
    REF_NEED(q->ne[0] == n_head * v.p->head_dim && out->ne[1] == n_head && out->ne[2] == v.n_tokens);
    REF_NEED(ref_count(&c->in[2]) == v.n_tokens && ref_count(&c->in[3]) == v.n_tokens);
    scratch s;
    status = scratch_new(c, &v, n_kv, &s, error);
    for (int64_t t = 0; !status && t < v.n_tokens; t++) {
        int64_t n = keys_of(&v, v.sequences[t], k);
        if (n > n_kv) n = n_kv;
        token_scores(&v, k, ref_row(q, t), t, n, s.scores, s.f, s.row);
        for (int64_t i = 0; i < n_head * n_kv; i++)
            ((float *)out->data)[t * n_head * n_kv + i] =
                i % n_kv < n ? (float)s.scores[i / n_kv * n + i % n_kv] : -INFINITY;
    }
    scratch_free(c, &s);
    return status;
}

bp_status ref_run_ATTENTION_MIX(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *p = &c->in[0], *vc = &c->in[1], *out = &c->out[0];
    view v = { c->params, &c->in[3], NULL, c->in[2].data, c->in[4].data, NULL, ref_count(&c->in[4]), p->ne[2] };
    int64_t n_kv = p->ne[0], n_head = v.p->n_head;
    bp_status status = check_view(&v, c, 4, error);
    if (!status) status = check_cache(&v, vc, v.p->head_dim_v, error);
    if (status) return status;
    REF_NEED(p->ne[1] == n_head && out->ne[0] == n_head * v.p->head_dim_v && ref_rows(out) == v.n_tokens);
    REF_NEED(ref_count(&c->in[2]) == v.n_tokens);
    scratch s;
    status = scratch_new(c, &v, n_kv, &s, error);
    for (int64_t t = 0; !status && t < v.n_tokens; t++) {
        int64_t n = keys_of(&v, v.sequences[t], vc);
        if (n > n_kv) n = n_kv;
        const float *from = (const float *)p->data + t * n_head * n_kv;
        for (int64_t i = 0; i < n_head * n; i++) s.scores[i] = from[i / n * n_kv + i % n];
        token_mix(&v, vc, s.scores, n, v.sequences[t], ref_row(out, t), s.f, s.sums);
    }
    scratch_free(c, &s);
    return status;
}
