/* EmbeddingGemma: Gemma 3 whose attention looks both ways, windowed layers by half a window to each side; then two dense
 * layers where the file has them. Source: Vera et al. 2025. */
#include <math.h>

#include "core/model/families.h"

void bp_read_gemma_embedding(bp_model *m) {
    bp_decoder *d = &m->decoder;
    d->bidirectional = true;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->activation = BP_ACT_GELU_TANH;
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->embedding_scale = sqrtf((float)m->hp.n_embd);
    bp_read_windows(m, 6, 0);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        if (!l->windowed) continue;
        l->rope.base = bp_float_or(m, "rope.freq_base_swa", 10000);
        l->rope.freq_scale = 1;
    }
}
