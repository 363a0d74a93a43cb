#include "core/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

static const bp_architecture *const architectures[] = { &bp_llama };

enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 20, MAX_HEADS = 1 << 12, MAX_EXPERTS = 1 << 12 };

static bp_status find_architecture(bp_model *model, bp_error *error) {
    bp_gguf_string name;
    if (!bp_gguf_string_at(bp_gguf_find(model->file, "general.architecture"), 0, &name))
        return bp_fail(error, BP_E_INVALID, "%s: no key general.architecture", bp_gguf_path(model->file));
    for (size_t i = 0; i < BP_COUNT(architectures); i++)
        if (strlen(architectures[i]->name) == name.size && !memcmp(architectures[i]->name, name.data, name.size)) {
            model->architecture = architectures[i];
            return BP_OK;
        }
    return bp_fail(error, BP_E_UNSUPPORTED, "%s: architecture '%.*s' is not supported (yet)", bp_gguf_path(model->file),
                   (int)BP_MIN(name.size, 60), name.data);
}

bp_status bp_model_new(bp_gguf *file, bp_model **out, bp_error *error) {
    bp_model *model = calloc(1, sizeof *model);
    if (!model) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    model->file = file;
    bp_status status = find_architecture(model, error);
    if (!status) status = model->architecture->read(model, error);
    if (status) free(model);
    else *out = model;
    return status;
}

void bp_model_free(bp_model *model) {
    if (!model) return;
    bp_gguf_close(model->file);
    free(model);
}

static const bp_gguf_key *key_of(const bp_model *model, const char *suffix) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", model->architecture->name, suffix);
    return bp_gguf_find(model->file, name);
}

bool bp_model_int(const bp_model *model, const char *suffix, int64_t *out) { return bp_gguf_int(key_of(model, suffix), 0, out); }

bool bp_model_text(const bp_model *model, const char *suffix, bp_gguf_string *out) {
    return bp_gguf_string_at(key_of(model, suffix), 0, out);
}

bool bp_model_float(const bp_model *model, const char *suffix, float *out) {
    double number;
    if (!bp_gguf_float(key_of(model, suffix), 0, &number)) return false;
    *out = (float)number;
    return true;
}

bp_status bp_model_need_int(const bp_model *model, const char *suffix, int64_t max, int64_t *out, bp_error *error) {
    const char *arch = model->architecture->name;
    if (!bp_model_int(model, suffix, out))
        return bp_fail(error, BP_E_INVALID, "%s: no key %s.%s", bp_gguf_path(model->file), arch, suffix);
    if (*out < 1 || *out > max)
        return bp_fail(error, BP_E_INVALID, "%s: %s.%s is %lld, not in 1…%lld", bp_gguf_path(model->file), arch, suffix,
                       (long long)*out, (long long)max);
    return BP_OK;
}

/* An optional key: `otherwise` where it is not there. */
static bp_status int_or(const bp_model *model, const char *suffix, int64_t otherwise, int64_t max, int64_t *out, bp_error *error) {
    if (bp_model_int(model, suffix, out)) return bp_model_need_int(model, suffix, max, out, error);
    *out = otherwise;
    return BP_OK;
}

bp_status bp_model_read_common(bp_model *model, bp_error *error) {
    bp_hyperparameters *hp = &model->hp;
    const bp_gguf_tensor *embedding = bp_gguf_find_tensor(model->file, "token_embd.weight");
    if (!embedding) return bp_fail(error, BP_E_INVALID, "%s: no tensor token_embd.weight", bp_gguf_path(model->file));
    hp->n_vocab = embedding->ne[1];
    if (hp->n_vocab > INT32_MAX) return bp_fail(error, BP_E_INVALID, "%s: token_embd.weight has too many rows", bp_gguf_path(model->file));
    bp_status s = bp_model_need_int(model, "embedding_length", MAX_WIDTH, &hp->n_embd, error);
    if (!s) s = bp_model_need_int(model, "block_count", MAX_LAYERS, &hp->n_layer, error);
    if (!s) s = bp_model_need_int(model, "attention.head_count", MAX_HEADS, &hp->n_head, error);
    if (!s) s = int_or(model, "attention.head_count_kv", hp->n_head, MAX_HEADS, &hp->n_head_kv, error);
    if (!s) s = int_or(model, "attention.key_length", BP_MAX(hp->n_embd / hp->n_head, 1), MAX_WIDTH, &hp->head_dim, error);
    if (!s) s = int_or(model, "attention.value_length", hp->head_dim, MAX_WIDTH, &hp->head_dim_v, error);
    if (!s) s = bp_model_need_int(model, "feed_forward_length", MAX_WIDTH, &hp->n_ff, error);
    if (!s) s = int_or(model, "context_length", 2048, INT32_MAX, &hp->n_context, error);
    if (s) return s;
    if (hp->n_head % hp->n_head_kv)
        return bp_fail(error, BP_E_INVALID, "%s: %lld heads are no multiple of %lld KV heads", bp_gguf_path(model->file),
                       (long long)hp->n_head, (long long)hp->n_head_kv);
    int64_t rotated;
    s = int_or(model, "rope.dimension_count", hp->head_dim, hp->head_dim, &rotated, error);
    if (s) return s;
    if (rotated % 2) return bp_fail(error, BP_E_INVALID, "%s: rope.dimension_count is odd", bp_gguf_path(model->file));
    hp->rope = (bp_rope_params){ .head_dim = (uint32_t)hp->head_dim, .n_dims = (uint32_t)rotated, .base = 10000, .freq_scale = 1, .attn_scale = 1 };
    bp_model_float(model, "rope.freq_base", &hp->rope.base);
    if (!bp_model_int(model, "expert_count", &hp->n_expert)) hp->n_expert = 0;
    if (!bp_model_int(model, "expert_used_count", &hp->n_expert_used)) hp->n_expert_used = 0;
    if (hp->n_expert < 0 || hp->n_expert > MAX_EXPERTS || hp->n_expert_used < 0 || hp->n_expert_used > hp->n_expert ||
        (hp->n_expert && !hp->n_expert_used))
        return bp_fail(error, BP_E_INVALID, "%s: expert_count and expert_used_count do not fit together", bp_gguf_path(model->file));
    return BP_OK;
}

static const bp_gguf_tensor *find_weight(const bp_model *model, int64_t layer, const char *name, char *full, size_t size) {
    if (layer < 0) snprintf(full, size, "%s", name);
    else snprintf(full, size, "blk.%lld.%s", (long long)layer, name);
    return bp_gguf_find_tensor(model->file, full);
}

static uint32_t weight_value(bp_builder *b, const bp_gguf_tensor *t, int64_t n0, int64_t n1, int64_t n2) {
    if (t->ne[0] != n0 || t->ne[1] != BP_MAX(n1, 1) || t->ne[2] != BP_MAX(n2, 1) || t->ne[3] != 1) {
        bp_builder_fail(b, "tensor %s has shape [%lld, %lld, %lld], expected [%lld, %lld, %lld]", t->name, (long long)t->ne[0],
                        (long long)t->ne[1], (long long)t->ne[2], (long long)n0, (long long)BP_MAX(n1, 1), (long long)BP_MAX(n2, 1));
        return 0;
    }
    bp_dim dims[3] = { bp_number(n0), bp_number(n1), bp_number(n2) };
    return bp_bound_value(b, BP_ROLE_WEIGHT, t->type, n2 ? 3 : n1 ? 2 : 1, dims, t->name);
}

uint32_t bp_weight_if(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1, int64_t n2) {
    char full[128];
    const bp_gguf_tensor *t = find_weight(model, layer, name, full, sizeof full);
    return t ? weight_value(b, t, n0, n1, n2) : BP_NONE;
}

uint32_t bp_weight(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1, int64_t n2) {
    char full[128];
    const bp_gguf_tensor *t = find_weight(model, layer, name, full, sizeof full);
    if (t) return weight_value(b, t, n0, n1, n2);
    bp_builder_fail(b, "tensor %s is missing", full);
    return 0;
}

static void add_inputs(const bp_model *model, const bp_cache_shape *cache, bp_builder *b, bp_graph_inputs *in) {
    const bp_dim n_tokens = bp_symbol(b, BP_SYMBOL_N_TOKENS), n_outputs = bp_symbol(b, BP_SYMBOL_N_OUTPUTS);
    const bp_dim n_sequences = bp_symbol(b, BP_SYMBOL_N_SEQUENCES);
    bp_symbol(b, BP_SYMBOL_N_KV);
    const bp_dim table[2] = { bp_number(cache->table_width), n_sequences };
    in->tokens = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_tokens, "tokens");
    in->positions = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_tokens, "positions");
    in->sequences = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_tokens, "sequences");
    in->slots = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_tokens, "slots");
    in->block_table = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 2, table, "block_table");
    in->kv_len = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_sequences, "kv_len");
    in->output_rows = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_outputs, "output_rows");
    const bp_hyperparameters *hp = &model->hp;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        char name[40];
        bp_dim k[4] = { bp_number(hp->head_dim), bp_number(cache->block_size), bp_number(hp->n_head_kv), bp_number(cache->n_blocks) };
        snprintf(name, sizeof name, "k_cache.%lld", (long long)i);
        in->k_cache[i] = bp_bound_value(b, BP_ROLE_STATE, cache->type, 4, k, name);
        k[0] = bp_number(hp->head_dim_v);
        snprintf(name, sizeof name, "v_cache.%lld", (long long)i);
        in->v_cache[i] = bp_bound_value(b, BP_ROLE_STATE, cache->type, 4, k, name);
    }
}

bp_status bp_model_graph(const bp_model *model, const bp_cache_shape *cache, bp_builder **builder, bp_graph **graph, bp_error *error) {
    bp_graph_inputs in = { 0 };
    in.k_cache = bp_new_array((size_t)model->hp.n_layer * 2, sizeof *in.k_cache);
    bp_builder *b = bp_builder_new();
    bp_status status = BP_E_NO_MEMORY;
    if (b && in.k_cache) {
        in.v_cache = in.k_cache + model->hp.n_layer;
        add_inputs(model, cache, b, &in);
        bp_output(b, model->architecture->build(model, b, &in), "logits");
        status = bp_builder_finish(b, graph, error);
        if (status) bp_fail_in(error, "%s: ", bp_gguf_path(model->file));
    } else {
        bp_fail(error, status, "out of memory while building the graph");
    }
    free(in.k_cache);
    if (status) bp_builder_free(b);
    else *builder = b;
    return status;
}
