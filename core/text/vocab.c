#include "core/text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/size.h"

static bp_status no_memory(const bp_gguf *file, bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
}

static bool is_text(bp_gguf_string s, const char *text) {
    return s.size == strlen(text) && !memcmp(s.data, text, s.size);
}

static bp_status load_tokens(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.tokens");
    if (!key || key->type != BP_GGUF_ARRAY || key->item_type != BP_GGUF_STRING || !key->count || key->count > INT32_MAX)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.tokens: no list of texts", bp_gguf_path(file));
    t->tokens = key->strings;
    t->n = (uint32_t)key->count;
    for (uint32_t i = 0; i < t->n; i++) {
        bp_gguf_string token = t->tokens[i];
        if (token.size > UINT32_MAX)
            return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.tokens[%u]: too long", bp_gguf_path(file), i);
        if (token.size && bp_map_add(&t->by_text, token.data, token.size, i) == BP_MAP_NO_MEMORY)
            return no_memory(file, error);
        t->longest = BP_MAX(t->longest, token.size);
    }
    return BP_OK;
}

static bp_status load_types(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.token_type");
    t->types = bp_new_array(t->n, 1);
    t->ends = bp_new_array(t->n, sizeof *t->ends);
    if (!t->types || !t->ends) return no_memory(file, error);
    if (key && (key->type != BP_GGUF_ARRAY || key->count != t->n))
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.token_type: not one type a token", bp_gguf_path(file));
    for (uint32_t i = 0; i < t->n; i++) {
        int64_t type = BP_TOKEN_NORMAL;
        if (key && (!bp_gguf_int(key, i, &type) || type < 0 || type > BP_TOKEN_BYTE))
            return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.token_type[%u]: not a token type",
                           bp_gguf_path(file), i);
        t->types[i] = (uint8_t)(type ? type : BP_TOKEN_NORMAL);
    }
    return BP_OK;
}

/* The id that a key gives; an id that is no token counts as none. */
static int32_t id_of(const bp_tokenizer *t, const bp_gguf *file, const char *name, int32_t fallback) {
    int64_t id = fallback;
    bp_gguf_int(bp_gguf_find(file, name), 0, &id);
    return id >= 0 && id < t->n ? (int32_t)id : -1;
}

static bool yes_of(const bp_gguf *file, const char *name, bool fallback) {
    int64_t value = fallback;
    bp_gguf_int(bp_gguf_find(file, name), 0, &value);
    return value;
}

static void mark_end(bp_tokenizer *t, int32_t id) {
    if (id >= 0) t->ends[id] = true;
}

static void mark_end_text(bp_tokenizer *t, const char *text) {
    int32_t id = bp_token_find(t, text);
    if (id >= 0 && t->types[id] != BP_TOKEN_NORMAL) t->ends[id] = true;
}

static void load_ends(bp_tokenizer *t, const bp_gguf *file) {
    static const char *const texts[] = { "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>",
        "<|eot|>", "<|eom|>", "<end_of_turn>", "<EOT>", "<|EOT|>", "<|END_OF_TURN_TOKEN|>", "<|end_of_turn|>",
        "<|return|>", "<|call|>", "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>" };
    mark_end(t, t->eos);
    mark_end(t, id_of(t, file, "tokenizer.ggml.eot_token_id", -1));
    mark_end(t, id_of(t, file, "tokenizer.ggml.eom_token_id", -1));
    for (size_t i = 0; i < BP_COUNT(texts); i++) mark_end_text(t, texts[i]);
    if (bp_token_find(t, "<|call|>") < 0) mark_end_text(t, "<|end|>"); /* else it ends one of many messages */
}

static void load_ids(bp_tokenizer *t, const bp_gguf *file) {
    t->bos = id_of(t, file, "tokenizer.ggml.bos_token_id", t->spm ? 1 : -1);
    t->eos = id_of(t, file, "tokenizer.ggml.eos_token_id", t->spm ? 2 : -1);
    t->unknown = id_of(t, file, "tokenizer.ggml.unknown_token_id", t->spm ? 0 : -1);
    t->add_bos = yes_of(file, "tokenizer.ggml.add_bos_token", t->spm || bp_split_adds_bos(t->split));
    t->add_eos = yes_of(file, "tokenizer.ggml.add_eos_token", false);
    t->space_prefix = t->spm && yes_of(file, "tokenizer.ggml.add_space_prefix", true);
    load_ends(t, file);
}

static bp_status load_split(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_gguf_string name;
    if (!bp_gguf_string_at(bp_gguf_find(file, "tokenizer.ggml.pre"), 0, &name)) {
        bp_log(BP_LOG_WARN, "%s: tokenizer.ggml.pre is missing: using \"default\"", bp_gguf_path(file));
        name = (bp_gguf_string){ "default", 7 };
    }
    bp_status status = bp_split_new(name.data, name.size, &t->split, error);
    if (status != BP_OK) return bp_fail_in(error, "%s: ", bp_gguf_path(file)), status;
    t->whole_words = bp_split_whole_words(t->split);
    return BP_OK;
}

static bp_status load_model(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_gguf_string model;
    if (!bp_gguf_string_at(bp_gguf_find(file, "tokenizer.ggml.model"), 0, &model))
        return bp_fail(error, BP_E_INVALID, "%s: no tokenizer.ggml.model: the file has no tokenizer",
                       bp_gguf_path(file));
    t->spm = is_text(model, "llama");
    if (!t->spm && !is_text(model, "gpt2"))
        return bp_fail(error, BP_E_UNSUPPORTED, "%s: tokenizer.ggml.model: unknown kind \"%.*s\" (known: gpt2, llama)",
                       bp_gguf_path(file), (int)BP_MIN(model.size, 64), model.data);
    return BP_OK;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_status status = load_model(t, file, error);
    if (status == BP_OK) status = load_tokens(t, file, error);
    if (status == BP_OK) status = load_types(t, file, error);
    if (status == BP_OK && !t->spm) status = load_split(t, file, error);
    if (status == BP_OK) status = t->spm ? bp_spm_load(t, file, error) : bp_bpe_load(t, file, error);
    if (status != BP_OK) return status;
    load_ids(t, file);
    return bp_specials_load(t) ? BP_OK : no_memory(file, error);
}

bp_status bp_tokenizer_new(const bp_gguf *file, bp_tokenizer **out, bp_error *error) {
    *out = NULL;
    bp_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return no_memory(file, error);
    bp_status status = load(t, file, error);
    if (status == BP_OK) *out = t;
    else bp_tokenizer_free(t);
    return status;
}

void bp_tokenizer_free(bp_tokenizer *t) {
    if (!t) return;
    bp_specials_free(&t->specials);
    bp_split_free(t->split);
    bp_map_free(&t->by_text);
    free(t->merges);
    free(t->scores);
    free(t->ends);
    free(t->types);
    free(t);
}
