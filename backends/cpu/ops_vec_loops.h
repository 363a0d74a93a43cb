/* The bodies of a table of ops_vec.h: included once by the file of each level, which names the table CPU_VEC_TABLE.
 * Every loop keeps CPU_LANES sums of its own, so that compilers can use vectors and the order of adding is fixed. */
#include <math.h>
#include <string.h>

#include "backends/cpu/matmul.h"
#include "backends/cpu/ops_vec.h"
#include "backplane/blocks.h"
#include "backplane/ops.h"
#ifdef __F16C__
#include <immintrin.h>
#endif

enum { CPU_LANES = 16 };

static inline float multiply_add(float a, float b, float c) {
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

static inline float lanes_sum(const float *lane) {
    float half[8];
    for (int i = 0; i < 8; i++) half[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; i++) half[i] += half[i + 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
}

static float vec_dot(const float *a, const float *b, int64_t n) {
    float lane[CPU_LANES] = { 0 };
    int64_t i = 0;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) lane[j] = multiply_add(a[i + j], b[i + j], lane[j]);
    }
    float rest = 0;
    for (; i < n; i++) rest = multiply_add(a[i], b[i], rest);
    return lanes_sum(lane) + rest;
}

static float vec_sum(const float *a, int64_t n) {
    float lane[CPU_LANES] = { 0 };
    int64_t i = 0;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) lane[j] += a[i + j];
    }
    float rest = 0;
    for (; i < n; i++) rest += a[i];
    return lanes_sum(lane) + rest;
}

static float vec_square_sum(const float *a, float shift, int64_t n) {
    float lane[CPU_LANES] = { 0 };
    int64_t i = 0;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) {
            float x = a[i + j] - shift;
            lane[j] = multiply_add(x, x, lane[j]);
        }
    }
    float rest = 0;
    for (; i < n; i++) rest = multiply_add(a[i] - shift, a[i] - shift, rest);
    return lanes_sum(lane) + rest;
}

static void vec_axpy(float *restrict y, const float *restrict x, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = multiply_add(x[i], scale, y[i]);
}

static void vec_scale(float *y, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] *= scale;
}

#include "backends/cpu/ops_vec_tiles.h"

static float vec_max(const float *x, int64_t n) {
    float lane[CPU_LANES], most = -INFINITY;
    int bad[CPU_LANES] = { 0 }, any = 0;
    int64_t i = 0;
    for (int j = 0; j < CPU_LANES; j++) lane[j] = -INFINITY;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) {
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
            bad[j] |= x[i + j] != x[i + j];
        }
    }
    for (int j = 0; j < CPU_LANES; j++) most = lane[j] > most ? lane[j] : most, any |= bad[j];
    for (; i < n; i++) most = x[i] > most ? x[i] : most, any |= x[i] != x[i];
    return any ? NAN : most;
}

static void vec_to_half(const float *x, uint16_t *y, int64_t n) {
    int64_t i = 0;
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) {
        __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(y + i), h);
    }
#endif
    for (; i < n; i++) y[i] = cpu_float_to_half(x[i]);
}

static void vec_from_half(const uint16_t *x, float *y, int64_t n) {
    int64_t i = 0;
#ifdef __AVX512F__
    for (; i + 16 <= n; i += 16) {
        _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(x + i))));
    }
#endif
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
    }
#endif
    for (; i < n; i++) y[i] = cpu_half_to_float(x[i]);
}

static void vec_from_q8(const void *blocks, float *y, int64_t n) {
    const bp_block_q8_0 *b = blocks;
    for (int64_t i = 0; i < n / BP_QK; i++) {
        float d = cpu_half_to_float(b[i].d);
        for (int j = 0; j < BP_QK; j++) y[i * BP_QK + j] = d * (float)b[i].qs[j];
    }
}

/* e^x = 2^k * e^r, |r| <= ln 2 / 2, e^r by its series. */
static inline float fast_exp(float x) {
    const float magic = 12582912.0f;
    float c = x < -87.3f ? -87.3f : x;
    c = c > 88.8f ? 88.8f : c;
    float k = multiply_add(c, 1.44269504f, magic), z = k - magic;
    float r = multiply_add(z, -0.693359375f, c);
    r = multiply_add(z, 2.12194440e-4f, r);
    float p = multiply_add(r, 1.0f / 720, 1.0f / 120);
    p = multiply_add(p, r, 1.0f / 24);
    p = multiply_add(p, r, 1.0f / 6);
    p = multiply_add(p, r, 0.5f);
    p = multiply_add(p, r, 1.0f);
    p = multiply_add(p, r, 1.0f);
    uint32_t bits;
    memcpy(&bits, &k, sizeof bits);
    bits = (bits + 126u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    float y = p * power * 2.0f;
    y = x < -87.3f ? 0.0f : y;
    return x > 88.7228f ? INFINITY : y;
}

static float vec_exp_sum(float *x, float shift, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = fast_exp(x[i] - shift);
    return vec_sum(x, n);
}

static inline float silu_of(float x) { return x / (1.0f + fast_exp(-x)); }
static inline float gelu_quick_of(float x) { return x / (1.0f + fast_exp(-1.702f * x)); }
static inline float sigmoid_of(float x) { return 1.0f / (1.0f + fast_exp(-x)); }
static inline float gelu_tanh_of(float x) {
    float y = 0.797884561f * (x + 0.044715f * x * x * x);
    return x / (1.0f + fast_exp(-2.0f * y));
}
static inline float gelu_erf_of(float x) { return 0.5f * x * (1.0f + erff(x * 0.707106781f)); }
static inline float relu_of(float x) { return x < 0 ? 0 : x; }
/* ln(1 + u), 0 <= u <= 1, as 2 artanh(u / (2 + u)) by its series. */
static inline float log_of_one_and(float u) {
    float s = u / (2.0f + u), q = s * s;
    float p = multiply_add(q, 1.0f / 15, 1.0f / 13);
    p = multiply_add(p, q, 1.0f / 11);
    p = multiply_add(p, q, 1.0f / 9);
    p = multiply_add(p, q, 1.0f / 7);
    p = multiply_add(p, q, 1.0f / 5);
    p = multiply_add(p, q, 1.0f / 3);
    return 2.0f * multiply_add(p * q, s, s);
}
static inline float softplus_of(float x) { return (x < 0 ? 0 : x) + log_of_one_and(fast_exp(x < 0 ? x : -x)); }

#define EACH(expression)                      \
    for (int64_t i = 0; i < n; i++) {         \
        float v = x[i];                       \
        y[i] = (expression);                  \
    }                                         \
    break

static void vec_activate(uint32_t f, const float *x, float *y, int64_t n, float low, float high) {
    switch (f) {
    case BP_ACT_SILU: EACH(silu_of(v));
    case BP_ACT_GELU_ERF: EACH(gelu_erf_of(v));
    case BP_ACT_GELU_TANH: EACH(gelu_tanh_of(v));
    case BP_ACT_GELU_QUICK: EACH(gelu_quick_of(v));
    case BP_ACT_RELU: EACH(relu_of(v));
    case BP_ACT_RELU_SQUARED: EACH(relu_of(v) * relu_of(v));
    case BP_ACT_SIGMOID: EACH(sigmoid_of(v));
    case BP_ACT_TANH: EACH(tanhf(v));
    case BP_ACT_EXP: EACH(fast_exp(v));
    case BP_ACT_SOFTPLUS: EACH(softplus_of(v));
    case BP_ACT_RSQRT: EACH(1.0f / sqrtf(v));
    case BP_ACT_RECIPROCAL: EACH(1.0f / v);
    case BP_ACT_FLOOR: EACH(floorf(v));
    case BP_ACT_LOG: EACH(logf(v));
    case BP_ACT_CLAMP: EACH(v < low ? low : v > high ? high : v);
    default: EACH(v);
    }
}
#undef EACH

/* A register's worth of values that lie anywhere. */
#ifdef __AVX__
enum { CPU_WIDTH = 8 };
#else
enum { CPU_WIDTH = 4 };
#endif
typedef float cpu_wide __attribute__((vector_size(CPU_WIDTH * sizeof(float)), aligned(4), may_alias));
#define WIDE(p) (*(const cpu_wide *)(const void *)(p))
#define WIDE_OUT(p) (*(cpu_wide *)(void *)(p))

static inline float wide_sum(const cpu_wide *wide) {
    float sum[CPU_WIDTH];
    memcpy(sum, wide, sizeof sum);
    for (int half = CPU_WIDTH / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
}

/* Sums of single rows wait for their own last addition; four rows at once keep the units busy. */
static void dot_four(const float *h, int64_t n, const float *x, float *out) {
    cpu_wide sum[4] = { { 0 } };
    int64_t i = 0;
    for (; i + CPU_WIDTH <= n; i += CPU_WIDTH) {
        const cpu_wide now = WIDE(x + i);
        sum[0] += WIDE(h + i) * now;
        sum[1] += WIDE(h + n + i) * now;
        sum[2] += WIDE(h + 2 * n + i) * now;
        sum[3] += WIDE(h + 3 * n + i) * now;
    }
    for (int r = 0; r < 4; r++) out[r] = wide_sum(&sum[r]);
    for (; i < n; i++)
        for (int r = 0; r < 4; r++) out[r] = multiply_add(h[r * n + i], x[i], out[r]);
}

static void vec_dot_rows(const float *h, int64_t rows, int64_t n, const float *x, float *out) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) dot_four(h + r * n, n, x, out + r);
    for (; r < rows; r++) out[r] = vec_dot(h + r * n, x, n);
}

static void decay_four(float *h, int64_t n, float decay, const float *b, const float *scale, const float *c, float *out) {
    float *h1 = h + n, *h2 = h1 + n, *h3 = h2 + n;
    cpu_wide sum[4] = { { 0 } };
    int64_t i = 0;
    for (; i + CPU_WIDTH <= n; i += CPU_WIDTH) {
        const cpu_wide add = WIDE(b + i), with = WIDE(c + i);
        const cpu_wide v0 = WIDE(h + i) * decay + add * scale[0], v1 = WIDE(h1 + i) * decay + add * scale[1];
        const cpu_wide v2 = WIDE(h2 + i) * decay + add * scale[2], v3 = WIDE(h3 + i) * decay + add * scale[3];
        WIDE_OUT(h + i) = v0;
        WIDE_OUT(h1 + i) = v1;
        WIDE_OUT(h2 + i) = v2;
        WIDE_OUT(h3 + i) = v3;
        sum[0] += v0 * with;
        sum[1] += v1 * with;
        sum[2] += v2 * with;
        sum[3] += v3 * with;
    }
    for (int r = 0; r < 4; r++) out[r] = wide_sum(&sum[r]);
    for (; i < n; i++) {
        for (int r = 0; r < 4; r++) {
            h[r * n + i] = h[r * n + i] * decay + b[i] * scale[r];
            out[r] = multiply_add(h[r * n + i], c[i], out[r]);
        }
    }
}

static float decay_one(float *restrict h, int64_t n, float decay, const float *b, float scale, const float *c) {
    float lane[CPU_LANES] = { 0 };
    int64_t i = 0;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) {
            float v = h[i + j] * decay + b[i + j] * scale;
            h[i + j] = v;
            lane[j] += v * c[i + j];
        }
    }
    float sum = lanes_sum(lane);
    for (; i < n; i++) {
        h[i] = h[i] * decay + b[i] * scale;
        sum = multiply_add(h[i], c[i], sum);
    }
    return sum;
}

static void vec_decay_rows(float *h, int64_t rows, int64_t n, float decay, const float *b, const float *scale, const float *c, float *out) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) decay_four(h + r * n, n, decay, b, scale + r, c, out + r);
    for (; r < rows; r++) out[r] = decay_one(h + r * n, n, decay, b, scale[r], c);
}

static float vec_decays_dot(float *restrict h, const float *a, float step, const float *b, float scale, const float *c, int64_t n) {
    float lane[CPU_LANES] = { 0 };
    int64_t i = 0;
    for (; i + CPU_LANES <= n; i += CPU_LANES) {
        for (int j = 0; j < CPU_LANES; j++) {
            float v = multiply_add(b[i + j], scale, h[i + j] * fast_exp(step * a[i + j]));
            h[i + j] = v;
            lane[j] = multiply_add(v, c[i + j], lane[j]);
        }
    }
    float rest = 0;
    for (; i < n; i++) {
        h[i] = multiply_add(b[i], scale, h[i] * fast_exp(step * a[i]));
        rest = multiply_add(h[i], c[i], rest);
    }
    return lanes_sum(lane) + rest;
}

const cpu_vec CPU_VEC_TABLE = {
    .dot = vec_dot,
    .sum = vec_sum,
    .square_sum = vec_square_sum,
    .axpy = vec_axpy,
    .scale = vec_scale,
    .dots = vec_dots,
    .mix = vec_mix,
    .max = vec_max,
    .to_half = vec_to_half,
    .from_half = vec_from_half,
    .from_q8 = vec_from_q8,
    .exp_sum = vec_exp_sum,
    .activate = vec_activate,
    .decay_rows = vec_decay_rows,
    .dot_rows = vec_dot_rows,
    .decays_dot = vec_decays_dot,
};
