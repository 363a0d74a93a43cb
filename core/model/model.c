#include "core/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/size.h"

static const bp_architecture architectures[] = {
#define BP_ARCHITECTURE(name, read, build) { name, read, build },
#include "core/model/architectures.def"
#undef BP_ARCHITECTURE
};

static bp_status refuse(const char *path, bp_gguf_string name, bp_error *error) {
    bp_text known = { 0 };
    for (size_t i = 0; i < BP_COUNT(architectures); i++)
        bp_text_format(&known, "%s%s", i ? ", " : "", architectures[i].name);
    bp_log(BP_LOG_ERROR, "known architectures: %s", bp_text_get(&known));
    bp_text_free(&known);
    return bp_fail(error, BP_E_UNSUPPORTED, "%s: architecture '%.*s' is none of those that are known, listed above",
                   path, (int)BP_MIN(name.size, 60), name.data);
}

static bp_status find_architecture(bp_model *model, bp_error *error) {
    bp_gguf_string name;
    if (!bp_gguf_string_at(bp_gguf_find(model->file, "general.architecture"), 0, &name))
        return bp_fail(error, BP_E_INVALID, "%s: no key general.architecture", bp_gguf_path(model->file));
    for (size_t i = 0; i < BP_COUNT(architectures); i++)
        if (strlen(architectures[i].name) == name.size && !memcmp(architectures[i].name, name.data, name.size)) {
            model->architecture = &architectures[i];
            return BP_OK;
        }
    return refuse(bp_gguf_path(model->file), name, error);
}

static bp_status read_vocabulary_size(bp_model *model, bp_error *error) {
    const bp_gguf_tensor *embedding = bp_gguf_find_tensor(model->file, "token_embd.weight");
    if (!embedding)
        return bp_fail(error, BP_E_INVALID, "%s: tensor token_embd.weight is missing", bp_gguf_path(model->file));
    model->hp.n_vocab = embedding->ne[1];
    if (model->hp.n_vocab <= INT32_MAX) return BP_OK;
    return bp_fail(error, BP_E_INVALID, "%s: token_embd.weight has too many rows", bp_gguf_path(model->file));
}

/* All that reading found, in one message; where that is too long for one, the list goes to the log first. */
static bp_status report(const bp_model *model, bp_error *error) {
    bp_text text = { 0 };
    if (model->missing.size) bp_text_format(&text, "no key %s", bp_text_get(&model->missing));
    if (model->missing.size && model->wrong.size) bp_text_adds(&text, "; ");
    if (model->wrong.size) bp_text_adds(&text, bp_text_get(&model->wrong));
    bp_status status = BP_OK;
    if (text.size > BP_ERROR_TEXT / 2) {
        bp_log(BP_LOG_ERROR, "%s", bp_text_get(&text));
        status = bp_fail(error, BP_E_INVALID, "%s: its keys are wrong, as listed above", bp_gguf_path(model->file));
    } else if (text.size) {
        status = bp_fail(error, BP_E_INVALID, "%s: %s", bp_gguf_path(model->file), bp_text_get(&text));
    } else if (!model->hp.layer) {
        status = bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    }
    bp_text_free(&text);
    return status;
}

static bp_status read(bp_model *model, bp_error *error) {
    bp_status status = find_architecture(model, error);
    if (!status) status = read_vocabulary_size(model, error);
    if (status) return status;
    model->architecture->read(model);
    return report(model, error);
}

bp_status bp_model_new(bp_gguf *file, bp_model **out, bp_error *error) {
    bp_model *model = calloc(1, sizeof *model);
    if (!model) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    model->file = file;
    bp_status status = read(model, error);
    if (status) {
        model->file = NULL; /* stays the caller's */
        bp_model_free(model);
    } else {
        *out = model;
    }
    return status;
}

void bp_model_free(bp_model *model) {
    if (!model) return;
    if (model->file) bp_gguf_close(model->file);
    bp_text_free(&model->missing);
    bp_text_free(&model->wrong);
    bp_arena_free(&model->arena);
    free(model);
}

/* Divisors of RoPE's angles: llama 3's, or those of longrope for contexts up to the original one and beyond it. */
static uint32_t rope_factors(const bp_model *model, bp_builder *b, int64_t n_context) {
    const int64_t n = model->hp.rope.n_dims / 2;
    int64_t original = model->hp.n_context;
    if (!n) return BP_NONE;
    if (!bp_has_weight(model, -1, "rope_factors_long.weight") && !bp_has_weight(model, -1, "rope_factors_short.weight"))
        return bp_weight_if(model, b, -1, "rope_freqs.weight", n, 0, 0);
    bp_model_int(model, "rope.scaling.original_context_length", &original);
    bool longer = n_context > original;
    if (!bp_has_weight(model, -1,
                       longer ? "rope_factors_short.weight" : "rope_factors_long.weight")) /* they come together */
        bp_weight(model, b, -1, longer ? "rope_factors_short.weight" : "rope_factors_long.weight", n, 0, 0);
    return bp_weight(model, b, -1, longer ? "rope_factors_long.weight" : "rope_factors_short.weight", n, 0, 0);
}

static uint32_t cache_value(bp_builder *b, const bp_cache_shape *cache, const char *kind, int64_t layer,
                            int64_t head_dim, int64_t n_head_kv) {
    char name[40];
    bp_dim dims[4] = { bp_number(head_dim), bp_number(cache->block_size), bp_number(n_head_kv),
                       bp_number(cache->n_blocks) };
    if (!head_dim || !n_head_kv) return BP_NONE;
    snprintf(name, sizeof name, "%s.%lld", kind, (long long)layer);
    return bp_bound_value(b, BP_ROLE_STATE, cache->type, 4, dims, name);
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
    for (int64_t i = 0; i < model->hp.n_layer; i++) {
        const bp_layer *l = &model->hp.layer[i];
        if (l->cache_of < i) {
            in->k_cache[i] = in->k_cache[l->cache_of];
            in->v_cache[i] = in->v_cache[l->cache_of];
            continue;
        }
        in->k_cache[i] = cache_value(b, cache, "k_cache", i, l->head_dim, l->n_head_kv);
        in->v_cache[i] = cache_value(b, cache, "v_cache", i, l->head_dim_v, l->n_head_kv);
    }
    in->state_slots = bp_bound_value(b, BP_ROLE_INPUT, BP_TYPE_I32, 1, &n_sequences, "state_slots");
    in->n_slots = BP_MAX(cache->n_slots, 1);
    in->n_context = cache->context ? cache->context : cache->table_width * cache->block_size;
    in->rope_factors = rope_factors(model, b, in->n_context);
}

/* Tensors that no node reads: layers that draft tokens, what other programs keep beside the weights. */
static void log_unused(const bp_model *model, const bp_graph *graph) {
    bp_map used = { 0 };
    bp_text names = { 0 };
    for (uint32_t i = 0; i < graph->n_values; i++) {
        const bp_value *v = bp_graph_value(graph, i);
        if (v->role == BP_ROLE_WEIGHT) bp_map_add(&used, v->name, strlen(v->name), i);
    }
    for (uint64_t i = 0; i < bp_gguf_n_tensors(model->file); i++) {
        const char *name = bp_gguf_tensor_at(model->file, i)->name;
        uint32_t value;
        if (!bp_map_find(&used, name, strlen(name), &value)) bp_text_format(&names, " %s", name);
    }
    if (names.size)
        bp_log(BP_LOG_INFO, "%s: tensors that %s does not use:%s", bp_gguf_path(model->file), model->architecture->name,
               bp_text_get(&names));
    bp_text_free(&names);
    bp_map_free(&used);
}

/* The likeliest tokens of each row, so that logits may stay where they are. */
static void add_likeliest(bp_builder *b, uint32_t logits, uint32_t n) {
    uint32_t ids;
    if (n) bp_output(b, bp_top_k(b, logits, n, &ids), "likeliest_logits");
    else ids = bp_argmax(b, logits);
    bp_output(b, ids, "likeliest");
}

bp_status bp_model_graph(const bp_model *model, const bp_cache_shape *cache, const bp_graph_output *output,
                         bp_builder **builder, bp_graph **graph, bp_error *error) {
    bp_graph_inputs in = { .output = output ? *output : (bp_graph_output){ 0 } };
    if (model->decoder.bidirectional && in.output.kind == BP_OUTPUT_LOGITS)
        return bp_fail(error, BP_E_UNSUPPORTED,
                       "%s: a model of embeddings (%s): it does not continue texts; use llm-embed",
                       bp_gguf_path(model->file), model->architecture->name);
    in.k_cache = bp_new_array((size_t)model->hp.n_layer * 2, sizeof *in.k_cache);
    bp_builder *b = bp_builder_new();
    bp_status status = BP_E_NO_MEMORY;
    if (b && in.k_cache) {
        in.v_cache = in.k_cache + model->hp.n_layer;
        add_inputs(model, cache, b, &in);
        const uint32_t result = model->architecture->build(model, b, &in);
        bp_output(b, result, in.output.kind == BP_OUTPUT_EMBEDDING ? "embedding" : "logits");
        if (in.output.kind == BP_OUTPUT_LOGITS) add_likeliest(b, result, in.output.likeliest);
        status = bp_builder_finish(b, graph, error);
        if (status) bp_fail_in(error, "%s: ", bp_gguf_path(model->file));
    } else {
        bp_fail(error, status, "out of memory while building the graph");
    }
    free(in.k_cache);
    if (status) {
        bp_builder_free(b);
        return status;
    }
    log_unused(model, *graph);
    *builder = b;
    return BP_OK;
}
