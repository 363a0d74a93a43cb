/* StableLM 2: layer norms, partial rotary positions, a gated feed-forward part, in parallel with attention behind one
 * norm in the 12B model, which also norms each head of q and k with weights of its own. Source: Bellagente et al. 2024.
 */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_stablelm(bp_model *m) {
    bp_decoder *d = &m->decoder;
    d->norm = BP_NORM_LAYER;
    d->norm_bias = true;
    bp_read_llama_like(m, BP_ROPE_HALVES);
    d->parallel = bp_model_bool(m, "use_parallel_residual", !bp_any_layer_has(m, "ffn_norm.weight"));
    if (d->parallel) d->ffn_norm = NULL;
    d->attention.qk_norm = BP_QK_NORM_EACH_HEAD;
    d->attention.qk_norm_kind = BP_NORM_LAYER;
    d->attention.qk_norm_optional = true;
}
