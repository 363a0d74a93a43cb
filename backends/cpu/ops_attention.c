/* ops_attention: attention over the paged cache. Keys are taken in pieces of PIECE, counted from the sequence's first
 * cached key; each piece is softmaxed on its own and joined to the pieces before it. A context is thus split among threads
 * without a change of the result. */
#include <math.h>
#include <string.h>

#include "backends/cpu/ops_kv.h"

enum { PIECE = 256, SPLIT_ITEMS = 4 };

/* One query group (all heads that read one KV head) of one token; rows are a thread's own. */
typedef struct group_rows {
    float *scores; /* [heads][PIECE] */
    float *row;    /* a decoded key or value */
    float *acc;    /* [heads][head_dim_v]: of this piece */
    float *most, *sum;
} group_rows;

static int64_t group_of(const bp_attention_params *p) { return p->n_head / p->n_head_kv; }

static uint64_t row_floats(const bp_attention_params *p) {
    uint64_t g = (uint64_t)group_of(p), d = p->head_dim > p->head_dim_v ? p->head_dim : p->head_dim_v;
    return (g * (PIECE + p->head_dim_v + 2) + d + 2 * g + 15) / 16 * 16;
}

static group_rows rows_of(const cpu_task *t, uint32_t thread) {
    const bp_attention_params *p = &t->params.attention;
    int64_t g = group_of(p);
    group_rows r;
    r.scores = cpu_f32_out(t->scratch[0]) + thread * row_floats(p);
    r.acc = r.scores + g * PIECE;
    r.most = r.acc + g * p->head_dim_v;
    r.sum = r.most + g;
    r.row = r.sum + g;
    return r;
}

static int64_t split_tokens(const cpu_task *t) {
    return (SPLIT_ITEMS * (int64_t)t->device->threads + t->params.attention.n_head_kv - 1) / t->params.attention.n_head_kv;
}

static int64_t pieces_of(const cpu_task *t) { return (t->in[5]->n[0] * t->in[1]->n[1] + PIECE - 1) / PIECE; }
static int64_t record_floats(const bp_attention_params *p) { return (int64_t)p->head_dim_v + 2; }
static bool is_split(const cpu_task *t) { return t->device->threads > 1 && t->in[0]->n[1] <= split_tokens(t) && pieces_of(t) > 1; }

bool cpu_attention_scratch(const cpu_task *t, uint64_t bytes[2]) {
    const bp_attention_params *p = &t->params.attention;
    uint64_t tokens = (uint64_t)t->in[0]->n[1], most = (uint64_t)split_tokens(t), n = sizeof(float);
    bytes[0] = t->device->threads * row_floats(p) * sizeof(float);
    bytes[1] = 0;
    if (t->device->threads < 2) return true;
    if (tokens > most) tokens = most;
    return !__builtin_mul_overflow(n, tokens * p->n_head, &n) && !__builtin_mul_overflow(n, (uint64_t)pieces_of(t), &n) &&
           !__builtin_mul_overflow(n, (uint64_t)record_floats(p), &bytes[1]);
}

static cpu_view view_of(const cpu_task *t, int64_t token) {
    cpu_view_inputs in = { t->in[3], t->in[4], t->in[5], t->in[6], t->in[7], t->in[1]->n[1] };
    return cpu_view_of(&t->params.attention, &in, token);
}

static float score_of(const bp_attention_params *p, float dot, float slope, int64_t distance) {
    float s = p->scale * dot;
    if (p->softcap != 0) s = p->softcap * tanhf(s / p->softcap);
    return p->alibi != 0 ? s - slope * fabsf((float)distance) : s;
}

static void score_piece(const cpu_task *t, const cpu_view *v, int64_t token, int64_t head_kv, int64_t low, int64_t high,
                        group_rows *r) {
    const bp_attention_params *p = &t->params.attention;
    int64_t g = group_of(p);
    const float *q = cpu_f32(t->in[0]) + (token * p->n_head + head_kv * g) * p->head_dim;
    for (int64_t j = low; j < high; j++) {
        const char *row = cpu_cache_row(t->in[1], v, head_kv, j);
        const float *k = row ? cpu_cache_floats(t->device->vec, t->in[1], row, r->row) : NULL;
        for (int64_t h = 0; h < g; h++) {
            float s = -INFINITY;
            if (k) {
                float dot = t->device->vec->dot(q + h * p->head_dim, k, p->head_dim);
                s = score_of(p, dot, cpu_alibi_slope(p, head_kv * g + h), v->start + j - v->position);
            }
            r->scores[h * PIECE + j - low] = s;
        }
    }
}

static void weigh_piece(const cpu_task *t, int64_t n, group_rows *r) {
    for (int64_t h = 0; h < group_of(&t->params.attention); h++) {
        float *s = r->scores + h * PIECE, most = -INFINITY;
        for (int64_t i = 0; i < n; i++) most = s[i] > most || isnan(s[i]) ? s[i] : most;
        r->most[h] = most;
        if (most == -INFINITY) memset(s, 0, (size_t)n * sizeof *s);
        r->sum[h] = most == -INFINITY ? 0 : t->device->vec->exp_sum(s, most, n);
    }
}

static void mix_piece(const cpu_task *t, const cpu_view *v, int64_t head_kv, int64_t low, int64_t high, group_rows *r) {
    const bp_attention_params *p = &t->params.attention;
    int64_t g = group_of(p);
    memset(r->acc, 0, (size_t)(g * p->head_dim_v) * sizeof *r->acc);
    for (int64_t j = low; j < high; j++) {
        const char *row = cpu_cache_row(t->in[2], v, head_kv, j);
        if (!row) continue;
        const float *value = cpu_cache_floats(t->device->vec, t->in[2], row, r->row);
        for (int64_t h = 0; h < g; h++) {
            t->device->vec->axpy(r->acc + h * p->head_dim_v, value, r->scores[h * PIECE + j - low], p->head_dim_v);
        }
    }
}

/* Join a piece to what out, most and sum hold. */
static void join(const cpu_vec *vec, float *out, float *most, float *sum, const float *acc, float most2, float sum2, int64_t n) {
    if (most2 == -INFINITY) return;
    float top = most2 > *most || isnan(most2) ? most2 : *most;
    float keep = *most == -INFINITY ? 0 : expf(*most - top), add = expf(most2 - top);
    if (keep != 1) vec->scale(out, keep, n);
    vec->axpy(out, acc, add, n);
    *sum = *sum * keep + sum2 * add;
    *most = top;
}

static void finish(const cpu_task *t, int64_t head, float *out, float most, float sum) {
    int64_t n = t->params.attention.head_dim_v;
    if (most == -INFINITY) return;
    if (t->in[8]) sum += expf(cpu_f32(t->in[8])[head] - most);
    t->device->vec->scale(out, 1 / sum, n);
}

static float *record_of(const cpu_task *t, int64_t token, int64_t head, int64_t piece) {
    const bp_attention_params *p = &t->params.attention;
    int64_t at = (token * p->n_head + head) * pieces_of(t) + piece;
    return cpu_f32_out(t->scratch[1]) + at * record_floats(p);
}

static float *out_of(const cpu_task *t, int64_t token, int64_t head) {
    const bp_attention_params *p = &t->params.attention;
    return cpu_f32_out(t->out[0]) + (token * p->n_head + head) * p->head_dim_v;
}

/* The visible keys of a piece; false where there are none. */
static bool piece_range(const cpu_view *v, int64_t piece, int64_t *low, int64_t *high) {
    *low = piece * PIECE > v->low ? piece * PIECE : v->low;
    *high = (piece + 1) * PIECE < v->high ? (piece + 1) * PIECE : v->high;
    return *low < *high;
}

static bool run_piece(const cpu_task *t, const cpu_view *v, int64_t token, int64_t head_kv, int64_t piece, group_rows *r) {
    int64_t low, high;
    if (!piece_range(v, piece, &low, &high)) return false;
    score_piece(t, v, token, head_kv, low, high, r);
    weigh_piece(t, high - low, r);
    mix_piece(t, v, head_kv, low, high, r);
    return true;
}

static void run_split(const cpu_task *t, int64_t item, group_rows *r) {
    const bp_attention_params *p = &t->params.attention;
    int64_t pieces = pieces_of(t), piece = item % pieces, token = item / pieces / p->n_head_kv, g = group_of(p);
    int64_t head_kv = item / pieces % p->n_head_kv;
    cpu_view v = view_of(t, token);
    if (!run_piece(t, &v, token, head_kv, piece, r)) return;
    for (int64_t h = 0; h < g; h++) {
        float *record = record_of(t, token, head_kv * g + h, piece);
        record[0] = r->most[h];
        record[1] = r->sum[h];
        memcpy(record + 2, r->acc + h * p->head_dim_v, p->head_dim_v * sizeof *record);
    }
}

static void run_whole(const cpu_task *t, int64_t item, group_rows *r, float *total) {
    const bp_attention_params *p = &t->params.attention;
    int64_t token = item / p->n_head_kv, head_kv = item % p->n_head_kv, g = group_of(p);
    cpu_view v = view_of(t, token);
    for (int64_t h = 0; h < g; h++) total[2 * h] = -INFINITY, total[2 * h + 1] = 0;
    memset(out_of(t, token, head_kv * g), 0, (size_t)(g * p->head_dim_v) * sizeof(float));
    for (int64_t piece = v.low / PIECE; piece * PIECE < v.high; piece++) {
        if (!run_piece(t, &v, token, head_kv, piece, r)) continue;
        for (int64_t h = 0; h < g; h++) {
            join(t->device->vec, out_of(t, token, head_kv * g + h), total + 2 * h, total + 2 * h + 1,
                 r->acc + h * p->head_dim_v, r->most[h], r->sum[h], p->head_dim_v);
        }
    }
    for (int64_t h = 0; h < g; h++) {
        finish(t, head_kv * g + h, out_of(t, token, head_kv * g + h), total[2 * h], total[2 * h + 1]);
    }
}

void cpu_run_attention(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_attention_params *p = &t->params.attention;
    int64_t items = t->in[0]->n[1] * p->n_head_kv;
    group_rows r = rows_of(t, thread);
    float *total = r.row + (p->head_dim > p->head_dim_v ? p->head_dim : p->head_dim_v);
    if (is_split(t)) {
        items *= pieces_of(t);
        for (int64_t i = thread; i < items; i += n_threads) run_split(t, i, &r);
        return;
    }
    for (int64_t i = thread; i < items; i += n_threads) run_whole(t, i, &r, total);
}

static void merge(const cpu_task *t, int64_t token, int64_t head) {
    const bp_attention_params *p = &t->params.attention;
    cpu_view v = view_of(t, token);
    float *out = out_of(t, token, head), most = -INFINITY, sum = 0;
    memset(out, 0, p->head_dim_v * sizeof *out);
    for (int64_t piece = v.low / PIECE; piece * PIECE < v.high; piece++) {
        int64_t low, high;
        if (!piece_range(&v, piece, &low, &high)) continue;
        const float *record = record_of(t, token, head, piece);
        join(t->device->vec, out, &most, &sum, record + 2, record[0], record[1], p->head_dim_v);
    }
    finish(t, head, out, most, sum);
}

void cpu_run_attention_merge(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t first, last, heads = t->params.attention.n_head;
    if (!is_split(t)) return;
    cpu_share(t->in[0]->n[1] * heads, thread, n_threads, &first, &last);
    for (int64_t i = first; i < last; i++) merge(t, i / heads, i % heads);
}

static const float *key_floats(const cpu_task *t, const cpu_tensor *cache, const cpu_view *v, int64_t head, int64_t j, float *room) {
    const char *row = cpu_cache_row(cache, v, head, j);
    return row ? cpu_cache_floats(t->device->vec, cache, row, room) : NULL;
}

void cpu_run_scores(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_attention_params *p = &t->params.attention;
    int64_t n_kv = t->out[0]->n[0], first, last;
    cpu_view_inputs in = { t->in[2], t->in[3], t->in[4], t->in[5], t->in[6], t->in[1]->n[1] };
    float *room = cpu_f32_out(t->scratch[0]) + thread * p->head_dim;
    cpu_share(t->in[0]->n[1] * p->n_head, thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        int64_t head = u % p->n_head;
        cpu_view v = cpu_view_of(p, &in, u / p->n_head);
        float *out = cpu_f32_out(t->out[0]) + u * n_kv, slope = cpu_alibi_slope(p, head);
        for (int64_t j = 0; j < n_kv; j++) {
            const float *k = j >= v.low && j < v.high ? key_floats(t, t->in[1], &v, head / group_of(p), j, room) : NULL;
            out[j] = -INFINITY;
            if (!k) continue;
            float dot = t->device->vec->dot(cpu_f32(t->in[0]) + u * p->head_dim, k, p->head_dim);
            out[j] = score_of(p, dot, slope, v.start + j - v.position);
        }
    }
}

void cpu_run_mix(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_attention_params *p = &t->params.attention;
    int64_t n_kv = t->in[0]->n[0], first, last;
    cpu_view_inputs in = { NULL, t->in[2], t->in[3], t->in[4], NULL, t->in[1]->n[1] };
    float *room = cpu_f32_out(t->scratch[0]) + thread * p->head_dim_v;
    cpu_share(t->in[0]->n[2] * p->n_head, thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        cpu_view v = cpu_view_of(p, &in, u / p->n_head);
        float *out = cpu_f32_out(t->out[0]) + u * p->head_dim_v;
        memset(out, 0, p->head_dim_v * sizeof *out);
        for (int64_t j = 0; j < v.high && j < n_kv; j++) {
            float weight = cpu_f32(t->in[0])[u * n_kv + j];
            const float *x = weight != 0 ? key_floats(t, t->in[1], &v, u % p->n_head / group_of(p), j, room) : NULL;
            if (x) t->device->vec->axpy(out, x, weight, p->head_dim_v);
        }
    }
}
