/* Llama (llama, mistral, mixtral, SmolLM; internlm2): pre-norm transformer with RMS norm, rotary positions,
 * grouped-query attention and a gated feed-forward part, dense or of experts. Sources: Touvron et al. 2023; Jiang et
 * al. 2023, 2024. */
#include "core/model/families.h"

void bp_read_llama(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_read_windows(m, 0, 0);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
}
