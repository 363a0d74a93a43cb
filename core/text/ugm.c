/* Unigram: of all ways to cut a word into tokens the one of the greatest total score, by Viterbi's algorithm.
 * Source: Kudo, "Subword Regularization", 2018, and SentencePiece's definition of normalization. */
#include <float.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/charsmap.h"
#include "core/text/vocab.h"

#define UNKNOWN_PENALTY 10.0 /* below the lowest score, as SentencePiece has it */

static bool is_made_of(const bp_tokenizer *t, uint32_t id) {
    if (t->pipeline) return id < t->n_model && t->tokens[id].size;
    return t->types[id] == BP_TOKEN_NORMAL || t->types[id] == BP_TOKEN_USER || t->types[id] == BP_TOKEN_UNUSED;
}

bool bp_ugm_index(bp_tokenizer *t) {
    double lowest = 0;
    t->prefixes.sorted = bp_new_array(t->n, sizeof *t->prefixes.sorted);
    if (!t->prefixes.sorted) return false;
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->types[i] == BP_TOKEN_NORMAL || (t->pipeline && is_made_of(t, i))) lowest = BP_MIN(lowest, t->scores[i]);
        if (is_made_of(t, i)) t->prefixes.sorted[t->prefixes.n++] = (bp_prefix){ t->tokens[i], (int32_t)i, 0 };
    }
    t->unknown_score = lowest - UNKNOWN_PENALTY;
    return bp_prefixes_sort(&t->prefixes);
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    int64_t merge = 0;
    bp_gguf_int(bp_gguf_find(file, "tokenizer.ggml.remove_extra_whitespaces"), 0, &merge);
    t->merge_spaces = merge;
    t->byte_fallback = bp_load_bytes(t);
    if (!bp_ugm_index(t)) return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
    return bp_charsmap_load(t, file, error);
}

/* The best way to a place in the word. */
typedef struct path {
    double score;
    uint32_t from;
    int32_t id; /* -1: a character that is no token */
} path;

static void offer(path *to, double score, size_t from, int32_t id) {
    if (score > to->score) *to = (path){ score, (uint32_t)from, id };
}

static void find_paths(const bp_tokenizer *t, const char *word, size_t n, path *paths) {
    for (size_t i = 0; i <= n; i++) paths[i] = (path){ i ? -DBL_MAX : 0, 0, -1 };
    for (size_t at = 0, size; at < n; at += size) {
        int length = bp_utf8_length(word + at, n - at);
        bool whole = false; /* is the character a token? */
        bp_prefix_walk walk = bp_prefix_begin(&t->prefixes);
        size = length > 0 ? (size_t)length : 1;
        int32_t id;
        for (size_t i = at; i < n && bp_prefix_step(&t->prefixes, &walk, word[i], &id); i++) {
            if (id < 0) continue;
            whole = whole || i + 1 == at + size;
            double score = t->types[id] == BP_TOKEN_USER && !t->pipeline ? 0 : t->scores[id];
            offer(&paths[i + 1], paths[at].score + score, at, id);
        }
        if (!whole) offer(&paths[at + size], paths[at].score + t->unknown_score, at, -1);
    }
}

/* Each place on the best path, which knows the place before, is told the one that follows instead. */
static void turn(path *paths, size_t n) {
    uint32_t at = (uint32_t)n, next = at;
    int32_t id = -1;
    for (;;) {
        path before = paths[at];
        paths[at].from = next;
        paths[at].id = id;
        if (!at) return;
        next = at;
        id = before.id;
        at = before.from;
    }
}

/* Unknown characters beside each other are one unknown token, unless their bytes are tokens. */
static bool add_path(const bp_tokenizer *t, const char *word, size_t n, const path *paths, bp_tokens *out) {
    bool ok = true, unknown = false;
    for (size_t at = 0, next; ok && at < n; at = next) {
        next = paths[at].from;
        if (paths[at].id >= 0) ok = bp_tokens_add(out, paths[at].id);
        else if (t->byte_fallback) ok = bp_add_unknown(t, word + at, (uint32_t)(next - at), out);
        else if (!unknown && t->unknown >= 0) ok = bp_tokens_add(out, t->unknown);
        unknown = paths[at].id < 0;
    }
    return ok;
}

static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    bool ok = bp_grow(&s->paths, &s->path_room, n + 1, sizeof(path));
    if (ok) {
        find_paths(t, word, n, s->paths);
        turn(s->paths, n);
        ok = add_path(t, word, n, s->paths, out);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

bp_status bp_ugm_piece(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    return bp_encode_marked(t, s, text, n, encode_word, out, e);
}

/* Spaces become U+2581; with merge_spaces each word begins with one and no others are there. */
static void mark_spaces(const bp_tokenizer *t, const char *text, size_t n, bp_text *out) {
    bool in_word = false;
    if (n && t->space_prefix && !t->merge_spaces) bp_add_marked(" ", 1, out);
    for (size_t i = 0; i < n; i++) {
        bool space = text[i] == ' ';
        if (space ? !t->merge_spaces : !in_word && t->merge_spaces) bp_add_marked(" ", 1, out);
        if (!space) bp_text_add(out, text + i, 1);
        in_word = !space;
    }
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    bp_text_clear(&s->normal);
    bp_text_clear(&s->text);
    bp_charsmap_apply(t, text, n, &s->normal);
    mark_spaces(t, bp_text_get(&s->normal), s->normal.size, &s->text);
    if (s->text.failed || s->normal.failed) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    if (!s->text.size) return BP_OK;
    return bp_ugm_piece(t, s, s->text.data, s->text.size, out, e);
}

const bp_vocab_kind bp_kind_ugm = { "t5", load, encode, bp_spm_bytes, .bos = -1, .eos = 1, .unknown = 2,
                                    .separator = -1, .add_eos = true, .needs_scores = true };
