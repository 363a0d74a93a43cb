/* AFMoE (Arcee Trinity): gated attention with an RMS norm on every head of q and k, three of four layers with a window,
 * rotating in these alone; norms on the parts' outputs too; experts behind a sigmoid whose bias only chooses, beside a
 * shared one, after dense first layers. Source: Arcee AI 2025. */
#include <math.h>

#include "core/model/families.h"

void bp_read_afmoe(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->embedding_scale = sqrtf((float)m->hp.n_embd);
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.gate_matrix = true;
    bp_read_windows(m, 4, -1);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = m->hp.layer[i].windowed;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    d->experts.select_bias = true;
}
