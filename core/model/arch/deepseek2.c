/* DeepSeek V2 and V3: multi-head latent attention, and experts beside shared ones after dense first layers; V3 chooses
 * them by sigmoids with a bias, among the best groups. Sources: DeepSeek-AI 2024 (V2, V3). */
#include <math.h>

#include "core/model/families.h"

/* Files of attn_kv_b cache full heads; later ones, which have key_length_mla, one row of latent values. */
static void read_heads(bp_model *m) {
    bp_mla_facts *a = &m->decoder.attention.mla;
    int64_t head_dim = m->hp.head_dim;
    a->kv_lora = bp_need_int(m, "attention.kv_lora_rank", 1, BP_MAX_WIDTH);
    a->q_lora = bp_int_or(m, "attention.q_lora_rank", 0, 0, BP_MAX_WIDTH);
    a->rotated = bp_need_int(m, "rope.dimension_count", 2, BP_MAX_WIDTH);
    a->absorbed = bp_model_int(m, "attention.key_length_mla", &head_dim);
    a->head_dim_v = m->hp.head_dim_v;
    if (a->absorbed) {
        head_dim = bp_need_int(m, "attention.key_length_mla", 1, BP_MAX_WIDTH);
        a->head_dim_v = bp_need_int(m, "attention.value_length_mla", 1, BP_MAX_WIDTH);
    }
    a->plain = head_dim - a->rotated;
    if (a->plain < 1)
        bp_model_wrong(m, "%lld rotated values leave none of a head of %lld", (long long)a->rotated,
                       (long long)head_dim);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->n_head_kv = a->absorbed ? 1 : l->n_head;
        l->head_dim = a->absorbed ? a->kv_lora + a->rotated : head_dim;
        l->head_dim_v = a->absorbed ? 0 : a->head_dim_v;
        l->rope.head_dim = l->rope.n_dims = (uint32_t)a->rotated;
    }
}

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
    read_heads(m);
    read_magnitude(m);
    bp_need_int(m, "leading_dense_block_count", 0, BP_MAX_LAYERS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_need_int(m, "expert_shared_count", 0, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
    m->decoder.experts.select_bias = m->decoder.experts.route.gating == BP_GATING_SIGMOID;
}
