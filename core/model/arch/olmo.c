/* OLMo: layer norms without weights, q, k and v clamped. OLMo 2 and 3 (olmo2): RMS norms on the parts' outputs alone,
 * and on all of q and k; OLMo 3 gives three of four layers a window, and scales RoPE in the others alone. OLMoE:
 * pre-norms, norms on q and k, experts that are not renormalised. Sources: Groeneveld et al. 2024; OLMo Team 2024,
 * 2025; Muennighoff et al. 2024. */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_olmo(bp_model *m) {
    m->decoder.norm = BP_NORM_LAYER;
    m->decoder.norm_plain = true;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
}

void bp_read_olmo2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attn_norm = d->ffn_norm = NULL;
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->attention.qk_norm = BP_QK_NORM_ROW;
    int64_t window = 0;
    if (!bp_model_int(m, "attention.sliding_window", &window) || !window) return;
    bp_read_windows(m, 4, 0);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_rope_params *rope = &m->hp.layer[i].rope;
        if (m->hp.layer[i].windowed) rope->freq_scale = rope->attn_scale = 1, rope->yarn_factor = 0;
    }
}

void bp_read_olmoe(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.untied = true;
    m->decoder.attention.qk_norm = BP_QK_NORM_ROW;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
}
