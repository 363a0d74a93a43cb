/* Weights times activations on one instruction-set level. No threads in here: the caller shares rows among threads. */
#ifndef BP_CPU_MATMUL_H
#define BP_CPU_MATMUL_H

#include <stdbool.h>
#include <stdint.h>

#include "backplane/device.h"

/* Levels, weakest first. A level is usable where cpu_level_usable says so (CPUID, XGETBV, and for AMX the kernel's leave). */
enum cpu_level { CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_AMX, CPU_LEVELS };
const char *cpu_level_name(enum cpu_level level); /* "portable", "avx2", "avx512vnni", "amx" */
bool cpu_level_usable(enum cpu_level level);
enum cpu_level cpu_level_best(void);

/* A weight as it lies in memory: rank-2 part of it (for experts: one expert). */
typedef struct cpu_weight {
    const void *data;
    uint32_t type, layout; /* layout: BP_LAYOUT_ROWS or what cpu_weight_layout chose */
    int64_t n_in, n_out;
} cpu_weight;

/* How a weight [n_in, n_out, n_outer] is to be stored; repack = false always answers BP_LAYOUT_ROWS. Rows are dense and their tail
 * (n_out not a multiple of the interleave) is the packer's to handle inside `bytes`. pack: as bp_device_api.pack. */
void cpu_weight_layout(enum cpu_level level, uint32_t type, int64_t n_in, int64_t n_out, int64_t n_outer, bool repack,
                       bp_weight_layout *out);
void cpu_weight_pack(enum cpu_level level, const cpu_weight *w, const void *rows, int64_t first, int64_t n, void *to);
/* Row `row` decoded to n_in floats, from any layout (embed_rows of a tied, packed table needs it). */
void cpu_weight_row(const cpu_weight *w, int64_t row, float *out);

/* Activations are prepared once for all weights of one format that read them: converted (rounded to int8 blocks with scales and
 * sums, or kept as F32). Formats are small numbers; exact = true keeps F32. A format may depend on n_tokens: prepare and multiply
 * the same number. */
uint32_t cpu_activation_format(enum cpu_level level, uint32_t type, uint32_t layout, bool exact);
uint64_t cpu_activation_bytes(uint32_t format, int64_t n_in, int64_t n_tokens);
/* Prepare tokens [first, last) of x [n_in, n_tokens] into prepared (64-byte aligned, cpu_activation_bytes). */
void cpu_activation_prepare(enum cpu_level level, uint32_t format, const float *x, int64_t n_in, int64_t n_tokens,
                            int64_t first, int64_t last, void *prepared);

/* out[o + t * n_out] for rows o in [first, last), first a multiple of CPU_ROW_STEP, all n_tokens tokens. bias NULL or [n_out]. */
enum { CPU_ROW_STEP = 16 };
/* Bytes of `room` (64-byte aligned) that each thread needs for products of up to n_tokens; 0: room may be NULL. */
uint64_t cpu_matmul_room(uint32_t format, int64_t n_in, int64_t n_tokens);
void cpu_matmul(enum cpu_level level, const cpu_weight *w, uint32_t format, const void *prepared, int64_t n_tokens,
                int64_t first, int64_t last, const float *bias, float *out, void *room);

/* Conversions shared with the other ops (round to nearest even). */
float cpu_half_to_float(uint16_t h);
uint16_t cpu_float_to_half(float f);

#endif
