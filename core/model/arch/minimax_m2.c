/* MiniMax M2: llama with halves-paired RoPE on half of each head, an RMS norm over all of q and of k, and experts
 * behind a sigmoid whose bias only chooses. Source: MiniMax 2025. */
#include "core/model/families.h"

void bp_read_minimax_m2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attention.qk_norm = BP_QK_NORM_ROW;
    d->untied = true;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, true);
    d->experts.select_bias = true;
}
