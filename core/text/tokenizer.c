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

static bp_status encode_piece(void *self, const char *text, size_t n, bool at_start, bp_error *e) {
    struct encoding *c = self;
    c->scratch.at_start = at_start;
    return c->t->kind->encode(c->t, &c->scratch, text, n, c->out, e);
}

static bool add_all(bp_tokens *out, const bp_tokens *list) {
    bool ok = true;
    for (size_t i = 0; ok && i < list->count; i++) ok = bp_tokens_add(out, list->ids[i]);
    return ok;
}

bp_status bp_tokenize(const bp_tokenizer *t, const char *text, size_t n, uint32_t flags, bp_tokens *out, bp_error *e) {
    if (n > BP_MERGE_MAX_TEXT / 4)
        return bp_fail(e, BP_E_REFUSED, "tokenizing: %zu bytes of text; the limit is %d", n, BP_MERGE_MAX_TEXT / 4);
    bool ends = !(flags & BP_TOKENIZE_NO_BOS), control = flags & BP_TOKENIZE_SPECIAL;
    struct encoding c = { .t = t, .out = out, .scratch.control = control };
    if (ends && !add_all(out, &t->begin)) return no_memory(e);
    bp_status status = bp_specials_encode(t, &t->specials, text, n, control, out, encode_piece, &c, e);
    if (status == BP_OK && ends && !add_all(out, &t->end)) status = no_memory(e);
    bp_scratch_free(&c.scratch);
    return status;
}

int32_t bp_vocab_size(const bp_tokenizer *t) { return (int32_t)t->n; }
const char *bp_tokenizer_pre(const bp_tokenizer *t) { return t->pre; }
int32_t bp_token_bos(const bp_tokenizer *t) { return t->bos; }
int32_t bp_token_eos(const bp_tokenizer *t) { return t->eos; }

static bool is_token(const bp_tokenizer *t, int32_t id) { return id >= 0 && (uint32_t)id < t->n; }

bool bp_token_ends(const bp_tokenizer *t, int32_t id) { return is_token(t, id) && t->ends[id]; }

const bp_tokens *bp_tokens_suppressed(const bp_tokenizer *t) { return &t->suppressed; }

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
