/* A plan: the launches that a graph becomes. Planners (one an op) turn nodes into launches through this interface alone.
 *
 * A launch names a kernel by source file, function and -D options, and lists its arguments: addresses of tensors, sizes,
 * numbers. Shapes belong into arguments, not into options, but where a hot kernel gains much: each set of options is
 * compiled on its own.
 *
 * Sizes that change between submits. A tensor's n[] is at its largest while planning. A kernel is given a size as a
 * `bp_size` (kernels/common.cuh): a number where the size is fixed, else the place in device memory where each submit
 * writes it; `bp_get(size)` reads either. So a captured graph is replayed without an update. A launch's grid may be larger
 * than this submit needs (that of the largest sizes): kernels compare with the sizes that they read.
 *
 * Order. Launches run one after the other, as if each ended before the next began. With l->waits the next launch may
 * begin early (programmatic dependent launch): every thread of such a kernel calls bp_wait_inputs() before it touches
 * any memory but weights, and may call bp_release_next() when the next kernel may start to prefetch its weights.
 * Measured, not reasoned: the small kernels between products (norm, rope and cache, attention) do, products do not. */
#ifndef BP_CUDA_PLAN_H
#define BP_CUDA_PLAN_H

#include "backends/cuda/cuda_device.h"
#include "backplane/node_check.h"

typedef struct cuda_plan cuda_plan;

/* A value of the graph, or scratch. Dimensions past the rank are 1. */
typedef struct cuda_tensor {
    uint32_t index; /* in the plan */
    uint32_t type, layout, rank, role;
    int64_t n[BP_MAX_RANK];
    bool varies[BP_MAX_RANK]; /* the dimension differs between submits */
    uint64_t bytes;
    bp_dim dim[BP_MAX_RANK];  /* as the graph has them */
} cuda_tensor;

typedef bp_any_params cuda_params;

typedef struct cuda_node {
    uint32_t op, index;
    uint32_t n_in, n_out;
    cuda_tensor *in[CUDA_MAX_IN], *out[CUDA_MAX_OUT]; /* NULL: left out */
    cuda_params params;
} cuda_node;

/* ---- Launches ---- */

enum { CUDA_MAX_ARGS = 56, CUDA_MAX_OPTIONS = 256 };
enum cuda_size_of { CUDA_AXIS_0, CUDA_AXIS_1, CUDA_AXIS_2, CUDA_AXIS_3, CUDA_ROWS /* n1 n2 n3 */, CUDA_COUNT /* all */ };

/* A dimension of the grid: min(cap, ceil(size / per)) * times. tensor NULL: times alone. cap 0: none. per 0: 1. */
typedef struct cuda_extent {
    const cuda_tensor *tensor;
    enum cuda_size_of what;
    int64_t per, times, cap;
} cuda_extent;

enum cuda_arg_kind { CUDA_ARG_NULL, CUDA_ARG_READ, CUDA_ARG_WRITE, CUDA_ARG_UPDATE, CUDA_ARG_SIZE, CUDA_ARG_NUMBER };

typedef struct cuda_arg {
    enum cuda_arg_kind kind;
    cuda_tensor *tensor;
    enum cuda_size_of what;
    union {
        int32_t i;
        int64_t l;
        float f;
    } number;
} cuda_arg;

typedef struct cuda_launch cuda_launch;

/* Work that is no kernel of ours (cuBLASLt). address[i] and size[i] are those of argument i in this submit. */
typedef struct cuda_call {
    bp_device *device;
    CUstream stream;
    const cuda_launch *launch;
    const CUdeviceptr *address;
    const int64_t *size;
} cuda_call;
typedef bp_status cuda_call_fn(const cuda_call *call, bp_error *error);

struct cuda_launch {
    const char *source, *function; /* "norm.cu", "norm"; static texts */
    char options[CUDA_MAX_OPTIONS]; /* "-DTYPE=12 -DHEAD=128", in a fixed order */
    cuda_extent grid[3];
    uint32_t block[3];
    uint32_t shared;   /* bytes of dynamic shared memory */
    bool waits;        /* see Order above */
    uint32_t node, n_nodes; /* the first node that it computes, and how many (profile) */
    const char *what;  /* "matmul Q4_K": static; NULL: the function's name */
    uint64_t bytes;    /* read and written at most, for profiles; 0: not known */
    cuda_arg args[CUDA_MAX_ARGS];
    uint32_t n_args;
    cuda_call_fn *call; /* instead of a kernel */
    const void *self;   /* call's own; lives as long as the plan (cuda_plan_alloc) */
    CUfunction handle;  /* after the kernels are loaded */
};

/* Add a launch of block threads; grid starts as 1 × 1 × 1. Never NULL: what cannot be had fails the plan later. The
 * pointer is valid until the next cuda_add. */
cuda_launch *cuda_add(cuda_plan *p, const cuda_node *n, const char *source, const char *function, uint32_t block,
                      const char *options, ...) __attribute__((format(printf, 6, 7)));
/* A call instead; a program with a call whose sizes vary is not captured. */
cuda_launch *cuda_add_call(cuda_plan *p, const cuda_node *n, const char *what, cuda_call_fn *call, const void *self);
void cuda_grid(cuda_launch *l, int axis, const cuda_tensor *t, enum cuda_size_of what, int64_t per);

/* Arguments, in the kernel's order. t may be NULL: a null pointer. */
void cuda_arg_read(cuda_launch *l, cuda_tensor *t);
void cuda_arg_write(cuda_launch *l, cuda_tensor *t);
void cuda_arg_update(cuda_launch *l, cuda_tensor *t);                             /* read and written */
void cuda_arg_size(cuda_launch *l, cuda_tensor *t, enum cuda_size_of what);       /* bp_size */
void cuda_arg_int(cuda_launch *l, int32_t v);
void cuda_arg_int64(cuda_launch *l, int64_t v);
void cuda_arg_float(cuda_launch *l, float v);

/* ---- The plan ---- */

const bp_device *cuda_plan_device(const cuda_plan *p);
bool cuda_plan_deterministic(const cuda_plan *p);
/* No sequence of a submit has more keys (the symbol n_kv); INT64_MAX where the graph does not say. */
int64_t cuda_plan_longest(const cuda_plan *p);
/* Memory of the program's own; bytes > 0. NULL fails the plan later. */
cuda_tensor *cuda_scratch(cuda_plan *p, uint64_t bytes);
/* Memory of the program's own that holds a copy of these bytes and is only read. */
cuda_tensor *cuda_constant(cuda_plan *p, const void *from, uint64_t bytes);
void *cuda_plan_alloc(cuda_plan *p, size_t bytes); /* zeroed, freed with the program; NULL when out of memory */
void cuda_plan_fail(cuda_plan *p, bp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fusion: a planner may take later nodes along. */
uint32_t cuda_node_count(const cuda_plan *p);
const cuda_node *cuda_node_at(const cuda_plan *p, uint32_t i);
bool cuda_planned(const cuda_plan *p, uint32_t i);   /* node i has its launches, or was claimed */
void cuda_claim(cuda_plan *p, uint32_t i);           /* this planner's launches compute node i */
bool cuda_available(const cuda_plan *p, const cuda_tensor *t); /* bound from outside, or written by an earlier launch */
uint32_t cuda_reader_count(const cuda_plan *p, const cuda_tensor *t);
const cuda_node *cuda_reader(const cuda_plan *p, const cuda_tensor *t, uint32_t i); /* i-th node that reads it */
/* True where only `reader` reads t and t is no output of the graph: it need not exist in memory. */
bool cuda_private_to(const cuda_plan *p, const cuda_tensor *t, const cuda_node *reader);

/* Activations rounded to 8 bits, made once an input: by the kernel that makes x where it can (norm, glu), else by a launch
 * of its own, which this call adds. Row r of x [n, rows] (n a multiple of 32):
 *   codes   int8  [n, rows];  scales  float2 [n / 32, rows]: .x = d, .y = d * (sum of the block's 32 codes);
 *   x = d * code, d = max|x| / 127. */
typedef struct cuda_q8 {
    cuda_tensor *codes, *scales;
} cuda_q8;
cuda_q8 cuda_quantised(cuda_plan *p, const cuda_node *n, cuda_tensor *x);

/* ---- Planners of files of their own (each says in words, as a static text, what it cannot do) ---- */

typedef void cuda_planner(cuda_plan *p, const cuda_node *n);
typedef const char *cuda_refusal(const bp_device *d, const cuda_node *n); /* NULL: it can; shapes were checked */
cuda_planner cuda_plan_matmul, cuda_plan_experts, cuda_plan_attention, cuda_plan_rope, cuda_plan_kv, cuda_plan_norm,
    cuda_plan_route, cuda_plan_combine;
cuda_refusal cuda_refuse_matmul, cuda_refuse_experts, cuda_refuse_attention, cuda_refuse_route;
/* True where the queries' norm or rope n was planned together with all up to the cache (heads.cu). */
bool cuda_plan_heads(cuda_plan *p, const cuda_node *n);

/* ---- Weights ---- */

/* How a weight [n_in, n_out, n_expert] that is multiplied lies on the device: *out has BP_LAYOUT_ROWS, the file's bytes and
 * CUDA_ALIGN in it already. The same for MATMUL and MATMUL_EXPERTS. `embedded`: EMBED_ROWS reads it, too. */
void cuda_weight_layout(const bp_device *d, const cuda_tensor *w, bool embedded, bp_weight_layout *out);
/* The kernel that packs rows, of signature
 *   (const unsigned char *rows, long long first, long long n, long long n_in, long long n_rows, unsigned char *to)
 * where `rows` are the rows [first, first + n) as the file has them, n_rows all of them, and `to` the tensor's place. It is
 * started with 256 threads a block and any number of blocks, and walks the rows with a stride of the grid. */
typedef struct cuda_pack_kernel {
    const char *source, *function;
    char options[CUDA_MAX_OPTIONS];
} cuda_pack_kernel;
void cuda_weight_pack(const bp_device *d, const cuda_tensor *w, cuda_pack_kernel *out);

#endif
