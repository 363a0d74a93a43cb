/* Reading hyperparameters: keys of a file, checked, with the defaults that files count on. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/model/model.h"

static const bp_gguf_key *key_of(const bp_model *model, const char *suffix) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", model->architecture->name, suffix);
    return bp_gguf_find(model->file, name);
}

bool bp_model_int(const bp_model *model, const char *suffix, int64_t *out) {
    return bp_gguf_int(key_of(model, suffix), 0, out);
}

bool bp_model_text(const bp_model *model, const char *suffix, bp_gguf_string *out) {
    return bp_gguf_string_at(key_of(model, suffix), 0, out);
}

bool bp_model_float(const bp_model *model, const char *suffix, float *out) {
    double number;
    if (!bp_gguf_float(key_of(model, suffix), 0, &number)) return false;
    *out = (float)number;
    return true;
}

bool bp_model_bool(const bp_model *model, const char *suffix, bool otherwise) {
    int64_t number;
    return bp_model_int(model, suffix, &number) ? number != 0 : otherwise;
}

void bp_model_wrong(bp_model *model, const char *format, ...) {
    char message[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (model->wrong.size) bp_text_adds(&model->wrong, "; ");
    bp_text_adds(&model->wrong, message);
}

static void note_missing(bp_model *model, const char *suffix) {
    bp_text_format(&model->missing, "%s%s.%s", model->missing.size ? ", " : "", model->architecture->name, suffix);
}

static int64_t checked(bp_model *model, const char *suffix, int64_t value, int64_t min, int64_t max) {
    if (value >= min && value <= max) return value;
    bp_model_wrong(model, "%s.%s is %lld, not in %lld…%lld", model->architecture->name, suffix, (long long)value,
                   (long long)min, (long long)max);
    return min;
}

int64_t bp_layer_int_or(bp_model *model, const char *suffix, int64_t layer, int64_t otherwise, int64_t min,
                        int64_t max) {
    const bp_gguf_key *key = key_of(model, suffix);
    int64_t value;
    if (!key) return otherwise;
    if (key->type == BP_GGUF_ARRAY && (uint64_t)layer >= key->count) {
        bp_model_wrong(model, "%s.%s has %llu values, too few for the layers", model->architecture->name, suffix,
                       (unsigned long long)key->count);
        return min;
    }
    if (bp_gguf_int(key, key->type == BP_GGUF_ARRAY ? (uint64_t)layer : 0, &value))
        return checked(model, suffix, value, min, max);
    bp_model_wrong(model, "%s.%s is no whole number", model->architecture->name, suffix);
    return min;
}

int64_t bp_int_or(bp_model *model, const char *suffix, int64_t otherwise, int64_t min, int64_t max) {
    return bp_layer_int_or(model, suffix, 0, otherwise, min, max);
}

int64_t bp_need_int(bp_model *model, const char *suffix, int64_t min, int64_t max) {
    if (!key_of(model, suffix)) note_missing(model, suffix);
    return bp_int_or(model, suffix, min, min, max);
}

float bp_float_or(const bp_model *model, const char *suffix, float otherwise) {
    bp_model_float(model, suffix, &otherwise);
    return otherwise;
}

float bp_window_rope_base(bp_model *model) {
    float base = bp_float_or(model, "rope.freq_base_swa", 10000);
    if (base > 0) return base;
    bp_model_wrong(model, "%s.rope.freq_base_swa is not positive", model->architecture->name);
    return 1;
}

float bp_need_float(bp_model *model, const char *suffix) {
    float value = 1;
    if (!key_of(model, suffix)) note_missing(model, suffix);
    else if (!bp_model_float(model, suffix, &value))
        bp_model_wrong(model, "%s.%s is no number", model->architecture->name, suffix);
    else if (!isfinite(value)) bp_model_wrong(model, "%s.%s is not finite", model->architecture->name, suffix);
    return isfinite(value) ? value : 1;
}

static bool text_is(bp_gguf_string s, const char *what) {
    return s.size == strlen(what) && !memcmp(s.data, what, s.size);
}

static void read_yarn(bp_model *model, bp_rope_params *rope) {
    rope->n_ctx_orig = (uint32_t)bp_int_or(model, "rope.scaling.original_context_length", model->hp.n_context, 1,
                                           INT32_MAX);
    rope->yarn_factor = bp_float_or(model, "rope.scaling.yarn_ext_factor", 1);
    rope->beta_fast = bp_float_or(model, "rope.scaling.yarn_beta_fast", 32);
    rope->beta_slow = bp_float_or(model, "rope.scaling.yarn_beta_slow", 1);
    rope->attn_scale /= 1 - 0.1f * bp_float_or(model, "rope.scaling.yarn_log_multiplier", 0) * logf(rope->freq_scale);
}

/* Types "linear" and "yarn" scale; "longrope" and llama 3's scaling are tensors of factors
 * (bp_graph_inputs.rope_factors). */
static void read_rope_scaling(bp_model *model) {
    bp_rope_params *rope = &model->hp.rope;
    bp_gguf_string kind = { "none", 4 };
    float factor = 0;
    bool typed = bp_model_text(model, "rope.scaling.type", &kind);
    bp_model_float(model, "rope.scaling.factor", &factor);
    if (!typed && (factor != 0 || bp_model_float(model, "rope.scale_linear", &factor)))
        kind = (bp_gguf_string){ "linear", 6 };
    bp_model_float(model, "rope.scaling.attn_factor", &rope->attn_scale);
    if (text_is(kind, "none") || text_is(kind, "longrope") || factor == 0) return;
    if (!(factor > 0) || !isfinite(factor))
        bp_model_wrong(model, "%s.rope.scaling.factor is not positive", model->architecture->name);
    else if (text_is(kind, "linear") || text_is(kind, "yarn")) rope->freq_scale = 1 / factor;
    else
        bp_model_wrong(model, "%s.rope.scaling.type '%.*s' is not supported", model->architecture->name,
                       (int)BP_MIN(kind.size, 40), kind.data);
    if (text_is(kind, "yarn")) read_yarn(model, rope);
}

static void read_rope(bp_model *model, uint32_t pairing) {
    bp_hyperparameters *hp = &model->hp;
    const int64_t rotated = bp_int_or(model, "rope.dimension_count", hp->head_dim & ~(int64_t)1, 0, hp->head_dim);
    if (rotated % 2) bp_model_wrong(model, "%s.rope.dimension_count is odd", model->architecture->name);
    hp->rope = (bp_rope_params){ .head_dim = (uint32_t)hp->head_dim,
                                 .n_dims = (uint32_t)rotated,
                                 .pairing = pairing,
                                 .base = 10000,
                                 .freq_scale = 1,
                                 .attn_scale = 1 };
    bp_model_float(model, "rope.freq_base", &hp->rope.base);
    if (!(hp->rope.base > 0)) bp_model_wrong(model, "%s.rope.freq_base is not positive", model->architecture->name);
    read_rope_scaling(model);
}

static void read_layers(bp_model *model, bool rotated) {
    bp_hyperparameters *hp = &model->hp;
    hp->layer = bp_arena_alloc(&model->arena, (size_t)hp->n_layer * sizeof *hp->layer);
    for (int64_t i = 0; hp->layer && i < hp->n_layer; i++) {
        bp_layer *l = &hp->layer[i];
        *l = (bp_layer){ .head_dim = hp->head_dim, .head_dim_v = hp->head_dim_v, .rotated = rotated, .rope = hp->rope,
                         .cache_of = i };
        l->n_head = bp_layer_int_or(model, "attention.head_count", i, hp->n_head, 0, BP_MAX_HEADS);
        l->n_head_kv = bp_layer_int_or(model, "attention.head_count_kv", i, l->n_head, 0, BP_MAX_HEADS);
        l->n_ff = bp_layer_int_or(model, "feed_forward_length", i, 0, 0, BP_MAX_WIDTH);
        if (l->n_head_kv && l->n_head % l->n_head_kv)
            bp_model_wrong(model, "%lld heads are no multiple of %lld KV heads", (long long)l->n_head,
                           (long long)l->n_head_kv);
        if (model->wrong.size) break; /* one layer's fault is enough */
    }
}

void bp_read_common(bp_model *model, uint32_t rope_pairing) {
    bp_hyperparameters *hp = &model->hp;
    const bool rotated = rope_pairing <= BP_ROPE_HALVES;
    hp->n_embd = bp_need_int(model, "embedding_length", 1, BP_MAX_WIDTH);
    hp->n_layer = bp_need_int(model, "block_count", 1, BP_MAX_LAYERS);
    hp->n_head = bp_need_int(model, "attention.head_count", 0, BP_MAX_HEADS);
    hp->n_context = bp_need_int(model, "context_length", 1, INT32_MAX);
    hp->n_ff = bp_need_int(model, "feed_forward_length", 0, BP_MAX_WIDTH);
    hp->head_dim = bp_int_or(model, "attention.key_length", hp->n_head ? BP_MAX(hp->n_embd / hp->n_head, 1) : 1, 1,
                             BP_MAX_WIDTH);
    hp->head_dim_v = bp_int_or(model, "attention.value_length", hp->head_dim, 1, BP_MAX_WIDTH);
    hp->norm_eps = bp_need_float(model, model->decoder.norm == BP_NORM_LAYER ? "attention.layer_norm_epsilon"
                                                                             : "attention.layer_norm_rms_epsilon");
    if (rotated) read_rope(model, rope_pairing);
    read_layers(model, rotated);
    if (hp->layer) hp->n_head_kv = hp->layer[0].n_head_kv;
    hp->n_layer -= bp_int_or(model, "nextn_predict_layers", 0, 0, hp->n_layer - 1); /* the last ones draft tokens */
    model->decoder.bidirectional = !bp_model_bool(model, "attention.causal", !model->decoder.bidirectional);
    model->pooling = (uint32_t)bp_int_or(model, "pooling_type", BP_POOLING_NONE, BP_POOLING_NONE, BP_POOLING_RANK);
    if (model->pooling == BP_POOLING_NONE)
        model->pooling = model->decoder.bidirectional ? BP_POOLING_MEAN : BP_POOLING_LAST;
    model->decoder.attention.scale = bp_float_or(model, "attention.scale", 0);
    model->decoder.attention.clamp = bp_float_or(model, "attention.clamp_kqv", 0);
}

void bp_read_window_pattern(bp_model *model, int64_t period) {
    const bp_gguf_key *key = key_of(model, "attention.sliding_window_pattern");
    if (key && key->type != BP_GGUF_ARRAY)
        period = bp_int_or(model, "attention.sliding_window_pattern", period, 0, BP_MAX_LAYERS);
    for (int64_t i = 0; model->hp.layer && i < model->hp.n_layer; i++) {
        bp_layer *l = &model->hp.layer[i];
        if (key && key->type == BP_GGUF_ARRAY)
            l->windowed = bp_layer_int_or(model, "attention.sliding_window_pattern", i, 0, 0, 1) != 0;
        else l->windowed = period == 0 || i % period < period - 1;
    }
}

void bp_read_windows(bp_model *model, int64_t period, int64_t otherwise) {
    const int64_t window = otherwise < 0 ? bp_need_int(model, "attention.sliding_window", 0, INT32_MAX)
                                         : bp_int_or(model, "attention.sliding_window", otherwise, 0, INT32_MAX);
    bp_read_window_pattern(model, period);
    for (int64_t i = 0; model->hp.layer && i < model->hp.n_layer; i++)
        if (model->hp.layer[i].windowed) model->hp.layer[i].window = (uint32_t)window;
}
