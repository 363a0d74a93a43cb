/* Building an op graph. Shapes are inferred and checked as nodes are added; the first error is kept, later calls then do
 * nothing, and bp_builder_finish reports it. One thread. Values are named by index, as in bp_graph. */
#ifndef BP_GRAPH_BUILDER_H
#define BP_GRAPH_BUILDER_H

#include "backplane/graph.h"
#include "backplane/status.h"

typedef struct bp_builder bp_builder;

bp_builder *bp_builder_new(void); /* NULL: out of memory */
void bp_builder_free(bp_builder *b);
/* The finished graph, which lives as long as the builder. */
bp_status bp_builder_finish(bp_builder *b, bp_graph **graph, bp_error *error);
/* Keep an error, as the builder's own checks do. */
void bp_builder_fail(bp_builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Note that something is wrong outside the graph (a weight is missing), and go on, so that bp_builder_finish can tell
 * all such things at once. */
void bp_builder_problem(bp_builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A dimension that is a symbol (made on first use), or a number. */
bp_dim bp_symbol(bp_builder *b, const char *name);
static inline bp_dim bp_number(int64_t n) { return (bp_dim){ n, 0, 0, 0 }; }

/* A value bound from outside. dims: rank of them. */
uint32_t bp_bound_value(bp_builder *b, uint32_t role, uint32_t type, uint32_t rank, const bp_dim *dims, const char *name);

/* Nodes; each returns its (first) output's index. Meaning and shapes: backplane/ops.h. BP_NONE leaves an input out. */
uint32_t bp_embed_rows(bp_builder *b, uint32_t table, uint32_t ids, float scale);
uint32_t bp_matmul(bp_builder *b, uint32_t w, uint32_t x, uint32_t bias);
uint32_t bp_matmul_experts(bp_builder *b, uint32_t w, uint32_t x, uint32_t ids, uint32_t bias);
uint32_t bp_route_experts(bp_builder *b, uint32_t logits, uint32_t bias, bp_route_experts_params p, uint32_t *weights);
uint32_t bp_combine_experts(bp_builder *b, uint32_t x, uint32_t weights);
/* y = norm(x + residual); *sum, where not NULL, is x + residual. op is BP_OP_RMS_NORM or BP_OP_LAYER_NORM. */
uint32_t bp_norm(bp_builder *b, uint32_t op, uint32_t x, uint32_t residual, uint32_t weight, uint32_t bias, bp_norm_params p,
                 uint32_t *sum);
uint32_t bp_rope(bp_builder *b, uint32_t x, uint32_t positions, uint32_t factors, bp_rope_params p);
void bp_kv_write(bp_builder *b, uint32_t k, uint32_t v, uint32_t slots, uint32_t k_cache, uint32_t v_cache, uint32_t n_head_kv);
typedef struct bp_attention_inputs {
    uint32_t q, k_cache, v_cache, positions, sequences, block_table, kv_len, kv_start, sinks;
} bp_attention_inputs;
uint32_t bp_attention(bp_builder *b, const bp_attention_inputs *in, bp_attention_params p);
uint32_t bp_add(bp_builder *b, uint32_t a, uint32_t c);
uint32_t bp_mul(bp_builder *b, uint32_t a, uint32_t c);
uint32_t bp_scale(bp_builder *b, uint32_t x, float scale, float bias);
uint32_t bp_clamp(bp_builder *b, uint32_t x, float low, float high);
uint32_t bp_softcap(bp_builder *b, uint32_t x, float cap);
uint32_t bp_glu(bp_builder *b, uint32_t gate, uint32_t up, bp_glu_params p);
uint32_t bp_concat(bp_builder *b, uint32_t a, uint32_t c);
/* x as F32. */
uint32_t bp_convert_f32(bp_builder *b, uint32_t x);
uint32_t bp_gather_rows(bp_builder *b, uint32_t x, uint32_t ids);
/* The same values in another shape; rank dims, of as many values. */
uint32_t bp_reshape(bp_builder *b, uint32_t x, uint32_t rank, const bp_dim *dims);
/* Values first … first + count - 1 of each row. */
uint32_t bp_slice(bp_builder *b, uint32_t x, int64_t first, int64_t count);
uint32_t bp_activation(bp_builder *b, uint32_t x, uint32_t f);
/* x [n, m…] -> [1, m…]; kind: bp_reduction. */
uint32_t bp_reduce(bp_builder *b, uint32_t x, uint32_t kind);
uint32_t bp_pool(bp_builder *b, uint32_t x, uint32_t sequences, uint32_t kind);
/* The recurrent ops; state: a value of role state. bias, d and dt_bias may be BP_NONE. */
typedef struct bp_state_inputs {
    uint32_t positions, sequences, state_slots, state;
} bp_state_inputs;
uint32_t bp_causal_conv(bp_builder *b, uint32_t x, uint32_t weight, uint32_t bias, const bp_state_inputs *in, bp_causal_conv_params p);
typedef struct bp_ssm_inputs {
    uint32_t x, dt, a, b, c, d, dt_bias;
} bp_ssm_inputs;
uint32_t bp_ssm_scan(bp_builder *b, const bp_ssm_inputs *ssm, const bp_state_inputs *in, bp_ssm_scan_params p);
typedef struct bp_delta_inputs {
    uint32_t q, k, v, decay, beta;
} bp_delta_inputs;
uint32_t bp_delta_rule(bp_builder *b, const bp_delta_inputs *delta, const bp_state_inputs *in, bp_delta_rule_params p);
/* A node as it is, its values' shapes unchecked: for copies of graphs that were checked. params NULL: none. */
void bp_add_node(bp_builder *b, uint32_t op, const void *params, uint32_t params_size, const uint32_t *in, uint32_t n_in,
                 const uint32_t *out, uint32_t n_out);
uint32_t bp_argmax(bp_builder *b, uint32_t x); /* x [n, m] -> I32 [m] */
/* x [n, m] -> the k greatest of each row, at most n: F32 [k, m] and, in *ids, their places I32 [k, m]. */
uint32_t bp_top_k(bp_builder *b, uint32_t x, int64_t k, uint32_t *ids);
/* Make a temporary value an output of the graph, under a name. */
void bp_output(bp_builder *b, uint32_t value, const char *name);

#endif
