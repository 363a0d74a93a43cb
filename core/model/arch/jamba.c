/* Jamba: layers of a Mamba scan, some of attention without positions; feed-forward parts dense or of experts.
 * Source: Lieber et al. 2024. */
#include "core/model/families.h"

void bp_read_jamba(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_NONE);
    bp_read_ssm(m, BP_RECURRENT_MAMBA);
    m->decoder.recurrent.step_norms = true;
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
}
