/* DBRX: layer norms without bias, q, k and v in one matrix and clamped, experts in every layer. Source: Databricks 2024. */
#include "core/model/families.h"

void bp_read_dbrx(bp_model *m) {
    bp_decoder *d = &m->decoder;
    d->norm = BP_NORM_LAYER;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->ffn_norm = "attn_output_norm";
    d->attention.fused = d->untied = true;
    bp_need_float(m, "attention.clamp_kqv");
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
}
