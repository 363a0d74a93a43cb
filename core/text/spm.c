/* SentencePiece-style BPE: spaces are U+2581, pairs merge by the score of their result, characters that are no token
 * become byte tokens. */
#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

/* Scores as numbers of which the highest score is the lowest. */
static uint32_t order_of(float score) {
    uint32_t bits;
    score += 0.0f; /* no -0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : 0x7FFFFFFF - bits;
}

static bool find_pair(const void *self, const char *text, const bp_symbol *left, const bp_symbol *right,
                      bp_candidate *out) {
    const bp_tokenizer *t = self;
    uint32_t id, n = left->length + right->length;
    if (n > t->longest || !bp_map_find(&t->by_text, text + left->start, n, &id)) return false;
    if (bp_type_is_special(t->types[id]) || t->types[id] == BP_TOKEN_BYTE) return false;
    out->order = order_of((float)t->scores[id]);
    out->merged = (int32_t)id;
    return true;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    bp_load_bytes(t);
    t->joined = bp_new_array((1 << 16) / 8, 1);
    if (!t->joined) return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
    for (uint32_t i = 0; i < t->n; i++)
        for (uint64_t k = 1; k < t->tokens[i].size; k++) bp_join(t, t->tokens[i].data[k - 1], t->tokens[i].data[k]);
    return BP_OK;
}

static int32_t find_character(const bp_tokenizer *t, const char *text, size_t n) {
    uint32_t id;
    bool found = bp_map_find(&t->by_text, text, n, &id) && !bp_type_is_special(t->types[id]);
    return found ? (int32_t)id : -1;
}

static bool fill_symbols(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n) {
    if (!bp_merge_reserve(s, n)) return false;
    s->n_symbols = 0;
    for (size_t at = 0; at < n;) {
        int length = bp_utf8_length(text + at, n - at);
        size_t taken = length > 0 ? (size_t)length : 1;
        s->symbols[s->n_symbols++] = (bp_symbol){
            .start = (uint32_t)at, .length = (uint32_t)taken, .id = find_character(t, text + at, taken)
        };
        at += taken;
    }
    return true;
}

static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                             bp_error *e) {
    bool ok = fill_symbols(t, s, text, n);
    if (ok) bp_merge_run(s, text, find_pair, t);
    for (int32_t i = 0; ok && i >= 0; i = s->symbols[i].next) {
        const bp_symbol *symbol = &s->symbols[i];
        if (symbol->id >= 0) ok = bp_tokens_add(out, symbol->id);
        else ok = bp_add_unknown(t, text + symbol->start, symbol->length, out);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    bp_text_clear(&s->text);
    if (t->space_prefix) bp_add_marked(" ", 1, &s->text);
    bp_add_marked(text, n, &s->text);
    if (s->text.failed) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    return bp_encode_marked(t, s, s->text.data, s->text.size, encode_word, out, e);
}

const bp_vocab_kind bp_kind_spm = { "llama", load, encode, bp_spm_bytes, .bos = 1, .eos = 2, .unknown = 0,
                                    .separator = -1, .add_bos = true, .space_prefix = true, .needs_scores = true };
