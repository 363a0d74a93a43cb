#include "reference.h"

double ref_activate(uint32_t f, double x, double low, double high) {
    const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
    switch (f) {
    case BP_ACT_SILU: return x / (1 + exp(-x));
    case BP_ACT_GELU_ERF: return x / 2 * (1 + erf(x / sqrt(2)));
    case BP_ACT_GELU_TANH: return x / 2 * (1 + tanh(root * (x + 0.044715 * x * x * x)));
    case BP_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case BP_ACT_RELU: return x < 0 ? 0 : x;
    case BP_ACT_RELU_SQUARED: return x < 0 ? 0 : x * x;
    case BP_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case BP_ACT_TANH: return tanh(x);
    case BP_ACT_EXP: return exp(x);
    case BP_ACT_SOFTPLUS: return x > 20 ? x : log1p(exp(x));
    case BP_ACT_RSQRT: return 1 / sqrt(x);
    case BP_ACT_RECIPROCAL: return 1 / x;
    case BP_ACT_FLOOR: return floor(x);
    case BP_ACT_LOG: return log(x);
    case BP_ACT_CLAMP: return x < low ? low : x > high ? high : x;
    default: return x;
    }
}

static bp_status known_activation(uint32_t f, bp_error *error) {
    if (f < BP_ACT_LIMIT) return BP_OK;
    return bp_simple_fail(error, BP_E_UNSUPPORTED, "an activation function that this backend does not know", NULL);
}

/* The element of b that meets element i of a, dimensions of size 1 being repeated. */
static double repeated(const bp_simple_tensor *a, const bp_simple_tensor *b, int64_t i) {
    int64_t at = 0, stride = 1;
    for (int d = 0; d < BP_MAX_RANK; d++) {
        if (b->ne[d] > 1) at += i % a->ne[d] * stride;
        stride *= b->ne[d];
        i /= a->ne[d];
    }
    return ((const float *)b->data)[at];
}

static bp_status combine(const bp_simple_call *c, int multiply, bp_error *error) {
    const bp_simple_tensor *a = &c->in[0], *b = &c->in[1];
    REF_NEED(ref_same(a, &c->out[0]));
    for (int d = 0; d < BP_MAX_RANK; d++) REF_NEED(b->ne[d] == a->ne[d] || b->ne[d] == 1);
    const float *x = a->data;
    float *y = c->out[0].data;
    for (int64_t i = 0; i < ref_count(a); i++) {
        double other = repeated(a, b, i);
        y[i] = (float)(multiply ? x[i] * other : x[i] + other);
    }
    return BP_OK;
}

bp_status ref_run_ADD(const bp_simple_call *c, bp_error *error) { return combine(c, 0, error); }
bp_status ref_run_MUL(const bp_simple_call *c, bp_error *error) { return combine(c, 1, error); }

bp_status ref_run_SCALE(const bp_simple_call *c, bp_error *error) {
    const bp_scale_params *p = c->params;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    REF_NEED(ref_same(&c->in[0], &c->out[0]));
    for (int64_t i = 0; i < ref_count(&c->in[0]); i++) y[i] = (float)((double)x[i] * p->scale + p->bias);
    return BP_OK;
}

bp_status ref_run_ACTIVATION(const bp_simple_call *c, bp_error *error) {
    const bp_activation_params *p = c->params;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    REF_NEED(ref_same(&c->in[0], &c->out[0]));
    for (int64_t i = 0; i < ref_count(&c->in[0]); i++) y[i] = (float)ref_activate(p->f, x[i], p->low, p->high);
    return known_activation(p->f, error);
}

bp_status ref_run_GLU(const bp_simple_call *c, bp_error *error) {
    const bp_glu_params *p = c->params;
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    int64_t n = out->ne[0], step = c->in[1].data ? n : 2 * n;
    REF_NEED(x->ne[0] == step && ref_rows(x) == ref_rows(out));
    REF_NEED(!c->in[1].data || ref_same(&c->in[1], out));
    const float *gates = x->data, *ups = c->in[1].data ? c->in[1].data : gates + n;
    for (int64_t i = 0; i < ref_count(out); i++) {
        double gate = gates[i / n * step + i % n], up = ups[i / n * step + i % n], limit = p->limit;
        if (limit > 0) {
            gate = gate > limit ? limit : gate;
            up = ref_activate(BP_ACT_CLAMP, up, -limit, limit);
        }
        ((float *)out->data)[i] = (float)(ref_activate(p->f, gate, -INFINITY, INFINITY) * (up + p->up_bias));
    }
    return known_activation(p->f, error);
}

bp_status ref_run_SOFTCAP(const bp_simple_call *c, bp_error *error) {
    double cap = ((const bp_softcap_params *)c->params)->cap;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    REF_NEED(ref_same(&c->in[0], &c->out[0]));
    for (int64_t i = 0; i < ref_count(&c->in[0]); i++) y[i] = (float)(cap * tanh(x[i] / cap));
    return BP_OK;
}

bp_status ref_run_REDUCE(const bp_simple_call *c, bp_error *error) {
    uint32_t kind = ((const bp_reduce_params *)c->params)->kind;
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    REF_NEED(out->ne[0] == 1 && ref_rows(out) == ref_rows(x) && kind <= BP_REDUCE_MAX);
    for (int64_t r = 0; r < ref_rows(x); r++) {
        const float *row = ref_row(x, r);
        double sum = 0, top = -INFINITY;
        for (int64_t i = 0; i < x->ne[0]; i++) {
            sum += row[i];
            if (row[i] > top || isnan(row[i])) top = isnan(top) ? top : row[i];
        }
        if (kind == BP_REDUCE_MEAN) sum /= (double)x->ne[0];
        ((float *)out->data)[r] = (float)(kind == BP_REDUCE_MAX ? top : sum);
    }
    return BP_OK;
}
