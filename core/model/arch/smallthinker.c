/* SmallThinker: experts with ReLU, chosen by what the layer reads before its first norm; where there is a window,
 * three of four layers have it and rotate, and the first of four does neither. Source: Song et al. 2025. */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

enum { PERIOD = 4 };

void bp_read_smallthinker(bp_model *m) {
    int64_t window = 0;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.activation = BP_ACT_RELU;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, true);
    bp_model_int(m, "attention.sliding_window", &window);
    const int64_t period = bp_int_or(m, "attention.sliding_window_pattern", PERIOD, 1, BP_MAX_LAYERS);
    for (int64_t i = 0; window > 0 && window <= INT32_MAX && m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->windowed = i % period != 0;
        l->rotated = i % PERIOD != 0;
        l->window = l->windowed ? (uint32_t)window : 0;
    }
}

uint32_t bp_build_smallthinker(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        uint32_t x = bp_residual_sum(b, &r);
        uint32_t logits = bp_linear(m, b, i, "ffn_gate_inp", x, m->hp.n_embd, m->decoder.experts.n, false);
        bp_residual_add(m, b, &r, bp_attention_block(m, b, in, i, bp_residual_norm(m, b, i, "attn_norm", &r)));
        bp_residual_add(m, b, &r, bp_chosen_experts(m, b, i, bp_residual_norm(m, b, i, "ffn_norm", &r), logits));
    }
    return bp_logits_block(m, b, in, &r);
}
