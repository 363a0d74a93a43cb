/* Shapes and types: every op's inputs, outputs and parameters are looked at before any kernel sees them. */
#include "backends/cuda/cuda_check.h"

#include <string.h>

static const bp_operand *operand(const cuda_tensor *t, bp_operand *to) {
    if (!t) return NULL;
    memcpy(to->n, t->n, sizeof to->n);
    to->type = t->type, to->layout = t->layout, to->rank = t->rank, to->role = t->role;
    return to;
}

const char *cuda_check(const cuda_node *t) {
    bp_operand in[BP_NODE_MAX_IN], out[BP_NODE_MAX_OUT];
    bp_checked_node n = { .op = t->op };
    _Static_assert(sizeof t->params == sizeof n.params, "the parameters of any op");
    memcpy(&n.params, &t->params, sizeof n.params);
    for (int i = 0; i < BP_NODE_MAX_IN; i++) n.in[i] = operand(t->in[i], &in[i]);
    for (int i = 0; i < BP_NODE_MAX_OUT; i++) n.out[i] = operand(t->out[i], &out[i]);
    const char *why = bp_node_fits(&n);
    if (!why && t->op == BP_OP_CAUSAL_CONV && t->in[1]->n[0] > CUDA_MAX_TAPS) return "a kernel wider than this backend has";
    return why;
}

bool cuda_tensor_shape(const bp_value *v, const int64_t *symbols, int64_t n[BP_MAX_RANK]) {
    if (!bp_value_numbers(v, symbols, n)) return false;
    for (int i = 0; i < BP_MAX_RANK; i++)
        if (n[i] > INT32_MAX) return false;
    return true;
}

bool cuda_tensor_size(uint32_t type, const int64_t n[BP_MAX_RANK], uint64_t *bytes) { return bp_numbers_bytes(type, n, bytes); }
