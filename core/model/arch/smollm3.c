/* SmolLM3: llama without rotary positions in every fourth layer. Source: Bakouch et al. 2025; Yang et al. 2025 (RNoPE).
 */
#include "core/model/families.h"

enum { UNROTATED_EVERY = 4 };

void bp_read_smollm3(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = (i + 1) % UNROTATED_EVERY != 0;
}
