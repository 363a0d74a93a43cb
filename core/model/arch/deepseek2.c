/* DeepSeek V2 and V3: multi-head latent attention, and experts beside shared ones after dense first layers; V3 chooses
 * them by sigmoids with a bias, among the best groups. Sources: DeepSeek-AI 2024 (V2, V3). */
#include <math.h>

#include "core/model/families.h"

/* yarn_log_multiplier m: YaRN's magnitude is not in cos and sin but, as 1 + m ln(factor) squared, in the scale of
 * attention. */
static void read_magnitude(bp_model *m) {
    const float multiplier = bp_float_or(m, "rope.scaling.yarn_log_multiplier", 0),
                stretch = -logf(m->hp.rope.freq_scale);
    if (m->hp.rope.yarn_factor == 0 || multiplier == 0) return;
    m->decoder.attention.scale = (1 + multiplier * stretch) * (1 + multiplier * stretch);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++)
        m->hp.layer[i].rope.attn_scale = 1 / (1 + 0.1f * stretch);
}

void bp_read_deepseek2(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_read_mla(m);
    read_magnitude(m);
    bp_need_int(m, "leading_dense_block_count", 0, BP_MAX_LAYERS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_need_int(m, "expert_shared_count", 0, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
    m->decoder.experts.select_bias = m->decoder.experts.route.gating == BP_GATING_SIGMOID;
}
