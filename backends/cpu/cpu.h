/* The parts of the CPU backend: its device, a compiled program, and the tasks that a program is made of. */
#ifndef BP_CPU_CPU_H
#define BP_CPU_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/cpu/matmul.h"
#include "backends/cpu/ops_vec.h"
#include "backplane/backend.h"
#include "backplane/node_check.h"

enum { CPU_MAX_IN = BP_NODE_MAX_IN, CPU_MAX_OUT = BP_NODE_MAX_OUT, CPU_MAX_SCRATCH = 5, CPU_ALIGN = 64 };
enum { CPU_MAX_KERNEL = 32 }; /* taps of causal_conv */

struct bp_device {
    const bp_host *host;
    enum cpu_level level;
    const cpu_vec *vec;
    bool exact, repack;
    uint32_t threads;
    char name[96], detail[64];
};

struct bp_buffer {
    char *memory;
    uint64_t bytes;
    bool owned;
};

/* A value with the numbers of one submit. Dimensions past the rank are 1. */
typedef struct cpu_tensor {
    union {
        bp_operand operand;
        struct {
            int64_t n[BP_MAX_RANK];
            uint32_t type, layout, rank, role;
        };
    };
    char *data;
    uint64_t bytes;
} cpu_tensor;

typedef struct cpu_task cpu_task;
typedef void cpu_kernel(const cpu_task *task, uint32_t thread, uint32_t n_threads);

/* One phase of one node. Tensors that are left out are NULL. */
struct cpu_task {
    cpu_kernel *run;
    const bp_device *device;
    const cpu_tensor *in[CPU_MAX_IN], *out[CPU_MAX_OUT], *scratch[CPU_MAX_SCRATCH];
    bp_any_params params;
    uint32_t op, node, format;
    uint64_t unit;       /* matmul_experts: bytes of prepared activations a row */
    atomic_uint *taken;  /* what threads have taken of the task's common part in this run */
    uint32_t scratch_reads, scratch_writes; /* bits, one a scratch tensor */
    bool writes_out;     /* this phase fills the outputs */
    bool barrier;        /* all earlier tasks must be done before this one */
};

bp_status cpu_fail(bp_error *error, bp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The name of an op, and how many inputs and outputs it may have; NULL for an unknown one. */
const char *cpu_op_name(uint32_t op);
uint32_t cpu_op_inputs(uint32_t op), cpu_op_outputs(uint32_t op);
uint32_t cpu_op_params_size(uint32_t op);
/* The kernel of an op that is one task alone, NULL for the others. */
cpu_kernel *cpu_op_kernel(uint32_t op);

/* NULL where the task's tensors and parameters fit its op, else what is wrong; reads no tensor's data. */
const char *cpu_check(const cpu_task *task);

/* Bytes that weight v [n] takes in its layout; false where the layout is not one that this device chose for it. */
bool cpu_weight_size(const bp_device *d, const cpu_tensor *t, uint64_t *bytes);

bp_status cpu_layout(bp_device *, const bp_graph *, uint32_t value, bp_weight_layout *, bp_error *);
bp_status cpu_pack(bp_device *, const bp_value *, const void *rows, int64_t first, int64_t n, bp_buffer *, uint64_t offset,
                   bp_error *);
bp_status cpu_assess(bp_device *, const bp_graph *, bp_verdict *, bp_error *);
bp_status cpu_compile(bp_device *, const bp_graph *, const bp_options *, bp_program **, bp_error *);
void cpu_program_free(bp_device *, bp_program *);
bp_status cpu_stream_new(bp_device *, bp_stream **, bp_error *);
void cpu_stream_free(bp_device *, bp_stream *);
bp_status cpu_submit(bp_stream *, bp_program *, const int64_t *symbols, const bp_binding *, uint32_t n_bindings,
                     uint64_t *sequence, bp_error *);
bp_status cpu_wait(bp_stream *, uint64_t sequence, int64_t timeout_ns, bp_error *);
const void *cpu_device_extension(bp_device *, const char *id);
extern const bp_device_api cpu_device_api;
bp_status cpu_open(const bp_host *host, bp_device **, bp_error *);

/* Kernels of more than one phase. */
cpu_kernel cpu_run_prepare, cpu_run_matmul, cpu_run_experts_group, cpu_run_experts_prepare, cpu_run_experts;
cpu_kernel cpu_run_attention, cpu_run_attention_merge;
/* Bytes of scratch of a part of attention: [0] a thread's own rows, all threads; [1] partial results of split contexts. */
bool cpu_attention_scratch(const cpu_task *task, uint64_t bytes[2]);

/* Kernels of one phase. */
cpu_kernel cpu_run_embed, cpu_run_route, cpu_run_combine, cpu_run_norm, cpu_run_rope, cpu_run_kv_write, cpu_run_scores;
cpu_kernel cpu_run_softmax, cpu_run_mix, cpu_run_binary, cpu_run_unary, cpu_run_glu, cpu_run_reduce, cpu_run_gather;
cpu_kernel cpu_run_slice, cpu_run_concat, cpu_run_convert, cpu_run_pool, cpu_run_top_k, cpu_run_argmax;
cpu_kernel cpu_run_reshape, cpu_run_conv, cpu_run_scan, cpu_run_delta;

/* A row of a tensor of any type as floats, and floats as a row of F32, F16, BF16 or Q8_0. */
void cpu_load_row(const cpu_tensor *t, int64_t row, float *out);
void cpu_store_row(uint32_t type, const float *x, int64_t n, void *out);

static inline int64_t cpu_rows(const cpu_tensor *t) { return t->n[1] * t->n[2] * t->n[3]; }
static inline const float *cpu_f32(const cpu_tensor *t) { return t ? (const float *)(const void *)t->data : NULL; }
static inline const int32_t *cpu_i32(const cpu_tensor *t) { return t ? (const int32_t *)(const void *)t->data : NULL; }
static inline float *cpu_f32_out(const cpu_tensor *t) { return t ? (float *)(void *)t->data : NULL; }

/* This thread's part of n things: [*first, *last). */
static inline void cpu_share(int64_t n, uint32_t thread, uint32_t n_threads, int64_t *first, int64_t *last) {
    int64_t each = n / n_threads, more = n % n_threads;
    *first = each * thread + (thread < more ? thread : more);
    *last = *first + each + (thread < more);
}

/* Rows [*first, *last) of n_out for this thread, in steps of CPU_ROW_STEP. */
static inline void cpu_share_rows(int64_t n_out, uint32_t thread, uint32_t n_threads, int64_t *first, int64_t *last) {
    cpu_share((n_out + CPU_ROW_STEP - 1) / CPU_ROW_STEP, thread, n_threads, first, last);
    *first *= CPU_ROW_STEP;
    *last = *last * CPU_ROW_STEP < n_out ? *last * CPU_ROW_STEP : n_out;
}

/* This thread's part of n columns by m rows: rows where there are enough of them, else columns. */
typedef struct cpu_span { int64_t row0, row1, col0, col1; } cpu_span;
static inline cpu_span cpu_split(int64_t n, int64_t m, uint32_t thread, uint32_t n_threads) {
    cpu_span s = { 0, m, 0, n };
    if (m >= n_threads) {
        cpu_share(m, thread, n_threads, &s.row0, &s.row1);
    } else {
        cpu_share((n + 15) / 16, thread, n_threads, &s.col0, &s.col1);
        s.col0 *= 16;
        s.col1 = s.col1 * 16 < n ? s.col1 * 16 : n;
        if (s.col0 > s.col1) s.col0 = s.col1;
    }
    return s;
}

#endif
