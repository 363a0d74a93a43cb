#include <math.h>
#include <string.h>

#include "backplane/blocks.h"
#include "core/quant/quant.h"

static float bits_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float bp_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, mantissa = h & 1023u;
    if (exponent == 31) return bits_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent) return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float small = (float)mantissa * 0x1p-24f;
    return sign ? -small : small;
}

float bp_bfloat_to_float(uint16_t bits) { return bits_float((uint32_t)bits << 16); }

static void decode_f32(const void *p, float *y) { memcpy(y, p, sizeof *y); }
static void decode_f16(const void *p, float *y) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    *y = bp_half_to_float(h);
}
static void decode_bf16(const void *p, float *y) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    *y = bp_bfloat_to_float(h);
}
static void decode_i32(const void *p, float *y) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    *y = (float)v;
}

static int nibble(const uint8_t *qs, int j) { return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4; }
static int fifth(const uint8_t *qh, int j) { return (qh[j / 8] >> (j % 8) & 1) << 4; }

static void decode_q4_0(const void *p, float *y) {
    const bp_block_q4_0 *b = p;
    for (int j = 0; j < 32; j++) y[j] = bp_half_to_float(b->d) * (float)(nibble(b->qs, j) - 8);
}
static void decode_q4_1(const void *p, float *y) {
    const bp_block_q4_1 *b = p;
    for (int j = 0; j < 32; j++) y[j] = bp_half_to_float(b->d) * (float)nibble(b->qs, j) + bp_half_to_float(b->m);
}
static void decode_q5_0(const void *p, float *y) {
    const bp_block_q5_0 *b = p;
    for (int j = 0; j < 32; j++) y[j] = bp_half_to_float(b->d) * (float)((nibble(b->qs, j) | fifth(b->qh, j)) - 16);
}
static void decode_q5_1(const void *p, float *y) {
    const bp_block_q5_1 *b = p;
    float d = bp_half_to_float(b->d), m = bp_half_to_float(b->m);
    for (int j = 0; j < 32; j++) y[j] = d * (float)(nibble(b->qs, j) | fifth(b->qh, j)) + m;
}
static void decode_q8_0(const void *p, float *y) {
    const bp_block_q8_0 *b = p;
    for (int j = 0; j < 32; j++) y[j] = bp_half_to_float(b->d) * (float)b->qs[j];
}

static void decode_mxfp4(const void *p, float *y) {
    static const int8_t values[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };
    const bp_block_mxfp4 *b = p;
    for (int j = 0; j < 32; j++) y[j] = ldexpf(values[nibble(b->qs, j)], b->e - 128);
}

static int pair_bits(const uint8_t *qs, int j) { return qs[32 * (j / 128) + j % 32] >> (2 * (j % 128 / 32)) & 3; }

static void decode_q2_k(const void *p, float *y) {
    const bp_block_q2_k *b = p;
    float d = bp_half_to_float(b->d), dmin = bp_half_to_float(b->dmin);
    for (int j = 0; j < 256; j++) {
        int s = b->scales[j / 16];
        y[j] = d * (float)(s & 15) * (float)pair_bits(b->qs, j) - dmin * (float)(s >> 4);
    }
}

static void decode_q3_k(const void *p, float *y) {
    const bp_block_q3_k *b = p;
    float d = bp_half_to_float(b->d);
    for (int j = 0; j < 256; j++) {
        int s = j / 16, low = s < 8 ? b->scales[s] & 15 : b->scales[s - 8] >> 4;
        int scale = low | (b->scales[8 + s % 4] >> (2 * (s / 4)) & 3) << 4;
        int q = pair_bits(b->qs, j) - (b->hmask[j % 32] >> (j / 32) & 1 ? 0 : 4);
        y[j] = d * (float)(scale - 32) * (float)q;
    }
}

static void scale_min(const uint8_t *scales, int s, int *scale, int *min) {
    *scale = s < 4 ? scales[s] & 63 : (scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4;
    *min = s < 4 ? scales[s + 4] & 63 : (scales[s + 4] >> 4) | (scales[s] >> 6) << 4;
}

static int nibble_k(const uint8_t *qs, int j) {
    int byte = qs[32 * (j / 64) + j % 32];
    return j % 64 < 32 ? byte & 15 : byte >> 4;
}

static void decode_q4_k(const void *p, float *y) {
    const bp_block_q4_k *b = p;
    for (int j = 0, scale, min; j < 256; j++) {
        scale_min(b->scales, j / 32, &scale, &min);
        y[j] =
            bp_half_to_float(b->d) * (float)scale * (float)nibble_k(b->qs, j) - bp_half_to_float(b->dmin) * (float)min;
    }
}

static void decode_q5_k(const void *p, float *y) {
    const bp_block_q5_k *b = p;
    for (int j = 0, scale, min; j < 256; j++) {
        scale_min(b->scales, j / 32, &scale, &min);
        int q = nibble_k(b->qs, j) | (b->qh[j % 32] >> (j / 32) & 1) << 4;
        y[j] = bp_half_to_float(b->d) * (float)scale * (float)q - bp_half_to_float(b->dmin) * (float)min;
    }
}

static void decode_q6_k(const void *p, float *y) {
    const bp_block_q6_k *b = p;
    for (int j = 0; j < 256; j++) {
        int h = j / 128, c = j % 32, k = j % 128 / 32;
        int low = k < 2 ? b->ql[64 * h + 32 * k + c] & 15 : b->ql[64 * h + 32 * (k - 2) + c] >> 4;
        int q = low | (b->qh[32 * h + c] >> (2 * k) & 3) << 4;
        y[j] = bp_half_to_float(b->d) * (float)b->scales[j / 16] * (float)(q - 32);
    }
}

typedef void decoder(const void *block, float *out);
static decoder *const decoders[BP_TYPE_LIMIT] = {
    [BP_TYPE_F32] = decode_f32,   [BP_TYPE_F16] = decode_f16,   [BP_TYPE_BF16] = decode_bf16,
    [BP_TYPE_I32] = decode_i32,   [BP_TYPE_Q4_0] = decode_q4_0, [BP_TYPE_Q4_1] = decode_q4_1,
    [BP_TYPE_Q5_0] = decode_q5_0, [BP_TYPE_Q5_1] = decode_q5_1, [BP_TYPE_Q8_0] = decode_q8_0,
    [BP_TYPE_Q2_K] = decode_q2_k, [BP_TYPE_Q3_K] = decode_q3_k, [BP_TYPE_Q4_K] = decode_q4_k,
    [BP_TYPE_Q5_K] = decode_q5_k, [BP_TYPE_Q6_K] = decode_q6_k, [BP_TYPE_MXFP4] = decode_mxfp4,
};

void bp_decode_row(uint32_t type, const void *row, int64_t n, float *out) {
    decoder *decode = type < BP_TYPE_LIMIT ? decoders[type] : NULL;
    for (int64_t j = 0; !decode && j < n; j++) out[j] = 0;
    if (!decode) return;
    bp_type_info t = bp_type(type);
    union { uint8_t bytes[256]; uint64_t align; } block;
    for (int64_t j = 0; j + t.block_values <= n; j += t.block_values) {
        memcpy(block.bytes, (const uint8_t *)row + bp_row_bytes(type, j), t.block_bytes);
        decode(block.bytes, out + j);
    }
}
