/* The list of ops, and the planners of all that are no products and no attention. */
#include <math.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"

enum { THREADS = 256, EACH = 4 };

static cuda_planner plan_embed, plan_route, plan_combine, plan_norm, plan_rope, plan_kv, plan_scores, plan_softmax, plan_mix;
static cuda_planner plan_binary, plan_unary, plan_glu, plan_reduce, plan_gather, plan_slice, plan_concat, plan_convert, plan_pool;
static cuda_planner plan_top_k, plan_argmax;
static cuda_refusal refuse_route;

typedef struct op_row {
    cuda_planner *plan;
    cuda_refusal *refuse;
} op_row;

static const op_row rows[BP_OP_LIMIT] = {
    [BP_OP_EMBED_ROWS] = { plan_embed, NULL },
    [BP_OP_MATMUL] = { cuda_plan_matmul, cuda_refuse_matmul },
    [BP_OP_MATMUL_EXPERTS] = { cuda_plan_experts, cuda_refuse_experts },
    [BP_OP_ROUTE_EXPERTS] = { plan_route, refuse_route },
    [BP_OP_COMBINE_EXPERTS] = { plan_combine, NULL },
    [BP_OP_RMS_NORM] = { plan_norm, NULL },
    [BP_OP_LAYER_NORM] = { plan_norm, NULL },
    [BP_OP_ROPE] = { plan_rope, NULL },
    [BP_OP_KV_WRITE] = { plan_kv, NULL },
    [BP_OP_ATTENTION] = { cuda_plan_attention, cuda_refuse_attention },
    [BP_OP_ATTENTION_SCORES] = { plan_scores, NULL },
    [BP_OP_SOFTMAX] = { plan_softmax, NULL },
    [BP_OP_ATTENTION_MIX] = { plan_mix, NULL },
    [BP_OP_ADD] = { plan_binary, NULL },
    [BP_OP_MUL] = { plan_binary, NULL },
    [BP_OP_SCALE] = { plan_unary, NULL },
    [BP_OP_ACTIVATION] = { plan_unary, NULL },
    [BP_OP_SOFTCAP] = { plan_unary, NULL },
    [BP_OP_GLU] = { plan_glu, NULL },
    [BP_OP_REDUCE] = { plan_reduce, NULL },
    [BP_OP_GATHER_ROWS] = { plan_gather, NULL },
    [BP_OP_SLICE] = { plan_slice, NULL },
    [BP_OP_CONCAT] = { plan_concat, NULL },
    [BP_OP_CONVERT] = { plan_convert, NULL },
    [BP_OP_POOL] = { plan_pool, NULL },
    [BP_OP_TOP_K] = { plan_top_k, NULL },
    [BP_OP_ARGMAX] = { plan_argmax, NULL },
};

const cuda_op *cuda_op_of(uint32_t op) {
    static const cuda_op names[BP_OP_LIMIT] = {
#define BP_OP(name, id, params, n_in, n_out) [id] = { #name, NULL, NULL, sizeof(params), n_in, n_out },
#include "backplane/ops.def"
#undef BP_OP
    };
    static cuda_op table[BP_OP_LIMIT];
    if (op >= BP_OP_LIMIT || !names[op].name) return NULL;
    table[op] = names[op]; /* the same bytes from every thread */
    table[op].plan = rows[op].plan;
    table[op].refuse = rows[op].refuse;
    return &table[op];
}
