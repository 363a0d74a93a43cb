/* Hunyuan: llama with halves-paired RoPE, and an RMS norm on every head of q and k after it; hunyuan-moe has experts,
 * renormalised, beside a shared one. Source: Tencent 2024, 2025. */
#include "core/model/families.h"

void bp_read_hunyuan_dense(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    m->decoder.attention.qk_norm_late = true;
}

void bp_read_hunyuan_moe(bp_model *m) {
    bp_read_hunyuan_dense(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
    if (!m->decoder.experts.n_ff_shared) m->decoder.experts.n_ff_shared = m->hp.n_ff;
}
