/* Falcon: attention and feed-forward part in parallel behind one layer norm, in the 40B and 180B models behind one
 * each, of which attn_norm_2 is attention's. Source: Almazrouei et al. 2023. */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_falcon(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_GELU_ERF);
    bool two = bp_any_layer_has(m, "attn_norm_2.weight");
    d->attn_norm = two ? "attn_norm_2" : "attn_norm";
    d->ffn_norm = two ? "attn_norm" : NULL;
    d->parallel = d->norm_bias = d->attention.fused = true;
}
