/* CodeShell: GPT with rotary positions, grouped-query attention, q, k and v in one matrix, and biases everywhere.
 * Source: Xie et al. 2024. */
#include "core/model/families.h"

void bp_read_codeshell(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_GELU_TANH);
    d->norm_bias = d->ffn_bias = true;
    d->attention.fused = d->attention.qkv_bias = d->attention.output_bias = true;
}
