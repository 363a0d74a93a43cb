/* BLOOM: ALiBi in place of positions, a norm on the embedding, biases everywhere. Source: BigScience 2022. */
#include "core/model/families.h"

void bp_read_bloom(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_NONE, BP_ACT_GELU_TANH);
    d->embedding_norm = d->norm_bias = d->ffn_bias = true;
    d->attention.fused = d->attention.qkv_bias = d->attention.output_bias = true;
    d->attention.alibi = bp_float_or(m, "attention.max_alibi_bias", 8);
}
