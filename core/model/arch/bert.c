/* BERT and what came of it: encoders of whole texts, with norms after the residual. bert (and roberta, as bert) has learned
 * positions, nomic-bert RoPE and a gated feed-forward part, jina-bert-v2 ALiBi and a gated one, jina-bert-v3 RoPE, and
 * nomic-bert-moe RoPE and experts in every second layer.
 * Sources: Devlin et al. 2019; Liu et al. 2019; Nussbaum et al. 2024, 2025; Günther et al. 2023; Sturua et al. 2024. */
#include "core/model/families.h"
#include "core/model/model_blocks.h"

void bp_read_bert(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_bert_like(m, BP_ROPE_NONE);
    d->learned_positions = true;
    d->ffn = BP_FFN_PLAIN;
}

void bp_read_nomic_bert(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_bert_like(m, BP_ROPE_HALVES);
    d->attention.fused = true;
    d->activation = BP_ACT_SILU;
}

void bp_read_jina_bert_v2(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_bert_like(m, BP_ROPE_NONE);
    d->attention.alibi = bp_float_or(m, "attention.max_alibi_bias", 8);
    d->attention.qk_norm = BP_QK_NORM_ROW;
    d->attention.qk_norm_kind = BP_NORM_LAYER;
    d->attention.qk_norm_optional = true;
    d->ffn = bp_has_weight(m, 0, "ffn_gate.weight") ? BP_FFN_GATED : BP_FFN_FUSED; /* older files have the two apart */
}

void bp_read_jina_bert_v3(bp_model *m) {
    bp_read_bert_like(m, BP_ROPE_HALVES);
    m->decoder.attention.fused = true;
    m->decoder.ffn = BP_FFN_PLAIN;
}

void bp_read_nomic_bert_moe(bp_model *m) {
    bp_read_jina_bert_v3(m);
    bp_need_int(m, "expert_count", 1, BP_MAX_EXPERTS);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SOFTMAX, false);
    m->decoder.experts.plain = true;
}

/* Whether there are token types: models without them have neither the tensor nor a number of them. */
static bool has_types(const bp_model *m) {
    int64_t n = 0;
    bp_gguf_int(bp_gguf_find(m->file, "tokenizer.ggml.token_type_count"), 0, &n);
    return n > 0 || bp_has_weight(m, -1, "token_types.weight");
}

/* Row 0 of the token types, which all tokens are of: [n_embd]. */
static uint32_t first_type(const bp_model *m, bp_builder *b) {
    const int64_t n = m->hp.n_embd, rows = bp_weight_dim(m, -1, "token_types.weight", 1);
    const bp_dim flat = bp_number(n * (rows ? rows : 1));
    uint32_t table = bp_convert_f32(b, bp_weight(m, b, -1, "token_types.weight", n, rows ? rows : 1, 0));
    return bp_slice(b, bp_reshape(b, table, 1, &flat), 0, n);
}

static uint32_t embedding(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const int64_t n = m->hp.n_embd;
    uint32_t x = bp_embed_rows(b, bp_weight(m, b, -1, "token_embd.weight", n, m->hp.n_vocab, 0), in->tokens, 1);
    if (m->decoder.learned_positions)
        x = bp_add(b, x, bp_embed_rows(b, bp_weight(m, b, -1, "position_embd.weight", n, m->hp.n_context, 0), in->positions, 1));
    if (has_types(m)) x = bp_add(b, x, first_type(m, b));
    return bp_norm_block(m, b, -1, "token_embd_norm", x, n);
}

uint32_t bp_build_bert(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_residual r = { embedding(m, b, in), BP_NONE };
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        bp_residual_add(m, b, &r, bp_attention_block(m, b, in, i, r.x));
        r.x = bp_residual_norm(m, b, i, m->decoder.attn_norm, &r);
        bp_residual_add(m, b, &r, bp_feed_forward_block(m, b, i, r.x));
        r.x = bp_residual_norm(m, b, i, m->decoder.ffn_norm, &r);
    }
    return bp_pooling_block(m, b, in, r.x);
}
