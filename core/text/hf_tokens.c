/* The vocabulary and the added tokens of a tokenizer.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/hf.h"

enum { MOST_HOLES = 1 << 16 }; /* ids below the greatest that no token has */

/* The next id that a token is told to have; greatest is raised. */
static bool take_id(bp_hf *h, const json_t *value, const char *where, json_int_t *greatest) {
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    if (id < 0 || id >= INT32_MAX) bp_hf_wrong(h, "%s: an id that is no number of a token", where);
    else *greatest = BP_MAX(*greatest, id);
    return h->status == BP_OK;
}

/* How many ids there are: the greatest and one. */
static void count_ids(bp_hf *h) {
    const json_t *vocab = json_object_get(h->model, "vocab"), *added = json_object_get(h->root, "added_tokens"), *item;
    json_int_t greatest = -1;
    const char *key;
    size_t i, count = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
    bool list = h->t->kind->model[0] == 'U';
    if (list ? !json_is_array(vocab) : !json_is_object(vocab))
        bp_hf_wrong(h, "model.vocab: %s", list ? "no list of pairs" : "no table from tokens to ids");
    if (list) greatest = (json_int_t)count - 1;
    else json_object_foreach((json_t *)vocab, key, item) if (!take_id(h, item, "model.vocab", &greatest)) return;
    h->n_vocab = (uint32_t)(greatest + 1);
    json_array_foreach((json_t *)added, i, item) {
        if (!take_id(h, json_object_get(item, "id"), "added_tokens", &greatest)) return;
        if (!json_is_string(json_object_get(item, "content"))) bp_hf_wrong(h, "added_tokens[%zu]: no content", i);
    }
    if (greatest < 0) bp_hf_wrong(h, "model.vocab: no tokens");
    if (greatest >= (json_int_t)(count + json_array_size(added) + MOST_HOLES))
        bp_hf_wrong(h, "model.vocab: ids up to %lld for %zu tokens", (long long)greatest, count);
    h->t->n = (uint32_t)(greatest + 1);
}

static bp_gguf_string *allocate(bp_hf *h) {
    bp_tokenizer *t = h->t;
    bp_gguf_string *tokens = bp_arena_alloc(&t->arena, t->n * sizeof *tokens);
    t->types = bp_new_array(t->n, 1);
    t->strips = bp_new_array(t->n, 1);
    t->ends = bp_new_array(t->n, sizeof *t->ends);
    t->scores = bp_new_array(t->n, sizeof *t->scores);
    if (!tokens || !t->types || !t->strips || !t->ends || !t->scores) {
        bp_hf_no_memory(h);
        return NULL;
    }
    memset(t->types, BP_TOKEN_UNUSED, t->n);
    t->tokens = tokens;
    return tokens;
}

/* As GGUF has WordPiece: tokens that begin words begin with U+2581, others have no mark. */
static bp_gguf_string marked(bp_hf *h, const char *text, size_t n) {
    const char *prefix = bp_hf_text(h->model, "continuing_subword_prefix");
    size_t n_prefix = strlen(prefix);
    if (n_prefix && n >= n_prefix && !memcmp(text, prefix, n_prefix)) return bp_hf_keep(h, text + n_prefix, n - n_prefix);
    bp_text with = { 0 };
    bp_text_adds(&with, "\xE2\x96\x81");
    bp_text_add(&with, text, n);
    bp_gguf_string kept = bp_hf_keep(h, bp_text_get(&with), with.size);
    if (with.failed) bp_hf_no_memory(h);
    bp_text_free(&with);
    return kept;
}

static void add_token(bp_hf *h, bp_gguf_string *tokens, uint32_t id, const char *text, size_t n) {
    bp_tokenizer *t = h->t;
    if (t->types[id] != BP_TOKEN_UNUSED) {
        bp_hf_wrong(h, "model.vocab: two tokens have the id %u", id);
        return;
    }
    tokens[id] = t->kind->model[0] == 'W' ? marked(h, text, n) : bp_hf_keep(h, text, n);
    t->types[id] = BP_TOKEN_NORMAL;
    t->longest = BP_MAX(t->longest, tokens[id].size);
    if (tokens[id].size && bp_map_add(&t->by_text, tokens[id].data, tokens[id].size, id) == BP_MAP_NO_MEMORY)
        bp_hf_no_memory(h);
}

static void add_scored(bp_hf *h, bp_gguf_string *tokens, uint32_t id, const json_t *pair) {
    const json_t *text = json_array_get(pair, 0), *score = json_array_get(pair, 1);
    if (!json_is_string(text) || !json_is_number(score) || !isfinite(json_number_value(score))) {
        bp_hf_wrong(h, "model.vocab[%u]: not a token and its score", id);
        return;
    }
    add_token(h, tokens, id, json_string_value(text), json_string_length(text));
    h->t->scores[id] = json_number_value(score);
}

/* An added token may be one of the model's. */
static void add_added(bp_hf *h, bp_gguf_string *tokens, const json_t *item) {
    bp_tokenizer *t = h->t;
    uint32_t id = (uint32_t)json_integer_value(json_object_get(item, "id"));
    const json_t *content = json_object_get(item, "content");
    bool word_piece = t->kind->model[0] == 'W', own = t->types[id] == BP_TOKEN_UNUSED;
    if (own || word_piece) tokens[id] = bp_hf_keep(h, json_string_value(content), json_string_length(content));
    t->types[id] = bp_hf_yes(item, "special", false) ? BP_TOKEN_CONTROL : BP_TOKEN_USER;
    t->strips[id] = (uint8_t)((bp_hf_yes(item, "lstrip", false) ? BP_STRIP_LEFT : 0) |
                              (bp_hf_yes(item, "rstrip", false) ? BP_STRIP_RIGHT : 0) |
                              (bp_hf_yes(item, "single_word", false) ? BP_STRIP_ALONE : 0));
    t->longest = BP_MAX(t->longest, tokens[id].size);
    if (tokens[id].size && bp_map_add(&t->by_text, tokens[id].data, tokens[id].size, id) == BP_MAP_NO_MEMORY)
        bp_hf_no_memory(h);
}

void bp_hf_read_tokens(bp_hf *h) {
    count_ids(h);
    bp_gguf_string *tokens = h->status == BP_OK ? allocate(h) : NULL;
    if (!tokens) return;
    json_t *vocab = json_object_get(h->model, "vocab"), *item;
    const char *key;
    size_t i;
    if (json_is_array(vocab)) json_array_foreach(vocab, i, item) add_scored(h, tokens, (uint32_t)i, item);
    else json_object_foreach(vocab, key, item) add_token(h, tokens, (uint32_t)json_integer_value(item), key, strlen(key));
    json_array_foreach(json_object_get(h->root, "added_tokens"), i, item)
        if (h->status == BP_OK) add_added(h, tokens, item);
}

static bool is_normalized(const json_t *item) {
    return bp_hf_yes(item, "normalized", !bp_hf_yes(item, "special", false));
}

/* The text that an added token is matched by, in the normalised text. */
static bp_gguf_string normalized(bp_hf *h, bp_scratch *s, const json_t *content) {
    const char *text = json_string_value(content);
    size_t n = json_string_length(content);
    if (bp_pipeline_normalize(h->t, s, &text, &n, h->error) == BP_OK) return bp_hf_keep(h, text, n);
    bp_hf_no_memory(h);
    return (bp_gguf_string){ "", 0 };
}

void bp_hf_read_added(bp_hf *h) {
    const json_t *added = json_object_get(h->root, "added_tokens"), *item;
    bp_prefixes *raw = &h->t->specials, *late = &h->p->normalized;
    bp_scratch scratch = { 0 };
    size_t i, n = json_array_size(added);
    raw->sorted = bp_new_array(n, sizeof *raw->sorted);
    late->sorted = bp_new_array(n, sizeof *late->sorted);
    if (!raw->sorted || !late->sorted) bp_hf_no_memory(h);
    json_array_foreach((json_t *)added, i, item) {
        if (h->status != BP_OK) break;
        const json_t *content = json_object_get(item, "content");
        bp_prefixes *to = is_normalized(item) ? late : raw;
        bp_gguf_string text = to == late ? normalized(h, &scratch, content)
                                         : bp_hf_keep(h, json_string_value(content), json_string_length(content));
        int32_t id = (int32_t)json_integer_value(json_object_get(item, "id"));
        to->sorted[to->n++] = (bp_prefix){ text, id, !bp_hf_yes(item, "special", false) }; /* special ones first */
    }
    if (h->status == BP_OK && !(bp_prefixes_sort(raw) && bp_prefixes_sort(late))) bp_hf_no_memory(h);
    bp_scratch_free(&scratch);
}
