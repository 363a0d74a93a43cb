#include "core/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

static const char space_mark[] = "\xE2\x96\x81"; /* U+2581 */

bool bp_tokens_add(bp_tokens *tokens, int32_t id) {
    if (!bp_grow((void **)&tokens->ids, &tokens->capacity, tokens->count + 1, sizeof *tokens->ids)) return false;
    tokens->ids[tokens->count++] = id;
    return true;
}

static bp_status no_memory(bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static bool starts_with_mark(const char *text, size_t n) {
    return n >= 3 && !memcmp(text, space_mark, 3);
}

/* The pieces between special tokens are encoded one by one. */
struct encoding {
    const bp_tokenizer *t;
    bp_scratch scratch;
    bp_text marked; /* SPM: the piece with its spaces replaced */
    bp_tokens *out;
};

static bp_status encode_piece(struct encoding *c, const char *text, size_t n, bp_error *e) {
    if (!n) return BP_OK;
    if (!c->t->spm) return bp_bpe_encode(c->t, &c->scratch, text, n, c->out, e);
    bp_text_clear(&c->marked);
    if (c->t->space_prefix) bp_text_adds(&c->marked, space_mark);
    for (size_t at = 0, end; at < n; at = end + 1) {
        const char *space = memchr(text + at, ' ', n - at);
        end = space ? (size_t)(space - text) : n;
        bp_text_add(&c->marked, text + at, end - at);
        if (space) bp_text_adds(&c->marked, space_mark);
    }
    if (c->marked.failed) return no_memory(e);
    return bp_spm_encode(c->t, &c->scratch, c->marked.data, c->marked.size, c->out, e);
}

static bp_status encode_all(struct encoding *c, const char *text, size_t n, bool control, bp_error *e) {
    size_t start = 0;
    for (size_t at = 0; at < n;) {
        int32_t id = bp_specials_match(c->t, text + at, n - at, control);
        if (id < 0) {
            at++;
            continue;
        }
        bp_status status = encode_piece(c, text + start, at - start, e);
        if (status != BP_OK) return status;
        if (!bp_tokens_add(c->out, id)) return no_memory(e);
        start = at += c->t->tokens[id].size;
    }
    return encode_piece(c, text + start, n - start, e);
}

bp_status bp_tokenize(const bp_tokenizer *t, const char *text, size_t n, uint32_t flags, bp_tokens *out, bp_error *e) {
    if (n > BP_MERGE_MAX_TEXT / 4)
        return bp_fail(e, BP_E_REFUSED, "tokenizing: %zu bytes of text; the limit is %d", n, BP_MERGE_MAX_TEXT / 4);
    struct encoding c = { .t = t, .out = out };
    bool ends = !(flags & BP_TOKENIZE_NO_BOS);
    bp_status status = BP_OK;
    if (ends && t->add_bos && t->bos >= 0 && !bp_tokens_add(out, t->bos)) status = no_memory(e);
    if (status == BP_OK) status = encode_all(&c, text, n, flags & BP_TOKENIZE_SPECIAL, e);
    if (status == BP_OK && ends && t->add_eos && t->eos >= 0 && !bp_tokens_add(out, t->eos)) status = no_memory(e);
    bp_scratch_free(&c.scratch);
    bp_text_free(&c.marked);
    return status;
}

int32_t bp_vocab_size(const bp_tokenizer *t) { return (int32_t)t->n; }
int32_t bp_token_bos(const bp_tokenizer *t) { return t->bos; }
int32_t bp_token_eos(const bp_tokenizer *t) { return t->eos; }

static bool is_token(const bp_tokenizer *t, int32_t id) { return id >= 0 && (uint32_t)id < t->n; }

bool bp_token_ends(const bp_tokenizer *t, int32_t id) { return is_token(t, id) && t->ends[id]; }

bool bp_token_is_special(const bp_tokenizer *t, int32_t id) {
    return is_token(t, id) && t->types[id] == BP_TOKEN_CONTROL;
}

int32_t bp_token_find(const bp_tokenizer *t, const char *text) {
    uint32_t id;
    return bp_map_find(&t->by_text, text, strlen(text), &id) ? (int32_t)id : -1;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void spm_bytes(const char *token, size_t n, bool is_byte, bp_text *out) {
    if (is_byte && n == 6 && hex_digit(token[3]) >= 0 && hex_digit(token[4]) >= 0) {
        char byte = (char)(hex_digit(token[3]) << 4 | hex_digit(token[4]));
        bp_text_add(out, &byte, 1);
        return;
    }
    for (size_t at = 0; at < n;) {
        bool mark = starts_with_mark(token + at, n - at);
        bp_text_add(out, mark ? " " : token + at, 1);
        at += mark ? 3 : 1;
    }
}

bp_status bp_token_bytes(const bp_tokenizer *t, int32_t id, bool special, bp_text *out, bp_error *e) {
    if (!is_token(t, id))
        return bp_fail(e, BP_E_INVALID, "token %d: the vocabulary has tokens 0 to %u", id, t->n - 1);
    bp_gguf_string token = t->tokens[id];
    uint8_t type = t->types[id];
    if (bp_type_is_special(type)) {
        if (special) bp_text_add(out, token.data, token.size);
    } else if (type == BP_TOKEN_USER) {
        bp_text_add(out, token.data, token.size);
    } else if (t->spm) {
        spm_bytes(token.data, token.size, type == BP_TOKEN_BYTE, out);
    } else {
        bp_bpe_bytes(token.data, token.size, out);
    }
    return out->failed ? no_memory(e) : BP_OK;
}

/* Where SPM encoding put a space first: at the start and after each token that was matched in the text. */
static bool drops_space(const bp_tokenizer *t, int32_t id, bool at_start) {
    if (!t->spm || !t->space_prefix || !at_start || !is_token(t, id)) return false;
    return t->types[id] == BP_TOKEN_NORMAL && starts_with_mark(t->tokens[id].data, t->tokens[id].size);
}

bp_status bp_detokenize(const bp_tokenizer *t, const int32_t *ids, size_t n, bool special, bp_text *out, bp_error *e) {
    bool at_start = true;
    for (size_t i = 0; i < n; i++) {
        size_t size = out->size;
        bp_status status = bp_token_bytes(t, ids[i], special, out, e);
        if (status != BP_OK) return status;
        if (drops_space(t, ids[i], at_start)) {
            memmove(out->data + size, out->data + size + 1, out->size - size);
            out->size--;
        }
        at_start = bp_type_is_special(t->types[ids[i]]) || t->types[ids[i]] == BP_TOKEN_USER;
    }
    return BP_OK;
}
