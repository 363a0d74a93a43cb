/* The nodes between the projections of a layer's heads and its attention, that may be planned together. */
#ifndef BP_CUDA_HEADS_PLAN_H
#define BP_CUDA_HEADS_PLAN_H

#include "backends/cuda/cuda_plan.h"

/* The norms may be NULL. */
typedef struct head_group {
    const cuda_node *q_norm, *k_norm, *q, *k, *write;
} head_group;

/* What they read. */
static inline cuda_tensor *heads_of_queries(const head_group *g) { return (g->q_norm ? g->q_norm : g->q)->in[0]; }
static inline cuda_tensor *heads_of_keys(const head_group *g) { return (g->k_norm ? g->k_norm : g->k)->in[0]; }

/* Turns a position of every pair (kernels/rotate.cuh), and the magnitude. */
cuda_tensor *cuda_rope_turns(cuda_plan *p, const bp_rope_params *r, float *magnitude);
/* Arguments in the kernels' order: n_dims … sections; on and eps of a norm that may be NULL. */
void cuda_rope_numbers(cuda_launch *l, const bp_rope_params *r);
void cuda_head_norm_numbers(cuda_launch *l, const cuda_node *norm);

/* True where the attention that alone reads the queries was planned with the whole group in one launch (one token). */
bool cuda_plan_fresh_attention(cuda_plan *p, const head_group *g);

#endif
