/* Arctic: llama with a dense part as wide as the model, and experts beside both parts, which read what the layer reads
 * under a norm of their own. Source: Snowflake AI Research 2024. */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_arctic(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, true);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].n_ff = m->hp.n_embd;
}

uint32_t bp_build_arctic(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        uint32_t x = bp_residual_sum(b, &r);
        bp_residual_add(m, b, &r, bp_attention_block(m, b, in, i, bp_residual_norm(m, b, i, "attn_norm", &r)));
        bp_residual_add(m, b, &r, bp_dense_block(m, b, i, bp_residual_norm(m, b, i, "ffn_norm", &r)));
        uint32_t read = bp_norm_block(m, b, i, "ffn_norm_exps", x, m->hp.n_embd);
        bp_residual_add(m, b, &r, bp_experts_block(m, b, i, read));
    }
    return bp_logits_block(m, b, in, &r);
}
