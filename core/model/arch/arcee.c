/* Arcee (AFM): llama with a plain feed-forward part of squared ReLU. Source: Arcee AI 2025. */
#include "core/model/families.h"

void bp_read_arcee(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    m->decoder.ffn = BP_FFN_PLAIN;
    m->decoder.activation = BP_ACT_RELU_SQUARED;
}
