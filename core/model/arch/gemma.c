/* Gemma: llama with GeGLU, an embedding multiplied by √n_embd, and heads wider than n_embd / n_head. Gemma 2 norms the
 * parts' outputs too, caps logits softly, and gives every other layer a window; Gemma 3 norms q and k instead of
 * capping, has five windowed layers to a full one, and another RoPE base in them. The files' norm weights already hold
 * the + 1. Sources: Gemma Team 2024 (Gemma, Gemma 2), 2025 (Gemma 3). */
#include <math.h>

#include "core/model/families.h"

enum { GEMMA2_27B_LAYERS = 46, GEMMA3_27B_LAYERS = 62 };

void bp_read_gemma(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.activation = BP_ACT_GELU_TANH;
    m->decoder.embedding_scale = sqrtf((float)m->hp.n_embd);
}

/* The largest models scale attention by the width of the model, not of the head. */
static void scale_attention(bp_model *m, int64_t n_layer) {
    bp_attention_facts *a = &m->decoder.attention;
    if (a->scale == 0 && m->hp.n_layer == n_layer && m->hp.n_head)
        a->scale = 1 / sqrtf((float)m->hp.n_embd / (float)m->hp.n_head);
}

void bp_read_gemma2(bp_model *m) {
    bp_read_gemma(m);
    bp_read_windows(m, 2, 4096);
    m->decoder.attn_post_norm = "post_attention_norm";
    m->decoder.ffn_post_norm = "post_ffw_norm";
    m->decoder.attention.softcap = bp_float_or(m, "attn_logit_softcapping", 50);
    m->decoder.logit_softcap = bp_float_or(m, "final_logit_softcapping", 30);
    scale_attention(m, GEMMA2_27B_LAYERS);
}

void bp_read_gemma3(bp_model *m) {
    bp_read_gemma(m);
    bp_read_windows(m, 6, m->decoder.bidirectional ? -1 : 0);
    m->decoder.attn_post_norm = "post_attention_norm";
    m->decoder.ffn_post_norm = "post_ffw_norm";
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    m->decoder.attention.softcap = bp_float_or(m, "attn_logit_softcapping", 0);
    m->decoder.logit_softcap = bp_float_or(m, "final_logit_softcapping", 0);
    scale_attention(m, GEMMA3_27B_LAYERS);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        if (!l->window) continue;
        l->rope.base = base;
        l->rope.freq_scale = 1; /* scaling is the full layers' alone */
    }
}
