/* Baichuan: llama; the 13B model has ALiBi in place of RoPE. Source: Yang et al. 2023 (Baichuan 2). */
#include "core/model/families.h"

enum { LAYERS_13B = 40, ALIBI = 8 };

void bp_read_baichuan(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    if (m->hp.n_layer != LAYERS_13B) return;
    m->decoder.attention.alibi = ALIBI;
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].rotated = false;
}
