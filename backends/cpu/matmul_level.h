/* The kernels of one level, chosen by cpu_matmul. Bounds and meaning are those of cpu_matmul. */
#ifndef BP_CPU_MATMUL_LEVEL_H
#define BP_CPU_MATMUL_LEVEL_H

#include "matmul.h"

typedef struct cpu_product {
    const cpu_weight *w;
    const void *prepared;
    int64_t n_tokens, first, last;
    const float *bias;
    float *out;
} cpu_product;

typedef struct cpu_kernels {
    void (*quantise)(const float *x, int64_t n_in, char *to); /* one token to Q8 */
    void (*exact)(const cpu_product *);  /* F32 activations, any weight */
    void (*rows)(const cpu_product *);   /* Q8 activations, quantised weight of any layout */
    bool (*panels)(const cpu_product *); /* Q8 activations, packed weight; false: no kernel for its type. May be NULL */
} cpu_kernels;

/* The AMX level multiplies CPU_AMX_TOKENS or more tokens by packed weights, and by F16 and BF16 in rows of a multiple of 32
 * values, itself; all else is done by AVX-512. Activations, padded to 16 tokens, are blocks of 256 values:
 * [n_tokens / 16][8][16 tokens][32 values] bfloat16. For F16 and BF16 (two_parts) blocks of 128, all of them first rounded,
 * then what rounding has left.
 * room: CPU_AMX_ROOM bytes, aligned to 64, its own for each thread. cpu_amx_has: whether there is a kernel for a type. */
enum { CPU_AMX_TOKENS = 16, CPU_AMX_ROOM = (256 + 1024) << 10 };
void cpu_amx_prepare(const float *x, int64_t n_in, int64_t n_tokens, int64_t token, bool two_parts, void *prepared);
bool cpu_amx_has(uint32_t type);
void cpu_amx_product(const cpu_product *, void *room);

const cpu_kernels *cpu_kernels_of(enum cpu_level level);
const cpu_kernels *cpu_kernels_portable(void);
const cpu_kernels *cpu_kernels_avx2(void);
const cpu_kernels *cpu_kernels_avx512(void);

#endif
