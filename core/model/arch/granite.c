/* Granite and MiniCPM: llama with multipliers on embedding, residual parts, attention and logits (which they divide);
 * granitemoe with experts. Sources: IBM 2024 (Granite 3.0); Hu et al. 2024 (MiniCPM, after Yang et al. 2022, µP). */
#include <math.h>

#include "core/model/families.h"

enum { MINICPM_BASE_WIDTH = 256 };

void bp_read_granite(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    d->embedding_scale = bp_float_or(m, "embedding_scale", 1);
    d->residual_scale = bp_float_or(m, "residual_scale", 1);
    d->logit_scale = 1 / bp_need_float(m, "logit_scale");
}

void bp_read_granitemoe(bp_model *m) {
    bp_read_granite(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
}

/* Older files have none of the multipliers, which all models share. */
void bp_read_minicpm(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    d->embedding_scale = bp_float_or(m, "embedding_scale", 12);
    d->residual_scale = bp_float_or(m, "residual_scale", 1.4f / sqrtf((float)m->hp.n_layer));
    d->logit_scale = 1 / bp_float_or(m, "logit_scale", (float)m->hp.n_embd / MINICPM_BASE_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
}
