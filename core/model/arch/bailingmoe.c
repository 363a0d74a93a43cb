/* DeepSeek MoE (deepseek) and Ling (bailingmoe): llama with experts beside shared ones after dense first layers. Ling 2
 * (bailingmoe2): with q, k and v in one matrix, halves-paired RoPE on part of each head, an RMS norm on every head of q
 * and k, and DeepSeek V3's experts. Sources: Dai et al. 2024; Ling Team 2025. */
#include "core/model/families.h"

void bp_read_bailingmoe2(bp_model *m) {
    bp_experts_facts *e = &m->decoder.experts;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.fused = true;
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    const int64_t shared = bp_int_or(m, "expert_shared_feed_forward_length", e->n_ff, 0, BP_MAX_WIDTH);
    e->n_ff_shared = shared * bp_need_int(m, "expert_shared_count", 0, BP_MAX_EXPERTS);
}

void bp_read_bailingmoe(bp_model *m) {
    bp_read_deepseek(m);
    m->decoder.experts.n_ff_shared = m->decoder.experts.n_ff * bp_need_int(m, "expert_shared_count", 0, BP_MAX_EXPERTS);
}

void bp_read_deepseek(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
}
