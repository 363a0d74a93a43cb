/* Refact: llama with ALiBi in place of RoPE. Source: Small Magellanic Cloud AI 2023 (Refact-1.6B). */
#include "core/model/families.h"

enum { ALIBI = 8 };

void bp_read_refact(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_NONE);
    m->decoder.attention.alibi = ALIBI;
}
