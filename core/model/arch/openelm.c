/* OpenELM: llama with heads and widths that grow from layer to layer, q, k and v in one matrix, and an RMS norm on every
 * head of q and k. Source: Mehta et al. 2024. */
#include "core/model/families.h"

void bp_read_openelm(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.fused = true;
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
}
