/* What layers with a recurrent state have in place of attention. A state has one slot a sequence (ops.h). */
#include <math.h>
#include <stdio.h>

#include "core/model/model_blocks.h"

static const float L2_EPS = 1e-6f; /* of the delta rule's q and k, as its models are trained */

/* A new state "KIND.LAYER" [n0, n1, n2, n_slots]; n2 = 0: [n0, n1, n_slots]. */
static bp_state_inputs state_of(bp_builder *b, const bp_graph_inputs *in, const char *kind, int64_t layer, int64_t n0, int64_t n1, int64_t n2) {
    char name[48];
    bp_dim dims[4] = { bp_number(n0), bp_number(n1), bp_number(n2 ? n2 : in->n_slots), bp_number(in->n_slots) };
    snprintf(name, sizeof name, "%s.%lld", kind, (long long)layer);
    uint32_t state = bp_bound_value(b, BP_ROLE_STATE, BP_TYPE_F32, n2 ? 4 : 3, dims, name);
    return (bp_state_inputs){ in->positions, in->sequences, in->state_slots, state };
}

/* "NAME.weight" [n_conv, n] over the tokens, and "NAME.bias" where there is one. */
static uint32_t conv(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, const char *name, uint32_t x, int64_t n,
                     uint32_t f) {
    const int64_t k = m->decoder.recurrent.n_conv;
    char full[64];
    const bp_state_inputs state = state_of(b, in, "conv_state", layer, n, k - 1, 0);
    snprintf(full, sizeof full, "%s.weight", name);
    uint32_t w = bp_weight(m, b, layer, full, k, n, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    return bp_causal_conv(b, x, w, bp_weight_if(m, b, layer, full, n, 0, 0), &state, (bp_causal_conv_params){ f });
}

static uint32_t gate_by_silu(bp_builder *b, uint32_t gate, uint32_t x) { return bp_glu(b, gate, x, (bp_glu_params){ .f = BP_ACT_SILU }); }

/* Norm of dt, b or c (Jamba's with weights, FalconMamba's without). */
static uint32_t step_norm(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    if (r->step_norms) return bp_norm_block(m, b, layer, name, x, n);
    return r->plain_norms ? bp_norm(b, BP_OP_RMS_NORM, x, BP_NONE, BP_NONE, BP_NONE, (bp_norm_params){ m->hp.norm_eps, 0 }, NULL) : x;
}

static uint32_t mamba(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    const int64_t inner = r->n_inner, n = r->n_state, rank = r->n_rank;
    uint32_t both = bp_linear(m, b, layer, "ssm_in", x, m->hp.n_embd, 2 * inner, false); /* x, then its gate */
    uint32_t u = conv(m, b, in, layer, "ssm_conv1d", bp_slice(b, both, 0, inner), inner, BP_ACT_SILU);
    uint32_t steps = bp_linear(m, b, layer, "ssm_x", u, inner, rank + 2 * n, false); /* dt, b, c */
    uint32_t dt = step_norm(m, b, layer, "ssm_dt_norm", bp_slice(b, steps, 0, rank), rank);
    const bp_ssm_inputs ssm = {
        .x = u,
        .dt = bp_matmul(b, bp_weight(m, b, layer, "ssm_dt.weight", rank, inner, 0), dt, BP_NONE),
        .a = bp_weight(m, b, layer, "ssm_a", n, inner, 0),
        .b = step_norm(m, b, layer, "ssm_b_norm", bp_slice(b, steps, rank, n), n),
        .c = step_norm(m, b, layer, "ssm_c_norm", bp_slice(b, steps, rank + n, n), n),
        .d = bp_weight(m, b, layer, "ssm_d", inner, 0, 0),
        .dt_bias = bp_weight(m, b, layer, "ssm_dt.bias", inner, 0, 0),
    };
    const bp_state_inputs state = state_of(b, in, "ssm_state", layer, n, inner, 0);
    uint32_t y = bp_ssm_scan(b, &ssm, &state, (bp_ssm_scan_params){ (uint32_t)inner, 1 });
    return bp_linear(m, b, layer, "ssm_out", gate_by_silu(b, bp_slice(b, both, inner, inner), y), inner, m->hp.n_embd, false);
}

/* The RMS norm of each group of heads, after the gate. */
static uint32_t group_norm(const bp_model *m, bp_builder *b, int64_t layer, uint32_t y) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    uint32_t weight = r->norm ? bp_weight(m, b, layer, "ssm_norm.weight", r->n_inner, 0, 0) : bp_weight_if(m, b, layer, "ssm_norm.weight", r->n_inner, 0, 0);
    if (weight == BP_NONE) return y;
    return bp_norm(b, BP_OP_RMS_NORM, y, BP_NONE, weight, BP_NONE, (bp_norm_params){ m->hp.norm_eps, (uint32_t)(r->n_inner / r->n_group) }, NULL);
}

static uint32_t mamba2(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    const int64_t inner = r->n_inner, n = r->n_group * r->n_state, heads = r->n_rank, mixed = inner + 2 * n;
    uint32_t all = bp_linear(m, b, layer, "ssm_in", x, m->hp.n_embd, inner + mixed + heads, false); /* gate; x, b, c; dt */
    uint32_t u = conv(m, b, in, layer, "ssm_conv1d", bp_slice(b, all, inner, mixed), mixed, BP_ACT_SILU);
    const bp_ssm_inputs ssm = {
        .x = bp_slice(b, u, 0, inner),
        .dt = bp_slice(b, all, inner + mixed, heads),
        .a = bp_weight(m, b, layer, "ssm_a", 1, heads, 0),
        .b = bp_slice(b, u, inner, n),
        .c = bp_slice(b, u, inner + n, n),
        .d = bp_weight(m, b, layer, "ssm_d", 1, heads, 0),
        .dt_bias = bp_weight(m, b, layer, "ssm_dt.bias", heads, 0, 0),
    };
    const bp_state_inputs state = state_of(b, in, "ssm_state", layer, r->n_state, inner, 0);
    uint32_t y = bp_ssm_scan(b, &ssm, &state, (bp_ssm_scan_params){ (uint32_t)heads, (uint32_t)r->n_group });
    y = group_norm(m, b, layer, gate_by_silu(b, bp_slice(b, all, 0, inner), y));
    return bp_linear(m, b, layer, "ssm_out", y, inner, m->hp.n_embd, false);
}

/* c * conv(b * x), all three projected from the stream. */
static uint32_t short_conv(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t all = bp_linear(m, b, layer, "shortconv.in_proj", x, n, 3 * n, false); /* b, c, x */
    uint32_t u = bp_mul(b, bp_slice(b, all, 0, n), bp_slice(b, all, 2 * n, n));
    u = conv(m, b, in, layer, "shortconv.conv", u, n, BP_ACT_IDENTITY);
    return bp_linear(m, b, layer, "shortconv.out_proj", bp_mul(b, bp_slice(b, all, n, n), u), n, n, false);
}

/* The decay (a logarithm) and beta of each head [n_head, n_tokens] from the projections of both. */
static void rates(const bp_model *m, bp_builder *b, int64_t layer, uint32_t step, uint32_t beta, bp_delta_inputs *out) {
    const int64_t heads = m->decoder.recurrent.n_rank;
    out->beta = bp_activation(b, beta, BP_ACT_SIGMOID);
    step = bp_activation(b, bp_add(b, step, bp_weight(m, b, layer, "ssm_dt.bias", heads, 0, 0)), BP_ACT_SOFTPLUS);
    out->decay = bp_mul(b, step, bp_weight(m, b, layer, "ssm_a", heads, 0, 0));
}

/* The projections are matrices of their own, or one ssm_ba in which each key head has the betas of its heads and then
 * their decays. */
static void decay_and_beta(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, bp_delta_inputs *out) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    const int64_t heads = r->n_rank, each = heads / r->n_group;
    const bp_dim tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS), rows[3] = { bp_number(2 * each), bp_number(r->n_group), tokens };
    const bp_dim flat[2] = { bp_number(heads), tokens };
    if (r->interleaved) {
        uint32_t step = bp_linear(m, b, layer, "ssm_alpha", x, m->hp.n_embd, heads, false);
        rates(m, b, layer, step, bp_linear(m, b, layer, "ssm_beta", x, m->hp.n_embd, heads, false), out);
        return;
    }
    uint32_t both = bp_reshape(b, bp_linear(m, b, layer, "ssm_ba", x, m->hp.n_embd, 2 * heads, false), 3, rows);
    uint32_t beta = bp_reshape(b, bp_slice(b, both, 0, each), 2, flat);
    rates(m, b, layer, bp_reshape(b, bp_slice(b, both, each, each), 2, flat), beta, out);
}

/* q, k and v of all heads in turn, as the convolution reads them, and the gate of the output. */
typedef struct delta_parts { uint32_t mixed, gate; } delta_parts;

/* Older files have one matrix ssm_in, in which each key head has its q and k, then the v and the gates of its heads. */
static delta_parts joined_parts(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    const int64_t n = r->n_state, each = r->n_inner / r->n_group, widths[4] = { n, n, each, each };
    const bp_dim tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS), rows[3] = { bp_number(2 * (n + each)), bp_number(r->n_group), tokens };
    uint32_t all = bp_reshape(b, bp_linear(m, b, layer, "ssm_in", x, m->hp.n_embd, 2 * (n + each) * r->n_group, false), 3, rows), part[4];
    for (int64_t i = 0, at = 0; i < 4; at += widths[i++]) {
        const bp_dim flat[2] = { bp_number(widths[i] * r->n_group), tokens };
        part[i] = bp_reshape(b, bp_slice(b, all, at, widths[i]), 2, flat);
    }
    return (delta_parts){ bp_concat(b, bp_concat(b, part[0], part[1]), part[2]), part[3] };
}

static delta_parts parts_of(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    if (bp_has_weight(m, layer, "ssm_in.weight")) return joined_parts(m, b, layer, x);
    return (delta_parts){ bp_linear(m, b, layer, "attn_qkv", x, m->hp.n_embd, 2 * r->n_group * r->n_state + r->n_inner, false),
                          bp_linear(m, b, layer, "attn_gate", x, m->hp.n_embd, r->n_inner, false) };
}

/* x [n, n_tokens] k times over: [k * n, n_tokens]. */
static uint32_t repeated(bp_builder *b, uint32_t x, int64_t k) {
    uint32_t all = x;
    for (int64_t i = 1; i < k; i++) all = bp_concat(b, all, x);
    return all;
}

static uint32_t delta_rule(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_recurrent_facts *r = &m->decoder.recurrent;
    const int64_t inner = r->n_inner, heads = r->n_rank, dim_v = inner / heads, keys = r->n_group * r->n_state, mixed = 2 * keys + inner;
    const delta_parts parts = parts_of(m, b, layer, x);
    uint32_t u = conv(m, b, in, layer, "ssm_conv1d", parts.mixed, mixed, BP_ACT_SILU);
    bp_delta_inputs d = { .q = bp_slice(b, u, 0, keys), .k = bp_slice(b, u, keys, keys), .v = bp_slice(b, u, 2 * keys, inner) };
    decay_and_beta(m, b, layer, x, &d);
    const bp_state_inputs state = state_of(b, in, "ssm_state", layer, r->n_state, dim_v, heads);
    if (r->interleaved) d.q = repeated(b, d.q, heads / r->n_group), d.k = repeated(b, d.k, heads / r->n_group);
    const bp_delta_rule_params p = { (uint32_t)heads, (uint32_t)(r->interleaved ? heads : r->n_group), 1 / sqrtf((float)r->n_state), L2_EPS };
    uint32_t y = bp_delta_rule(b, &d, &state, p);
    y = bp_norm(b, BP_OP_RMS_NORM, y, BP_NONE, bp_weight(m, b, layer, "ssm_norm.weight", dim_v, 0, 0), BP_NONE,
                (bp_norm_params){ m->hp.norm_eps, (uint32_t)dim_v }, NULL);
    return bp_linear(m, b, layer, "ssm_out", gate_by_silu(b, parts.gate, y), inner, m->hp.n_embd, false);
}

uint32_t bp_recurrent_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    switch (m->decoder.recurrent.kind) {
    case BP_RECURRENT_MAMBA: return mamba(m, b, in, layer, x);
    case BP_RECURRENT_MAMBA2: return mamba2(m, b, in, layer, x);
    case BP_RECURRENT_SHORT_CONV: return short_conv(m, b, in, layer, x);
    case BP_RECURRENT_DELTA: return delta_rule(m, b, in, layer, x);
    default: bp_builder_problem(b, "layer %lld has no KV heads", (long long)layer); return x;
    }
}
