#include "core/model/model_blocks.h"

#include <stdio.h>

static bp_norm_params norm_params(const bp_model *m) { return (bp_norm_params){ m->hp.norm_eps, 0 }; }

static uint32_t norm_op(const bp_model *m) {
    return m->decoder.norm == BP_NORM_LAYER ? BP_OP_LAYER_NORM : BP_OP_RMS_NORM;
}

static uint32_t norm_of(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x,
                        uint32_t residual, int64_t n, uint32_t *sum) {
    char full[64];
    uint32_t weight = BP_NONE, bias = BP_NONE;
    if (!m->decoder.norm_plain) {
        snprintf(full, sizeof full, "%s.weight", name);
        weight = bp_weight(m, b, layer, full, n, 0, 0);
        snprintf(full, sizeof full, "%s.bias", name);
        bias = m->decoder.norm_bias ? bp_weight(m, b, layer, full, n, 0, 0) : bp_weight_if(m, b, layer, full, n, 0, 0);
    }
    return bp_norm(b, norm_op(m), x, residual, weight, bias, norm_params(m), sum);
}

uint32_t bp_norm_block(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n) {
    return name ? norm_of(m, b, layer, name, x, BP_NONE, n, NULL) : x;
}

uint32_t bp_residual_sum(bp_builder *b, bp_residual *r) {
    if (r->pending != BP_NONE) r->x = bp_add(b, r->x, r->pending);
    r->pending = BP_NONE;
    return r->x;
}

void bp_residual_add(const bp_model *m, bp_builder *b, bp_residual *r, uint32_t part) {
    float scale = m->decoder.residual_scale;
    bp_residual_sum(b, r);
    r->pending = scale != 0 && scale != 1 ? bp_scale(b, part, scale, 0) : part;
}

uint32_t bp_residual_norm(const bp_model *m, bp_builder *b, int64_t layer, const char *name, bp_residual *r) {
    if (!name) return bp_residual_sum(b, r);
    uint32_t pending = r->pending;
    r->pending = BP_NONE;
    return norm_of(m, b, layer, name, r->x, pending, m->hp.n_embd, pending == BP_NONE ? NULL : &r->x);
}

uint32_t bp_linear(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n_in,
                   int64_t n_out, bool bias) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    uint32_t w = bp_weight(m, b, layer, full, n_in, n_out, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    return bp_matmul(b, w, x,
                     bias ? bp_weight(m, b, layer, full, n_out, 0, 0) : bp_weight_if(m, b, layer, full, n_out, 0, 0));
}

uint32_t bp_embedding_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const bp_decoder *d = &m->decoder;
    uint32_t table = bp_weight(m, b, -1, "token_embd.weight", m->hp.n_embd, m->hp.n_vocab, 0);
    uint32_t x = bp_embed_rows(b, table, in->tokens, d->embedding_scale != 0 ? d->embedding_scale : 1);
    if (d->embedding_norm) x = bp_norm_block(m, b, -1, "token_embd_norm", x, m->hp.n_embd);
    if (!d->learned_positions) return x;
    int64_t rows = bp_weight_dim(m, -1, "position_embd.weight", 1);
    if (rows && in->n_context > rows && in->n_context <= INT32_MAX && !d->bidirectional)
        bp_builder_problem(b, "the model has %lld positions, too few for a context of %lld: use --context %lld",
                           (long long)rows, (long long)in->n_context, (long long)rows);
    uint32_t positions = bp_weight(m, b, -1, "position_embd.weight", m->hp.n_embd, rows ? rows : m->hp.n_context, 0);
    return bp_add(b, x, bp_embed_rows(b, positions, in->positions, 1));
}

/* What mixes tokens. */
static uint32_t mixer(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    return m->hp.layer[layer].n_head_kv ? bp_attention_block(m, b, in, layer, x)
                                        : bp_recurrent_block(m, b, in, layer, x);
}

void bp_decoder_layer(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, bp_residual *r) {
    const bp_decoder *d = &m->decoder;
    const int64_t n = m->hp.n_embd;
    uint32_t normed = bp_residual_norm(m, b, layer, d->attn_norm, r);
    uint32_t attention = bp_norm_block(m, b, layer, d->attn_post_norm, mixer(m, b, in, layer, normed), n);
    if (!d->parallel) {
        bp_residual_add(m, b, r, attention);
        normed = bp_residual_norm(m, b, layer, d->ffn_norm, r);
    } else if (d->ffn_norm) {
        normed = bp_norm_block(m, b, layer, d->ffn_norm, r->x, n);
    }
    uint32_t part = bp_norm_block(m, b, layer, d->ffn_post_norm, bp_feed_forward_block(m, b, layer, normed), n);
    bp_residual_add(m, b, r, d->parallel ? bp_add(b, attention, part) : part);
}

/* A linear layer over embeddings (sentence-transformers' Dense), where the file has it. */
static uint32_t dense(const bp_model *m, bp_builder *b, const char *name, uint32_t x, int64_t *n) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    if (!bp_has_weight(m, -1, full)) return x;
    const int64_t n_in = *n;
    *n = bp_weight_dim(m, -1, full, 1);
    return bp_linear(m, b, -1, name, x, n_in, *n, false);
}

uint32_t bp_pooling_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, uint32_t x) {
    static const uint32_t kinds[] = {
        [BP_POOLING_MEAN] = BP_POOL_MEAN, [BP_POOLING_CLS] = BP_POOL_FIRST, [BP_POOLING_LAST] = BP_POOL_LAST
    };
    int64_t n = m->hp.n_embd;
    if (in->output.pooling > BP_POOLING_LAST)
        bp_builder_problem(b, "pooling of type %u is not known", in->output.pooling);
    else if (in->output.pooling != BP_POOLING_NONE) x = bp_pool(b, x, in->sequences, kinds[in->output.pooling]);
    x = dense(m, b, "dense_2", x, &n);
    return dense(m, b, "dense_3", x, &n);
}

uint32_t bp_logits_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, bp_residual *r) {
    const bp_decoder *d = &m->decoder;
    const int64_t n_embd = m->hp.n_embd, n_vocab = m->hp.n_vocab;
    const char *norm = d->output_norm ? d->output_norm : "output_norm";
    if (in->output.kind == BP_OUTPUT_EMBEDDING) return bp_pooling_block(m, b, in, bp_residual_norm(m, b, -1, norm, r));
    uint32_t x = bp_gather_rows(b, bp_residual_sum(b, r), in->output_rows); /* [n_embd, n_outputs] from here on */
    x = bp_norm_block(m, b, -1, norm, x, n_embd);
    bool tied = !d->untied && !bp_has_weight(m, -1, "output.weight");
    uint32_t w = bp_weight(m, b, -1, tied ? "token_embd.weight" : "output.weight", n_embd, n_vocab, 0);
    uint32_t bias = d->output_bias ? bp_weight(m, b, -1, "output.bias", n_vocab, 0, 0)
                                   : bp_weight_if(m, b, -1, "output.bias", n_vocab, 0, 0);
    x = bp_matmul(b, w, x, bias);
    if (d->logit_scale != 0 && d->logit_scale != 1) x = bp_scale(b, x, d->logit_scale, 0);
    return d->logit_softcap != 0 ? bp_softcap(b, x, d->logit_softcap) : x;
}

uint32_t bp_build_decoder(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    bp_graph_inputs own = *in;
    bp_residual r = { bp_embedding_block(m, b, in), BP_NONE };
    own.temperature = bp_attention_temperature(m, b, in->positions);
    for (int64_t i = 0; i < m->hp.n_layer; i++) bp_decoder_layer(m, b, &own, i, &r);
    return bp_logits_block(m, b, in, &r);
}
