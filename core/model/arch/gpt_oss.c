/* gpt-oss: experts with clamped SwiGLU and biases, a sink in every head's softmax, every other layer windowed, YaRN.
 * Source: OpenAI 2025 (gpt-oss model card). */
#include "core/model/families.h"

void bp_read_gpt_oss(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    bp_read_windows(m, 2, -1);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_need_int(m, "expert_feed_forward_length", 1, BP_MAX_WIDTH);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX_CHOSEN, false);
    d->ffn_norm = "post_attention_norm";
    d->untied = d->attention.output_bias = d->attention.sinks = true;
    d->experts.router_bias = d->experts.bias = true;
    d->experts.glu = (bp_glu_params){ .f = BP_ACT_GELU_QUICK, .limit = 7, .up_bias = 1 };
}
