/* SentencePiece-style BPE: spaces are U+2581, pairs merge by the score of their result, characters that are no token
 * become byte tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    out->order = order_of(t->scores[id]);
    out->merged = (int32_t)id;
    return true;
}

static void find_bytes(bp_tokenizer *t) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        uint32_t id;
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        t->byte_ids[byte] = bp_map_find(&t->by_text, text, (size_t)n, &id) ? (int32_t)id : -1;
    }
}

bp_status bp_spm_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.scores");
    if (!key || key->type != BP_GGUF_ARRAY || key->count != t->n)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.scores: not one score a token", bp_gguf_path(file));
    t->scores = bp_new_array(t->n, sizeof *t->scores);
    if (!t->scores) return bp_fail(error, BP_E_NO_MEMORY, "tokenizer's scores: out of memory");
    for (uint32_t i = 0; i < t->n; i++) {
        double score;
        if (!bp_gguf_float(key, i, &score))
            return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.scores[%u]: not a number", bp_gguf_path(file), i);
        t->scores[i] = (float)score;
    }
    find_bytes(t);
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

static bool add_bytes(const bp_tokenizer *t, const unsigned char *bytes, uint32_t n, bp_tokens *out) {
    bool ok = true, all = true;
    for (uint32_t i = 0; i < n; i++) all = all && t->byte_ids[bytes[i]] >= 0;
    if (!all) return t->unknown < 0 || bp_tokens_add(out, t->unknown);
    for (uint32_t i = 0; ok && i < n; i++) ok = bp_tokens_add(out, t->byte_ids[bytes[i]]);
    return ok;
}

bp_status bp_spm_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    if (!n) return BP_OK;
    if (!fill_symbols(t, s, text, n)) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    bp_merge_run(s, text, find_pair, t);
    bool ok = true;
    for (int32_t i = 0; ok && i >= 0; i = s->symbols[i].next) {
        const bp_symbol *symbol = &s->symbols[i];
        if (symbol->id >= 0) ok = bp_tokens_add(out, symbol->id);
        else ok = add_bytes(t, (const unsigned char *)text + symbol->start, symbol->length, out);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}
