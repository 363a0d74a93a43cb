/* tokenizer.json, as Hugging Face's tokenizers write it, read into the structures that GGUF files fill. */
#include "core/text/hf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"

enum { LARGEST_FILE = 1 << 28, LARGEST_CONFIG = 1 << 24, LONGEST_MESSAGE = 400 };

static void set_failure(bp_hf *h, bp_status status, const char *format, va_list values) {
    char words[LONGEST_MESSAGE];
    if (h->status != BP_OK) return;
    vsnprintf(words, sizeof words, format, values);
    h->status = bp_fail(h->error, status, "%s: %s", h->path, words);
}

void bp_hf_wrong(bp_hf *h, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set_failure(h, BP_E_INVALID, format, values);
    va_end(values);
}

void bp_hf_missing(bp_hf *h, const char *format, ...) {
    char words[LONGEST_MESSAGE];
    va_list values;
    va_start(values, format);
    vsnprintf(words, sizeof words, format, values);
    va_end(values);
    bp_text_format(&h->missing, "%s%s", h->missing.size ? "; " : "", words);
}

void bp_hf_no_memory(bp_hf *h) {
    if (h->status == BP_OK) h->status = bp_fail(h->error, BP_E_NO_MEMORY, "%s: out of memory", h->path);
}

const char *bp_hf_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

bool bp_hf_yes(const json_t *object, const char *key, bool otherwise) {
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

bp_gguf_string bp_hf_keep(bp_hf *h, const char *text, size_t n) {
    char *copy = bp_arena_text(&h->t->arena, text, n);
    if (!copy) bp_hf_no_memory(h);
    return (bp_gguf_string){ copy ? copy : "", copy ? n : 0 };
}

int32_t bp_hf_id(const bp_hf *h, const char *text) { return *text ? bp_token_find(h->t, text) : -1; }

static const bp_vocab_kind unigram = { "Unigram", NULL, bp_pipeline_encode, bp_spm_bytes, .bos = -1 },
                           word_piece = { "WordPiece", NULL, bp_pipeline_encode, bp_spm_bytes, .bos = -1 };

static void find_kind(bp_hf *h) {
    const char *type = bp_hf_text(h->model, "type");
    if (!*type) type = json_object_get(h->model, "merges") ? "BPE" : "of no type";
    if (!strcmp(type, "BPE")) h->t->kind = &bp_kind_hf_bpe;
    else if (!strcmp(type, "Unigram")) h->t->kind = &unigram;
    else if (!strcmp(type, "WordPiece")) h->t->kind = &word_piece;
    else bp_hf_wrong(h, "model.type: %.40s is not supported (BPE, Unigram and WordPiece are)", type);
}

static void read_parts(bp_hf *h) {
    h->model = json_object_get(h->root, "model");
    if (!json_is_object(h->model)) bp_hf_wrong(h, "no \"model\": not a tokenizer.json");
    if (h->status == BP_OK) find_kind(h);
    void (*const parts[])(bp_hf *) = { bp_hf_read_tokens, bp_hf_read_normalizer, bp_hf_read_pretokenizer,
                                       bp_hf_read_model, bp_hf_read_ends };
    for (size_t i = 0; i < BP_COUNT(parts) && h->status == BP_OK; i++) parts[i](h);
    if (h->status == BP_OK && (h->missing.failed || h->steps.failed)) bp_hf_no_memory(h);
    if (h->status == BP_OK && h->missing.size)
        h->status = bp_fail(h->error, BP_E_UNSUPPORTED, "%s: not supported: %s", h->path, bp_text_get(&h->missing));
    if (h->status == BP_OK) bp_hf_read_added(h);
}

static json_t *parse(const char *data, size_t n, const char *name, bp_error *error) {
    json_error_t at;
    json_t *root = json_loadb(data, n, JSON_ALLOW_NUL, &at);
    if (!root) bp_fail(error, BP_E_INVALID, "%s: line %d, column %d: %s", name, at.line, at.column, at.text);
    return root;
}

bp_status bp_tokenizer_parse_json(const char *data, size_t n, const char *name, bp_tokenizer **out, bp_error *error) {
    *out = NULL;
    bp_hf h = { .path = name, .error = error, .t = calloc(1, sizeof(bp_tokenizer)), .p = calloc(1, sizeof(bp_pipeline)) };
    json_t *root = NULL;
    if (!h.t || !h.p) {
        bp_hf_no_memory(&h);
        free(h.p);
    } else {
        h.t->pipeline = h.p;
        h.root = root = parse(data, n, name, error);
        if (root) read_parts(&h);
        else h.status = BP_E_INVALID;
    }
    if (h.status == BP_OK) *out = h.t;
    else bp_tokenizer_free(h.t);
    json_decref(root);
    bp_text_free(&h.missing);
    bp_text_free(&h.steps);
    return h.status;
}

static const char *name_of(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    const char *text = json_is_object(value) ? bp_hf_text(value, "content") : json_string_value(value);
    return text ? text : "";
}

/* BOS and EOS as tokenizer_config.json, beside the file, names them. It may be missing. */
static bp_status read_config(const char *folder, bp_tokenizer *t, bp_error *error) {
    bp_text path = { 0 }, text = { 0 };
    struct stat there;
    bp_text_format(&path, "%stokenizer_config.json", folder);
    bp_status status = BP_OK;
    if (!path.failed && !stat(bp_text_get(&path), &there)) {
        status = bp_file_read(bp_text_get(&path), LARGEST_CONFIG, &text, error);
        json_t *config = status == BP_OK ? parse(bp_text_get(&text), text.size, bp_text_get(&path), error) : NULL;
        if (status == BP_OK && !config) status = BP_E_INVALID;
        int32_t bos = bp_token_find(t, name_of(config, "bos_token")), eos = bp_token_find(t, name_of(config, "eos_token"));
        if (bos >= 0) t->bos = bos;
        if (eos >= 0) t->eos = eos;
        json_decref(config);
    }
    bp_text_free(&path);
    bp_text_free(&text);
    return status;
}

bp_status bp_tokenizer_open_json(const char *path, bp_tokenizer **out, bp_error *error) {
    *out = NULL;
    struct stat there;
    bool folder = !stat(path, &there) && S_ISDIR(there.st_mode);
    bp_text file = { 0 }, text = { 0 }, place = { 0 };
    const char *slash = strrchr(path, '/');
    if (folder) bp_text_format(&place, "%s/", path);
    else if (slash) bp_text_add(&place, path, (size_t)(slash - path) + 1);
    bp_text_format(&file, "%s%s", path, folder ? "/tokenizer.json" : "");
    bp_status status = file.failed || place.failed ? bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path) : BP_OK;
    if (status == BP_OK) status = bp_file_read(bp_text_get(&file), LARGEST_FILE, &text, error);
    if (status == BP_OK)
        status = bp_tokenizer_parse_json(bp_text_get(&text), text.size, bp_text_get(&file), out, error);
    if (status == BP_OK) status = read_config(bp_text_get(&place), *out, error);
    if (status == BP_OK) bp_find_ends(*out);
    else if (*out) {
        bp_tokenizer_free(*out);
        *out = NULL;
    }
    bp_text_free(&file);
    bp_text_free(&text);
    bp_text_free(&place);
    return status;
}

bool bp_tokenizer_is_json(const char *path) {
    struct stat there;
    size_t n = strlen(path);
    return (n > 5 && !strcmp(path + n - 5, ".json")) || (!stat(path, &there) && S_ISDIR(there.st_mode));
}
