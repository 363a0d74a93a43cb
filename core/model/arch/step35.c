/* Step 3.5: layers with a window, heads and a RoPE base of their own between full ones, which rotate half as much of each
 * head and have the file's factors; norms on every head of q and k, a gate a head on what it answers; experts as
 * DeepSeek V3 has them, limited in the last layers. Source: StepFun 2026 (Step 3.5 Flash). */
#include "core/model/families.h"

/* A key of one number a layer: NULL where there is none. */
static const float *layer_numbers(bp_model *m, const char *key) {
    const bp_gguf_key *found = bp_gguf_find(m->file, key);
    if (!found) return NULL;
    float *numbers = bp_arena_alloc(&m->arena, (size_t)m->hp.n_layer * sizeof *numbers);
    if (!numbers) bp_model_wrong(m, "out of memory");
    for (int64_t i = 0; numbers && i < m->hp.n_layer; i++) {
        double number = 0;
        if (!bp_gguf_float(found, found->type == BP_GGUF_ARRAY ? (uint64_t)i : 0, &number)) {
            bp_model_wrong(m, "%s is no number a layer", key);
            break;
        }
        numbers[i] = (float)number;
    }
    return numbers;
}

void bp_read_step35(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.qk_norm_optional = true;
    d->attention.gate_heads = bp_any_layer_has(m, "attn_gate.weight");
    bp_need_int(m, "attention.sliding_window_pattern", 0, 1);
    bp_read_windows(m, 0, -1);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->own_factors = l->windowed;
        if (l->windowed) l->rope.base = base, l->rope.freq_scale = 1;
        else l->rope.n_dims = m->hp.rope.n_dims / 4 * 2;
    }
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    d->experts.limit = layer_numbers(m, "step35.swiglu_clamp_exp");
    d->experts.limit_dense = layer_numbers(m, "step35.swiglu_clamp_shexp");
}
