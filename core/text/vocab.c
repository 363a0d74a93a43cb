#define _GNU_SOURCE
#include "core/text/vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/size.h"
#include "core/text/grammar.h"
#include "core/text/pipeline.h"

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
    if (!bp_map_reserve(&t->by_text, t->n)) return no_memory(file, error);
    for (uint32_t i = 0; i < t->n; i++) {
        bp_gguf_string token = t->tokens[i];
        if (token.size > UINT32_MAX)
            return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.tokens[%u]: too long", bp_gguf_path(file), i);
        int added = token.size ? bp_map_add(&t->by_text, token.data, token.size, i) : BP_MAP_ADDED;
        if (added == BP_MAP_NO_MEMORY) return no_memory(file, error);
        t->has_equals = t->has_equals || added == BP_MAP_THERE;
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

/* Tokens that the model's authors never want sampled. */
static bp_status load_suppressed(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    static const char name[] = "tokenizer.ggml.suppress_tokens";
    const bp_gguf_key *key = bp_gguf_find(file, name);
    if (!key) return BP_OK;
    if (key->type != BP_GGUF_ARRAY || (key->item_type != BP_GGUF_I32 && key->item_type != BP_GGUF_U32))
        return bp_fail(error, BP_E_INVALID, "%s: %s: not an array of int32 or uint32", bp_gguf_path(file), name);
    if (key->count > t->n)
        return bp_fail(error, BP_E_INVALID, "%s: %s: more ids than the vocabulary has tokens", bp_gguf_path(file), name);
    for (uint64_t i = 0; i < key->count; i++) {
        int64_t id = -1;
        if (!bp_gguf_int(key, i, &id) || id < 0 || id >= t->n)
            return bp_fail(error, BP_E_INVALID, "%s: %s[%u]: token %lld: the vocabulary has tokens 0 to %u",
                           bp_gguf_path(file), name, (unsigned)i, (long long)id, t->n - 1);
        if (!bp_tokens_add(&t->suppressed, (int32_t)id)) return no_memory(file, error);
    }
    return BP_OK;
}

static bool yes_of(const bp_gguf *file, const char *name, bool fallback) {
    int64_t value = fallback;
    bp_gguf_int(bp_gguf_find(file, name), 0, &value);
    return value;
}

static void mark_end(bp_tokenizer *t, int32_t id) {
    if (id >= 0) t->ends[id] = true;
}

/* A user-defined token that ends texts is a control token: what a user writes must not end a turn unasked. So is a
 * normal one that no merge of words would make (files that were converted wrongly). */
static void mark_end_text(bp_tokenizer *t, const char *text) {
    int32_t id = bp_token_find(t, text);
    bool odd = id >= 0 && t->types[id] == BP_TOKEN_NORMAL && !strncmp(text, "<|", 2) && !t->pipeline;
    if (id < 0 || (t->types[id] == BP_TOKEN_NORMAL && !odd)) return;
    if (odd || t->types[id] == BP_TOKEN_USER) t->types[id] = BP_TOKEN_CONTROL;
    t->ends[id] = true;
}

void bp_find_ends(bp_tokenizer *t) {
    static const char *const texts[] = { "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>",
        "<|eot|>", "<|eom|>", "<end_of_turn>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|EOT|>", "<|END_OF_TURN_TOKEN|>",
        "<|end_of_turn|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_utterance>", "<turn|>", "[e~[",
        "<|tool_response>", "<|ifm|im_end|>", "<eos>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
        "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>" };
    mark_end(t, t->eos);
    for (size_t i = 0; i < BP_COUNT(texts); i++) mark_end_text(t, texts[i]);
    bool many = bp_token_find(t, "<|call|>") >= 0 || bp_token_find(t, "<|calls|>") >= 0;
    if (!many) mark_end_text(t, "<|end|>"); /* else it ends one of many messages */
}

/* Some keys have had two names. */
static int32_t id_of_either(const bp_tokenizer *t, const bp_gguf *file, const char *name, const char *other,
                            int32_t fallback) {
    return id_of(t, file, bp_gguf_find(file, name) ? name : other, fallback);
}

static bool add_if(bp_tokens *list, bool wanted, int32_t id) { return !wanted || id < 0 || bp_tokens_add(list, id); }

static bool load_ids(bp_tokenizer *t, const bp_gguf *file) {
    const bp_vocab_kind *kind = t->kind;
    uint32_t flags = t->flags;
    t->bos = id_of_either(t, file, "tokenizer.ggml.bos_token_id", "tokenizer.ggml.cls_token_id", kind->bos);
    t->eos = id_of(t, file, "tokenizer.ggml.eos_token_id", kind->eos);
    t->unknown = id_of(t, file, "tokenizer.ggml.unknown_token_id", kind->unknown);
    t->separator = id_of_either(t, file, "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.separator_token_id",
                                kind->separator);
    bool add_bos = yes_of(file, "tokenizer.ggml.add_bos_token", kind->add_bos || flags & BP_SPLIT_BOS);
    bool add_eos = yes_of(file, "tokenizer.ggml.add_eos_token", kind->add_eos);
    if (flags & BP_SPLIT_NEWLINES || kind->add_separator) add_bos = true; /* files that say no are wrong */
    t->space_prefix = kind->bytes == bp_spm_bytes && yes_of(file, "tokenizer.ggml.add_space_prefix",
                                                                 kind->space_prefix);
    bp_find_ends(t);
    mark_end(t, id_of(t, file, "tokenizer.ggml.eot_token_id", -1));
    mark_end(t, id_of(t, file, "tokenizer.ggml.eom_token_id", -1));
    return add_if(&t->begin, add_bos, t->bos) && add_if(&t->end, kind->add_separator, t->separator) &&
           add_if(&t->end, add_eos && !kind->add_separator, t->eos);
}

static bp_status load_split(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_gguf_string name = { t->kind->model, strlen(t->kind->model) };
    bool named = t->kind == &bp_kind_gemma4;
    if (!named && !bp_gguf_string_at(bp_gguf_find(file, "tokenizer.ggml.pre"), 0, &name)) {
        bp_log(BP_LOG_WARN, "%s: tokenizer.ggml.pre is missing: using \"default\"", bp_gguf_path(file));
        name = (bp_gguf_string){ "default", 7 };
    }
    bp_status status = bp_split_new(name.data, name.size, &t->split, error);
    if (status != BP_OK) return bp_fail_in(error, "%s: ", bp_gguf_path(file));
    t->flags = bp_split_flags(t->split);
    t->pre = bp_split_variant(name.data, name.size, 0, 0);
    return BP_OK;
}

static bp_status load_scores(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.scores");
    if (!key || key->type != BP_GGUF_ARRAY || key->count != t->n)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.scores: not one score a token", bp_gguf_path(file));
    t->scores = bp_new_array(t->n, sizeof *t->scores);
    if (!t->scores) return no_memory(file, error);
    for (uint32_t i = 0; i < t->n; i++) {
        double score;
        if (!bp_gguf_float(key, i, &score) || isnan(score))
            return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.scores[%u]: not a number", bp_gguf_path(file), i);
        t->scores[i] = (float)score;
    }
    return BP_OK;
}

static const bp_vocab_kind *const kinds[] = { &bp_kind_bpe, &bp_kind_spm, &bp_kind_wpm, &bp_kind_ugm, &bp_kind_rwkv,
                                              &bp_kind_gemma4, &bp_kind_plamo2 };

static bp_status load_kind(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_gguf_string model;
    if (!bp_gguf_string_at(bp_gguf_find(file, "tokenizer.ggml.model"), 0, &model))
        return bp_fail(error, BP_E_INVALID, "%s: no tokenizer.ggml.model: the file has no tokenizer",
                       bp_gguf_path(file));
    bp_text known = { 0 };
    for (size_t i = 0; i < BP_COUNT(kinds); i++) {
        if (is_text(model, kinds[i]->model)) t->kind = kinds[i];
        bp_text_format(&known, "%s%s", i ? ", " : "", kinds[i]->model);
    }
    if (!t->kind)
        bp_fail(error, BP_E_UNSUPPORTED, "%s: tokenizer.ggml.model: unknown kind \"%.*s\" (known: %s)",
                bp_gguf_path(file), (int)BP_MIN(model.size, 64), model.data, bp_text_get(&known));
    bp_text_free(&known);
    return t->kind ? BP_OK : BP_E_UNSUPPORTED;
}

/* Does a U+2581 follow another character in the token? */
static bool spans_words(bp_gguf_string token) {
    size_t at = 0;
    while (at < token.size && bp_starts_with_mark(token.data + at, token.size - at)) at += 3;
    for (; at < token.size; at++)
        if (bp_starts_with_mark(token.data + at, token.size - at)) return true;
    return false;
}

void bp_find_word_spans(bp_tokenizer *t) {
    t->words_apart = bp_token_find(t, "\xE2\x96\x81") >= 0; /* else unknown characters could meet across words */
    for (uint32_t i = 0; t->words_apart && i < t->n; i++)
        t->words_apart = bp_type_is_special(t->types[i]) || !spans_words(t->tokens[i]);
}

static bool contains(bp_gguf_string text, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; n <= text.size && i <= text.size - n; i++)
        if (!strncasecmp(text.data + i, word, n)) return true;
    return false;
}

static bool names(const bp_gguf *file, const char *key, const char *const *words, size_t n) {
    bp_gguf_string text;
    if (!bp_gguf_string_at(bp_gguf_find(file, key), 0, &text)) return false;
    for (size_t i = 0; i < n; i++)
        if (contains(text, words[i])) return true;
    return false;
}

static void strip_beside(bp_tokenizer *t, const char *token, uint8_t strip) {
    int32_t id = bp_token_find(t, token);
    if (id >= 0) t->strips[id] = strip;
}

/* GGUF has no key for the white space that a model's added tokens take with them: known by the model's name, as in
 * llama.cpp. */
static bool load_strips(bp_tokenizer *t, const bp_gguf *file) {
    static const char *const phi[] = { "phi-3", "phi3" }, *const modern[] = { "modern-bert" },
                             *const pre[] = { "jina-v2-de", "jina-v2-es", "jina-v2-code" },
                             *const arch[] = { "nomic-bert-moe", "jina-bert-v3" };
    t->strips = bp_new_array(t->n, sizeof *t->strips);
    if (!t->strips) return false;
    if (names(file, "tokenizer.ggml.pre", pre, BP_COUNT(pre)) ||
        names(file, "general.architecture", arch, BP_COUNT(arch))) {
        strip_beside(t, "<mask>", BP_STRIP_LEFT);
    } else if (names(file, "general.name", phi, BP_COUNT(phi))) {
        for (uint32_t i = 0; i < t->n; i++)
            if (bp_type_is_special(t->types[i]) || t->types[i] == BP_TOKEN_USER) t->strips[i] = BP_STRIP_RIGHT;
        strip_beside(t, "</s>", BP_STRIP_RIGHT);
        strip_beside(t, "<unk>", 0);
        strip_beside(t, "<s>", 0);
        strip_beside(t, "<|endoftext|>", 0);
    } else if (names(file, "general.name", modern, BP_COUNT(modern))) {
        strip_beside(t, "[MASK]", BP_STRIP_LEFT);
    }
    return true;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_status status = load_kind(t, file, error);
    if (status == BP_OK) status = load_tokens(t, file, error);
    if (status == BP_OK) status = load_types(t, file, error);
    if (status == BP_OK && t->kind->needs_scores) status = load_scores(t, file, error);
    if (status == BP_OK && t->kind->bytes == bp_kind_bpe.bytes) status = load_split(t, file, error);
    if (status != BP_OK) return status;
    bp_find_word_spans(t);
    if (!load_ids(t, file)) return no_memory(file, error);
    status = load_suppressed(t, file, error);
    if (status == BP_OK) status = t->kind->load(t, file, error);
    if (status != BP_OK) return status;
    return load_strips(t, file) && bp_specials_load(t) ? BP_OK : no_memory(file, error);
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
    bp_prefixes_free(&t->specials);
    bp_prefixes_free(&t->prefixes);
    bp_pipeline_free(t->pipeline);
    bp_grammar_vocab_free(atomic_load(&t->trie));
    bp_arena_free(&t->arena);
    free(t->begin.ids);
    free(t->end.ids);
    free(t->suppressed.ids);
    free(t->unescaped);
    free(t->strips);
    bp_split_free(t->split);
    bp_map_free(&t->by_text);
    free(t->merges);
    free(t->joined);
    free(t->used_early);
    free(t->scores);
    free(t->ends);
    free(t->types);
    free(t);
}
