/* Gemma 3n: Gemma 3 with several streams of which each layer reads one and predicts the others (AltUp), a low-rank part
 * beside attention (LAuReL), a gate of which only what stands out stays in the first layers, values of each token and
 * layer, and last layers that read the cache of an earlier one. S streams, T tokens; streams are [n_embd, S, T].
 * Sources: Baykal et al. 2023 (AltUp); Menghani et al. 2024 (LAuReL); Gemma Team 2025 (Gemma 3n). */
#include <math.h>

#include "core/model/families.h"
#include "core/model/model_blocks.h"

enum { STREAMS = 4, LAYERS_OF_OWN_CACHE = 20, SPARSE_LAYERS = 10, LAUREL_RANK = 64, VALUES = 256 };
static const float SPARSITY_95 = 1.6448533535003662f; /* deviations above the mean that 5 of 100 values exceed */

void bp_read_gemma3n(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_gemma(m);
    d->attn_post_norm = "post_attention_norm";
    d->ffn_post_norm = "post_ffw_norm";
    d->logit_softcap = bp_float_or(m, "final_logit_softcapping", 30);
    d->attention.scale = 1;
    d->attention.qk_norm = BP_QK_NORM_HEAD;
    d->attention.v_norm = true;
    d->token_values = bp_int_or(m, "embedding_length_per_layer_input", VALUES, 1, BP_MAX_WIDTH);
    if (bp_int_or(m, "altup.num_inputs", STREAMS, 1, BP_MAX_HEADS) != STREAMS ||
        bp_int_or(m, "altup.active_idx", 0, 0, STREAMS - 1) != 0)
        bp_model_wrong(m, "only %d streams of which the first is active are known (keys gemma3n.altup.*)", STREAMS);
    bp_read_windows(m, 5, -1);
    const float base = bp_window_rope_base(m);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_rope_params *rope = &m->hp.layer[i].rope;
        if (m->hp.layer[i].windowed) rope->base = base, rope->freq_scale = 1;
    }
    const int64_t shared = m->hp.n_layer > LAYERS_OF_OWN_CACHE ? m->hp.n_layer - LAYERS_OF_OWN_CACHE : 0;
    bp_share_caches(m, bp_int_or(m, "attention.shared_kv_layers", shared, 0, m->hp.n_layer - 1));
}

static uint32_t streams_of(bp_builder *b, uint32_t x, int64_t n, int64_t n_streams) {
    return bp_reshape(b, x, 3, (bp_dim[3]){ bp_number(n), bp_number(n_streams), bp_symbol(b, BP_SYMBOL_N_TOKENS) });
}

static uint32_t flat(bp_builder *b, uint32_t x, int64_t n) {
    return bp_reshape(b, x, 2, (bp_dim[2]){ bp_number(n), bp_symbol(b, BP_SYMBOL_N_TOKENS) });
}

static uint32_t stream(const bp_model *m, bp_builder *b, uint32_t all, int64_t which) {
    return bp_slice(b, flat(b, all, STREAMS * m->hp.n_embd), which * m->hp.n_embd, m->hp.n_embd);
}

static uint32_t mean_square(bp_builder *b, uint32_t x) { return bp_reduce(b, bp_mul(b, x, x), BP_REDUCE_MEAN); }
static uint32_t root(bp_builder *b, uint32_t x) {
    return bp_activation(b, bp_activation(b, x, BP_ACT_RSQRT), BP_ACT_RECIPROCAL);
}

/* The matrices NAME [n, n, S - 1], one a stream of x [n, S - 1, T], each answer made as long as `like` [n, T]. */
static uint32_t project(const bp_model *m, bp_builder *b, const char *name, uint32_t x, uint32_t like) {
    const int64_t n = m->hp.n_embd;
    uint32_t w = bp_weight(m, b, -1, name, n, n, STREAMS - 1);
    uint32_t y = bp_matmul_experts(b, w, x, BP_NONE, BP_NONE);
    y = bp_mul(b, y, bp_activation(b, mean_square(b, y), BP_ACT_RSQRT));
    return flat(b, bp_mul(b, y, streams_of(b, root(b, mean_square(b, like)), 1, 1)), (STREAMS - 1) * n);
}

static uint32_t first_streams(const bp_model *m, bp_builder *b, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t others = streams_of(b, bp_concat(b, x, bp_concat(b, x, x)), n, STREAMS - 1);
    return streams_of(b, bp_concat(b, x, project(m, b, "altup_proj.weight", others, x)), n, STREAMS);
}

static uint32_t last_stream(const bp_model *m, bp_builder *b, uint32_t all) {
    const int64_t n = m->hp.n_embd;
    uint32_t active = stream(m, b, all, 0);
    uint32_t others = bp_slice(b, flat(b, all, STREAMS * n), n, (STREAMS - 1) * n);
    uint32_t sum = active;
    others = project(m, b, "altup_unembd_proj.weight", streams_of(b, others, n, STREAMS - 1), active);
    for (int64_t i = 0; i < STREAMS - 1; i++) sum = bp_add(b, sum, bp_slice(b, others, i * n, n));
    return bp_scale(b, sum, 1.0f / STREAMS, 0);
}

/* The S values [S, T] of the active stream that coefficients are made of. */
static uint32_t modalities(const bp_model *m, bp_builder *b, int64_t i, uint32_t active) {
    const int64_t n = m->hp.n_embd;
    uint32_t read = bp_scale(b, bp_norm_block(m, b, i, "altup_router_norm", active, n), 1 / (float)n, 0);
    return bp_activation(b, bp_linear(m, b, i, "altup_router", read, n, STREAMS, false), BP_ACT_TANH);
}

/* Each stream plus its own mixture of all. */
static uint32_t predict(const bp_model *m, bp_builder *b, int64_t i, uint32_t all) {
    uint32_t routed = modalities(m, b, i, stream(m, b, all, 0)), mixed = BP_NONE;
    uint32_t c = bp_linear(m, b, i, "altup_predict_coef", routed, STREAMS, STREAMS * STREAMS, false);
    for (int64_t to = 0; to < STREAMS; to++) {
        uint32_t one = bp_combine_experts(b, all, bp_slice(b, c, to * STREAMS, STREAMS));
        mixed = to ? bp_concat(b, mixed, one) : one;
    }
    return bp_add(b, all, streams_of(b, mixed, m->hp.n_embd, STREAMS));
}

/* Each predicted stream plus its share of what the layer changed in the active one. */
static uint32_t correct(const bp_model *m, bp_builder *b, int64_t i, uint32_t all, uint32_t y) {
    uint32_t c = bp_linear(m, b, i, "altup_correct_coef", modalities(m, b, i, y), STREAMS, STREAMS, false);
    uint32_t change = bp_add(b, y, bp_scale(b, stream(m, b, all, 0), -1, 0)), pair = bp_concat(b, change, change);
    uint32_t each = streams_of(b, bp_concat(b, pair, pair), m->hp.n_embd, STREAMS);
    return bp_add(b, all, bp_mul(b, each, streams_of(b, bp_scale(b, c, 1, 1), 1, STREAMS)));
}

/* What of x [n, T] exceeds the mean by so many deviations, which are of a sample (n - 1) as llama.cpp has them;
 * transformers' are not, which a width of thousands hides. */
static uint32_t outstanding(bp_builder *b, uint32_t x, int64_t n, float deviations) {
    uint32_t centred = bp_add(b, x, bp_scale(b, bp_reduce(b, x, BP_REDUCE_MEAN), -1, 0));
    const float share = sqrtf((float)n / (float)(n > 1 ? n - 1 : 1));
    uint32_t cutoff = bp_scale(b, root(b, mean_square(b, centred)), -deviations * share, 0);
    return bp_activation(b, bp_add(b, centred, cutoff), BP_ACT_RELU);
}

static uint32_t feed_forward(const bp_model *m, bp_builder *b, int64_t i, uint32_t x) {
    const int64_t n = m->hp.n_embd, n_ff = m->hp.layer[i].n_ff;
    uint32_t up = bp_linear(m, b, i, "ffn_up", x, n, n_ff, false);
    uint32_t gate = bp_linear(m, b, i, "ffn_gate", x, n, n_ff, false);
    if (i < SPARSE_LAYERS) gate = outstanding(b, gate, n_ff, SPARSITY_95);
    return bp_linear(m, b, i, "ffn_down", bp_glu(b, gate, up, (bp_glu_params){ .f = BP_ACT_GELU_TANH }), n_ff, n, false);
}

static uint32_t laurel(const bp_model *m, bp_builder *b, int64_t i, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t y = bp_linear(m, b, i, "laurel_l", x, n, LAUREL_RANK, false);
    y = bp_norm_block(m, b, i, "laurel_post_norm", bp_linear(m, b, i, "laurel_r", y, LAUREL_RANK, n, false), n);
    return bp_add(b, x, y);
}

/* What the layer makes of the active stream x. */
static uint32_t layer(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t i, uint32_t x) {
    const int64_t n = m->hp.n_embd;
    uint32_t normed = bp_norm_block(m, b, i, "attn_norm", x, n), low_rank = laurel(m, b, i, normed);
    uint32_t y = bp_norm_block(m, b, i, m->decoder.attn_post_norm, bp_attention_block(m, b, in, i, normed), n);
    y = bp_scale(b, bp_add(b, bp_add(b, y, x), low_rank), sqrtf(0.5f), 0);
    uint32_t part = feed_forward(m, b, i, bp_norm_block(m, b, i, "ffn_norm", y, n));
    return bp_add(b, y, bp_norm_block(m, b, i, m->decoder.ffn_post_norm, part, n));
}

uint32_t bp_build_gemma3n(const bp_model *m, bp_builder *b, const bp_graph_inputs *in) {
    const int64_t n = m->hp.n_embd;
    uint32_t x = bp_embedding_block(m, b, in), values = bp_token_values(m, b, in, x), all = first_streams(m, b, x);
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        all = predict(m, b, i, all);
        all = correct(m, b, i, all, layer(m, b, in, i, stream(m, b, all, 0)));
        uint32_t active = stream(m, b, all, 0), scale = bp_weight(m, b, i, "altup_correct_scale.weight", n, 0, 0);
        uint32_t part = bp_token_values_part(m, b, i, bp_mul(b, active, scale), values), pair = bp_concat(b, part, part);
        uint32_t others = bp_slice(b, flat(b, all, STREAMS * n), n, (STREAMS - 1) * n);
        others = bp_add(b, others, bp_concat(b, pair, part)); /* all streams but the active one */
        all = streams_of(b, bp_concat(b, active, others), n, STREAMS);
    }
    bp_residual r = { last_stream(m, b, all), BP_NONE };
    return bp_logits_block(m, b, in, &r);
}
