/* MPT: ALiBi, layer norms without bias, q, k and v clamped where the file says so. Source: MosaicML 2023. */
#include "core/model/families.h"

void bp_read_mpt(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_NONE, BP_ACT_GELU_ERF);
    d->attention.fused = true;
    d->attention.alibi = bp_float_or(m, "attention.max_alibi_bias", 0);
    d->attention.qk_norm = BP_QK_NORM_ROW;
    d->attention.qk_norm_kind = BP_NORM_LAYER;
    d->attention.qk_norm_optional = true;
    d->learned_positions = bp_has_weight(m, -1, "position_embd.weight");
}
