/* The llama family (llama, mistral, SmolLM, mixtral): pre-norm transformer with RMS norm, rotary positions, grouped-query
 * attention and a gated feed-forward part, dense or of experts. Sources: Touvron et al. 2023; Jiang et al. 2023, 2024. */
#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/model/model.h"

static bool text_is(bp_gguf_string s, const char *what) { return s.size == strlen(what) && !memcmp(s.data, what, s.size); }

static bp_status read_rope_scaling(bp_model *model, bp_error *error) {
    bp_rope_params *rope = &model->hp.rope;
    bp_gguf_string kind = { "none", 4 };
    float factor = 0;
    bool typed = bp_model_text(model, "rope.scaling.type", &kind);
    bp_model_float(model, "rope.scaling.factor", &factor);
    if (!typed && bp_model_float(model, "rope.scale_linear", &factor)) kind = (bp_gguf_string){ "linear", 6 };
    bp_model_float(model, "rope.scaling.attn_factor", &rope->attn_scale);
    if (text_is(kind, "none") || factor == 0) return BP_OK;
    if (!(factor > 0) || !isfinite(factor)) return bp_fail(error, BP_E_INVALID, "%s: rope.scaling.factor is not positive", bp_gguf_path(model->file));
    rope->freq_scale = 1 / factor;
    if (text_is(kind, "linear")) return BP_OK;
    if (!text_is(kind, "yarn"))
        return bp_fail(error, BP_E_UNSUPPORTED, "%s: rope.scaling.type '%.*s' is not supported", bp_gguf_path(model->file),
                       (int)(kind.size > 40 ? 40 : kind.size), kind.data);
    int64_t original;
    bp_status status = bp_model_need_int(model, "rope.scaling.original_context_length", INT32_MAX, &original, error);
    rope->n_ctx_orig = (uint32_t)original;
    rope->yarn_factor = 1;
    rope->beta_fast = 32;
    rope->beta_slow = 1;
    bp_model_float(model, "rope.scaling.yarn_beta_fast", &rope->beta_fast);
    bp_model_float(model, "rope.scaling.yarn_beta_slow", &rope->beta_slow);
    return status;
}

static bp_status read(bp_model *model, bp_error *error) {
    bp_status status = bp_model_read_common(model, error);
    if (status) return status;
    bp_hyperparameters *hp = &model->hp;
    hp->rope.pairing = BP_ROPE_ADJACENT;
    if (!bp_model_float(model, "attention.layer_norm_rms_epsilon", &hp->norm_eps))
        return bp_fail(error, BP_E_INVALID, "%s: no key llama.attention.layer_norm_rms_epsilon", bp_gguf_path(model->file));
    if (bp_model_int(model, "attention.sliding_window", &hp->window) && (hp->window < 0 || hp->window > INT32_MAX))
        return bp_fail(error, BP_E_INVALID, "%s: llama.attention.sliding_window is out of range", bp_gguf_path(model->file));
    return read_rope_scaling(model, error);
}

/* Attention of layer i: x [n_embd, n_tokens] -> [n_embd, n_tokens]. */
static uint32_t attention(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t i, uint32_t factors, uint32_t x) {
    const bp_hyperparameters *hp = &m->hp;
    const int64_t q_width = hp->n_head * hp->head_dim, k_width = hp->n_head_kv * hp->head_dim;
    const int64_t v_width = hp->n_head_kv * hp->head_dim_v, o_width = hp->n_head * hp->head_dim_v;
    uint32_t q = bp_matmul(b, bp_weight(m, b, i, "attn_q.weight", hp->n_embd, q_width, 0), x, bp_weight_if(m, b, i, "attn_q.bias", q_width, 0, 0));
    uint32_t k = bp_matmul(b, bp_weight(m, b, i, "attn_k.weight", hp->n_embd, k_width, 0), x, bp_weight_if(m, b, i, "attn_k.bias", k_width, 0, 0));
    uint32_t v = bp_matmul(b, bp_weight(m, b, i, "attn_v.weight", hp->n_embd, v_width, 0), x, bp_weight_if(m, b, i, "attn_v.bias", v_width, 0, 0));
    q = bp_rope(b, q, in->positions, factors, hp->rope);
    k = bp_rope(b, k, in->positions, factors, hp->rope);
    bp_kv_write(b, k, v, in->slots, in->k_cache[i], in->v_cache[i], (uint32_t)hp->n_head_kv);
    const bp_attention_inputs inputs = { q, in->k_cache[i], in->v_cache[i], in->positions, in->sequences,
                                         in->block_table, in->kv_len, BP_NONE, BP_NONE };
    const bp_attention_params params = { .n_head = (uint32_t)hp->n_head, .n_head_kv = (uint32_t)hp->n_head_kv,
        .head_dim = (uint32_t)hp->head_dim, .head_dim_v = (uint32_t)hp->head_dim_v, .causal = 1,
        .window = (uint32_t)hp->window, .scale = 1 / sqrtf((float)hp->head_dim) };
    uint32_t mixed = bp_attention(b, &inputs, params);
    return bp_matmul(b, bp_weight(m, b, i, "attn_output.weight", o_width, hp->n_embd, 0), mixed,
                     bp_weight_if(m, b, i, "attn_output.bias", hp->n_embd, 0, 0));
}

/* Gated feed-forward part: x [n_embd, n_tokens] -> [n_embd, n_tokens]. */
static uint32_t feed_forward(const bp_model *m, bp_builder *b, int64_t i, uint32_t x) {
    const bp_hyperparameters *hp = &m->hp;
    uint32_t gate = bp_matmul(b, bp_weight(m, b, i, "ffn_gate.weight", hp->n_embd, hp->n_ff, 0), x, bp_weight_if(m, b, i, "ffn_gate.bias", hp->n_ff, 0, 0));
    uint32_t up = bp_matmul(b, bp_weight(m, b, i, "ffn_up.weight", hp->n_embd, hp->n_ff, 0), x, bp_weight_if(m, b, i, "ffn_up.bias", hp->n_ff, 0, 0));
    uint32_t gated = bp_glu(b, gate, up, (bp_glu_params){ .f = BP_ACT_SILU });
    return bp_matmul(b, bp_weight(m, b, i, "ffn_down.weight", hp->n_ff, hp->n_embd, 0), gated, bp_weight_if(m, b, i, "ffn_down.bias", hp->n_embd, 0, 0));
}

/* Mixture of experts: softmax over the chosen n_expert_used of n_expert. */
static uint32_t experts(const bp_model *m, bp_builder *b, int64_t i, uint32_t x) {
    const bp_hyperparameters *hp = &m->hp;
    const int64_t n = hp->n_expert;
    uint32_t logits = bp_matmul(b, bp_weight(m, b, i, "ffn_gate_inp.weight", hp->n_embd, n, 0), x, BP_NONE), weights = 0;
    const bp_route_experts_params params = { .n_used = (uint32_t)hp->n_expert_used, .gating = BP_GATING_SOFTMAX_CHOSEN };
    uint32_t ids = bp_route_experts(b, logits, BP_NONE, params, &weights);
    uint32_t gate = bp_matmul_experts(b, bp_weight(m, b, i, "ffn_gate_exps.weight", hp->n_embd, hp->n_ff, n), x, ids, BP_NONE);
    uint32_t up = bp_matmul_experts(b, bp_weight(m, b, i, "ffn_up_exps.weight", hp->n_embd, hp->n_ff, n), x, ids, BP_NONE);
    uint32_t gated = bp_glu(b, gate, up, (bp_glu_params){ .f = BP_ACT_SILU });
    uint32_t down = bp_matmul_experts(b, bp_weight(m, b, i, "ffn_down_exps.weight", hp->n_ff, hp->n_embd, n), gated, ids, BP_NONE);
    return bp_combine_experts(b, down, weights);
}

static uint32_t build(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const bp_hyperparameters *hp = &m->hp;
    const bp_norm_params norm = { hp->norm_eps, 0 };
    uint32_t table = bp_weight(m, b, -1, "token_embd.weight", hp->n_embd, hp->n_vocab, 0);
    uint32_t factors = bp_weight_if(m, b, -1, "rope_freqs.weight", hp->rope.n_dims / 2, 0, 0);
    uint32_t x = bp_embed_rows(b, table, in->tokens, 1), part = BP_NONE; /* x: the residual stream [n_embd, n_tokens] */
    for (int64_t i = 0; i < hp->n_layer; i++) {
        uint32_t normed = bp_norm(b, BP_OP_RMS_NORM, x, part, bp_weight(m, b, i, "attn_norm.weight", hp->n_embd, 0, 0), BP_NONE, norm,
                                  part == BP_NONE ? NULL : &x);
        part = attention(m, b, in, i, factors, normed);
        normed = bp_norm(b, BP_OP_RMS_NORM, x, part, bp_weight(m, b, i, "ffn_norm.weight", hp->n_embd, 0, 0), BP_NONE, norm, &x);
        part = hp->n_expert ? experts(m, b, i, normed) : feed_forward(m, b, i, normed);
    }
    x = bp_gather_rows(b, bp_add(b, x, part), in->output_rows); /* [n_embd, n_outputs] from here on */
    x = bp_norm(b, BP_OP_RMS_NORM, x, BP_NONE, bp_weight(m, b, -1, "output_norm.weight", hp->n_embd, 0, 0), BP_NONE, norm, NULL);
    uint32_t output = bp_weight_if(m, b, -1, "output.weight", hp->n_embd, hp->n_vocab, 0);
    return bp_matmul(b, output == BP_NONE ? table : output, x, BP_NONE);
}

const bp_architecture bp_llama = { "llama", read, build };
