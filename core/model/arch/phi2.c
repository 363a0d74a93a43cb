/* Phi-2: attention and feed-forward part in parallel behind one layer norm, partial rotary positions, biases
 * everywhere. Source: Javaheripi & Bubeck 2023; Li et al. 2023 (Phi-1.5). */
#include <stddef.h>

#include "core/model/families.h"

void bp_read_phi2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gpt_like(m, BP_ROPE_HALVES, BP_ACT_GELU_TANH);
    d->parallel = d->norm_bias = d->ffn_bias = d->untied = d->output_bias = true;
    d->attention.output_bias = true;
    d->ffn_norm = NULL;
}
