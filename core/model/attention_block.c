/* Self-attention: projections, norms of q and k, RoPE, the cache, and the output projection. */
#include <math.h>
#include <stdio.h>

#include "core/model/model_blocks.h"

typedef struct heads { uint32_t q, k, v; } heads;

/* Of heads of twice the size (a query and its gate): head_dim values of each, from `first` on. */
static uint32_t part_of_heads(bp_builder *b, uint32_t x, int64_t first, const bp_layer *l) {
    const bp_dim tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS),
                 rows[3] = { bp_number(2 * l->head_dim), bp_number(l->n_head), tokens };
    const bp_dim flat[2] = { bp_number(l->n_head * l->head_dim), tokens };
    return bp_reshape(b, bp_slice(b, bp_reshape(b, x, 3, rows), first, l->head_dim), 2, flat);
}

static heads project(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x) {
    const bp_attention_facts *a = &m->decoder.attention;
    const bp_layer *l = &m->hp.layer[layer];
    const int64_t n = m->hp.n_embd, q = l->n_head * l->head_dim * (a->gated ? 2 : 1), k = l->n_head_kv * l->head_dim,
                  v = l->n_head_kv * l->head_dim_v;
    if (l->cache_of < layer) return (heads){ bp_linear(m, b, layer, "attn_q", x, n, q, a->qkv_bias), BP_NONE, BP_NONE };
    bool fused = bp_has_weight(m, layer, "attn_qkv.weight") || (a->fused && !bp_has_weight(m, layer, "attn_q.weight"));
    if (a->v_optional && !bp_has_weight(m, layer, "attn_v.weight") && k == v) {
        uint32_t both = bp_linear(m, b, layer, "attn_k", x, n, k, a->qkv_bias);
        return (heads){ bp_linear(m, b, layer, "attn_q", x, n, q, a->qkv_bias), both, both };
    }
    if (!fused)
        return (heads){ bp_linear(m, b, layer, "attn_q", x, n, q, a->qkv_bias),
                        bp_linear(m, b, layer, "attn_k", x, n, k, a->qkv_bias),
                        bp_linear(m, b, layer, "attn_v", x, n, v, a->qkv_bias) };
    uint32_t all = bp_linear(m, b, layer, "attn_qkv", x, n, q + k + v, a->qkv_bias);
    return (heads){ bp_slice(b, all, 0, q), bp_slice(b, all, q, k), bp_slice(b, all, q + k, v) };
}

static uint32_t clamp(bp_builder *b, uint32_t x, float limit) {
    return limit > 0 && x != BP_NONE ? bp_clamp(b, x, -limit, limit) : x;
}

static uint32_t qk_norm(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n_head) {
    const bp_attention_facts *a = &m->decoder.attention;
    const int64_t dim = m->hp.layer[layer].head_dim;
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    bp_norm_params p = { m->hp.norm_eps, a->qk_norm == BP_QK_NORM_ROW ? 0 : (uint32_t)dim };
    uint32_t op = a->qk_norm_kind == BP_NORM_LAYER ? BP_OP_LAYER_NORM : BP_OP_RMS_NORM, weight = BP_NONE,
             bias = BP_NONE;
    if (a->qk_norm == BP_QK_NORM_PLAIN) {
        if (!m->hp.layer[layer].rotated) return x;
    } else {
        int64_t n = a->qk_norm == BP_QK_NORM_HEAD ? dim : n_head * dim;
        weight = a->qk_norm_optional ? bp_weight_if(m, b, layer, full, n, 0, 0) : bp_weight(m, b, layer, full, n, 0, 0);
        if (weight == BP_NONE) return x;
        snprintf(full, sizeof full, "%s.bias", name);
        bias = bp_weight_if(m, b, layer, full, n, 0, 0);
    }
    return bp_norm(b, op, x, BP_NONE, weight, bias, p, NULL);
}

static void norm_heads(const bp_model *m, bp_builder *b, int64_t layer, heads *h) {
    const bp_norm_params plain = { m->hp.norm_eps, (uint32_t)m->hp.layer[layer].head_dim_v };
    if (m->decoder.attention.v_norm && h->v != BP_NONE)
        h->v = bp_norm(b, BP_OP_RMS_NORM, h->v, BP_NONE, BP_NONE, BP_NONE, plain, NULL);
    if (m->decoder.attention.qk_norm == BP_QK_NORM_NONE) return;
    h->q = qk_norm(m, b, layer, "attn_q_norm", h->q, m->hp.layer[layer].n_head);
    if (h->k != BP_NONE) h->k = qk_norm(m, b, layer, "attn_k_norm", h->k, m->hp.layer[layer].n_head_kv);
}

uint32_t bp_attention_temperature(const bp_model *m, bp_builder *b, uint32_t positions) {
    const bp_attention_facts *a = &m->decoder.attention;
    const bp_dim row[2] = { bp_number(1), bp_symbol(b, BP_SYMBOL_N_TOKENS) };
    if (!a->temperature_length) return BP_NONE;
    /* Half a position more: rounding misses no whole number. */
    const float inverse = 1 / (float)a->temperature_length, first = a->temperature_at_once ? 0.5f : 1.5f;
    uint32_t t = bp_scale(b, bp_reshape(b, bp_convert_f32(b, positions), 2, row), inverse, first * inverse);
    t = bp_activation(b, bp_scale(b, bp_activation(b, t, BP_ACT_FLOOR), 1, 1), BP_ACT_LOG);
    return bp_scale(b, t, a->temperature_scale, 1);
}

static bool has_sinks(const bp_model *m, int64_t layer) {
    const bp_attention_facts *a = &m->decoder.attention;
    if (!a->sinks_windowed || bp_has_weight(m, layer, "attn_sinks.weight")) return a->sinks;
    return m->hp.layer[layer].windowed && bp_any_layer_has(m, "attn_sinks.weight");
}

uint32_t bp_attend(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t q, uint32_t k,
                   uint32_t v, bp_attention_params p) {
    const bp_layer *l = &m->hp.layer[layer];
    uint32_t sinks = has_sinks(m, layer) ? bp_weight(m, b, layer, "attn_sinks.weight", l->n_head, 0, 0) : BP_NONE;
    if (k != BP_NONE) bp_kv_write(b, k, v, in->slots, in->k_cache[layer], in->v_cache[layer], p.n_head_kv);
    const uint32_t v_cache = in->v_cache[layer] == BP_NONE ? in->k_cache[layer] : in->v_cache[layer];
    const bp_attention_inputs inputs = { q, in->k_cache[layer], v_cache, in->positions, in->sequences,
                                         in->block_table, in->kv_len, BP_NONE, sinks };
    return bp_attention(b, &inputs, p);
}

/* Those of the layer: of as many values as it rotates. */
static uint32_t rope_factors(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, const bp_layer *l) {
    if (!l->rotated || l->own_factors || in->rope_factors == BP_NONE) return BP_NONE;
    return l->rope.n_dims < m->hp.rope.n_dims ? bp_slice(b, in->rope_factors, 0, l->rope.n_dims / 2) : in->rope_factors;
}

static uint32_t gate_heads(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, uint32_t mixed) {
    const bp_layer *l = &m->hp.layer[layer];
    const bp_dim tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS), heads = bp_number(l->n_head);
    const bp_dim rows[3] = { bp_number(l->head_dim_v), heads, tokens }, one[3] = { bp_number(1), heads, tokens };
    uint32_t gate = bp_linear(m, b, layer, "attn_gate", x, m->hp.n_embd, l->n_head, false);
    gate = bp_reshape(b, bp_activation(b, gate, BP_ACT_SIGMOID), 3, one);
    const bp_dim flat[2] = { bp_number(l->n_head * l->head_dim_v), tokens };
    return bp_reshape(b, bp_mul(b, bp_reshape(b, mixed, 3, rows), gate), 2, flat);
}

uint32_t bp_attention_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x) {
    const bp_attention_facts *a = &m->decoder.attention;
    const bp_layer *l = &m->hp.layer[layer];
    if (a->mla.kv_lora) return bp_mla_block(m, b, in, layer, x);
    const uint32_t factors = rope_factors(m, b, in, l);
    heads h = project(m, b, layer, x);
    uint32_t gate = a->gated ? part_of_heads(b, h.q, l->head_dim, l) : BP_NONE;
    if (a->gated) h.q = part_of_heads(b, h.q, 0, l);
    if (a->gate_matrix) gate = bp_linear(m, b, layer, "attn_gate", x, m->hp.n_embd, l->n_head * l->head_dim_v, false);
    h = (heads){ clamp(b, h.q, a->clamp), clamp(b, h.k, a->clamp), clamp(b, h.v, a->clamp) };
    if (a->v_scale != 0 && a->v_scale != 1 && h.v != BP_NONE) h.v = bp_scale(b, h.v, a->v_scale, 0);
    if (!a->qk_norm_late) norm_heads(m, b, layer, &h);
    if (l->rotated) {
        h.q = bp_rope(b, h.q, in->positions, factors, l->rope);
        if (h.k != BP_NONE) h.k = bp_rope(b, h.k, in->positions, factors, l->rope);
    }
    if (a->qk_norm_late) norm_heads(m, b, layer, &h);
    if (a->temperature_length && (a->temperature_all || !l->rotated)) h.q = bp_mul(b, h.q, in->temperature);
    const bp_attention_params p = { .n_head = (uint32_t)l->n_head,
                                    .n_head_kv = (uint32_t)l->n_head_kv,
                                    .head_dim = (uint32_t)l->head_dim,
                                    .head_dim_v = (uint32_t)l->head_dim_v,
                                    .causal = !m->decoder.bidirectional,
                                    .window = l->window,
                                    .chunk = l->chunk,
                                    .scale = a->scale != 0 ? a->scale : 1 / sqrtf((float)l->head_dim),
                                    .softcap = a->softcap,
                                    .alibi = a->alibi };
    uint32_t mixed = bp_attend(m, b, in, layer, h.q, h.k, h.v, p);
    if (a->gate_heads) mixed = gate_heads(m, b, layer, x, mixed);
    if (gate != BP_NONE) mixed = bp_glu(b, gate, mixed, (bp_glu_params){ .f = BP_ACT_SIGMOID });
    return bp_linear(m, b, layer, "attn_output", mixed, l->n_head * l->head_dim_v, m->hp.n_embd, a->output_bias);
}
