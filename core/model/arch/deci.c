/* DeciLM (Llama-Nemotron 51B, Super, Ultra): llama some of whose layers have a linear map in place of attention, or no
 * attention, or no feed-forward part, as their counts say. Source: Bercovich et al. 2024 (Puzzle). */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_deci(bp_model *m) { bp_read_llama_like(m, BP_ROPE_ADJACENT); }

uint32_t bp_build_deci(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const int64_t n = m->hp.n_embd;
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const bp_layer *l = &m->hp.layer[i];
        if (l->n_head) {
            uint32_t x = bp_residual_norm(m, b, i, "attn_norm", &r);
            bp_residual_add(m, b, &r, l->n_head_kv ? bp_attention_block(m, b, in, i, x)
                                                   : bp_linear(m, b, i, "attn_output", x, n, n, false));
        }
        if (l->n_ff) bp_residual_add(m, b, &r, bp_dense_block(m, b, i, bp_residual_norm(m, b, i, "ffn_norm", &r)));
    }
    return bp_logits_block(m, b, in, &r);
}
