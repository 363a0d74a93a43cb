/* Mamba: blocks of a selective state-space scan alone, without attention, positions or feed-forward part; FalconMamba adds
 * norms of the step sizes. Sources: Gu & Dao 2023; Dao & Gu 2024 (Mamba 2). */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

static void read(bp_model *m, uint32_t kind) {
    m->decoder.attn_norm = "attn_norm";
    bp_read_common(m, BP_ROPE_NONE);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) m->hp.layer[i].n_head_kv = 0;
    bp_read_ssm(m, kind);
}

void bp_read_mamba(bp_model *m) {
    read(m, BP_RECURRENT_MAMBA);
    m->decoder.recurrent.plain_norms = bp_model_bool(m, "ssm.dt_b_c_rms", false);
}

void bp_read_mamba2(bp_model *m) {
    read(m, BP_RECURRENT_MAMBA2);
    m->decoder.recurrent.norm = true;
}

uint32_t bp_build_mamba(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++)
        bp_residual_add(m, b, &r, bp_recurrent_block(m, b, in, i, bp_residual_norm(m, b, i, m->decoder.attn_norm, &r)));
    return bp_logits_block(m, b, in, &r);
}
