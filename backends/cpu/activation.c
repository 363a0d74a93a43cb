#include "activation_q8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "decode_block.h"

uint32_t cpu_activation_format(enum cpu_level level, uint32_t type, uint32_t layout, bool exact) {
    if (exact || !cpu_code_of(type).bits) return CPU_ACT_F32;
    return level == CPU_AMX && layout != BP_LAYOUT_ROWS ? CPU_ACT_AMX : CPU_ACT_Q8;
}

uint64_t cpu_activation_bytes(uint32_t format, int64_t n_in, int64_t n_tokens) {
    if (cpu_is_amx(format, n_tokens)) return (uint64_t)(n_tokens + 15) / 16 * 16 * (uint64_t)n_in * 2;
    return (uint64_t)cpu_token_bytes(format, n_in) * (uint64_t)n_tokens;
}

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

static void prepare_q8(const float *x, int64_t n_in, char *to) {
    size_t n = (size_t)n_in;
    float *d = (float *)(void *)(to + n), *s = d + n / 32;
    int32_t *sum = (int32_t *)(void *)(s + n / 32);
    for (size_t b = 0; b < n / 32; b++) quantise_block(x + 32 * b, (int8_t *)to + 32 * b, d + b, s + b, sum + 2 * b);
}

void cpu_activation_prepare(enum cpu_level level, uint32_t format, const float *x, int64_t n_in, int64_t n_tokens,
                            int64_t first, int64_t last, void *prepared) {
    (void)level;
    for (int64_t t = first; t < last && cpu_is_amx(format, n_tokens); t++) {
        cpu_amx_prepare(x + t * n_in, n_in, n_tokens, t, prepared);
    }
    if (cpu_is_amx(format, n_tokens)) return;
    size_t step = cpu_token_bytes(format, n_in), n = (size_t)n_in;
    for (int64_t t = first; t < last; t++) {
        char *to = (char *)prepared + (size_t)t * step;
        const float *from = x + (size_t)t * n;
        if (format != CPU_ACT_F32) {
            prepare_q8(from, n_in, to);
        } else {
            memcpy(to, from, n * sizeof *from);
            memset(to + n * sizeof *from, 0, step - n * sizeof *from);
        }
    }
}
