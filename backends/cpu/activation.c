#include "activation_q8.h"

#include <string.h>

#include "decode_block.h"

uint32_t cpu_activation_format(enum cpu_level level, uint32_t type, uint32_t layout, bool exact) {
    if (exact || type == BP_TYPE_F32) return CPU_ACT_F32;
    if (!cpu_code_of(type).bits) return level == CPU_AMX && cpu_amx_has(type) ? CPU_ACT_AMX_FLOAT : CPU_ACT_F32;
    return level == CPU_AMX && layout != BP_LAYOUT_ROWS && cpu_amx_has(type) ? CPU_ACT_AMX : CPU_ACT_Q8;
}

uint64_t cpu_activation_bytes(uint32_t format, int64_t n_in, int64_t n_tokens) {
    uint64_t parts = format == CPU_ACT_AMX_FLOAT ? 2 : 1;
    if (cpu_is_amx(format, n_in, n_tokens)) return (uint64_t)(n_tokens + 15) / 16 * 16 * (uint64_t)n_in * 2 * parts;
    return (uint64_t)cpu_token_bytes(format, n_in) * (uint64_t)n_tokens;
}

void cpu_activation_prepare(enum cpu_level level, uint32_t format, const float *x, int64_t n_in, int64_t n_tokens,
                            int64_t first, int64_t last, void *prepared) {
    const cpu_kernels *kernels = cpu_kernels_of(level);
    const bool amx = cpu_is_amx(format, n_in, n_tokens);
    for (int64_t t = first; t < last && amx; t++) {
        cpu_amx_prepare(x + t * n_in, n_in, n_tokens, t, format == CPU_ACT_AMX_FLOAT, prepared);
    }
    if (amx) return;
    size_t step = cpu_token_bytes(format, n_in), n = (size_t)n_in;
    for (int64_t t = first; t < last; t++) {
        char *to = (char *)prepared + (size_t)t * step;
        const float *from = x + (size_t)t * n;
        if (format == CPU_ACT_Q8 || format == CPU_ACT_AMX) {
            kernels->quantise(from, n_in, to);
        } else {
            memcpy(to, from, n * sizeof *from);
            memset(to + n * sizeof *from, 0, step - n * sizeof *from);
        }
    }
}
