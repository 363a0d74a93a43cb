/* Qwen3 and Qwen3-MoE: llama with halves-paired RoPE and an RMS norm on every head of q and k; experts renormalised
 * over the chosen ones. Source: Yang et al. 2025 (Qwen3 technical report). */
#include "core/base/size.h"
#include "core/model/families.h"

void bp_read_qwen3(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
}

void bp_read_qwen3moe(bp_model *m) {
    bp_read_qwen3(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, 0, BP_GATING_SOFTMAX, true);
    bp_experts_facts *e = &m->decoder.experts;
    if (!e->n_ff) e->n_ff = m->hp.n_ff / BP_MAX(e->route.n_used, 1);
}
