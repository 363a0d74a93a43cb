/* Gemma 4: Gemma 3 with attention unscaled, an RMS norm on v, wider heads in layers without a window (whose v may be k),
 * last layers that read the cache of an earlier one, values of each token and layer that are added behind a gate, and,
 * in one model, experts beside the dense part. Source: Gemma Team 2026. */
#include <math.h>

#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_gemma4(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gemma(m);
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->logit_softcap = bp_float_or(m, "final_logit_softcapping", 0);
    d->attention.scale = 1;
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.v_norm = d->attention.v_optional = true;
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
    bp_need_int(m, "attention.sliding_window_pattern", 0, BP_MAX_LAYERS);
    bp_read_windows(m, 6, -1);
    d->token_values = bp_int_or(m, "embedding_length_per_layer_input", 0, 0, BP_MAX_WIDTH);
    const int64_t head_dim = bp_need_int(m, "attention.key_length_swa", 1, BP_MAX_WIDTH);
    const int64_t head_dim_v = bp_need_int(m, "attention.value_length_swa", 1, BP_MAX_WIDTH);
    const int64_t n_dims = bp_int_or(m, "rope.dimension_count_swa", head_dim & ~(int64_t)1, 0, head_dim);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        if (!l->windowed) continue;
        l->head_dim = head_dim, l->head_dim_v = head_dim_v;
        l->own_factors = true;
        l->rope.base = base;
        l->rope.freq_scale = 1;
        l->rope.head_dim = (uint32_t)head_dim, l->rope.n_dims = (uint32_t)n_dims;
    }
    bp_share_caches(m, bp_int_or(m, "attention.shared_kv_layers", 0, 0, m->hp.n_layer - 1));
}

/* Experts beside the dense part, each between norms of its own; the router reads the stream x, normed and scaled. */
static uint32_t experts(const bp_model *m, bp_builder *b, int64_t i, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t dense = bp_dense_block(m, b, i, bp_norm_block(m, b, i, "ffn_norm", x, n));
    uint32_t scale = bp_weight(m, b, i, "ffn_gate_inp.scale", n, 0, 0);
    const bp_norm_params p = { m->hp.norm_eps, 0 };
    uint32_t read = bp_norm(b, BP_OP_RMS_NORM, x, BP_NONE, scale, BP_NONE, p, NULL);
    uint32_t logits = bp_linear(m, b, i, "ffn_gate_inp", bp_scale(b, read, 1 / sqrtf((float)n), 0), n,
                                m->decoder.experts.n, false);
    uint32_t y = bp_chosen_experts(m, b, i, bp_norm_block(m, b, i, "pre_ffw_norm_2", x, n), logits);
    dense = bp_norm_block(m, b, i, "post_ffw_norm_1", dense, n);
    return bp_add(b, dense, bp_norm_block(m, b, i, "post_ffw_norm_2", y, n));
}

static uint32_t layer(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t i, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t mixed = bp_attention_block(m, b, in, i, bp_norm_block(m, b, i, "attn_norm", x, n));
    x = bp_add(b, x, bp_norm_block(m, b, i, m->decoder.attn_post_norm, mixed, n));
    uint32_t y = bp_has_weight(m, i, "ffn_gate_inp.weight")
                     ? experts(m, b, i, x)
                     : bp_dense_block(m, b, i, bp_norm_block(m, b, i, "ffn_norm", x, n));
    return bp_add(b, x, bp_norm_block(m, b, i, m->decoder.ffn_post_norm, y, n));
}

uint32_t bp_build_gemma4(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const bool extra = m->decoder.token_values != 0;
    uint32_t x = bp_embedding_block(m, b, in), values = extra ? bp_token_values(m, b, in, x) : BP_NONE;
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        x = layer(m, b, in, i, x);
        if (extra) x = bp_add(b, x, bp_token_values_part(m, b, i, x, values));
        uint32_t scale = bp_weight_if(m, b, i, "layer_output_scale.weight", 1, 0, 0);
        if (scale != BP_NONE) x = bp_mul(b, x, scale);
    }
    bp_residual r = { x, BP_NONE };
    return bp_logits_block(m, b, in, &r);
}
