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
    void (*exact)(const cpu_product *);  /* F32 activations, any weight */
    void (*rows)(const cpu_product *);   /* Q8 activations, quantised weight of any layout */
    bool (*panels)(const cpu_product *); /* Q8 activations, packed weight; false: no kernel for its type. May be NULL */
} cpu_kernels;

const cpu_kernels *cpu_kernels_portable(void);
const cpu_kernels *cpu_kernels_avx2(void);
const cpu_kernels *cpu_kernels_avx512(void);

#endif
