/* Nemotron: layer norms (the files' weights already hold the + 1), squared ReLU, partial rotary positions.
 * Source: Parmar et al. 2024 (Nemotron-4). */
#include "core/model/families.h"

void bp_read_nemotron(bp_model *m) {
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_RELU_SQUARED);
    m->decoder.norm_bias = true;
}
