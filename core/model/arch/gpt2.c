/* GPT-2 and StarCoder: learned positions, layer norms, a plain feed-forward part, biases everywhere; StarCoder with one
 * KV head. Sources: Radford et al. 2019; Li et al. 2023 (StarCoder). */
#include "core/model/families.h"

void bp_read_gpt2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_NONE, BP_ACT_GELU_TANH);
    d->learned_positions = d->norm_bias = d->ffn_bias = true;
    d->attention.fused = d->attention.qkv_bias = d->attention.output_bias = true;
}
