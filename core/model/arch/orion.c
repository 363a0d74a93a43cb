/* Orion: llama with layer norms and halves-paired RoPE. XVERSE: llama. Sources: Chen et al. 2024; XVERSE 2023. */
#include "core/model/families.h"

void bp_read_orion(bp_model *m) {
    m->decoder.norm = BP_NORM_LAYER;
    m->decoder.norm_bias = true;
    bp_read_llama_like(m, BP_ROPE_HALVES);
}

void bp_read_xverse(bp_model *m) { bp_read_llama_like(m, BP_ROPE_ADJACENT); }
