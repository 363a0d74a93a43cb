#include <math.h>
#include <string.h>

#include "backplane/blocks.h"
#include "core/quant/quant.h"

static uint32_t float_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

uint16_t bp_float_to_half(float f) {
    uint32_t x = float_bits(f), sign = x >> 16 & 0x8000u, a = x & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) return (uint16_t)(sign | (uint32_t)lrintf(fabsf(f) * 0x1p24f));
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}

uint16_t bp_float_to_bfloat(float f) {
    uint32_t x = float_bits(f);
    if ((x & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(x >> 16 | 64u);
    return (uint16_t)((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}

static int nearest(float x, int low, int high) {
    if (!(x > (float)low)) return low;
    return x < (float)high ? (int)lrintf(x) : high;
}
static float inverse(float d) { return d != 0 ? 1 / d : 0; }

/* The value of the largest magnitude, with its sign. */
static float extreme(const float *x, int n) {
    float best = 0;
    for (int j = 0; j < n; j++) if (fabsf(x[j]) > fabsf(best)) best = x[j];
    return best;
}
static float lowest(const float *x, int n, float from) {
    for (int j = 0; j < n; j++) from = fminf(from, x[j]);
    return from;
}
static float highest(const float *x, int n, float from) {
    for (int j = 0; j < n; j++) from = fmaxf(from, x[j]);
    return from;
}

static void encode_f32(const float *x, void *p) { memcpy(p, x, sizeof *x); }
static void encode_f16(const float *x, void *p) {
    uint16_t h = bp_float_to_half(*x);
    memcpy(p, &h, sizeof h);
}
static void encode_bf16(const float *x, void *p) {
    uint16_t h = bp_float_to_bfloat(*x);
    memcpy(p, &h, sizeof h);
}
static void encode_i32(const float *x, void *p) {
    double v = *x < -0x1p31f ? -0x1p31 : *x > 0x7fffff80p0f ? 0x7fffffffp0 : *x == *x ? *x : 0;
    int32_t i = (int32_t)rint(v);
    memcpy(p, &i, sizeof i);
}

static void put_small(uint8_t *qs, uint8_t *qh, int j, int q) {
    qs[j % 16] |= (uint8_t)((q & 15) << (j < 16 ? 0 : 4));
    if (qh) qh[j / 8] |= (uint8_t)((q >> 4) << (j % 8));
}

/* Q4_0 and Q5_0: half is 8 or 16; the extreme value gets the code 0. */
static void small_signed(const float *x, int half, bp_half *scale, uint8_t *qs, uint8_t *qh) {
    *scale = bp_float_to_half(extreme(x, 32) / (float)-half);
    float inv = inverse(bp_half_to_float(*scale));
    for (int j = 0; j < 32; j++) put_small(qs, qh, j, nearest(x[j] * inv, -half, half - 1) + half);
}
static void small_offset(const float *x, int top, bp_half *scale, bp_half *min, uint8_t *qs, uint8_t *qh) {
    float low = lowest(x, 32, x[0]), high = highest(x, 32, x[0]);
    *scale = bp_float_to_half((high - low) / (float)top);
    *min = bp_float_to_half(low);
    float inv = inverse(bp_half_to_float(*scale));
    for (int j = 0; j < 32; j++) put_small(qs, qh, j, nearest((x[j] - bp_half_to_float(*min)) * inv, 0, top));
}

static void encode_q4_0(const float *x, void *p) {
    bp_block_q4_0 *b = p;
    small_signed(x, 8, &b->d, b->qs, NULL);
}
static void encode_q5_0(const float *x, void *p) {
    bp_block_q5_0 *b = p;
    small_signed(x, 16, &b->d, b->qs, b->qh);
}
static void encode_q4_1(const float *x, void *p) {
    bp_block_q4_1 *b = p;
    small_offset(x, 15, &b->d, &b->m, b->qs, NULL);
}
static void encode_q5_1(const float *x, void *p) {
    bp_block_q5_1 *b = p;
    small_offset(x, 31, &b->d, &b->m, b->qs, b->qh);
}
static void encode_q8_0(const float *x, void *p) {
    bp_block_q8_0 *b = p;
    float d = fabsf(extreme(x, 32)) / 127;
    b->d = bp_float_to_half(d);
    for (int j = 0; j < 32; j++) b->qs[j] = (int8_t)nearest(x[j] * inverse(d), -127, 127);
}

/* The unit is a quarter of the largest power of two that is not above the largest value, as the format's specification has it
 * (what is above six units becomes six); then each value goes to the nearest code, on ties to the even one. */
static void encode_mxfp4(const float *x, void *p) {
    static const float values[8] = { 0, 1, 2, 3, 4, 6, 8, 12 };
    bp_block_mxfp4 *b = p;
    int exponent = 0;
    float most = fabsf(extreme(x, 32));
    frexpf(most, &exponent); /* most is in [2^(exponent - 1), 2^exponent) */
    int e = most > 0 ? exponent - 3 + 127 : 0;
    b->e = (uint8_t)(e < 0 ? 0 : e > 254 ? 254 : e);
    for (int j = 0; j < 32; j++) {
        float a = ldexpf(fabsf(x[j]), 128 - b->e);
        int q = 0;
        for (int k = 1; k < 8; k++) {
            float middle = (values[k - 1] + values[k]) / 2;
            if (a > middle || (a == middle && k % 2 == 0)) q = k;
        }
        b->qs[j % 16] |= (uint8_t)((q | (x[j] < 0 && q ? 8 : 0)) << (j < 16 ? 0 : 4));
    }
}

/* Sub-blocks of `width` values with a scale and a minimum each, both whole multiples (at most `limit`) of d and dmin.
 */
typedef struct offset_fit {
    bp_half d, dmin;
    int scale[16], min[16];
    uint8_t q[256];
} offset_fit;

static void fit_offset(const float *x, int width, int top, int limit, offset_fit *f) {
    float scale[16], min[16];
    int n = 256 / width;
    for (int s = 0; s < n; s++) {
        min[s] = -lowest(x + s * width, width, 0);
        scale[s] = (highest(x + s * width, width, 0) + min[s]) / (float)top;
    }
    f->d = bp_float_to_half(highest(scale, n, 0) / (float)limit);
    f->dmin = bp_float_to_half(highest(min, n, 0) / (float)limit);
    float d = bp_half_to_float(f->d), dmin = bp_half_to_float(f->dmin);
    for (int s = 0; s < n; s++) {
        f->scale[s] = nearest(scale[s] * inverse(d), 0, limit);
        f->min[s] = nearest(min[s] * inverse(dmin), 0, limit);
    }
    for (int j = 0; j < 256; j++) {
        float inv = inverse(d * (float)f->scale[j / width]);
        f->q[j] = (uint8_t)nearest((x[j] + dmin * (float)f->min[j / width]) * inv, 0, top);
    }
}

static void put_pair(uint8_t *qs, int j, int q) {
    qs[32 * (j / 128) + j % 32] |= (uint8_t)((q & 3) << (2 * (j % 128 / 32)));
}

static void encode_q2_k(const float *x, void *p) {
    bp_block_q2_k *b = p;
    offset_fit f;
    fit_offset(x, 16, 3, 15, &f);
    b->d = f.d;
    b->dmin = f.dmin;
    for (int s = 0; s < 16; s++) b->scales[s] = (uint8_t)(f.scale[s] | f.min[s] << 4);
    for (int j = 0; j < 256; j++) put_pair(b->qs, j, f.q[j]);
}

static void put_scales(uint8_t *scales, const offset_fit *f) {
    for (int s = 0; s < 4; s++) {
        int high = s + 4;
        scales[s] = (uint8_t)(f->scale[s] | f->scale[high] >> 4 << 6);
        scales[s + 4] = (uint8_t)(f->min[s] | f->min[high] >> 4 << 6);
        scales[s + 8] = (uint8_t)((f->scale[high] & 15) | (f->min[high] & 15) << 4);
    }
}
static void put_nibble_k(uint8_t *qs, int j, int q) {
    qs[32 * (j / 64) + j % 32] |= (uint8_t)((q & 15) << (j % 64 < 32 ? 0 : 4));
}

static void encode_q4_k(const float *x, void *p) {
    bp_block_q4_k *b = p;
    offset_fit f;
    fit_offset(x, 32, 15, 63, &f);
    b->d = f.d;
    b->dmin = f.dmin;
    put_scales(b->scales, &f);
    for (int j = 0; j < 256; j++) put_nibble_k(b->qs, j, f.q[j]);
}

static void encode_q5_k(const float *x, void *p) {
    bp_block_q5_k *b = p;
    offset_fit f;
    fit_offset(x, 32, 31, 63, &f);
    b->d = f.d;
    b->dmin = f.dmin;
    put_scales(b->scales, &f);
    for (int j = 0; j < 256; j++) {
        put_nibble_k(b->qs, j, f.q[j]);
        b->qh[j % 32] |= (uint8_t)(f.q[j] >> 4 << (j / 32));
    }
}

/* Sub-blocks of 16 with a signed scale each (-limit … limit - 1); q is stored plus half. */
static bp_half fit_signed(const float *x, int half, int limit, int *scale, uint8_t *q) {
    float wanted[16];
    for (int s = 0; s < 16; s++) wanted[s] = extreme(x + 16 * s, 16) / (float)-half;
    bp_half bits = bp_float_to_half(extreme(wanted, 16) / (float)-limit);
    float d = bp_half_to_float(bits);
    for (int s = 0; s < 16; s++) scale[s] = nearest(wanted[s] * inverse(d), -limit, limit - 1);
    for (int j = 0; j < 256; j++) {
        q[j] = (uint8_t)(nearest(x[j] * inverse(d * (float)scale[j / 16]), -half, half - 1) + half);
    }
    return bits;
}

static void encode_q3_k(const float *x, void *p) {
    bp_block_q3_k *b = p;
    int scale[16];
    uint8_t q[256];
    b->d = fit_signed(x, 4, 32, scale, q);
    for (int s = 0; s < 16; s++) {
        int v = scale[s] + 32;
        b->scales[s % 8] |= (uint8_t)((v & 15) << (s < 8 ? 0 : 4));
        b->scales[8 + s % 4] |= (uint8_t)(v >> 4 << (2 * (s / 4)));
    }
    for (int j = 0; j < 256; j++) {
        put_pair(b->qs, j, q[j]);
        b->hmask[j % 32] |= (uint8_t)(q[j] >> 2 << (j / 32));
    }
}

static void encode_q6_k(const float *x, void *p) {
    bp_block_q6_k *b = p;
    int scale[16];
    uint8_t q[256];
    b->d = fit_signed(x, 32, 128, scale, q);
    for (int s = 0; s < 16; s++) b->scales[s] = (int8_t)scale[s];
    for (int j = 0; j < 256; j++) {
        int h = j / 128, c = j % 32, k = j % 128 / 32;
        b->ql[64 * h + 32 * (k % 2) + c] |= (uint8_t)((q[j] & 15) << (k < 2 ? 0 : 4));
        b->qh[32 * h + c] |= (uint8_t)(q[j] >> 4 << (2 * k));
    }
}

typedef void encoder(const float *values, void *block);
static encoder *const encoders[BP_TYPE_LIMIT] = {
    [BP_TYPE_F32] = encode_f32,   [BP_TYPE_F16] = encode_f16,   [BP_TYPE_BF16] = encode_bf16,
    [BP_TYPE_I32] = encode_i32,   [BP_TYPE_Q4_0] = encode_q4_0, [BP_TYPE_Q4_1] = encode_q4_1,
    [BP_TYPE_Q5_0] = encode_q5_0, [BP_TYPE_Q5_1] = encode_q5_1, [BP_TYPE_Q8_0] = encode_q8_0,
    [BP_TYPE_Q2_K] = encode_q2_k, [BP_TYPE_Q3_K] = encode_q3_k, [BP_TYPE_Q4_K] = encode_q4_k,
    [BP_TYPE_Q5_K] = encode_q5_k, [BP_TYPE_Q6_K] = encode_q6_k, [BP_TYPE_MXFP4] = encode_mxfp4,
};

bp_status bp_encode_row(uint32_t type, const float *values, int64_t n, void *out) {
    encoder *encode = type < BP_TYPE_LIMIT ? encoders[type] : NULL;
    if (!encode) return BP_E_UNSUPPORTED;
    bp_type_info t = bp_type(type);
    if (n < 0 || n % t.block_values) return BP_E_INVALID;
    union { uint8_t bytes[256]; uint64_t align; } block;
    for (int64_t j = 0; j < n; j += t.block_values) {
        memset(&block, 0, sizeof block);
        encode(values + j, block.bytes);
        memcpy((uint8_t *)out + bp_row_bytes(type, j), block.bytes, t.block_bytes);
    }
    return BP_OK;
}
