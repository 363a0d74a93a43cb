/* A backend that has the fine ops of plugins/reference alone: what docs/ops.md can take apart, it refuses. */
#include "plugins/reference/reference.h"

static int given(const bp_node *n, uint32_t input) { return bp_node_in(n, input) != BP_NONE; }

static const char *check(const bp_graph *g, const bp_node *n) {
    (void)g;
    switch (n->op) {
    case BP_OP_MATMUL: return given(n, 2) ? "no bias here" : NULL;
    case BP_OP_KV_WRITE: return given(n, 1) ? "one cache at a time" : NULL;
    case BP_OP_CAUSAL_CONV: return given(n, 2) || ((const bp_causal_conv_params *)n->params)->f ? "no bias or function here" : NULL;
    case BP_OP_SSM_SCAN: return given(n, 5) || given(n, 6) ? "no d or dt_bias here" : NULL;
    case BP_OP_DELTA_RULE: return ((const bp_delta_rule_params *)n->params)->l2_eps > 0 ? "no lengths here" : NULL;
    case BP_OP_RMS_NORM:
    case BP_OP_LAYER_NORM:
    case BP_OP_GLU:
    case BP_OP_SOFTCAP:
    case BP_OP_ATTENTION:
    case BP_OP_ARGMAX: return "no coarse ops here";
    default: return NULL;
    }
}

static const bp_simple_op table[] = {
#define BP_OP(name, id, params, n_in, n_out) { id, ref_run_##name, check },
#include "backplane/ops.def"
#undef BP_OP
};

BP_SIMPLE_BACKEND("fine", "1.0", "fine ops only", table);
