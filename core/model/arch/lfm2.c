/* LFM2: layers of a short gated convolution, some of attention; lfm2moe has experts behind a sigmoid whose bias
 * only chooses, after dense first layers. Source: Liquid AI, 2025. */
#include "core/model/families.h"

void bp_read_lfm2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->recurrent.kind = BP_RECURRENT_SHORT_CONV;
    d->recurrent.n_conv = bp_need_int(m, "shortconv.l_cache", 2, BP_MAX_WIDTH);
    d->output_norm = bp_has_weight(m, -1, "output_norm.weight") ? "output_norm" : "token_embd_norm";
}

void bp_read_lfm2moe(bp_model *m) {
    bp_read_lfm2(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, true);
    m->decoder.experts.select_bias = true;
}
