/* Phi-3 and Phi-4-mini: llama with q, k and v in one matrix, gate and up in another, and longrope (factors for contexts
 * up to the original length, and others beyond). Sources: Abdin et al. 2024; Ding et al. 2024 (LongRoPE). */
#include "core/model/families.h"

void bp_read_phi3(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.fused = true;
    m->decoder.ffn = BP_FFN_FUSED;
    bp_read_windows(m, 0, 0);
}
