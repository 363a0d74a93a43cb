#include "activation_q8.h"
#include "matmul_level.h"

const cpu_kernels *cpu_kernels_of(enum cpu_level level) {
#if defined(__x86_64__)
    if (level >= CPU_AVX512) return cpu_kernels_avx512();
    if (level == CPU_AVX2) return cpu_kernels_avx2();
#else
    (void)level;
#endif
    return cpu_kernels_portable();
}

uint64_t cpu_matmul_room(uint32_t format, int64_t n_in, int64_t n_tokens) {
    return cpu_is_amx(format, n_in, n_tokens) ? CPU_AMX_ROOM : 0;
}

void cpu_matmul(enum cpu_level level, const cpu_weight *w, uint32_t format, const void *prepared, int64_t n_tokens,
                int64_t first, int64_t last, const float *bias, float *out, void *room) {
    const cpu_kernels *kernels = cpu_kernels_of(level);
    cpu_product p = { w, prepared, n_tokens, first, last, bias, out };
    if (cpu_is_amx(format, w->n_in, n_tokens)) cpu_amx_product(&p, room);
    else if (format == CPU_ACT_F32 || format == CPU_ACT_AMX_FLOAT) kernels->exact(&p);
    else if (w->layout == BP_LAYOUT_ROWS || !kernels->panels || !kernels->panels(&p)) kernels->rows(&p);
}
