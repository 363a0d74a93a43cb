#include "reference.h"

float ref_half_to_float(bp_half h) {
    uint32_t exponent = h >> 10 & 31, fraction = h & 1023, bits;
    float x;
    if (exponent == 0) { /* zero and subnormal numbers: fraction * 2^-24 */
        x = (float)fraction * 0x1p-24f;
        return h & 0x8000 ? -x : x;
    }
    bits = (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13 | (uint32_t)(h & 0x8000) << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

bp_half ref_float_to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000;
    float a = fabsf(x);
    if (isnan(x)) return (bp_half)(sign | 0x7e00);
    if (a >= 65520.0f) return (bp_half)(sign | 0x7c00);
    if (a < 0x1p-14f) return (bp_half)(sign | (uint32_t)rintf(a * 0x1p24f));
    uint32_t magnitude = bits & 0x7fffffff;
    magnitude += 0xfff + (magnitude >> 13 & 1); /* to nearest, ties to even */
    return (bp_half)(sign | ((magnitude >> 13) - (112u << 10)));
}

static bp_half float_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return (bp_half)(bits >> 16 | 64);
    return (bp_half)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float bf16_to_float(bp_half h) {
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int nibble(const uint8_t *qs, int j) { return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4; }

static int fifth_bit(const uint8_t *qh, int j) { return (qh[j / 8] >> (j % 8) & 1) << 4; }

static void q4_0(const void *block, float *y) {
    const bp_block_q4_0 *b = block;
    for (int j = 0; j < BP_QK; j++) y[j] = ref_half_to_float(b->d) * (float)(nibble(b->qs, j) - 8);
}

static void q4_1(const void *block, float *y) {
    const bp_block_q4_1 *b = block;
    float d = ref_half_to_float(b->d), m = ref_half_to_float(b->m);
    for (int j = 0; j < BP_QK; j++) y[j] = d * (float)nibble(b->qs, j) + m;
}

static void q5_0(const void *block, float *y) {
    const bp_block_q5_0 *b = block;
    float d = ref_half_to_float(b->d);
    for (int j = 0; j < BP_QK; j++) y[j] = d * (float)((nibble(b->qs, j) | fifth_bit(b->qh, j)) - 16);
}

static void q5_1(const void *block, float *y) {
    const bp_block_q5_1 *b = block;
    float d = ref_half_to_float(b->d), m = ref_half_to_float(b->m);
    for (int j = 0; j < BP_QK; j++) y[j] = d * (float)(nibble(b->qs, j) | fifth_bit(b->qh, j)) + m;
}

static void q8_0(const void *block, float *y) {
    const bp_block_q8_0 *b = block;
    float d = ref_half_to_float(b->d);
    for (int j = 0; j < BP_QK; j++) y[j] = d * (float)b->qs[j];
}

static void mxfp4(const void *block, float *y) {
    static const int8_t values[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };
    const bp_block_mxfp4 *b = block;
    for (int j = 0; j < BP_QK; j++) y[j] = ldexpf(values[nibble(b->qs, j)], b->e - 128);
}

static int two_bits(const uint8_t *qs, int j) {
    int h = j / 128, r = j % 128;
    return qs[32 * h + r % 32] >> (2 * (r / 32)) & 3;
}

static void q2_k(const void *block, float *y) {
    const bp_block_q2_k *b = block;
    float d = ref_half_to_float(b->d), dmin = ref_half_to_float(b->dmin);
    for (int j = 0; j < BP_QK_K; j++) {
        int s = j / 16;
        y[j] = d * (float)(b->scales[s] & 15) * (float)two_bits(b->qs, j) - dmin * (float)(b->scales[s] >> 4);
    }
}

static void q3_k(const void *block, float *y) {
    const bp_block_q3_k *b = block;
    float d = ref_half_to_float(b->d);
    for (int j = 0; j < BP_QK_K; j++) {
        int s = j / 16, low = s < 8 ? b->scales[s] & 15 : b->scales[s - 8] >> 4;
        int scale = low | (b->scales[8 + s % 4] >> (2 * (s / 4)) & 3) << 4;
        int hbit = b->hmask[j % 32] >> (j / 32) & 1;
        y[j] = d * (float)(scale - 32) * (float)(two_bits(b->qs, j) - (hbit ? 0 : 4));
    }
}

static int scale_k4(const uint8_t *scales, int s) {
    return s < 4 ? scales[s] & 63 : (scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4;
}

static int min_k4(const uint8_t *scales, int s) {
    return s < 4 ? scales[s + 4] & 63 : scales[s + 4] >> 4 | (scales[s] >> 6) << 4;
}

static int nibble_k(const uint8_t *qs, int j) {
    int g = j / 64, r = j % 64;
    return r < 32 ? qs[32 * g + r] & 15 : qs[32 * g + r - 32] >> 4;
}

static void q4_k(const void *block, float *y) {
    const bp_block_q4_k *b = block;
    for (int s = 0; s < 8; s++) {
        float d = ref_half_to_float(b->d) * (float)scale_k4(b->scales, s);
        float m = ref_half_to_float(b->dmin) * (float)min_k4(b->scales, s);
        for (int j = 32 * s; j < 32 * s + 32; j++) y[j] = d * (float)nibble_k(b->qs, j) - m;
    }
}

static void q5_k(const void *block, float *y) {
    const bp_block_q5_k *b = block;
    for (int s = 0; s < 8; s++) {
        float d = ref_half_to_float(b->d) * (float)scale_k4(b->scales, s);
        float m = ref_half_to_float(b->dmin) * (float)min_k4(b->scales, s);
        for (int j = 32 * s; j < 32 * s + 32; j++) {
            int q = nibble_k(b->qs, j) | (b->qh[j % 32] >> s & 1) << 4;
            y[j] = d * (float)q - m;
        }
    }
}

static void q6_k(const void *block, float *y) {
    const bp_block_q6_k *b = block;
    float d = ref_half_to_float(b->d);
    for (int j = 0; j < BP_QK_K; j++) {
        int h = j / 128, r = j % 128, c = r % 32, k = r / 32;
        int low = k < 2 ? b->ql[64 * h + 32 * k + c] & 15 : b->ql[64 * h + 32 * (k - 2) + c] >> 4;
        int q = low | (b->qh[32 * h + c] >> (2 * k) & 3) << 4;
        y[j] = d * (float)b->scales[j / 16] * (float)(q - 32);
    }
}

static void decode_blocks(uint32_t type, const void *row, int64_t n, float *out,
                          void (*block)(const void *, float *)) {
    bp_type_info t = bp_type(type);
    for (int64_t i = 0; i < n / t.block_values; i++)
        block((const uint8_t *)row + i * t.block_bytes, out + i * t.block_values);
}

void ref_decode(uint32_t type, const void *row, int64_t n, float *out) {
    static void (*const blocks[BP_TYPE_LIMIT])(const void *, float *) = {
        [BP_TYPE_Q4_0] = q4_0, [BP_TYPE_Q4_1] = q4_1, [BP_TYPE_Q5_0] = q5_0, [BP_TYPE_Q5_1] = q5_1,
        [BP_TYPE_Q8_0] = q8_0, [BP_TYPE_Q2_K] = q2_k, [BP_TYPE_Q3_K] = q3_k, [BP_TYPE_Q4_K] = q4_k,
        [BP_TYPE_Q5_K] = q5_k, [BP_TYPE_Q6_K] = q6_k, [BP_TYPE_MXFP4] = mxfp4,
    };
    const bp_half *h = row;
    const int32_t *whole = row;
    if (type == BP_TYPE_F32)
        memcpy(out, row, (size_t)n * sizeof *out);
    else if (type == BP_TYPE_F16)
        for (int64_t i = 0; i < n; i++) out[i] = ref_half_to_float(h[i]);
    else if (type == BP_TYPE_BF16)
        for (int64_t i = 0; i < n; i++) out[i] = bf16_to_float(h[i]);
    else if (type == BP_TYPE_I32)
        for (int64_t i = 0; i < n; i++) out[i] = (float)whole[i];
    else
        decode_blocks(type, row, n, out, blocks[type]);
}

/* d = max|x| / 127, q = x / d to nearest. An infinite or NaN block decodes to NaN where it cannot be told otherwise.
 */
static void encode_q8_0(const float *x, bp_block_q8_0 *b) {
    float top = 0;
    for (int j = 0; j < BP_QK; j++)
        if (fabsf(x[j]) > top || isnan(x[j])) top = isnan(x[j]) || isnan(top) ? NAN : fabsf(x[j]);
    float d = top / 127.0f, inverse = d != 0 ? 1.0f / d : 0;
    b->d = ref_float_to_half(d);
    for (int j = 0; j < BP_QK; j++) {
        float q = isfinite(top) ? rintf(x[j] * inverse) : (float)((x[j] > 0) - (x[j] < 0));
        b->qs[j] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
}

void ref_encode(uint32_t type, const float *x, int64_t n, void *row) {
    bp_half *h = row;
    bp_block_q8_0 *q = row;
    if (type == BP_TYPE_F32)
        memcpy(row, x, (size_t)n * sizeof *x);
    else if (type == BP_TYPE_F16)
        for (int64_t i = 0; i < n; i++) h[i] = ref_float_to_half(x[i]);
    else if (type == BP_TYPE_BF16)
        for (int64_t i = 0; i < n; i++) h[i] = float_to_bf16(x[i]);
    else
        for (int64_t i = 0; i < n / BP_QK; i++) encode_q8_0(x + i * BP_QK, &q[i]);
}
