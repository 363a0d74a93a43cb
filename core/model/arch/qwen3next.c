/* Qwen3-Next and Qwen3.5: three layers of the gated delta rule for each one of gated attention; feed-forward parts
 * dense or of experts with a shared one. Qwen3.5 has decays and betas in matrices of their own, its heads in turn
 * over the key heads, and rotates by M-RoPE, which is RoPE where there is only text. Sources: Qwen team 2025,
 * 2026; Yang et al. 2025 (gated delta networks). */
#include "core/base/size.h"
#include "core/model/families.h"

static void read(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->ffn_norm = "post_attention_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.gated = true;
    bp_read_ssm(m, BP_RECURRENT_DELTA);
    const int64_t interval = bp_int_or(m, "full_attention_interval", 4, 1, BP_MAX_LAYERS);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++)
        if (bp_layer_int_or(m, "attention.recurrent_layers", i, (i + 1) % interval != 0, 0, 1))
            m->hp.layer[i].n_head_kv = 0;
}

void bp_read_qwen3next(bp_model *m) {
    read(m);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
    m->decoder.experts.shared_gate = true;
    if (bp_has_weight(m, 0, "ffn_up_shexp.weight")) bp_need_int(m, "expert_shared_feed_forward_length", 1, BP_MAX_WIDTH);
}

void bp_read_qwen35(bp_model *m) {
    read(m);
    m->decoder.recurrent.interleaved = true;
}

void bp_read_qwen35moe(bp_model *m) {
    bp_experts_facts *e = &m->decoder.experts;
    bp_read_qwen35(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, 0, BP_GATING_SOFTMAX, true);
    if (!e->n_ff) e->n_ff = m->hp.n_ff / BP_MAX(e->route.n_used, 1);
    if (!e->n_ff_shared) e->n_ff_shared = m->hp.n_ff;
    e->shared_gate = true;
}
