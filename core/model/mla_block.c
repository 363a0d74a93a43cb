/* Multi-head latent attention. Shapes: H heads, T tokens. */
#include <math.h>

#include "core/model/model_blocks.h"

static const float LATENT_EPS = 1e-6f; /* of the norms of latent values, whatever the model's other norms have */

typedef struct parts { uint32_t plain, rotated; } parts; /* [plain, H, T], [rotated, H, T] */

static uint32_t reshape3(bp_builder *b, uint32_t x, int64_t n0, int64_t n1) {
    const bp_dim dims[3] = { bp_number(n0), bp_number(n1), bp_symbol(b, BP_SYMBOL_N_TOKENS) };
    return bp_reshape(b, x, 3, dims);
}

static uint32_t reshape2(bp_builder *b, uint32_t x, int64_t n) {
    const bp_dim dims[2] = { bp_number(n), bp_symbol(b, BP_SYMBOL_N_TOKENS) };
    return bp_reshape(b, x, 2, dims);
}

static uint32_t latent_norm(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n) {
    return bp_norm(b, BP_OP_RMS_NORM, x, BP_NONE, bp_weight(m, b, layer, name, n, 0, 0), BP_NONE,
                   (bp_norm_params){ LATENT_EPS, 0 }, NULL);
}

static uint32_t rotate(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x,
                       int64_t n_head) {
    const int64_t n = m->decoder.attention.mla.rotated;
    uint32_t y = bp_rope(b, reshape2(b, x, n * n_head), in->positions, in->rope_factors, m->hp.layer[layer].rope);
    return reshape3(b, y, n, n_head);
}

static parts queries(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_mla_facts *a = &m->decoder.attention.mla;
    const int64_t n_head = m->hp.layer[layer].n_head, head_dim = a->plain + a->rotated, n = m->hp.n_embd;
    uint32_t q = x;
    if (a->q_lora) {
        q = latent_norm(m, b, layer, "attn_q_a_norm.weight", bp_linear(m, b, layer, "attn_q_a", x, n, a->q_lora, false),
                        a->q_lora);
        q = bp_linear(m, b, layer, "attn_q_b", q, a->q_lora, n_head * head_dim, false);
    } else {
        q = bp_linear(m, b, layer, "attn_q", x, n, n_head * head_dim, false);
    }
    q = reshape3(b, q, head_dim, n_head);
    return (parts){ bp_slice(b, q, 0, a->plain),
                    rotate(m, b, in, layer, bp_slice(b, q, a->plain, a->rotated), n_head) };
}

static bp_attention_params params(const bp_model *m, int64_t layer, int64_t n_head_kv, int64_t head_dim,
                                  int64_t head_dim_v) {
    const bp_attention_facts *a = &m->decoder.attention;
    return (bp_attention_params){ .n_head = (uint32_t)m->hp.layer[layer].n_head, .n_head_kv = (uint32_t)n_head_kv,
        .head_dim = (uint32_t)head_dim, .head_dim_v = (uint32_t)head_dim_v, .causal = 1,
        .scale = (a->scale != 0 ? a->scale : 1) / sqrtf((float)(a->mla.plain + a->mla.rotated)) };
}

/* One KV head of kv_lora + rotated values, of which the first kv_lora are V too; q is moved into their space. */
static uint32_t absorbed(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, parts q,
                         uint32_t latent, uint32_t k_rotated) {
    const bp_mla_facts *a = &m->decoder.attention.mla;
    const int64_t n_head = m->hp.layer[layer].n_head, width = a->kv_lora + a->rotated;
    uint32_t k_b = bp_weight(m, b, layer, "attn_k_b.weight", a->plain, a->kv_lora, n_head);
    uint32_t v_b = bp_weight(m, b, layer, "attn_v_b.weight", a->kv_lora, a->head_dim_v, n_head);
    uint32_t moved = bp_concat(b, bp_matmul_experts(b, k_b, q.plain, BP_NONE, BP_NONE), q.rotated);
    uint32_t k = bp_concat(b, latent, reshape2(b, k_rotated, a->rotated));
    uint32_t mixed = bp_attend(m, b, in, layer, reshape2(b, moved, width * n_head), k, BP_NONE,
                               params(m, layer, 1, width, a->kv_lora));
    return reshape2(b, bp_matmul_experts(b, v_b, reshape3(b, mixed, a->kv_lora, n_head), BP_NONE, BP_NONE),
                    a->head_dim_v * n_head);
}

/* As older files have it: K and V are made for every head, and cached. */
static uint32_t expanded(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, parts q,
                         uint32_t latent, uint32_t k_rotated) {
    const bp_mla_facts *a = &m->decoder.attention.mla;
    const int64_t n_head = m->hp.layer[layer].n_head, head_dim = a->plain + a->rotated,
                  kv_dim = a->plain + a->head_dim_v;
    uint32_t kv = reshape3(b, bp_linear(m, b, layer, "attn_kv_b", latent, a->kv_lora, n_head * kv_dim, false), kv_dim,
                           n_head);
    uint32_t repeated = bp_add(b, bp_scale(b, q.rotated, 0, 0), k_rotated); /* [rotated, 1, T] for every head */
    uint32_t k = reshape2(b, bp_concat(b, bp_slice(b, kv, 0, a->plain), repeated), head_dim * n_head);
    uint32_t v = reshape2(b, bp_slice(b, kv, a->plain, a->head_dim_v), a->head_dim_v * n_head);
    uint32_t all = reshape2(b, bp_concat(b, q.plain, q.rotated), head_dim * n_head);
    return bp_attend(m, b, in, layer, all, k, v, params(m, layer, n_head, head_dim, a->head_dim_v));
}

uint32_t bp_mla_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_mla_facts *a = &m->decoder.attention.mla;
    const int64_t n = m->hp.n_embd, n_head = m->hp.layer[layer].n_head;
    parts q = queries(m, b, in, layer, x);
    uint32_t kv = bp_linear(m, b, layer, "attn_kv_a_mqa", x, n, a->kv_lora + a->rotated, false);
    uint32_t latent = latent_norm(m, b, layer, "attn_kv_a_norm.weight", bp_slice(b, kv, 0, a->kv_lora), a->kv_lora);
    uint32_t k_rotated = rotate(m, b, in, layer, bp_slice(b, kv, a->kv_lora, a->rotated), 1);
    uint32_t mixed = (a->absorbed ? absorbed : expanded)(m, b, in, layer, q, latent, k_rotated);
    return bp_linear(m, b, layer, "attn_output", mixed, n_head * a->head_dim_v, n, m->decoder.attention.output_bias);
}
