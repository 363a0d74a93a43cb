/* Activations rounded to 8 bits (activation_q8.h), compiled for each level: matmul_rows.h includes this. */
#include <float.h>
#include <math.h>

/* Scale of 32 values; NaN where one is not finite (it then reaches every output), 0 where all are next to nothing. */
static float block_scale(const float *x) {
    float max = 0;
    int bad = 0;
    for (int j = 0; j < 32; j++) {
        float a = fabsf(x[j]);
        bad |= !(a <= FLT_MAX);
        max = a > max ? a : max;
    }
    if (bad) return NAN;
    return max < 1e-30f ? 0 : max / 127;
}

static void quantise_block(const float *x, int8_t *q, float *d, float *s, int32_t *sum) {
    float scale = block_scale(x), inverse = scale > 0 ? 1 / scale : 0;
    sum[0] = sum[1] = 0;
    for (int j = 0; j < 32; j++) {
        /* Adding 1.5 * 2^23 rounds to nearest even and leaves the integer in the low bits. */
        float shifted = (inverse > 0 ? x[j] * inverse : 0) + 12582912.0f;
        int32_t code;
        memcpy(&code, &shifted, sizeof code);
        code -= 0x4b400000;
        q[j] = (int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
    }
    for (int j = 0; j < 16; j++) sum[0] += q[j], sum[1] += q[j + 16];
    *d = scale;
    *s = scale * (float)(sum[0] + sum[1]);
}

static void quantise(const float *x, int64_t n_in, char *to) {
    size_t n = (size_t)n_in;
    float *d = (float *)(void *)(to + n), *s = d + n / 32;
    int32_t *sum = (int32_t *)(void *)(s + n / 32);
    for (size_t b = 0; b < n / 32; b++) quantise_block(x + 32 * b, (int8_t *)to + 32 * b, d + b, s + b, sum + 2 * b);
}
