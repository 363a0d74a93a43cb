/* ModernBERT: an encoder with norms before each part, RoPE, and windows of a few tokens in two layers of three, the first of
 * three being dense. Source: Warner et al. 2024. */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_modern_bert(bp_model *m) {
    bp_decoder *d = &m->decoder;
    d->bidirectional = true;
    d->norm = BP_NORM_LAYER;
    d->activation = BP_ACT_GELU_ERF;
    d->attn_norm = "attn_norm";
    d->ffn_norm = "ffn_norm";
    d->embedding_norm = true;
    d->attention.fused = true;
    d->ffn = BP_FFN_FUSED;
    bp_read_common(m, BP_ROPE_HALVES);
    const int64_t period = bp_int_or(m, "attention.sliding_window_pattern", 3, 1, BP_MAX_LAYERS);
    const int64_t window = bp_int_or(m, "attention.sliding_window", 0, 0, INT32_MAX);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->windowed = window && i % period != 0;
        if (!l->windowed) continue;
        l->window = (uint32_t)window;
        l->rope.base = base;
    }
}

uint32_t bp_build_modern_bert(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) { /* the embedding's norm is the first layer's, where it has none */
        const char *norm = i || bp_has_weight(m, i, "attn_norm.weight") ? m->decoder.attn_norm : NULL;
        bp_residual_add(m, b, &r, bp_attention_block(m, b, in, i, bp_residual_norm(m, b, i, norm, &r)));
        bp_residual_add(m, b, &r, bp_feed_forward_block(m, b, i, bp_residual_norm(m, b, i, m->decoder.ffn_norm, &r)));
    }
    return bp_logits_block(m, b, in, &r);
}
