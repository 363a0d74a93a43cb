/* A backend with one wrong op: GLU adds a thousandth. The checker must find it and name it. WRONG_NONE: no op at all. */
#include "plugins/reference/reference.h"

#ifndef WRONG_NONE
static bp_status run_glu(const bp_simple_call *call, bp_error *error) {
    bp_status status = ref_run_GLU(call, error);
    float *to = call->out[0].data;
    for (int64_t i = 0; !status && i < ref_count(&call->out[0]); i++) to[i] += 1e-3F * (1 + fabsf(to[i]));
    return status;
}

static const bp_simple_op table[] = {
    { BP_OP_ADD, ref_run_ADD, NULL },
    { BP_OP_GLU, run_glu, NULL },
    { BP_OP_SCALE, ref_run_SCALE, NULL },
};
#else
static const char *refuse(const bp_graph *g, const bp_node *n) {
    (void)g, (void)n;
    return "nothing here";
}

static const bp_simple_op table[] = {
    { BP_OP_ADD, ref_run_ADD, refuse },
};
#endif

BP_SIMPLE_BACKEND("wrong", "1.0", "one op is wrong", table);
