/* Jais: GPT-2 with ALiBi in place of positions, a gated feed-forward part, and attention scaled by 1 / head_dim.
 * Source: Sengupta et al. 2023. */
#include "core/model/families.h"

void bp_read_jais(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_NONE, BP_ACT_SILU);
    d->ffn = BP_FFN_GATED;
    d->norm_bias = d->ffn_bias = d->untied = true;
    d->attention.fused = d->attention.qkv_bias = d->attention.output_bias = true;
    d->attention.scale = 1 / (float)m->hp.head_dim;
    d->attention.alibi = bp_float_or(m, "attention.max_alibi_bias", 0);
}
