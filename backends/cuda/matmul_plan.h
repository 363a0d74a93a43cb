/* The parts of planning a product: gemv (few tokens), gemm (many), rows (weights as the file has them, slowly). */
#ifndef BP_CUDA_MATMUL_PLAN_H
#define BP_CUDA_MATMUL_PLAN_H

#include "backends/cuda/weight_planes.h"

enum { MATMUL_FEW = 8, MATMUL_GROUP = 8 };

/* Products of one input: nodes that read the same x, none planned yet. */
typedef struct matmul_group {
    const cuda_node *node[MATMUL_GROUP];
    uint32_t n;
} matmul_group;

/* The launch form of a product of few tokens: gemv.cu's options. */
typedef struct gemv_form {
    int rows, depth, split, warps, steps;
} gemv_form;
gemv_form gemv_form_of(uint32_t type, int64_t n_in, int64_t rows, int64_t tokens, bool glu);
/* Rows of the output that a block makes. */
static inline int gemv_block_rows(gemv_form f, bool glu) {
    return f.warps / f.split * (glu ? f.rows / 2 : f.rows) * f.steps;
}

/* True where x may be rounded to 8 bits for this weight. */
bool matmul_rounds(const cuda_plan *p, const cuda_tensor *w);
/* -DBP_ALIGNED: 0 where rows of floats do not begin at multiples of 16 bytes. */
int matmul_aligned(const cuda_tensor *w);

/* A gate, its up, and the GLU that alone reads both; glu NULL where there is none. */
typedef struct gated_pair {
    const cuda_node *gate, *up, *glu;
} gated_pair;
gated_pair matmul_gated(const cuda_plan *p, const cuda_node *n);

/* A weight that is no quantised one as the file has it. */
bool matmul_packed(const cuda_tensor *w);

/* The norm, unplanned, that alone reads the product n of one token, adding a residual, and that products alone read. */
const cuda_node *matmul_norm_after(const cuda_plan *p, const cuda_node *n);
bool matmul_link_fits(int block_rows, int64_t blocks);
/* A gemv launch's last options and arguments: of the norm before x, where it was left to x's readers, and of the norm
 * after (NULL: none), which is claimed and whose value is left to its readers; scaled: the launch's output. */
void matmul_link(cuda_plan *p, cuda_launch *l, cuda_tensor *x, const cuda_node *norm, cuda_tensor *scaled, int64_t blocks);

/* Called at the end of planning a gemv launch of weights a and b (b NULL: none), of one token or more: where it follows
 * attention it will ask for weights ahead, of its own a and of the next such launch (kernels/gemv_ahead.cuh). */
void matmul_ahead(cuda_plan *p, cuda_launch *l, int64_t tokens, cuda_tensor *a, cuda_tensor *b);
/* Append " -DNAME=VALUE" to a launch's options. */
void matmul_option(cuda_plan *p, cuda_launch *l, const char *name, int value);

void matmul_gemv(cuda_plan *p, const matmul_group *g);
void matmul_gemv_glu(cuda_plan *p, const gated_pair *g);
void matmul_gemm(cuda_plan *p, const matmul_group *g);
void matmul_rows(cuda_plan *p, const cuda_node *n);
/* A product of many tokens with experts, and, where it can, those that it is gated with. False: it stays to be done
 * pair by pair (few tokens, or results that may not depend on their number). */
bool matmul_experts(cuda_plan *p, const cuda_node *n);
/* x, which n reads, in `form` (F16, BF16) by the launch that makes it, which leaves out x itself where n alone reads
 * it. NULL: that launch cannot. */
cuda_tensor *matmul_experts_halves(cuda_plan *p, const cuda_node *n, cuda_tensor *x, uint32_t form);

/* The type that weight and activations of many tokens are multiplied in: F32, F16 or BF16. */
uint32_t matmul_form(const cuda_plan *p, const cuda_tensor *w);
/* n's activations in that type, made once for all products of them. */
cuda_tensor *matmul_convert(cuda_plan *p, const cuda_node *n, uint32_t form);

/* Rows [first, first + rows) of n's result on cuBLASLt; w [n_in, rows] and x in `type` (F32, F16, BF16). False: it is
 * not there. */
bool matmul_lt(cuda_plan *p, const cuda_node *n, uint32_t type, cuda_tensor *w, int64_t first, int64_t rows,
               cuda_tensor *x);

/* True where n, the experts' last product of few tokens, was planned with the COMBINE_EXPERTS that alone reads it. */
bool matmul_experts_sum(cuda_plan *p, const cuda_node *n);

#endif
