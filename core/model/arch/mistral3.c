/* Ministral 3: llama whose q grows with the position, in all layers, by steps of the length that the model was
 * first trained for. Source: Mistral AI 2025. */
#include "core/model/families.h"

void bp_read_mistral3(bp_model *m) {
    bp_attention_facts *a = &m->decoder.attention;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
    a->temperature_scale = bp_float_or(m, "attention.temperature_scale", 0);
    if (a->temperature_scale == 0) return;
    a->temperature_length = bp_int_or(m, "rope.scaling.original_context_length", m->hp.n_context, 1, INT32_MAX);
    a->temperature_all = a->temperature_at_once = true;
}
