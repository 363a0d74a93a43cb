/* Prepared activations. CPU_ACT_F32: tokens as they are, each padded with zeros to 16 floats. CPU_ACT_Q8: a token is
 * n_in int8 codes, a scale of each 32, scale times sum of each 32, and the integer sum of each 16. CPU_ACT_AMX: Q8 for a few
 * tokens, else the tiles of cpu_amx_prepare. CPU_ACT_AMX_FLOAT: F32 for a few, else tiles in two parts. */
#ifndef BP_CPU_ACTIVATION_Q8_H
#define BP_CPU_ACTIVATION_Q8_H

#include <stddef.h>

#include "matmul_level.h"

enum { CPU_ACT_F32 = 0, CPU_ACT_Q8 = 1, CPU_ACT_AMX = 2, CPU_ACT_AMX_FLOAT = 3 };

typedef struct cpu_q8 {
    const int8_t *q;
    const float *d, *s;
    const int32_t *sum;
} cpu_q8;

static inline size_t cpu_token_bytes(uint32_t format, int64_t n_in) {
    size_t n = (size_t)n_in;
    if (format == CPU_ACT_F32 || format == CPU_ACT_AMX_FLOAT) return (n + 15) / 16 * 64;
    return (n + n / 32 * 8 + n / 16 * 4 + 63) / 64 * 64;
}

/* Whether so many tokens are multiplied in tiles. */
static inline bool cpu_is_amx(uint32_t format, int64_t n_in, int64_t n_tokens) {
    return n_tokens >= CPU_AMX_TOKENS && (format == CPU_ACT_AMX || (format == CPU_ACT_AMX_FLOAT && n_in % 32 == 0));
}

static inline cpu_q8 cpu_q8_token(const void *prepared, int64_t n_in, int64_t token) {
    const char *at = (const char *)prepared + (size_t)token * cpu_token_bytes(CPU_ACT_Q8, n_in);
    size_t n = (size_t)n_in;
    const float *d = (const float *)(const void *)(at + n);
    return (cpu_q8){ (const int8_t *)at, d, d + n / 32, (const int32_t *)(const void *)(d + n / 32 * 2) };
}

#endif
