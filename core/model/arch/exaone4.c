/* EXAONE 3: llama with halves-paired RoPE. EXAONE 4: norms on the parts' outputs alone and on every head of q and k;
 * the windowed model has three of four layers with a window, and rotates in these alone. Sources: LG AI Research 2024,
 * 2025. */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_exaone(bp_model *m) { bp_read_llama_like(m, BP_ROPE_HALVES); }

void bp_read_exaone4(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->attn_norm = d->ffn_norm = NULL;
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    int64_t window = 0;
    if (!bp_model_int(m, "attention.sliding_window", &window) || !window) return;
    bp_read_windows(m, 4, 0);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = m->hp.layer[i].windowed;
}
