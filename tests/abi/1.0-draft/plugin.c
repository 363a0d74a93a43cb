/* A plugin of the day its headers were frozen: four ops through the adapter. Today's engine must load and use it. */
#include <math.h>

#include "backplane/backend_simple.h"

static int64_t count(const bp_simple_tensor *t) { return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; }

static bp_status run_add(const bp_simple_call *call, bp_error *error) {
    const bp_simple_tensor *a = &call->in[0], *b = &call->in[1];
    const float *x = a->data, *y = b->data;
    float *to = call->out[0].data;
    if (count(a) != count(b)) return bp_simple_fail(error, BP_E_UNSUPPORTED, "no repetition here", NULL);
    for (int64_t i = 0; i < count(a); i++) to[i] = x[i] + y[i];
    return BP_OK;
}

static const char *check_add(const bp_graph *g, const bp_node *n) {
    const bp_value *a = bp_graph_value(g, n->in[0]), *b = bp_graph_value(g, n->in[1]);
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) {
        const bp_dim *p = &a->dim[i], *q = &b->dim[i];
        if (p->value != q->value || p->symbol != q->symbol || p->plus != q->plus) return "no repetition here";
    }
    return NULL;
}

static bp_status run_glu(const bp_simple_call *call, bp_error *error) {
    const float *gate = call->in[0].data, *up = call->in[1].data;
    float *to = call->out[0].data;
    (void)error;
    for (int64_t i = 0; i < count(&call->out[0]); i++) to[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
    return BP_OK;
}

static const char *check_glu(const bp_graph *g, const bp_node *n) {
    bp_glu_params p = { 0 };
    (void)g;
    __builtin_memcpy(&p, n->params, n->params_size < sizeof p ? n->params_size : sizeof p);
    return p.f != BP_ACT_SILU || p.limit != 0 || p.up_bias != 0 || bp_node_in(n, 1) == BP_NONE ? "silu of two inputs only" : NULL;
}

static bp_status run_gather(const bp_simple_call *call, bp_error *error) {
    const bp_simple_tensor *x = &call->in[0], *ids = &call->in[1];
    const float *from = x->data;
    const int32_t *id = ids->data;
    float *to = call->out[0].data;
    (void)error;
    for (int64_t i = 0; i < ids->ne[0]; i++)
        for (int64_t k = 0; k < x->ne[0]; k++) to[i * x->ne[0] + k] = id[i] >= 0 && id[i] < x->ne[1] ? from[id[i] * x->ne[0] + k] : 0;
    return BP_OK;
}

static bp_status run_scale(const bp_simple_call *call, bp_error *error) {
    const bp_scale_params *p = call->params;
    const float *from = call->in[0].data;
    float *to = call->out[0].data;
    (void)error;
    for (int64_t i = 0; i < count(&call->in[0]); i++) to[i] = from[i] * p->scale + p->bias;
    return BP_OK;
}

static const bp_simple_op table[] = {
    { BP_OP_ADD, run_add, check_add },
    { BP_OP_GLU, run_glu, check_glu },
    { BP_OP_GATHER_ROWS, run_gather, NULL },
    { BP_OP_SCALE, run_scale, NULL },
};

BP_SIMPLE_BACKEND("frozen", "1.0", "four ops, built against frozen headers", table);
