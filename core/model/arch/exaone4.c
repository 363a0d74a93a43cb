/* EXAONE 3: llama with halves-paired RoPE. EXAONE 4: norms on the parts' outputs alone and on every head of q and k;
 * the windowed model has three of four layers with a window, and rotates in these alone. EXAONE MoE (K-EXAONE): the same
 * windows, norms before the parts, and DeepSeek V3's experts after dense first layers. Sources: LG AI Research 2024,
 * 2025, 2026. */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_exaone(bp_model *m) { bp_read_llama_like(m, BP_ROPE_HALVES); }

static void read_windows(bp_model *m) {
    bp_read_windows(m, 4, -1);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = m->hp.layer[i].windowed;
}

void bp_read_exaone4(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attn_norm = d->ffn_norm = NULL;
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    int64_t window = 0;
    if (bp_model_int(m, "attention.sliding_window", &window) && window) read_windows(m);
}

void bp_read_exaone_moe(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    read_windows(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    m->decoder.experts.select_bias = true;
}
