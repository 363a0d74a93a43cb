/* MiniCPM 3: multi-head latent attention with rotated halves and longrope, and MiniCPM's multipliers, which its files do
 * not have as keys. Source: OpenBMB 2024 (MiniCPM3-4B, after Hu et al. 2024). */
#include <math.h>

#include "core/model/families.h"

enum { EMBEDDING_SCALE = 12, BASE_WIDTH = 256 };

void bp_read_minicpm3(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    bp_read_mla(m);
    bp_need_int(m, "attention.q_lora_rank", 1, BP_MAX_WIDTH);
    d->embedding_scale = EMBEDDING_SCALE;
    d->residual_scale = 1.4f / sqrtf((float)m->hp.n_layer);
    d->logit_scale = BASE_WIDTH / (float)m->hp.n_embd;
}
