/* Qwen3-Next: three layers of the gated delta rule for each one of gated attention; experts with a shared one.
 * Sources: Qwen team 2025; Yang et al. 2025 (gated delta networks). */
#include "core/model/families.h"

void bp_read_qwen3next(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->ffn_norm = "post_attention_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.gated = true;
    bp_read_ssm(m, BP_RECURRENT_DELTA);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
    d->experts.shared_gate = true;
    if (bp_has_weight(m, 0, "ffn_up_shexp.weight")) bp_need_int(m, "expert_shared_feed_forward_length", 1, BP_MAX_WIDTH);
    const int64_t interval = bp_int_or(m, "full_attention_interval", 4, 1, BP_MAX_LAYERS);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++)
        if (bp_layer_int_or(m, "attention.recurrent_layers", i, (i + 1) % interval != 0, 0, 1)) m->hp.layer[i].n_head_kv = 0;
}
