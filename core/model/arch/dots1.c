/* dots.llm1: llama with halves-paired RoPE, an RMS norm on every head of q and k, and DeepSeek V3's experts after dense
 * first layers. Source: Huo et al. 2025. */
#include "core/model/families.h"

void bp_read_dots1(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
}
