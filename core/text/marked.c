/* Texts whose spaces are written as U+2581, and words that are encoded one by one. */
#include <stdio.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

static const char mark[] = "\xE2\x96\x81";

bool bp_tokens_grow(bp_tokens *tokens) {
    void *ids = tokens->ids;
    bool done = bp_grow(&ids, &tokens->capacity, tokens->count + 1, sizeof *tokens->ids);
    tokens->ids = ids;
    return done;
}

static bool append_kept(const bp_words *words, const bp_word *word, bp_tokens *out) {
    bool done = true;
    for (size_t i = 0; done && i < word->n_ids; i++) done = bp_tokens_add(out, words->ids.ids[word->ids + i]);
    return done;
}

bp_status bp_encode_kept(const bp_tokenizer *t, bp_scratch *s, bp_words *words, const char *word, size_t n,
                         bp_word_fn *encode, bp_tokens *out, bp_error *e) {
    if (n > BP_LONGEST_KEPT_WORD) return encode(t, s, word, n, out, e);
    uint64_t hash = bp_word_hash(word, n);
    const bp_word *kept = bp_words_find(words, word, n, hash);
    if (kept)
        return append_kept(words, kept, out) ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    size_t before = out->count;
    bp_status status = encode(t, s, word, n, out, e);
    size_t n_ids = out->count - before;
    if (status == BP_OK) bp_words_add(words, word, n, hash, n_ids ? out->ids + before : NULL, n_ids);
    return status;
}

bp_status bp_encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_word_fn *encode,
                         bp_tokens *out, bp_error *e) {
    return bp_encode_kept(t, s, &s->words, word, n, encode, out, e);
}

/* The end of the word that begins at `at`: the next U+2581 that another character precedes. */
static size_t word_end(const char *text, size_t at, size_t n) {
    while (at < n && bp_starts_with_mark(text + at, n - at)) at += 3;
    for (const char *next; at < n; at = (size_t)(next - text) + 1) {
        next = memchr(text + at, mark[0], n - at);
        if (!next) return n;
        if (bp_starts_with_mark(next, (size_t)(text + n - next))) return (size_t)(next - text);
    }
    return n;
}

/* A long word is cut between characters that no merge joins. */
static bp_status encode_long(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_word_fn *encode,
                             bp_tokens *out, bp_error *e) {
    bool cuts = t->joined && n > BP_LONGEST_KEPT_WORD;
    bp_status status = BP_OK;
    for (size_t at = 0, end; status == BP_OK && at < n; at = end) {
        for (end = cuts ? at + 1 : n; end < n; end++)
            if (((unsigned char)word[end] & 0xC0) != 0x80 && !bp_is_joined(t, word[end - 1], word[end])) break;
        status = bp_encode_word(t, s, word + at, end - at, encode, out, e);
    }
    return status;
}

bp_status bp_encode_marked(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_word_fn *encode,
                           bp_tokens *out, bp_error *e) {
    bp_status status = BP_OK;
    for (size_t at = 0, end; status == BP_OK && at < n; at = end) {
        end = t->words_apart ? word_end(text, at, n) : n;
        status = encode_long(t, s, text + at, end - at, encode, out, e);
    }
    return status;
}

void bp_add_marked(const char *text, size_t n, bp_text *out) {
    for (size_t at = 0, end; at < n; at = end + 1) {
        const char *space = memchr(text + at, ' ', n - at);
        end = space ? (size_t)(space - text) : n;
        bp_text_add(out, text + at, end - at);
        if (space) bp_text_add(out, mark, 3);
    }
}

void bp_add_unmarked(const char *text, size_t n, bp_text *out) {
    for (size_t at = 0; at < n;) {
        bool is_mark = bp_starts_with_mark(text + at, n - at);
        bp_text_add(out, is_mark ? " " : text + at, 1);
        at += is_mark ? 3 : 1;
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void bp_spm_bytes(const bp_tokenizer *t, int32_t id, bp_text *out) {
    bp_gguf_string token = t->tokens[id];
    bool is_byte = t->types[id] == BP_TOKEN_BYTE && token.size == 6;
    if (is_byte && hex_digit(token.data[3]) >= 0 && hex_digit(token.data[4]) >= 0) {
        char byte = (char)(hex_digit(token.data[3]) << 4 | hex_digit(token.data[4]));
        bp_text_add(out, &byte, 1);
    } else {
        bp_add_unmarked(token.data, token.size, out);
    }
}

bool bp_load_bytes(bp_tokenizer *t) {
    bool all = true;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        uint32_t id;
        int n = snprintf(text, sizeof text, "<0x%02X>", byte);
        t->byte_ids[byte] = bp_map_find(&t->by_text, text, (size_t)n, &id) ? (int32_t)id : -1;
        all = all && t->byte_ids[byte] >= 0;
    }
    return all;
}

bool bp_has_bytes(const bp_tokenizer *t, const char *character, uint32_t n) {
    bool all = true;
    for (uint32_t i = 0; i < n; i++) all = all && t->byte_ids[(unsigned char)character[i]] >= 0;
    return all;
}

bool bp_add_unknown(const bp_tokenizer *t, const char *character, uint32_t n, bp_tokens *out) {
    const unsigned char *bytes = (const unsigned char *)character;
    bool ok = true;
    if (!bp_has_bytes(t, character, n)) return t->unknown < 0 || bp_tokens_add(out, t->unknown);
    for (uint32_t i = 0; ok && i < n; i++) ok = bp_tokens_add(out, t->byte_ids[bytes[i]]);
    return ok;
}
