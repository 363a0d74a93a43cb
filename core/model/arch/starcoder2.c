/* StarCoder 2: GPT with rotary positions and grouped-query attention, and biases where the file has them.
 * Source: Lozhkov et al. 2024. */
#include "core/model/families.h"

void bp_read_starcoder2(bp_model *m) {
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_GELU_TANH);
    m->decoder.norm_bias = true;
}
