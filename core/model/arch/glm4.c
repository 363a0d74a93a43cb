/* GLM: chatglm (ChatGLM 2 and 3, GLM-4, GLM-Edge) is llama with gate and up in one matrix and half of each head
 * rotated; glm4 (GLM-4-0414) norms the parts' outputs too; glm4moe (GLM-4.5) has separate matrices, biases on q, k and
 * v, and experts behind a sigmoid whose bias only chooses. Source: GLM Team 2024, 2025. */
#include "core/model/families.h"

enum { GLM_CONTEXT = 8192 };

void bp_read_chatglm(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    m->decoder.ffn = BP_FFN_FUSED;
    if (m->hp.n_context == m->hp.n_embd)
        m->hp.n_context = GLM_CONTEXT; /* what converters write where they know no better */
}

void bp_read_glm4(bp_model *m) {
    bp_read_chatglm(m);
    m->decoder.attn_post_norm = "post_attention_norm";
    m->decoder.ffn_post_norm = "post_ffw_norm";
}

void bp_read_glm4moe(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->ffn_norm = "post_attention_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.qk_norm_optional = true;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, true);
    d->experts.select_bias = d->experts.route.gating == BP_GATING_SIGMOID;
}
