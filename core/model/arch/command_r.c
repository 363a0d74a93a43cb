/* Command R and Command R7B (cohere2): attention and feed-forward part in parallel behind one layer norm without bias,
 * and scaled logits; cohere2 gives three of four layers a window, and rotates in these alone. Source: Cohere 2024,
 * 2025. */
#include <stddef.h>

#include "core/model/families.h"

static void read(bp_model *m) {
    bp_decoder *d = &m->decoder;
    d->norm = BP_NORM_LAYER;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    d->parallel = true;
    d->ffn_norm = NULL;
    d->logit_scale = bp_need_float(m, "logit_scale");
}

void bp_read_command_r(bp_model *m) {
    read(m);
    m->decoder.attention.qk_norm = BP_QK_NORM_EACH_HEAD;
    m->decoder.attention.qk_norm_kind = BP_NORM_LAYER;
    m->decoder.attention.qk_norm_optional = true;
}

void bp_read_cohere2(bp_model *m) {
    read(m);
    bp_read_windows(m, 4, -1);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = m->hp.layer[i].windowed;
}
