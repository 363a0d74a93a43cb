/* What the ops on rows compute, in double precision, and the table of all oracles. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformance/check_case.h"
#include "core/quant/quant.h"

static void norm_run(const bp_check_case *c, const double *s, int64_t n, int64_t at, int64_t row, double *y) {
    const bp_check_value *weight = bp_check_arg(c, 2), *bias = bp_check_arg(c, 3);
    double mean = 0, square = 0;
    for (int64_t i = 0; c->op == BP_OP_LAYER_NORM && i < n; i++) mean += s[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += (s[i] - mean) * (s[i] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        int64_t j = at % row + i;
        y[i] = (s[i] - mean) / sqrt(square + c->params.norm.eps);
        if (weight) y[i] *= weight->real[j % weight->dim[0]];
        if (bias) y[i] += bias->real[j % bias->dim[0]];
    }
}

static void oracle_norm(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    const double *residual = bp_check_real(c, 1);
    int64_t group = c->params.norm.group ? c->params.norm.group : x->dim[0];
    double s[4096];
    for (int64_t at = 0; at < x->count; at += group) {
        for (int64_t i = 0; i < group; i++) s[i] = x->real[at + i] + (residual ? residual[at + i] : 0);
        norm_run(c, s, group, at, x->dim[0], bp_check_result(c, 0)->real + at);
        bp_check_value *sum = bp_check_result(c, 1);
        if (sum) memcpy(sum->real + at, s, sizeof *s * (size_t)group);
    }
}

static void oracle_binary(bp_check_case *c) {
    const bp_check_value *a = bp_check_arg(c, 0), *b = bp_check_arg(c, 1);
    double *y = bp_check_result(c, 0)->real;
    for (int64_t j = 0; j < a->count; j++) {
        int64_t left = j, at = 0, stride = 1;
        for (int k = 0; k < BP_MAX_RANK; k++) {
            at += (b->dim[k] == 1 ? 0 : left % a->dim[k]) * stride;
            stride *= b->dim[k];
            left /= a->dim[k];
        }
        y[j] = c->op == BP_OP_ADD ? a->real[j] + b->real[at] : a->real[j] * b->real[at];
    }
}

double bp_oracle_activate(uint32_t f, double x, double low, double high) {
    switch (f) {
    case BP_ACT_SILU: return x / (1 + exp(-x));
    case BP_ACT_GELU_ERF: return x / 2 * (1 + erf(x / sqrt(2)));
    case BP_ACT_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case BP_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case BP_ACT_RELU: return fmax(x, 0);
    case BP_ACT_RELU_SQUARED: return fmax(x, 0) * fmax(x, 0);
    case BP_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case BP_ACT_TANH: return tanh(x);
    case BP_ACT_EXP: return exp(x);
    case BP_ACT_SOFTPLUS: return x > 20 ? x : log1p(exp(x));
    case BP_ACT_RSQRT: return 1 / sqrt(x);
    case BP_ACT_RECIPROCAL: return 1 / x;
    case BP_ACT_FLOOR: return floor(x);
    case BP_ACT_LOG: return log(x);
    case BP_ACT_CLAMP: return fmin(fmax(x, low), high);
    default: return x;
    }
}

/* Far below zero GELU is the difference of two terms of x / 2: the square of one; 0 for functions of one term. */
static double energy_of(uint32_t f, double x) {
    return f == BP_ACT_GELU_ERF || f == BP_ACT_GELU_TANH ? x / 2 * (x / 2) : 0;
}

static void oracle_each(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    double *y = out->real;
    const bp_activation_params *a = &c->params.activation;
    double cap = c->params.softcap.cap;
    for (int64_t j = 0; j < x->count; j++) {
        double v = x->real[j];
        if (c->op == BP_OP_SCALE) y[j] = v * c->params.scale.scale + c->params.scale.bias;
        else if (c->op == BP_OP_SOFTCAP) y[j] = cap * tanh(v / cap);
        else y[j] = bp_oracle_activate(a->f, v, a->low, a->high);
        if (c->op == BP_OP_ACTIVATION) out->energy += energy_of(a->f, v);
    }
}

static void oracle_glu(bp_check_case *c) {
    const bp_check_value *gate = bp_check_arg(c, 0), *up = bp_check_arg(c, 1);
    bp_check_value *out = bp_check_result(c, 0);
    const bp_glu_params *g = &c->params.glu;
    for (int64_t j = 0, n = out->dim[0]; j < out->count; j++) {
        double a = gate->real[up ? j : j / n * 2 * n + j % n],
               b = up ? up->real[j] : gate->real[j / n * 2 * n + n + j % n];
        if (g->limit > 0) {
            a = fmin(a, g->limit);
            b = fmin(fmax(b, -g->limit), g->limit);
        }
        b += g->up_bias;
        out->real[j] = bp_oracle_activate(g->f, a, 0, 0) * b;
        out->energy += energy_of(g->f, a) * b * b;
    }
}

static void oracle_reduce(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    uint32_t kind = c->params.reduce.kind;
    for (int64_t r = 0, n = x->dim[0]; r < out->count; r++) {
        double sum = kind == BP_REDUCE_MAX ? -INFINITY : 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            double v = x->real[r * n + i];
            sum = kind == BP_REDUCE_MAX ? fmax(sum, v) : sum + v;
            square += v * v;
        }
        double divide = kind == BP_REDUCE_MEAN ? (double)n : 1;
        out->real[r] = sum / divide;
        out->energy += square / divide / divide;
    }
}

static void oracle_gather(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t j = 0, n = x->dim[0]; j < out->count; j++) {
        double id = bp_check_real(c, 1)[j / n];
        out->real[j] = id >= 0 && id < (double)x->dim[1] ? x->real[(int64_t)id * n + j % n] : 0;
    }
}

static void oracle_slice(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t j = 0, n = out->dim[0]; j < out->count; j++) {
        out->real[j] = x->real[j / n * x->dim[0] + c->params.slice.first + j % n];
    }
}

static void oracle_reshape(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    memcpy(bp_check_result(c, 0)->real, x->real, sizeof *x->real * (size_t)x->count);
}

static void oracle_concat(bp_check_case *c) {
    const bp_check_value *a = bp_check_arg(c, 0), *b = bp_check_arg(c, 1);
    bp_check_value *out = bp_check_result(c, 0);
    for (int64_t j = 0, n = out->dim[0]; j < out->count; j++) {
        int64_t i = j % n, r = j / n;
        out->real[j] = i < a->dim[0] ? a->real[r * a->dim[0] + i] : b->real[r * b->dim[0] + i - a->dim[0]];
    }
}

static void oracle_convert(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    float row[4096];
    uint8_t bytes[sizeof row];
    for (int64_t at = 0, n = x->dim[0]; at < x->count; at += n) {
        for (int64_t i = 0; i < n; i++) row[i] = (float)x->real[at + i];
        (void)bp_encode_row(out->type, row, n, bytes);
        bp_decode_row(out->type, bytes, n, row);
        for (int64_t i = 0; i < n; i++) out->real[at + i] = row[i];
    }
}

static void oracle_pool(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    uint32_t kind = c->params.pool.kind;
    for (int64_t j = 0, n = out->dim[0]; j < out->count; j++) {
        int64_t count = 0;
        for (int64_t t = 0; t < x->dim[1]; t++) {
            if ((int64_t)bp_check_real(c, 1)[t] != j / n) continue;
            double v = x->real[t * n + j % n];
            if (kind == BP_POOL_MEAN) out->real[j] += v;
            else if (kind == BP_POOL_LAST || !count) out->real[j] = v;
            out->energy += v * v / (double)(x->dim[1] * x->dim[1]);
            count++;
        }
        if (kind == BP_POOL_MEAN && count) out->real[j] /= (double)count;
    }
}

/* The k largest of a row, descending, lower index first; NaN counts as -infinity. */
static void oracle_top_k(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    bool arg = c->op == BP_OP_ARGMAX;
    bp_check_value *values = arg ? NULL : bp_check_result(c, 0), *ids = bp_check_result(c, arg ? 0 : 1);
    int64_t k = arg ? 1 : ids->dim[0], n = x->dim[0];
    for (int64_t r = 0; r < x->dim[1]; r++) {
        bool *taken = calloc((size_t)n + 1, sizeof *taken);
        if (!taken) return; /* the results stay 0, and the case fails */
        for (int64_t u = 0; u < k; u++) {
            int64_t at = -1;
            double top = -INFINITY;
            for (int64_t i = 0; i < n; i++) {
                double v = isnan(x->real[r * n + i]) ? -INFINITY : x->real[r * n + i];
                if (taken[i] || (at >= 0 && v <= top)) continue;
                top = v;
                at = i;
            }
            taken[at] = true;
            ids->real[r * k + u] = (double)at;
            if (values) values->real[r * k + u] = top;
        }
        free(taken);
    }
}

typedef void oracle(bp_check_case *c);
static oracle *const oracles[BP_OP_LIMIT] = {
    [BP_OP_EMBED_ROWS] = bp_oracle_embed,         [BP_OP_MATMUL] = bp_oracle_matmul,
    [BP_OP_MATMUL_EXPERTS] = bp_oracle_experts,   [BP_OP_ROUTE_EXPERTS] = bp_oracle_route,
    [BP_OP_COMBINE_EXPERTS] = bp_oracle_combine,  [BP_OP_RMS_NORM] = oracle_norm,
    [BP_OP_LAYER_NORM] = oracle_norm,             [BP_OP_ROPE] = bp_oracle_rope,
    [BP_OP_KV_WRITE] = bp_oracle_kv_write,        [BP_OP_ATTENTION] = bp_oracle_attention,
    [BP_OP_ATTENTION_SCORES] = bp_oracle_scores,  [BP_OP_SOFTMAX] = bp_oracle_softmax,
    [BP_OP_ATTENTION_MIX] = bp_oracle_mix,        [BP_OP_ADD] = oracle_binary,
    [BP_OP_MUL] = oracle_binary,                  [BP_OP_SCALE] = oracle_each,
    [BP_OP_ACTIVATION] = oracle_each,             [BP_OP_GLU] = oracle_glu,
    [BP_OP_SOFTCAP] = oracle_each,                [BP_OP_REDUCE] = oracle_reduce,
    [BP_OP_GATHER_ROWS] = oracle_gather,          [BP_OP_SLICE] = oracle_slice,
    [BP_OP_CONCAT] = oracle_concat,               [BP_OP_CONVERT] = oracle_convert,
    [BP_OP_POOL] = oracle_pool,                   [BP_OP_TOP_K] = oracle_top_k,
    [BP_OP_ARGMAX] = oracle_top_k,                [BP_OP_RESHAPE] = oracle_reshape,
    [BP_OP_CAUSAL_CONV] = bp_oracle_conv,         [BP_OP_SSM_SCAN] = bp_oracle_scan,
    [BP_OP_DELTA_RULE] = bp_oracle_delta,
};

void bp_check_oracle(bp_check_case *c) {
    if (c->op < BP_OP_LIMIT && oracles[c->op]) oracles[c->op](c);
}
