#include <stdint.h>
#include <string.h>

enum { V_LANES = 4 };
typedef float VF __attribute__((vector_size(16)));
enum { TILE_TOKENS = 4 };
#define V_SUM(v) ((v)[0] + (v)[1] + (v)[2] + (v)[3])
#define V_FMA(a, b, c) ((a) * (b) + (c))

static inline int32_t dot_16(const int8_t *a, const int8_t *b) {
    int32_t sum = 0;
    for (int i = 0; i < 16; i++) sum += a[i] * b[i];
    return sum;
}

#include "matmul_rows.h"

const cpu_kernels *cpu_kernels_portable(void) {
    static const cpu_kernels kernels = { quantise, product_exact, product_rows, NULL };
    return &kernels;
}
