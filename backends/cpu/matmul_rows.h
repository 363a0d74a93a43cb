/* Row-by-row kernels, for every type and layout; a level's file includes this once, after defining
 *   VF         a vector of floats, without alignment; V_LANES floats
 *   V_FMA(a, b, c), V_SUM(v): a * b + c, the sum of the lanes; TILE_TOKENS: tokens that four rows fill the registers with
 *   V_HALVES(p), V_BF16(p): VF from V_LANES halves or bfloat16 at p (only where the level has it)
 *   dot_16(const int8_t *a, const int8_t *b): the sum of 16 products */
#include "activation_loops.h"
#include "activation_q8.h"
#include "matmul_level.h"
#include "pack_panel.h"

enum { ROW_CHUNK = 1024, ROW_GROUP = 4, TOKEN_GROUP = TILE_TOKENS };

static inline VF v_load(const float *p) {
    VF v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Sums of rows times tokens over n values, n a multiple of 16. */
static inline __attribute__((always_inline)) void exact_tile(const float *w, const float *const *x, int n_tokens, size_t n,
                                                             float sums[ROW_GROUP][TOKEN_GROUP]) {
    VF acc[ROW_GROUP][TOKEN_GROUP];
    memset(acc, 0, sizeof acc);
    for (size_t k = 0; k < n; k += V_LANES)
        for (int t = 0; t < n_tokens; t++) {
            VF xv = v_load(x[t] + k);
            for (int r = 0; r < ROW_GROUP; r++) acc[r][t] = V_FMA(v_load(w + (size_t)r * ROW_CHUNK + k), xv, acc[r][t]);
        }
    for (int r = 0; r < ROW_GROUP; r++)
        for (int t = 0; t < n_tokens; t++) sums[r][t] = V_SUM(acc[r][t]);
}

#ifdef V_HALVES
/* V_LANES values of a weight of floats. */
static inline __attribute__((always_inline)) VF float_values(const uint32_t type, const char *at) {
    return type == BP_TYPE_F32 ? v_load((const float *)(const void *)at) : type == BP_TYPE_F16 ? V_HALVES(at) : V_BF16(at);
}

/* One token waits on memory: each row is read where it lies, and the rows after it are fetched. Sums as exact_tile's. */
static inline __attribute__((always_inline)) void float_rows(const cpu_product *p, const uint32_t type) {
    const size_t each = type == BP_TYPE_F32 ? 4 : 2, n = (size_t)p->w->n_in, row_bytes = n * each;
    const float *x = p->prepared;
    for (int64_t row = p->first; row < p->last; row++) {
        const char *at = (const char *)p->w->data + (size_t)row * row_bytes;
        float out = p->bias ? p->bias[row] : 0;
        for (size_t k = 0; k < n; k += ROW_CHUNK) {
            const size_t end = n - k < ROW_CHUNK ? n : k + ROW_CHUNK;
            VF acc;
            memset(&acc, 0, sizeof acc);
            for (size_t i = k; i < end; i += V_LANES) {
                if (i * each % 64 == 0) FETCH_LINE(at + i * each);
                acc = V_FMA(float_values(type, at + i * each), v_load(x + i), acc);
            }
            out += V_SUM(acc);
        }
        p->out[row] = out;
    }
}
static void float_rows_f32(const cpu_product *p) { float_rows(p, BP_TYPE_F32); }
static void float_rows_f16(const cpu_product *p) { float_rows(p, BP_TYPE_F16); }
static void float_rows_bf16(const cpu_product *p) { float_rows(p, BP_TYPE_BF16); }

static bool one_token(const cpu_product *p) {
    if (p->n_tokens != 1 || p->w->n_in % 16) return false;
    switch (p->w->type) {
    case BP_TYPE_F32: float_rows_f32(p); return true;
    case BP_TYPE_F16: float_rows_f16(p); return true;
    case BP_TYPE_BF16: float_rows_bf16(p); return true;
    default: return false;
    }
}
#endif

static void chunk_values(const cpu_weight *w, int64_t row, int64_t k, int64_t n, float *to) {
    int64_t done = 0;
#ifdef V_HALVES
    if (w->type == BP_TYPE_F16 || w->type == BP_TYPE_BF16) {
        const char *from = (const char *)w->data + (size_t)(row * w->n_in + k) * 2;
        for (; done + V_LANES <= n; done += V_LANES) {
            VF v = w->type == BP_TYPE_F16 ? V_HALVES(from + 2 * done) : V_BF16(from + 2 * done);
            memcpy(to + done, &v, sizeof v);
        }
    }
#endif
    if (done < n) cpu_weight_values(w, row, k + done, n - done, to + done);
    for (; n % 16; n++) to[n] = 0;
}

/* Rows [row, row + n_rows) over one chunk, all tokens; out has the sums of the chunks before. */
static void exact_chunk(const cpu_product *p, int64_t row, int n_rows, int64_t k, const float *values, size_t n) {
    size_t step = cpu_token_bytes(CPU_ACT_F32, p->w->n_in) / sizeof(float);
    for (int64_t t = 0; t < p->n_tokens; t += TOKEN_GROUP) {
        const float *x[TOKEN_GROUP];
        float sums[ROW_GROUP][TOKEN_GROUP];
        int tokens = p->n_tokens - t < TOKEN_GROUP ? (int)(p->n_tokens - t) : TOKEN_GROUP;
        for (int i = 0; i < tokens; i++) x[i] = (const float *)p->prepared + (size_t)(t + i) * step + k;
        if (tokens == TOKEN_GROUP) exact_tile(values, x, TOKEN_GROUP, n, sums);
        else
            for (int i = 0; i < tokens; i++) {
                float one[ROW_GROUP][TOKEN_GROUP];
                exact_tile(values, x + i, 1, n, one);
                for (int r = 0; r < ROW_GROUP; r++) sums[r][i] = one[r][0];
            }
        for (int i = 0; i < tokens; i++)
            for (int r = 0; r < n_rows; r++) p->out[row + r + (t + i) * p->w->n_out] += sums[r][i];
    }
}

static void start_out(const cpu_product *p) {
    for (int64_t t = 0; t < p->n_tokens; t++)
        for (int64_t o = p->first; o < p->last; o++) p->out[o + t * p->w->n_out] = p->bias ? p->bias[o] : 0;
}

static void product_exact(const cpu_product *p) {
    float values[ROW_GROUP * ROW_CHUNK];
#ifdef V_HALVES
    if (one_token(p)) return;
#endif
    start_out(p);
    for (int64_t row = p->first; row < p->last; row += ROW_GROUP) {
        int n_rows = p->last - row < ROW_GROUP ? (int)(p->last - row) : ROW_GROUP;
        for (int64_t k = 0; k < p->w->n_in; k += ROW_CHUNK) {
            int64_t n = p->w->n_in - k < ROW_CHUNK ? p->w->n_in - k : ROW_CHUNK;
            for (int r = 0; r < ROW_GROUP; r++)
                chunk_values(p->w, row + (r < n_rows ? r : 0), k, n, values + r * ROW_CHUNK);
            exact_chunk(p, row, n_rows, k, values, (size_t)(n + 15) / 16 * 16);
        }
    }
}

/* One block of one row, decoded: signed codes, scales and minima. */
static void signed_block(const cpu_weight *w, const cpu_code *c, int64_t row, int64_t block, int8_t *q, float *scale,
                         float *min) {
    uint8_t codes[256];
    if (w->layout == BP_LAYOUT_ROWS) {
        const uint8_t *at = (const uint8_t *)w->data;
        at += ((size_t)row * (size_t)(w->n_in / c->values) + (size_t)block) * (size_t)c->bytes;
        cpu_block_codes(w->type, at, codes);
        float m = c->at_m >= 0 ? cpu_half_to_float(cpu_load_half(at + c->at_m)) : 0;
        cpu_block_scales(w->type, at + c->at_scales, 1, cpu_block_d(c, at), m, scale, min);
    } else {
        cpu_packed_block(w, c, row, block, codes, scale, min);
    }
    if (c->values == 32)
        for (int j = 0; j < 32; j++) q[j] = (int8_t)(codes[j] - c->zero);
    else
        for (int j = 0; j < 256; j++) q[j] = (int8_t)(codes[j] - c->zero);
}

static float block_product(const cpu_q8 *x, int64_t k, int values, const int8_t *q, const float *scale, const float *min) {
    float sum = 0;
    for (int s = 0; s < values / 16; s++) {
        int64_t at = k / 16 + s;
        float part = scale[s] * (float)dot_16(q + 16 * s, x->q + k + 16 * s) - min[s] * (float)x->sum[at];
        sum += x->d[at / 2] * part;
    }
    return sum;
}

static void product_rows(const cpu_product *p) {
    cpu_code c = cpu_code_of(p->w->type);
    int8_t q[256];
    float scale[16], min[16];
    start_out(p);
    for (int64_t row = p->first; row < p->last; row++)
        for (int64_t b = 0; b < p->w->n_in / c.values; b++) {
            signed_block(p->w, &c, row, b, q, scale, min);
            for (int64_t t = 0; t < p->n_tokens; t++) {
                cpu_q8 x = cpu_q8_token(p->prepared, p->w->n_in, t);
                p->out[row + t * p->w->n_out] += block_product(&x, b * c.values, c.values, q, scale, min);
            }
        }
}
