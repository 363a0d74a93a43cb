/* RWKV's tokenizer: always the longest token that the text begins with. The file has the tokens' bytes with \n, \t, \r,
 * \\ and \xHH for those that are no text. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

/* Write the bytes that are meant to `to`, which has room for all of `escaped`; returns how many. */
static size_t unescape(bp_gguf_string escaped, char *to) {
    size_t n = 0;
    for (size_t i = 0; i < escaped.size; i++) {
        char c = escaped.data[i];
        if (c == '\\' && i + 1 < escaped.size) {
            c = escaped.data[++i];
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'r') c = '\r';
            else if (c == 'x' && i + 2 < escaped.size) {
                c = (char)(hex(escaped.data[i + 1]) << 4 | hex(escaped.data[i + 2]));
                i += 2;
            }
        }
        to[n++] = c;
    }
    return n;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < t->n; i++) total += t->tokens[i].size;
    t->unescaped = bp_new_array(total, 1);
    t->prefixes.sorted = bp_new_array(t->n, sizeof *t->prefixes.sorted);
    if (!t->unescaped || !t->prefixes.sorted)
        return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
    char *at = t->unescaped;
    for (uint32_t i = 0; i < t->n; i++) {
        size_t n = unescape(t->tokens[i], at);
        t->prefixes.sorted[t->prefixes.n++] = (bp_prefix){ { at, n }, (int32_t)i, 0 };
        at += n;
    }
    if (bp_prefixes_sort(&t->prefixes)) return BP_OK;
    return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    (void)s;
    bool ok = true;
    for (size_t at = 0, size; ok && at < n; at += size) {
        bp_prefix_walk walk = bp_prefix_begin(&t->prefixes);
        int32_t longest = t->unknown, id;
        size = 1;
        for (size_t i = at; i < n && bp_prefix_step(&t->prefixes, &walk, text[i], &id); i++)
            if (id >= 0) longest = id, size = i + 1 - at;
        ok = longest < 0 || bp_tokens_add(out, longest);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static void bytes(const bp_tokenizer *t, int32_t id, bp_text *out) {
    char small[256], *room = small;
    bp_gguf_string token = t->tokens[id];
    if (token.size > sizeof small && !(room = malloc(token.size))) {
        out->failed = true;
        return;
    }
    bp_text_add(out, room, unescape(token, room));
    if (room != small) free(room);
}

const bp_vocab_kind bp_kind_rwkv = { "rwkv", load, encode, bytes, .bos = -1, .eos = -1, .unknown = -1,
                                     .separator = -1 };
