/* MiMo-V2: layers with a window, sinks, KV heads and RoPE base of their own between full ones; K wider than V, part of
 * each head rotated; experts as DeepSeek V3 has them, without a shared one. Source: LLM-Core Xiaomi 2025. */
#include "core/model/families.h"

void bp_read_mimo2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attention.sinks = d->attention.sinks_windowed = true;
    d->attention.v_scale = bp_float_or(m, "attention.value_scale", 0);
    bp_need_int(m, "attention.sliding_window_pattern", 0, 1);
    bp_read_windows(m, 0, -1);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++)
        if (m->hp.layer[i].windowed) m->hp.layer[i].rope.base = base;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, true);
}
