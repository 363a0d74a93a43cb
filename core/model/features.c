#include "core/model/features.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"

static void say(bp_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(bp_text *out, const char *format, ...) {
    char phrase[160];
    va_list args;
    va_start(args, format);
    vsnprintf(phrase, sizeof phrase, format, args);
    va_end(args);
    if (out->size) bp_text_adds(out, ", ");
    bp_text_adds(out, phrase);
}

/* The k-th node of an op from 0; NULL past the last. */
static const bp_node *find_node(const bp_graph *g, uint32_t op, uint32_t k) {
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (bp_graph_node(g, i)->op == op && !k--) return bp_graph_node(g, i);
    return NULL;
}

static uint32_t count_nodes(const bp_graph *g, uint32_t op) {
    uint32_t n = 0;
    while (find_node(g, op, n)) n++;
    return n;
}

static bool has_value(const bp_graph *g, const char *part) {
    for (uint32_t i = 0; i < g->n_values; i++)
        if (bp_graph_value(g, i)->role == BP_ROLE_WEIGHT && strstr(bp_graph_value(g, i)->name, part)) return true;
    return false;
}

static const char *activation_name(uint32_t f) {
    static const char *const names[BP_ACT_LIMIT] = {
#define BP_ACTIVATION_NAME(name, id) [id] = #name,
        BP_ACTIVATION_LIST(BP_ACTIVATION_NAME)
#undef BP_ACTIVATION_NAME
    };
    return f < BP_ACT_LIMIT && names[f] ? names[f] : "?";
}

static void say_ends(const bp_model *m, const bp_graph *g, bp_text *out) {
    const bp_decoder *d = &m->decoder;
    if (count_nodes(g, BP_OP_RMS_NORM)) say(out, "RMS norms");
    if (count_nodes(g, BP_OP_LAYER_NORM)) say(out, "layer norms");
    if (d->norm_plain) say(out, "norms without weights");
    if (d->attn_post_norm) say(out, d->attn_norm ? "norms before and after parts" : "norms after parts");
    if (d->parallel) say(out, d->ffn_norm ? "parallel residual with two norms" : "parallel residual");
    if (d->embedding_scale != 0 && d->embedding_scale != 1) say(out, "scaled embedding");
    if (d->residual_scale != 0 && d->residual_scale != 1) say(out, "scaled residual parts");
    if (d->logit_scale != 0 && d->logit_scale != 1) say(out, "scaled logits");
    if (d->logit_softcap != 0) say(out, "logits soft-capped at %g", (double)d->logit_softcap);
    if (d->token_values) say(out, "values of each token and layer");
    if (has_value(g, "altup_router")) say(out, "several streams (AltUp)");
    if (has_value(g, "laurel_l")) say(out, "low-rank parts beside attention (LAuReL)");
    if (has_value(g, "position_embd")) say(out, "learned positions");
}

static void say_rope(const bp_graph *g, uint32_t n_attention, bp_text *out) {
    const bp_node *first = find_node(g, BP_OP_ROPE, 0), *other;
    if (!first) return;
    const bp_rope_params *p = first->params;
    uint32_t bases = 0, yarn = 0, linear = 0, factors = 0, n = 0;
    for (; (other = find_node(g, BP_OP_ROPE, n)); n++) {
        const bp_rope_params *o = other->params;
        bases += o->base != p->base;
        yarn += o->yarn_factor != 0;
        linear += o->yarn_factor == 0 && o->freq_scale != 0 && o->freq_scale != 1;
        factors += bp_node_in(other, 2) != BP_NONE;
    }
    say(out, p->pairing == BP_ROPE_ADJACENT ? "RoPE on adjacent pairs" : "RoPE on halves");
    if (p->n_dims < p->head_dim) say(out, "%u of %u values rotated", p->n_dims, p->head_dim);
    if (bases) say(out, "another RoPE base in some layers");
    if (yarn) say(out, "YaRN");
    if (linear) say(out, "linear RoPE scaling");
    if (factors) say(out, has_value(g, "rope_factors") ? "longrope" : "RoPE factors");
    if (n < 2 * n_attention) say(out, "%u of %u layers without RoPE", n_attention - n / 2, n_attention);
}

static void say_attention(const bp_model *m, const bp_graph *g, bp_text *out) {
    const bp_node *node = find_node(g, BP_OP_ATTENTION, 0);
    if (!node) return;
    const bp_attention_params *p = node->params;
    const uint32_t n = count_nodes(g, BP_OP_ATTENTION);
    uint32_t windows = 0, chunks = 0;
    for (uint32_t i = 0; i < n; i++) {
        const bp_attention_params *o = find_node(g, BP_OP_ATTENTION, i)->params;
        windows += o->window != 0;
        chunks += o->chunk != 0;
    }
    if (bp_node_in(node, 1) == bp_node_in(node, 2) || m->decoder.attention.mla.kv_lora) say(out, "multi-head latent attention");
    else
        say(out, p->n_head_kv == p->n_head ? "a KV head a head"
                 : p->n_head_kv == 1       ? "one KV head"
                                           : "grouped KV heads");
    if (!p->causal) say(out, "attention both ways");
    if (windows) say(out, "a window on %u of %u layers", windows, n);
    if (chunks) say(out, "chunks on %u of %u layers", chunks, n);
    if (p->softcap != 0) say(out, "soft-capped scores");
    if (p->alibi != 0) say(out, "ALiBi");
    if (has_value(g, "attn_sinks")) say(out, "sinks");
    if (m->decoder.attention.scale != 0) say(out, "its own scale of attention");
    if (m->decoder.attention.clamp != 0) say(out, "clamped q, k, v");
    if (m->decoder.attention.temperature_length) say(out, "temperature by position");
    if (has_value(g, "attn_q_norm") || m->decoder.attention.qk_norm == BP_QK_NORM_PLAIN) say(out, "norms of q and k");
    if (m->decoder.attention.gate_heads) say(out, "a gate a head");
    if (has_value(g, "attn_qkv.weight")) say(out, "q, k, v in one matrix");
    if (has_value(g, "attn_q.bias") || has_value(g, "attn_qkv.bias")) say(out, "biases on q, k, v");
    say_rope(g, n, out);
}

static void say_feed_forward(const bp_model *m, const bp_graph *g, bp_text *out) {
    static const char *const gatings[] = { "softmax over all", "sigmoid", "softmax over the chosen" };
    const bp_node *glu = find_node(g, BP_OP_GLU, 0), *route = find_node(g, BP_OP_ROUTE_EXPERTS, 0);
    if (glu) say(out, "gated by %s", activation_name(((const bp_glu_params *)glu->params)->f));
    else if (m->decoder.ffn == BP_FFN_XIELU) say(out, "plain with xIELU");
    else if (has_value(g, "ffn_up")) say(out, "plain with %s", activation_name(m->decoder.activation));
    if (m->decoder.experts.limit || (glu && ((const bp_glu_params *)glu->params)->limit > 0)) say(out, "clamped gates");
    if (!route) return;
    const bp_route_experts_params *p = route->params;
    say(out, "%u of %lld experts", p->n_used, (long long)m->decoder.experts.n);
    say(out, "%s", gatings[BP_MIN(p->gating, 2)]);
    if (p->normalise) say(out, "renormalised");
    if (p->n_groups > 1) say(out, "%u of %u groups", p->n_groups_used, p->n_groups);
    if (bp_node_in(route, 1) != BP_NONE) say(out, "a bias that only chooses");
    if (has_value(g, "shexp")) say(out, "a shared expert");
}

static void say_recurrent(const bp_graph *g, bp_text *out) {
    static const struct { uint32_t op; const char *words;
    } ops[] = {
        { BP_OP_CAUSAL_CONV, "causal convolution" },
        { BP_OP_SSM_SCAN, "selective scan" },
        { BP_OP_DELTA_RULE, "gated delta rule" },
        { BP_OP_POOL, "pooled" },
    };
    for (size_t i = 0; i < BP_COUNT(ops); i++)
        if (count_nodes(g, ops[i].op)) say(out, "%s", ops[i].words);
}

void bp_model_features(const bp_model *model, const bp_graph *graph, bp_text *out) {
    bp_text own = { 0 };
    say_recurrent(graph, &own);
    say_attention(model, graph, &own);
    say_feed_forward(model, graph, &own);
    say_ends(model, graph, &own);
    bp_text_adds(out, bp_text_get(&own));
    bp_text_free(&own);
}
