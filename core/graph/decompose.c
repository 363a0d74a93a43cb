#include "core/graph/decompose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

/* The graph that grows: nodes are added at its end, and `from` follows. */
typedef struct work {
    const bp_graph *graph;
    bp_builder *b;
    const bp_node *node; /* the one at hand */
    uint32_t index, *from;
    size_t n_from, capacity;
    bool failed;
} work;

static const bp_value *value(const work *w, uint32_t v) { return bp_graph_value(w->graph, v); }
static uint32_t in(const work *w, uint32_t i) { return bp_node_in(w->node, i); }
static uint32_t out(const work *w, uint32_t i) { return bp_node_out(w->node, i); }

static void add(work *w, uint32_t op, const void *params, uint32_t size, const uint32_t *inputs, uint32_t n_in, const uint32_t *outputs,
                uint32_t n_out) {
    w->failed = w->failed || !bp_grow((void **)&w->from, &w->capacity, w->n_from + 1, sizeof *w->from);
    if (w->failed) return;
    w->from[w->n_from++] = w->index;
    bp_add_node(w->b, op, params, size, inputs, n_in, outputs, n_out);
}

static void add_one(work *w, uint32_t op, const void *params, uint32_t size, uint32_t a, uint32_t c, uint32_t to) {
    add(w, op, params, size, (uint32_t[]){ a, c }, c == BP_NONE ? 1 : 2, &to, 1);
}

static void scale(work *w, uint32_t x, float by, float bias, uint32_t to) {
    const bp_scale_params p = { by, bias };
    add_one(w, BP_OP_SCALE, &p, sizeof p, x, BP_NONE, to);
}

static void activate(work *w, uint32_t x, bp_activation_params p, uint32_t to) { add_one(w, BP_OP_ACTIVATION, &p, sizeof p, x, BP_NONE, to); }

/* A new temporary shaped like v, with another first dimension where first is not 0. */
static uint32_t temp(work *w, uint32_t v, int64_t first) {
    const bp_value *like = value(w, v);
    bp_dim dims[BP_MAX_RANK];
    memcpy(dims, like->dim, sizeof dims);
    if (first) dims[0] = bp_number(first);
    return bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, like->rank, dims, like->name);
}

static void params_of(const work *w, void *to, size_t size) {
    memset(to, 0, size);
    if (w->node->params) memcpy(to, w->node->params, BP_MIN(size, w->node->params_size));
}

static bool split_matmul(work *w) {
    if (in(w, 2) == BP_NONE) return false;
    const uint32_t product = temp(w, out(w, 0), 0);
    add_one(w, BP_OP_MATMUL, NULL, 0, in(w, 0), in(w, 1), product);
    add_one(w, BP_OP_ADD, NULL, 0, product, in(w, 2), out(w, 0));
    return true;
}

static void norm(work *w, uint32_t op, const bp_norm_params *p, uint32_t x, uint32_t weight, uint32_t bias, uint32_t to) {
    add(w, op, p, sizeof *p, (uint32_t[]){ x, BP_NONE, weight, bias }, 4, &to, 1);
}

static bool split_rms_row(work *w, const bp_norm_params *p) {
    const uint32_t x = in(w, 0), square = temp(w, x, 0);
    const uint32_t mean = temp(w, x, 1), shifted = temp(w, x, 1), root = temp(w, x, 1);
    const bp_reduce_params reduce = { BP_REDUCE_MEAN };
    add_one(w, BP_OP_MUL, NULL, 0, x, x, square);
    add_one(w, BP_OP_REDUCE, &reduce, sizeof reduce, square, BP_NONE, mean);
    scale(w, mean, 1, p->eps, shifted);
    activate(w, shifted, (bp_activation_params){ .f = BP_ACT_RSQRT }, root);
    add_one(w, BP_OP_MUL, NULL, 0, x, root, out(w, 0));
    return true;
}

static bool split_layer_row(work *w, const bp_norm_params *p) {
    const uint32_t x = in(w, 0), mean = temp(w, x, 1), minus = temp(w, x, 1), centred = temp(w, x, 0);
    const bp_reduce_params reduce = { BP_REDUCE_MEAN };
    add_one(w, BP_OP_REDUCE, &reduce, sizeof reduce, x, BP_NONE, mean);
    scale(w, mean, -1, 0, minus);
    add_one(w, BP_OP_ADD, NULL, 0, x, minus, centred);
    norm(w, BP_OP_RMS_NORM, p, centred, in(w, 2), in(w, 3), out(w, 0));
    return true;
}

static void reshape(work *w, uint32_t x, uint32_t to) { add_one(w, BP_OP_RESHAPE, NULL, 0, x, BP_NONE, to); }

/* Each group is a row of its own: [group, n / group, T]. */
static bool split_groups(work *w, bp_norm_params p) {
    const bp_value *x = value(w, in(w, 0));
    if (x->rank != 2 || x->dim[0].symbol) return false;
    const bp_dim dims[3] = { bp_number(p.group), bp_number(x->dim[0].value / p.group), x->dim[1] };
    uint32_t rows[2];
    for (int i = 0; i < 2; i++) rows[i] = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 3, dims, "groups");
    p.group = 0;
    reshape(w, in(w, 0), rows[0]);
    norm(w, w->node->op, &p, rows[0], in(w, 2), in(w, 3), rows[1]);
    reshape(w, rows[1], out(w, 0));
    return true;
}

/* First the residual, then weight and bias, then the norm itself. */
static bool split_norm(work *w) {
    bp_norm_params p;
    params_of(w, &p, sizeof p);
    const uint32_t x = in(w, 0), residual = in(w, 1), weight = in(w, 2), bias = in(w, 3);
    const bool whole = !p.group || (int64_t)p.group == value(w, x)->dim[0].value;
    if (residual != BP_NONE || out(w, 1) != BP_NONE) {
        const uint32_t sum = out(w, 1) != BP_NONE ? out(w, 1) : temp(w, x, 0);
        if (residual != BP_NONE) add_one(w, BP_OP_ADD, NULL, 0, x, residual, sum);
        else scale(w, x, 1, 0, sum);
        norm(w, w->node->op, &p, sum, weight, bias, out(w, 0));
        return true;
    }
    if (w->node->op == BP_OP_LAYER_NORM && whole) return split_layer_row(w, &p);
    if (weight != BP_NONE || bias != BP_NONE) {
        const int64_t n = value(w, x)->dim[0].value;
        if (!whole && (weight == BP_NONE || value(w, weight)->dim[0].value == p.group) && (bias == BP_NONE || value(w, bias)->dim[0].value == p.group))
            return split_groups(w, p);
        if ((weight != BP_NONE && value(w, weight)->dim[0].value != n) || (bias != BP_NONE && value(w, bias)->dim[0].value != n)) return false;
        const uint32_t plain = temp(w, x, 0), scaled = weight == BP_NONE ? plain : bias == BP_NONE ? out(w, 0) : temp(w, x, 0);
        norm(w, w->node->op, &p, x, BP_NONE, BP_NONE, plain);
        if (weight != BP_NONE) add_one(w, BP_OP_MUL, NULL, 0, plain, weight, scaled);
        if (bias != BP_NONE) add_one(w, BP_OP_ADD, NULL, 0, scaled, bias, out(w, 0));
        return true;
    }
    return whole ? w->node->op == BP_OP_RMS_NORM && split_rms_row(w, &p) : split_groups(w, p);
}

static void glu(work *w, bp_glu_params p, uint32_t gate, uint32_t up) { add_one(w, BP_OP_GLU, &p, sizeof p, gate, up, out(w, 0)); }

static bool split_glu(work *w) {
    bp_glu_params p;
    params_of(w, &p, sizeof p);
    const uint32_t gate = in(w, 0), up = in(w, 1), to = out(w, 0);
    if (up == BP_NONE) {
        const uint32_t halves[2] = { temp(w, to, 0), temp(w, to, 0) };
        for (uint32_t i = 0; i < 2; i++) {
            const bp_slice_params slice = { i * (uint32_t)value(w, to)->dim[0].value };
            add_one(w, BP_OP_SLICE, &slice, sizeof slice, gate, BP_NONE, halves[i]);
        }
        glu(w, p, halves[0], halves[1]);
    } else if (p.limit > 0) {
        const uint32_t low = temp(w, to, 0), both = temp(w, to, 0);
        activate(w, gate, (bp_activation_params){ BP_ACT_CLAMP, -INFINITY, p.limit }, low);
        activate(w, up, (bp_activation_params){ BP_ACT_CLAMP, -p.limit, p.limit }, both);
        p.limit = 0;
        glu(w, p, low, both);
    } else {
        const uint32_t active = temp(w, to, 0), shifted = p.up_bias != 0 ? temp(w, to, 0) : up;
        activate(w, gate, (bp_activation_params){ .f = p.f }, active);
        if (p.up_bias != 0) scale(w, up, 1, p.up_bias, shifted);
        add_one(w, BP_OP_MUL, NULL, 0, active, shifted, to);
    }
    return true;
}

static bool split_softcap(work *w) {
    bp_softcap_params p;
    params_of(w, &p, sizeof p);
    const uint32_t small = temp(w, out(w, 0), 0), bent = temp(w, out(w, 0), 0);
    scale(w, in(w, 0), 1 / p.cap, 0, small);
    activate(w, small, (bp_activation_params){ .f = BP_ACT_TANH }, bent);
    scale(w, bent, p.cap, 0, out(w, 0));
    return true;
}

static bool split_attention(work *w) {
    bp_attention_params p;
    params_of(w, &p, sizeof p);
    const bp_dim dims[3] = { bp_symbol(w->b, BP_SYMBOL_N_KV), bp_number(p.n_head), value(w, in(w, 0))->dim[1] };
    const bp_softmax_params plain = { 0 };
    const uint32_t scores = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 3, dims, "attention_scores");
    const uint32_t weights = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 3, dims, "attention_weights"), to = out(w, 0);
    if (in(w, 2) == BP_NONE) return false;
    add(w, BP_OP_ATTENTION_SCORES, &p, sizeof p, (uint32_t[]){ in(w, 0), in(w, 1), in(w, 3), in(w, 4), in(w, 5), in(w, 6), in(w, 7) }, 7, &scores, 1);
    add_one(w, BP_OP_SOFTMAX, &plain, sizeof plain, scores, in(w, 8), weights);
    add(w, BP_OP_ATTENTION_MIX, &p, sizeof p, (uint32_t[]){ weights, in(w, 2), in(w, 4), in(w, 5), in(w, 6) }, 5, &to, 1);
    return true;
}

/* The heads' widths may differ, their number not. */
static bool split_kv_write(work *w) {
    bp_kv_write_params p;
    params_of(w, &p, sizeof p);
    if (in(w, 1) == BP_NONE) return false;
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t to = out(w, i);
        add(w, BP_OP_KV_WRITE, &p, sizeof p, (uint32_t[]){ in(w, i), BP_NONE, in(w, 2) }, 3, &to, 1);
    }
    return true;
}

/* One expert: [n, 1, T] is [n, T], to be multiplied by the weights [1, T]. */
static bool split_combine(work *w) {
    if (value(w, in(w, 0))->dim[1].symbol || value(w, in(w, 0))->dim[1].value != 1) return false;
    const uint32_t flat = temp(w, out(w, 0), 0);
    reshape(w, in(w, 0), flat);
    add_one(w, BP_OP_MUL, NULL, 0, flat, in(w, 1), out(w, 0));
    return true;
}

static bool split_argmax(work *w) {
    const bp_dim dims[2] = { bp_number(1), value(w, in(w, 0))->dim[1] };
    const uint32_t best = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "argmax");
    const uint32_t ids = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_I32, 2, dims, "argmax");
    const bp_top_k_params plain = { 0 };
    add(w, BP_OP_TOP_K, &plain, sizeof plain, (uint32_t[]){ in(w, 0) }, 1, (uint32_t[]){ best, ids }, 2);
    reshape(w, ids, out(w, 0));
    return true;
}

/* Bias and function come after the sum. */
static bool split_conv(work *w) {
    bp_causal_conv_params p;
    params_of(w, &p, sizeof p);
    const bool biased = in(w, 2) != BP_NONE, active = p.f != BP_ACT_IDENTITY;
    if (!biased && !active) return false;
    const uint32_t plain = temp(w, in(w, 0), 0), sum = !biased ? plain : active ? temp(w, in(w, 0), 0) : out(w, 0);
    const bp_causal_conv_params identity = { BP_ACT_IDENTITY };
    add(w, BP_OP_CAUSAL_CONV, &identity, sizeof identity, (uint32_t[]){ in(w, 0), in(w, 1), BP_NONE, in(w, 3), in(w, 4), in(w, 5) }, 6,
        (uint32_t[]){ plain, out(w, 1) }, 2);
    if (biased) add_one(w, BP_OP_ADD, NULL, 0, plain, in(w, 2), sum);
    if (active) activate(w, sum, (bp_activation_params){ .f = p.f }, out(w, 0));
    return true;
}

/* d * x, the heads of x being rows of their own. */
static uint32_t scan_skip(work *w, int64_t heads) {
    const bp_value *x = value(w, in(w, 0));
    const bp_dim dims[3] = { bp_number(x->dim[0].value / heads), bp_number(heads), x->dim[1] }, one[2] = { bp_number(1), bp_number(heads) };
    uint32_t rows[2];
    for (int i = 0; i < 2; i++) rows[i] = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 3, dims, "ssm_skip");
    const uint32_t d = bp_bound_value(w->b, BP_ROLE_TEMP, BP_TYPE_F32, 2, one, "ssm_d"), flat = temp(w, in(w, 0), 0);
    reshape(w, in(w, 0), rows[0]);
    reshape(w, in(w, 5), d);
    add_one(w, BP_OP_MUL, NULL, 0, rows[0], d, rows[1]);
    reshape(w, rows[1], flat);
    return flat;
}

static bool split_scan(work *w) {
    bp_ssm_scan_params p;
    params_of(w, &p, sizeof p);
    const bool skip = in(w, 5) != BP_NONE, biased = in(w, 6) != BP_NONE;
    if ((!skip && !biased) || (biased && value(w, in(w, 6))->dim[0].value != p.n_head)) return false;
    const uint32_t dt = biased ? temp(w, in(w, 1), 0) : in(w, 1), y = skip ? temp(w, in(w, 0), 0) : out(w, 0);
    if (biased) add_one(w, BP_OP_ADD, NULL, 0, in(w, 1), in(w, 6), dt);
    add(w, BP_OP_SSM_SCAN, &p, sizeof p,
        (uint32_t[]){ in(w, 0), dt, in(w, 2), in(w, 3), in(w, 4), BP_NONE, BP_NONE, in(w, 7), in(w, 8), in(w, 9) }, 10, (uint32_t[]){ y, out(w, 1) }, 2);
    if (skip) add_one(w, BP_OP_ADD, NULL, 0, y, scan_skip(w, p.n_head), out(w, 0));
    return true;
}

/* The length of a head is that of its RMS norm times the root of its width. */
static uint32_t unit_heads(work *w, uint32_t x, const bp_delta_rule_params *p) {
    const uint32_t normed = temp(w, x, 0), unit = temp(w, x, 0), n = (uint32_t)(value(w, x)->dim[0].value / p->n_head_k);
    norm(w, BP_OP_RMS_NORM, &(bp_norm_params){ p->l2_eps / (float)n, n }, x, BP_NONE, BP_NONE, normed);
    scale(w, normed, 1 / sqrtf((float)n), 0, unit);
    return unit;
}

static bool split_delta(work *w) {
    bp_delta_rule_params p;
    params_of(w, &p, sizeof p);
    if (!(p.l2_eps > 0)) return false;
    const uint32_t q = unit_heads(w, in(w, 0), &p), k = unit_heads(w, in(w, 1), &p);
    p.l2_eps = 0;
    add(w, BP_OP_DELTA_RULE, &p, sizeof p, (uint32_t[]){ q, k, in(w, 2), in(w, 3), in(w, 4), in(w, 5), in(w, 6), in(w, 7) }, 8, w->node->out, 2);
    return true;
}

static bool split(work *w) {
    switch (w->node->op) {
    case BP_OP_CAUSAL_CONV: return split_conv(w);
    case BP_OP_SSM_SCAN: return split_scan(w);
    case BP_OP_DELTA_RULE: return split_delta(w);
    case BP_OP_COMBINE_EXPERTS: return split_combine(w);
    case BP_OP_ARGMAX: return split_argmax(w);
    case BP_OP_MATMUL: return split_matmul(w);
    case BP_OP_RMS_NORM:
    case BP_OP_LAYER_NORM: return split_norm(w);
    case BP_OP_GLU: return split_glu(w);
    case BP_OP_SOFTCAP: return split_softcap(w);
    case BP_OP_ATTENTION: return split_attention(w);
    case BP_OP_KV_WRITE: return split_kv_write(w);
    default: return false;
    }
}

static void copy_values(work *w) {
    for (uint32_t i = 1; i < w->graph->n_symbols; i++) bp_symbol(w->b, w->graph->symbols[i]);
    for (uint32_t i = 0; i < w->graph->n_values; i++) {
        const bp_value *v = value(w, i);
        bp_bound_value(w->b, v->role, v->type, v->rank, v->dim, v->name);
    }
}

bp_status bp_decompose(const bp_graph *graph, const bool *flags, bp_builder **builder, bp_graph **result, uint32_t **from, uint32_t *n_split,
                       bp_error *error) {
    work w = { .graph = graph, .b = bp_builder_new() };
    if (!w.b) return bp_fail(error, BP_E_NO_MEMORY, "out of memory while taking ops apart");
    *n_split = 0;
    copy_values(&w);
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const bp_node *n = bp_graph_node(graph, i);
        w.node = n, w.index = i;
        if (flags[i] && split(&w)) ++*n_split;
        else add(&w, n->op, n->params, n->params_size, n->in, n->n_in, n->out, n->n_out);
    }
    bp_status status = w.failed ? bp_fail(error, BP_E_NO_MEMORY, "out of memory while taking ops apart") : bp_builder_finish(w.b, result, error);
    if (status) {
        bp_builder_free(w.b);
        free(w.from);
        return status;
    }
    *builder = w.b;
    *from = w.from;
    return BP_OK;
}
