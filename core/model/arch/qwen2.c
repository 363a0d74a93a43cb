/* Qwen2 and Qwen2-MoE: llama with halves-paired RoPE and biases on q, k and v; experts beside a gated shared one.
 * Qwen (1): the same with q, k and v in one matrix; its files say twice the width of the feed-forward part.
 * Sources: Bai et al. 2023; Yang et al. 2024 (Qwen2 technical report). */
#include "core/base/size.h"
#include "core/model/families.h"

void bp_read_qwen2(bp_model *m) { bp_read_llama_like(m, BP_ROPE_HALVES); }

void bp_read_qwen2moe(bp_model *m) {
    bp_read_qwen2(m);
    m->decoder.untied = true;
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, 0, BP_GATING_SOFTMAX, false);
    bp_experts_facts *e = &m->decoder.experts;
    if (!e->n_ff) e->n_ff = m->hp.n_ff / BP_MAX(e->route.n_used, 1);
    if (!e->n_ff_shared) e->n_ff_shared = m->hp.n_ff;
    e->shared_gate = true;
}

void bp_read_qwen(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.fused = m->decoder.attention.qkv_bias = m->decoder.untied = true;
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].n_ff /= 2;
}
