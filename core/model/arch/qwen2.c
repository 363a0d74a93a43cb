/* Qwen2 and Qwen2-MoE: llama with halves-paired RoPE and biases on q, k and v; experts beside a gated shared one.
 * Source: Yang et al. 2024 (Qwen2 technical report). */
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
