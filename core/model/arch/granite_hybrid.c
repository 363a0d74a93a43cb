/* Granite 4 hybrid: layers of a Mamba 2 scan, some of attention; feed-forward parts of experts with a shared one, or dense.
 * Source: IBM Granite 4.0, 2025. */
#include "core/model/families.h"

void bp_read_granite_hybrid(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_granite(m);
    bp_read_ssm(m, BP_RECURRENT_MAMBA2);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
    d->recurrent.norm = true;
    const bool rotated = bp_model_bool(m, "rope.scaling.finetuned", true); /* the key says whether there is RoPE */
    const int64_t shared = bp_int_or(m, "expert_shared_feed_forward_length", 0, 0, BP_MAX_WIDTH);
    if (bp_has_weight(m, 0, "ffn_up_shexp.weight")) bp_need_int(m, "expert_shared_feed_forward_length", 1, BP_MAX_WIDTH);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        m->hp.layer[i].rotated = rotated;
        if (!d->experts.n && shared) m->hp.layer[i].n_ff = shared; /* what is dense is the shared expert alone */
    }
}
