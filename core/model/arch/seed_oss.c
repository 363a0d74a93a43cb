/* Seed-OSS: llama with halves-paired RoPE and biases on q, k and v. Source: ByteDance Seed 2025. */
#include "core/model/families.h"

void bp_read_seed_oss(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.ffn_norm = "post_attention_norm";
}
