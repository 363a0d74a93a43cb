/* ERNIE 4.5: llama; ernie4_5-moe has experts, renormalised, whose bias only chooses, beside a shared one, after dense
 * first layers. Source: Baidu 2025. */
#include "core/model/families.h"

void bp_read_ernie4_5(bp_model *m) { bp_read_llama_like(m, BP_ROPE_ADJACENT); }

void bp_read_ernie4_5_moe(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
}
