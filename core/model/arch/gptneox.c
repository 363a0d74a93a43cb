/* GPT-NeoX (Pythia): attention and feed-forward part in parallel, each behind a layer norm of its own, or one after the
 * other. Source: Black et al. 2022. */
#include "core/model/families.h"

void bp_read_gptneox(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_GELU_ERF);
    d->parallel = bp_model_bool(m, "use_parallel_residual", true);
    d->norm_bias = d->ffn_bias = d->untied = true;
    d->attention.fused = d->attention.qkv_bias = d->attention.output_bias = true;
}
