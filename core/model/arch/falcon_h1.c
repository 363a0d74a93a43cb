/* Falcon-H1: every layer has attention and a Mamba 2 scan side by side. Its multipliers are in the weights.
 * Source: Zuo et al. 2025. */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_falcon_h1(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    bp_read_ssm(m, BP_RECURRENT_MAMBA2);
}

/* The norm before the feed-forward part; files name its tensor ffn_norm, without ".weight". */
static uint32_t ffn_norm(const bp_model *m, bp_builder *b, int64_t layer, bp_residual *r) {
    if (bp_has_weight(m, layer, "ffn_norm.weight")) return bp_residual_norm(m, b, layer, "ffn_norm", r);
    uint32_t weight = bp_weight(m, b, layer, "ffn_norm", m->hp.n_embd, 0, 0);
    return bp_norm(b, BP_OP_RMS_NORM, bp_residual_sum(b, r), BP_NONE, weight, BP_NONE, (bp_norm_params){ m->hp.norm_eps, 0 }, NULL);
}

uint32_t bp_build_falcon_h1(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        uint32_t normed = bp_residual_norm(m, b, i, "attn_norm", &r);
        bp_residual_add(m, b, &r, bp_add(b, bp_attention_block(m, b, in, i, normed), bp_recurrent_block(m, b, in, i, normed)));
        bp_residual_add(m, b, &r, bp_feed_forward_block(m, b, i, ffn_norm(m, b, i, &r)));
    }
    return bp_logits_block(m, b, in, &r);
}
