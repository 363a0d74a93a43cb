/* llm-info: what is in a GGUF file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backplane/types.h"
#include "core/base/fail.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/run/command.h"
#include "core/gguf/gguf.h"
#include "core/model/features.h"

enum { SHOWN_ITEMS = 8, SHOWN_BYTES = 200 };

static const char *const type_names[] = { "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                          "bool", "string", "array", "u64", "i64", "f64" };

typedef struct type_total { uint64_t tensors, bytes; } type_total;

/* The start of a text, whole characters of it, as the inside of a JSON string: safe to show on a terminal, too. */
static void add_string(bp_text *out, bp_gguf_string text) {
    size_t n = text.size;
    if (n > SHOWN_BYTES) n = SHOWN_BYTES;
    while (n < text.size && n && ((unsigned char)text.data[n] & 0xC0) == 0x80) n--;
    bp_text_adds(out, "\"");
    bp_text_json(out, text.data, n);
    bp_text_adds(out, n < text.size ? "…\"" : "\"");
}

static void add_float(bp_text *out, const bp_gguf_key *key, double value) {
    bool finite = value - value == 0;
    const char *word = value > 0 ? "\"inf\"" : value < 0 ? "\"-inf\"" : "\"nan\"";
    if (finite) bp_text_format(out, key->item_type == BP_GGUF_F32 ? "%.9g" : "%.17g", value);
    else bp_text_adds(out, word);
}

static void add_item(bp_text *out, const bp_gguf_key *key, uint64_t i) {
    bp_gguf_string text;
    int64_t whole;
    double number = 0;
    if (bp_gguf_string_at(key, i, &text)) {
        add_string(out, text);
    } else if (bp_gguf_int(key, i, &whole)) {
        if (key->item_type == BP_GGUF_BOOL) bp_text_adds(out, whole ? "true" : "false");
        else bp_text_format(out, "%" PRId64, whole);
    } else if (bp_gguf_float(key, i, &number)) {
        add_float(out, key, number);
    }
}

/* A value as JSON; of an array, the first items. */
static void add_value(bp_text *out, const bp_gguf_key *key) {
    if (key->type != BP_GGUF_ARRAY) {
        add_item(out, key, 0);
        return;
    }
    bp_text_adds(out, "[");
    for (uint64_t i = 0; i < key->count && i < SHOWN_ITEMS; i++) {
        if (i) bp_text_adds(out, ", ");
        add_item(out, key, i);
    }
    bp_text_adds(out, "]");
}

static void add_quoted(bp_text *out, const char *text) {
    bp_text_adds(out, "\"");
    bp_text_json(out, text, strlen(text));
    bp_text_adds(out, "\"");
}

static uint64_t count_types(const bp_gguf *file, type_total totals[BP_TYPE_LIMIT]) {
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < bp_gguf_n_tensors(file); i++) {
        const bp_gguf_tensor *tensor = bp_gguf_tensor_at(file, i);
        totals[tensor->type].tensors++;
        totals[tensor->type].bytes += tensor->bytes;
        bytes += tensor->bytes;
    }
    return bytes;
}

static uint32_t count_parts(const bp_gguf *file) {
    const void *data;
    uint64_t size;
    uint32_t n = 0;
    while (bp_gguf_mapping(file, n, &data, &size)) n++;
    return n;
}

static void add_shape(bp_text *out, const bp_gguf_tensor *tensor) {
    bp_text_adds(out, "[");
    for (uint32_t i = 0; i < tensor->rank; i++) bp_text_format(out, i ? ", %" PRId64 : "%" PRId64, tensor->ne[i]);
    bp_text_adds(out, "]");
}

static void json_key(bp_text *out, const bp_gguf_key *key) {
    add_quoted(out, key->name);
    bp_text_format(out, ": {\"type\": \"%s\", ", type_names[key->type]);
    if (key->type == BP_GGUF_ARRAY)
        bp_text_format(out, "\"item_type\": \"%s\", \"count\": %" PRIu64 ", ", type_names[key->item_type], key->count);
    bp_text_adds(out, "\"value\": ");
    add_value(out, key);
    bp_text_adds(out, "}");
}

static void json_tensor(bp_text *out, const bp_gguf_tensor *tensor) {
    bp_text_adds(out, "{\"name\": ");
    add_quoted(out, tensor->name);
    bp_text_format(out, ", \"type\": \"%s\", \"shape\": ", bp_type(tensor->type).name);
    add_shape(out, tensor);
    bp_text_format(out, ", \"bytes\": %" PRIu64 ", \"offset\": %" PRIu64 ", \"part\": %u}", tensor->bytes,
                   tensor->offset, tensor->part);
}

static void json_types(bp_text *out, const type_total totals[BP_TYPE_LIMIT]) {
    const char *comma = "";
    bp_text_adds(out, ", \"types\": {");
    for (uint32_t i = 0; i < BP_TYPE_LIMIT; i++) {
        if (!totals[i].tensors) continue;
        bp_text_format(out, "%s\"%s\": {\"tensors\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", comma, bp_type(i).name,
                       totals[i].tensors, totals[i].bytes);
        comma = ", ";
    }
    bp_text_adds(out, "}");
}

static void show_json(bp_text *out, const bp_gguf *file, bool with_tensors) {
    type_total totals[BP_TYPE_LIMIT] = { { 0, 0 } };
    uint64_t bytes = count_types(file, totals), n_tensors = bp_gguf_n_tensors(file);
    bp_text_adds(out, "{\"path\": ");
    add_quoted(out, bp_gguf_path(file));
    bp_text_format(out, ", \"version\": %u, \"parts\": %u, \"file_bytes\": %" PRIu64 ", \"tensor_count\": %" PRIu64
                   ", \"tensor_bytes\": %" PRIu64 ", \"keys\": {", bp_gguf_version(file), count_parts(file),
                   bp_gguf_bytes(file), n_tensors, bytes);
    for (uint64_t i = 0; i < bp_gguf_n_keys(file); i++) {
        if (i) bp_text_adds(out, ", ");
        json_key(out, bp_gguf_key_at(file, i));
    }
    bp_text_adds(out, "}");
    json_types(out, totals);
    if (with_tensors) bp_text_adds(out, ", \"tensors\": [");
    for (uint64_t i = 0; with_tensors && i < n_tensors; i++) {
        if (i) bp_text_adds(out, ", ");
        json_tensor(out, bp_gguf_tensor_at(file, i));
    }
    bp_text_adds(out, with_tensors ? "]}\n" : "}\n");
}

static void text_key(bp_text *out, const bp_gguf_key *key) {
    bp_text_format(out, "  %s = ", key->name);
    add_value(out, key);
    if (key->type == BP_GGUF_ARRAY)
        bp_text_format(out, " (%s, %" PRIu64 " items%s)", type_names[key->item_type], key->count,
                       key->count > SHOWN_ITEMS ? ", first shown" : "");
    else bp_text_format(out, " (%s)", type_names[key->type]);
    bp_text_adds(out, "\n");
}

static void text_tensor(bp_text *out, const bp_gguf_tensor *tensor) {
    bp_text_format(out, "  %-40s %-5s ", tensor->name, bp_type(tensor->type).name);
    add_shape(out, tensor);
    bp_text_format(out, " %" PRIu64 " bytes\n", tensor->bytes);
}

static void show_text(bp_text *out, const bp_gguf *file, bool with_tensors) {
    type_total totals[BP_TYPE_LIMIT] = { { 0, 0 } };
    uint64_t bytes = count_types(file, totals), n_tensors = bp_gguf_n_tensors(file);
    bp_text_format(out, "%s\nGGUF version %u, %u file%s, %" PRIu64 " bytes\n", bp_gguf_path(file),
                   bp_gguf_version(file), count_parts(file), count_parts(file) == 1 ? "" : "s", bp_gguf_bytes(file));
    bp_text_format(out, "keys: %" PRIu64 "\n", bp_gguf_n_keys(file));
    for (uint64_t i = 0; i < bp_gguf_n_keys(file); i++) text_key(out, bp_gguf_key_at(file, i));
    bp_text_format(out, "tensors: %" PRIu64 ", %" PRIu64 " bytes\n", n_tensors, bytes);
    for (uint64_t i = 0; with_tensors && i < n_tensors; i++) text_tensor(out, bp_gguf_tensor_at(file, i));
    for (uint32_t i = 0; i < BP_TYPE_LIMIT; i++)
        if (totals[i].tensors)
            bp_text_format(out, "  total %-5s %6" PRIu64 " tensors %14" PRIu64 " bytes\n", bp_type(i).name,
                           totals[i].tensors, totals[i].bytes);
}

static bp_status show(const char *path, bool json, bool tensors, bp_error *error) {
    bp_gguf *file;
    bp_text out = { 0 };
    bp_status status = bp_gguf_open(path, &file, error);
    if (status) return status;
    (json ? show_json : show_text)(&out, file, tensors);
    fwrite(bp_text_get(&out), 1, out.size, stdout);
    if (out.failed) status = bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_text_free(&out);
    bp_gguf_close(file);
    return status;
}

/* One line: the architecture, and what its graph is made of. */
static bp_status show_features(const char *path, bp_error *error) {
    const bp_cache_shape cache = { .type = BP_TYPE_F32, .block_size = 32, .n_blocks = 4, .table_width = 4 };
    bp_gguf *file;
    bp_model *model;
    bp_builder *builder;
    bp_graph *graph;
    bp_text out = { 0 };
    bp_status status = bp_gguf_open(path, &file, error);
    if (status) return status;
    status = bp_model_new(file, &model, error);
    if (status) {
        bp_gguf_close(file);
        return status;
    }
    const bp_graph_output output = { model->decoder.bidirectional ? BP_OUTPUT_EMBEDDING : BP_OUTPUT_LOGITS,
                                     model->pooling, 0 };
    status = bp_model_graph(model, &cache, &output, &builder, &graph, error);
    if (!status) {
        bp_model_features(model, graph, &out);
        printf("%s: %s\n", model->architecture->name, bp_text_get(&out));
        bp_builder_free(builder);
    }
    bp_text_free(&out);
    bp_model_free(model);
    return status;
}

enum { FLAG_JSON, FLAG_TENSORS, FLAG_FEATURES, N_FLAGS };

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    const char *path = bp_config_text(config, BP_OPT_MODEL);
    if (!path) return bp_command_usage(error, "no model given: use -m FILE.gguf");
    return own[FLAG_FEATURES].value ? show_features(path, error) : show(path, own[FLAG_JSON].value, own[FLAG_TENSORS].value, error);
}

int main(int argc, char **argv) {
    bp_own_flag own[N_FLAGS] = {
        [FLAG_JSON] = { "--json", false, "one JSON object", NULL },
        [FLAG_TENSORS] = { "--tensors", false, "list every tensor", NULL },
        [FLAG_FEATURES] = { "--features", false, "what the model's graph is made of, in words", NULL },
    };
    return bp_command_main(argc, argv, "show what is in a GGUF file", own, N_FLAGS, run);
}
