/* Values of each token for each layer (Gemma 3n, Gemma 4): made from its own embedding and a projection of the usual one. */
#include <math.h>

#include "core/model/model_blocks.h"

uint32_t bp_token_values(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, uint32_t x) {
    const int64_t n = m->decoder.token_values, all = n * m->hp.n_layer, n_embd = m->hp.n_embd;
    uint32_t table = bp_weight(m, b, -1, "per_layer_token_embd.weight", all, m->hp.n_vocab, 0);
    uint32_t own = bp_embed_rows(b, table, in->tokens, sqrtf((float)n));
    uint32_t made = bp_linear(m, b, -1, "per_layer_model_proj", x, n_embd, all, false);
    const bp_norm_params p = { m->hp.norm_eps, (uint32_t)n };
    made = bp_norm(b, BP_OP_RMS_NORM, bp_scale(b, made, 1 / sqrtf((float)n_embd), 0), BP_NONE,
                   bp_weight(m, b, -1, "per_layer_proj_norm.weight", n, 0, 0), BP_NONE, p, NULL);
    return bp_scale(b, bp_add(b, made, own), sqrtf(0.5f), 0);
}

uint32_t bp_token_values_part(const bp_model *m, bp_builder *b, int64_t i, uint32_t x, uint32_t values) {
    const int64_t n = m->decoder.token_values;
    uint32_t gate = bp_linear(m, b, i, "inp_gate", x, m->hp.n_embd, n, false);
    uint32_t y = bp_glu(b, gate, bp_slice(b, values, i * n, n), (bp_glu_params){ .f = BP_ACT_GELU_TANH });
    return bp_norm_block(m, b, i, "post_norm", bp_linear(m, b, i, "proj", y, n, m->hp.n_embd, false), m->hp.n_embd);
}
