/* Nemotron-H and Nemotron 3: every layer is one part alone behind a norm: a Mamba 2 scan, attention without
 * positions, or a feed-forward part of squared ReLU, dense or of experts (which may work on fewer values than the
 * stream has). Sources: NVIDIA 2025 (Nemotron-H, Nemotron 3). */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_nemotron_h(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_NONE);
    bp_read_ssm(m, BP_RECURRENT_MAMBA2);
    d->recurrent.norm = true;
    d->ffn = BP_FFN_PLAIN;
    d->activation = BP_ACT_RELU_SQUARED;
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    d->experts.plain = d->experts.select_bias = true;
    d->experts.n_latent = bp_int_or(m, "moe_latent_size", 0, 0, BP_MAX_WIDTH);
}

static uint32_t part(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t i, uint32_t x) {
    const bp_layer *l = &m->hp.layer[i];
    if (l->n_ff) return bp_feed_forward_block(m, b, i, x);
    return l->n_head_kv ? bp_attention_block(m, b, in, i, x) : bp_recurrent_block(m, b, in, i, x);
}

uint32_t bp_build_nemotron_h(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++)
        bp_residual_add(m, b, &r, part(m, b, in, i, bp_residual_norm(m, b, i, m->decoder.attn_norm, &r)));
    return bp_logits_block(m, b, in, &r);
}
