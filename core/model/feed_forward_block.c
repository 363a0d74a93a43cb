/* The feed-forward part: dense, or of experts with an optional shared one. */
#include <float.h>
#include <stdio.h>

#include "core/model/model_blocks.h"

/* Of ops that all backends have: e^x - 1 - x of min(x, 0) is 0 above 0, where only the square counts. */
static uint32_t xielu(bp_builder *b, uint32_t x, const bp_xielu *p) {
    uint32_t below = bp_clamp(b, x, -FLT_MAX, 0), bent = bp_activation(b, below, BP_ACT_EXP);
    bent = bp_scale(b, bp_add(b, bent, bp_scale(b, below, -1, -1)), p->alpha_n, 0);
    uint32_t square = bp_scale(b, bp_activation(b, x, BP_ACT_RELU_SQUARED), p->alpha_p, 0);
    return bp_add(b, bp_add(b, square, bent), bp_scale(b, x, p->beta, 0));
}

/* f(gate) * up; with a limit that of f(gate), too, not of the gate as BP_OP_GLU's is. */
static uint32_t gated(bp_builder *b, uint32_t gate, uint32_t up, bp_glu_params p, const float *limit, int64_t layer) {
    if (!limit || !(limit[layer] > 0)) return bp_glu(b, gate, up, p);
    gate = bp_clamp(b, bp_activation(b, gate, p.f), -FLT_MAX, limit[layer]);
    return bp_mul(b, gate, bp_clamp(b, up, -limit[layer], limit[layer]));
}

uint32_t bp_dense_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_decoder *d = &m->decoder;
    const int64_t n = m->hp.n_embd, n_ff = m->hp.layer[layer].n_ff;
    uint32_t y = bp_linear(m, b, layer, "ffn_up", x, n, d->ffn == BP_FFN_FUSED ? 2 * n_ff : n_ff, d->ffn_bias);
    if (d->ffn == BP_FFN_PLAIN) {
        y = bp_activation(b, y, d->activation);
    } else if (d->ffn == BP_FFN_XIELU) {
        y = xielu(b, y, &d->xielu[layer]);
    } else if (d->ffn == BP_FFN_FUSED) {
        y = bp_glu(b, y, BP_NONE, (bp_glu_params){ .f = d->activation });
    } else {
        y = gated(b, bp_linear(m, b, layer, "ffn_gate", x, n, n_ff, d->ffn_bias), y,
                  (bp_glu_params){ .f = d->activation }, d->experts.limit_dense, layer);
    }
    return bp_linear(m, b, layer, "ffn_down", y, n_ff, n, d->ffn_bias);
}

/* "NAME.weight" [n_in, n_out, n_expert] of the experts that ids say, with "NAME.bias". */
static uint32_t expert_linear(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x,
                              uint32_t ids, int64_t n_in, int64_t n_out) {
    const bp_experts_facts *e = &m->decoder.experts;
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    uint32_t w = bp_weight(m, b, layer, full, n_in, n_out, e->n);
    snprintf(full, sizeof full, "%s.bias", name);
    return bp_matmul_experts(b, w, x, ids,
                             e->bias ? bp_weight(m, b, layer, full, n_out, e->n, 0)
                                     : bp_weight_if(m, b, layer, full, n_out, e->n, 0));
}

/* One expert that every token reads; with ffn_gate_inp_shexp times the sigmoid of a number. */
static uint32_t shared_expert(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_experts_facts *e = &m->decoder.experts;
    const int64_t n = m->hp.n_embd, n_ff = e->n_ff_shared;
    uint32_t up = bp_linear(m, b, layer, "ffn_up_shexp", x, n, n_ff, false);
    uint32_t mid = e->plain ? bp_activation(b, up, e->glu.f)
                            : gated(b, bp_linear(m, b, layer, "ffn_gate_shexp", x, n, n_ff, false), up, e->glu,
                                    e->limit_dense, layer);
    uint32_t y = bp_linear(m, b, layer, "ffn_down_shexp", mid, n_ff, n, false);
    uint32_t w = e->shared_gate ? bp_weight(m, b, layer, "ffn_gate_inp_shexp.weight", n, 1, 0) : BP_NONE;
    if (w == BP_NONE) return y;
    return bp_mul(b, y, bp_activation(b, bp_matmul(b, w, x, BP_NONE), BP_ACT_SIGMOID));
}

/* What goes into the experts' last matrix; *weights become 1 where they have multiplied the input. */
static uint32_t expert_middle(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, uint32_t ids, int64_t n,
                              uint32_t *weights) {
    const bp_experts_facts *e = &m->decoder.experts;
    if (bp_has_weight(m, layer, "ffn_gate_up_exps.weight") && !e->weigh_input)
        return bp_glu(b, expert_linear(m, b, layer, "ffn_gate_up_exps", x, ids, n, 2 * e->n_ff), BP_NONE, e->glu);
    uint32_t up = expert_linear(m, b, layer, "ffn_up_exps", x, ids, n, e->n_ff);
    if (e->plain) return bp_activation(b, up, e->glu.f);
    uint32_t gate = expert_linear(m, b, layer, "ffn_gate_exps", x, ids, n, e->n_ff);
    if (e->weigh_input) { /* as w * (gate x) is gate (w * x) */
        const bp_dim each[3] = { bp_number(1), bp_number(e->route.n_used), bp_symbol(b, BP_SYMBOL_N_TOKENS) };
        uint32_t w = bp_reshape(b, *weights, 3, each);
        gate = bp_mul(b, gate, w);
        up = bp_mul(b, up, w);
        *weights = bp_scale(b, *weights, 0, 1);
    }
    return gated(b, gate, up, e->glu, e->limit, layer);
}

/* Weights times the number that ffn_down_exps.scale has for their experts. */
static uint32_t scaled_weights(const bp_model *m, bp_builder *b, int64_t layer, uint32_t weights, uint32_t ids) {
    const bp_experts_facts *e = &m->decoder.experts;
    const bp_dim tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS), used = bp_number(e->route.n_used);
    if (!bp_has_weight(m, layer, "ffn_down_exps.scale")) return weights;
    uint32_t scale = bp_weight(m, b, layer, "ffn_down_exps.scale", 1, 1, e->n);
    uint32_t each = bp_reshape(b, weights, 3, (bp_dim[3]){ bp_number(1), used, tokens });
    return bp_reshape(b, bp_matmul_experts(b, scale, each, ids, BP_NONE), 2, (bp_dim[2]){ used, tokens });
}

uint32_t bp_chosen_experts(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, uint32_t logits) {
    const bp_experts_facts *e = &m->decoder.experts;
    const int64_t n = m->hp.n_embd, n_in = e->n_latent ? e->n_latent : n;
    uint32_t weights = 0, select = e->select_bias ? bp_weight(m, b, layer, "exp_probs_b.bias", e->n, 0, 0)
                                                  : bp_weight_if(m, b, layer, "exp_probs_b.bias", e->n, 0, 0);
    uint32_t ids = bp_route_experts(b, logits, select, e->route, &weights);
    uint32_t read = e->n_latent ? bp_linear(m, b, layer, "ffn_latent_down", x, n, n_in, false) : x;
    uint32_t middle = expert_middle(m, b, layer, read, ids, n_in, &weights);
    uint32_t down = expert_linear(m, b, layer, "ffn_down_exps", middle, ids, e->n_ff, n_in);
    uint32_t y = bp_combine_experts(b, down, scaled_weights(m, b, layer, weights, ids));
    return e->n_latent ? bp_linear(m, b, layer, "ffn_latent_up", y, n_in, n, false) : y;
}

uint32_t bp_experts_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_experts_facts *e = &m->decoder.experts;
    uint32_t logits = bp_linear(m, b, layer, "ffn_gate_inp", x, m->hp.n_embd, e->n, e->router_bias);
    uint32_t y = bp_chosen_experts(m, b, layer, x, logits);
    return e->n_ff_shared ? bp_add(b, y, shared_expert(m, b, layer, x)) : y;
}

uint32_t bp_feed_forward_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    bool experts = m->decoder.experts.n &&
                   (bp_has_weight(m, layer, "ffn_gate_inp.weight") || bp_has_weight(m, layer, "ffn_down_exps.weight") ||
                    bp_has_weight(m, layer, "ffn_up_exps.weight"));
    return experts ? bp_experts_block(m, b, layer, x) : bp_dense_block(m, b, layer, x);
}
