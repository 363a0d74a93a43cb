#include "core/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

static bp_status no_memory(bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

/* The pieces between tokens that are matched in the text are encoded one by one. */
struct encoding {
    const bp_tokenizer *t;
    bp_scratch scratch;
    bp_tokens *out;
};

static bp_status encode_piece(struct encoding *c, const char *text, size_t n, bp_error *e) {
    return n ? c->t->kind->encode(c->t, &c->scratch, text, n, c->out, e) : BP_OK;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The next place from `at` on where a matched token may begin. */
static size_t skip_others(const bp_prefixes *specials, const char *text, size_t at, size_t n) {
    while (at < n && specials->first[(unsigned char)text[at]] == specials->first[(unsigned char)text[at] + 1]) at++;
    return at;
}

static bp_status encode_all(struct encoding *c, const char *text, size_t n, bool control, bp_error *e) {
    size_t start = 0;
    for (size_t at = 0; (at = skip_others(&c->t->specials, text, at, n)) < n;) {
        int32_t id = bp_specials_match(c->t, text + at, n - at, control);
        if (id < 0) {
            at++;
            continue;
        }
        size_t end = at;
        while ((c->t->strips[id] & BP_STRIP_LEFT) && end > start && is_space(text[end - 1])) end--;
        bp_status status = encode_piece(c, text + start, end - start, e);
        if (status != BP_OK) return status;
        if (!bp_tokens_add(c->out, id)) return no_memory(e);
        at += c->t->tokens[id].size;
        while ((c->t->strips[id] & BP_STRIP_RIGHT) && at < n && is_space(text[at])) at++;
        start = at;
    }
    return encode_piece(c, text + start, n - start, e);
}

static bool add_if(bp_tokens *out, bool wanted, int32_t id) { return !wanted || id < 0 || bp_tokens_add(out, id); }

bp_status bp_tokenize(const bp_tokenizer *t, const char *text, size_t n, uint32_t flags, bp_tokens *out, bp_error *e) {
    if (n > BP_MERGE_MAX_TEXT / 4)
        return bp_fail(e, BP_E_REFUSED, "tokenizing: %zu bytes of text; the limit is %d", n, BP_MERGE_MAX_TEXT / 4);
    struct encoding c = { .t = t, .out = out };
    bool ends = !(flags & BP_TOKENIZE_NO_BOS);
    bp_status status = add_if(out, ends && t->add_bos, t->bos) ? BP_OK : no_memory(e);
    if (status == BP_OK) status = encode_all(&c, text, n, flags & BP_TOKENIZE_SPECIAL, e);
    if (status == BP_OK && !(add_if(out, ends && t->add_separator, t->separator) &&
                             add_if(out, ends && t->add_eos && !t->add_separator, t->eos)))
        status = no_memory(e);
    bp_scratch_free(&c.scratch);
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

bp_status bp_token_bytes(const bp_tokenizer *t, int32_t id, bool special, bp_text *out, bp_error *e) {
    if (!is_token(t, id))
        return bp_fail(e, BP_E_INVALID, "token %d: the vocabulary has tokens 0 to %u", id, t->n - 1);
    bp_gguf_string token = t->tokens[id];
    uint8_t type = t->types[id];
    if (bp_type_is_special(type)) {
        if (special) bp_text_add(out, token.data, token.size);
    } else if (type == BP_TOKEN_USER) {
        bp_text_add(out, token.data, token.size);
    } else {
        t->kind->bytes(t, id, out);
    }
    return out->failed ? no_memory(e) : BP_OK;
}

/* Where encoding put a space first: at the start and after each token that was matched in the text. */
static bool drops_space(const bp_tokenizer *t, int32_t id, bool at_start) {
    if (!t->space_prefix || !at_start || !is_token(t, id)) return false;
    return t->types[id] == BP_TOKEN_NORMAL && bp_starts_with_mark(t->tokens[id].data, t->tokens[id].size);
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
