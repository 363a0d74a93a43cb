/* A compiled graph: the plan, its memory, and what submits keep between them. */
#ifndef BP_CUDA_PROGRAM_H
#define BP_CUDA_PROGRAM_H

#include "backends/cuda/cuda_entry.h"

enum { CUDA_MAX_GRAPHS = 4, CUDA_PENDING = 64, CUDA_MAX_SIZES = 1024 };

typedef struct cuda_chunk {
    struct cuda_chunk *next;
} cuda_chunk;

/* A tensor whose bytes compile uploads. */
typedef struct cuda_constant_value {
    struct cuda_constant_value *next;
    cuda_tensor *tensor;
    void *bytes;
} cuda_constant_value;

/* Which launch's argument (codes; scales is the next) makes the rounded form of a tensor. launch BP_NONE: none can. */
typedef struct cuda_maker {
    uint32_t launch, arg;
} cuda_maker;

/* A row whose norm is left to the products that read it (kernels/gemv_norm.cuh); scaled NULL: none such. */
typedef struct cuda_unnormed {
    cuda_tensor *scaled, *squares;
    int64_t n_squares;
    float eps;
} cuda_unnormed;

/* A size that launches read from device memory. */
typedef struct cuda_size_slot {
    const cuda_tensor *tensor;
    enum cuda_size_of what;
} cuda_size_slot;

struct cuda_plan {
    bp_device *device;
    bool deterministic;
    int64_t longest; /* keys of a sequence at most */
    cuda_tensor **tensors; /* the graph's values, then scratch */
    uint32_t n_values, n_tensors, tensor_capacity;
    cuda_node *nodes;
    bool *planned; /* one a node */
    uint32_t n_nodes, now;
    uint32_t *reader_first, *readers; /* nodes that read value v: readers[reader_first[v]] … */
    bool *written;                    /* one a value */
    cuda_q8 *rounded;                 /* one a value */
    cuda_maker *makers;               /* one a value */
    cuda_unnormed *unnormed;          /* one a value */
    cuda_maker ahead; /* the launch that may ask for the next product's weights, and its first argument for that */
    cuda_launch *launches, spare;
    uint32_t n_launches, launch_capacity;
    cuda_chunk *chunks;
    cuda_constant_value *constants;
    bp_status status;
    bp_error error;
};

typedef union cuda_slot_value {
    CUdeviceptr address;
    int64_t number;
    struct {
        CUdeviceptr at;
        int32_t fixed, unused;
    } size;
} cuda_slot_value;

typedef struct cuda_graph {
    CUdeviceptr *addresses; /* of all tensors when it was captured */
    CUgraphExec exec;
} cuda_graph;

struct bp_program {
    cuda_plan plan;
    bp_range *ranges;
    int64_t *symbols; /* of the last submit */
    uint32_t n_symbols;
    bool shaped, capture, profile, busy;
    uint64_t *offset, *need; /* of temporaries and scratch: place and size */
    uint32_t *first, *last;  /* launches between which they live, + 1 */
    bool *bound;
    CUdeviceptr memory, sizes;
    uint64_t memory_bytes, size_bytes;
    cuda_size_slot *size_slots;
    int32_t *size_values; /* as last uploaded */
    uint32_t n_sizes;
    CUdeviceptr *addresses;     /* of all tensors in this submit */
    cuda_slot_value *arguments; /* of all launches, one after the other */
    void **parameters;          /* pointers to them */
    uint32_t *first_argument;   /* of each launch */
    cuda_graph graphs[CUDA_MAX_GRAPHS];
    uint32_t n_graphs, misses;
    CUevent done; /* of the last submit */
    CUstream side; /* to capture on */
    uint64_t *nanoseconds, *calls; /* one a launch */
    CUevent *marks;                /* profile: one a launch, and one */
    pthread_mutex_t lock;
};

/* The planner of an op, and why it cannot do a node (NULL: it can). */
typedef struct cuda_op {
    const char *name;
    cuda_planner *plan;
    cuda_refusal *refuse;
    uint32_t params_size, inputs, outputs;
} cuda_op;
/* false for ops that this backend does not have; the name is there where the headers have one. */
bool cuda_op_of(uint32_t op, cuda_op *out);

/* Note that argument `arg` of the last launch, and the next one, may take the rounded form of x. */
void cuda_can_round(cuda_plan *p, const cuda_tensor *x, uint32_t arg);
/* What there is instead of the norm y; NULL: y itself. */
const cuda_unnormed *cuda_unnormed_of(const cuda_plan *p, const cuda_tensor *y);
void cuda_leave_norm(cuda_plan *p, const cuda_tensor *y, cuda_unnormed instead);
int64_t cuda_size_of_tensor(const cuda_tensor *t, enum cuda_size_of what);
bool cuda_size_varies(const cuda_tensor *t, enum cuda_size_of what);

#endif
