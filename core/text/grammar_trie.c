#include "core/text/grammar_trie.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

typedef struct token_bytes {
    const char *bytes;
    uint32_t n;
    int32_t id;
} token_bytes;

static int by_bytes(const void *x, const void *y) {
    const token_bytes *a = x, *b = y;
    const size_t n = BP_MIN(a->n, b->n);
    int order = n ? memcmp(a->bytes, b->bytes, n) : 0;
    if (order) return order;
    return a->n != b->n ? (a->n < b->n ? -1 : 1) : a->id < b->id ? -1 : 1;
}

static uint32_t shared(const token_bytes *a, const token_bytes *b) {
    uint32_t n = 0, most = BP_MIN(a->n, b->n);
    while (n < most && a->bytes[n] == b->bytes[n]) n++;
    return n;
}

static void close_nodes(bp_grammar_vocab *v, uint32_t *path, uint32_t depth, uint32_t to) {
    for (; depth > to; depth--) v->nodes[path[depth]].after = v->n_nodes;
}

static void add_token(bp_grammar_vocab *v, uint32_t *path, const token_bytes *t, uint32_t from, uint32_t rank) {
    for (uint32_t depth = from + 1; depth <= t->n; depth++) {
        path[depth] = v->n_nodes;
        v->nodes[v->n_nodes++] = (bp_trie_node){ 0, rank, (uint16_t)depth, (uint8_t)t->bytes[depth - 1] };
    }
    v->ids[rank] = t->id;
}

/* Nodes of sorted tokens: each begins where it parts from the one before. */
static bool make_nodes(bp_grammar_vocab *v, const token_bytes *sorted, uint32_t n) {
    uint32_t path[BP_TRIE_LONGEST + 1] = { 0 }, depth = 0;
    size_t total = 2;
    for (uint32_t i = 0; i < n; i++) total += sorted[i].n - (i ? shared(&sorted[i - 1], &sorted[i]) : 0);
    v->nodes = bp_new_array(total, sizeof *v->nodes);
    v->ids = bp_new_array(n, sizeof *v->ids);
    if (!v->nodes || !v->ids) return false;
    v->nodes[v->n_nodes++] = (bp_trie_node){ 0 };
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = i ? shared(&sorted[i - 1], &sorted[i]) : 0;
        close_nodes(v, path, depth, from);
        add_token(v, path, &sorted[i], from, i);
        depth = sorted[i].n;
        v->longest = BP_MAX(v->longest, depth);
    }
    close_nodes(v, path, depth, 0);
    v->nodes[0].after = v->n_nodes;
    v->nodes[v->n_nodes] = (bp_trie_node){ .first = n };
    return true;
}

static bool build(bp_grammar_vocab *v) {
    token_bytes *sorted = bp_new_array((size_t)v->n_tokens, sizeof *sorted);
    uint32_t n = 0;
    for (int32_t id = 0; sorted && id < v->n_tokens; id++) {
        uint32_t length = v->offsets[id + 1] - v->offsets[id];
        bool used = length && length <= BP_TRIE_LONGEST && !(v->ends[id / 64] >> (id % 64) & 1);
        if (used) sorted[n++] = (token_bytes){ v->bytes + v->offsets[id], length, id };
    }
    if (n) qsort(sorted, n, sizeof *sorted, by_bytes);
    bool done = sorted && make_nodes(v, sorted, n);
    free(sorted);
    return done;
}

static bp_grammar_vocab *begin(int32_t n) {
    bp_grammar_vocab *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    v->n_tokens = n;
    v->n_words = ((uint32_t)n + 63) / 64;
    v->ends = bp_new_array(v->n_words, sizeof *v->ends);
    v->offsets = bp_new_array((size_t)n + 1, sizeof *v->offsets);
    if (v->ends && v->offsets) return v;
    bp_grammar_vocab_free(v);
    return NULL;
}

static bp_status finish(bp_grammar_vocab *v, bp_text *bytes, bp_status status, bp_grammar_vocab **out,
                        bp_error *error) {
    if (!status && (bytes->failed || bytes->size > UINT32_MAX)) status = BP_E_NO_MEMORY;
    v->bytes = bytes->data;
    if (!status && !build(v)) status = BP_E_NO_MEMORY;
    if (status == BP_E_NO_MEMORY) bp_fail(error, status, "no memory for a trie of %d tokens", v->n_tokens);
    if (status) bp_grammar_vocab_free(v);
    else *out = v;
    return status;
}

static bp_status check_count(int32_t n, bp_error *error) {
    enum { MOST = 1 << 26 };
    return n > 0 && n <= MOST ? BP_OK : bp_fail(error, BP_E_INVALID, "a vocabulary of %d tokens", n);
}

bp_status bp_grammar_vocab_new(const bp_tokenizer *t, int32_t n_tokens, bp_grammar_vocab **out, bp_error *error) {
    int32_t n = n_tokens ? n_tokens : bp_vocab_size(t);
    bp_status status = check_count(n, error);
    if (status) return status;
    bp_grammar_vocab *v = begin(n);
    if (!v) return bp_fail(error, BP_E_NO_MEMORY, "no memory for a trie of %d tokens", n);
    bp_text bytes = { 0 };
    for (int32_t id = 0; id < n && !status; id++) {
        bool there = id < bp_vocab_size(t);
        if (there && bp_token_ends(t, id)) v->ends[id / 64] |= UINT64_C(1) << (id % 64);
        if (there) status = bp_token_bytes(t, id, false, &bytes, error);
        v->offsets[id + 1] = (uint32_t)bytes.size;
    }
    v->tokenizer = t;
    return finish(v, &bytes, status, out, error);
}

bp_status bp_grammar_vocab_shared(const bp_tokenizer *t, const bp_grammar_vocab **out, bp_error *error) {
    bp_tokenizer *keeper = (bp_tokenizer *)(uintptr_t)t; /* of which nothing else changes */
    bp_grammar_vocab *there = atomic_load(&keeper->trie), *made = NULL;
    bp_status status = there ? BP_OK : bp_grammar_vocab_new(t, 0, &made, error);
    if (made && atomic_compare_exchange_strong(&keeper->trie, &there, made)) there = made;
    else bp_grammar_vocab_free(made); /* another thread was faster */
    *out = there;
    return status;
}

bp_status bp_grammar_vocab_of(const bp_grammar_token *tokens, int32_t n, bp_grammar_vocab **out, bp_error *error) {
    bp_status status = check_count(n, error);
    if (status) return status;
    bp_grammar_vocab *v = begin(n);
    if (!v) return bp_fail(error, BP_E_NO_MEMORY, "no memory for a trie of %d tokens", n);
    bp_text bytes = { 0 };
    for (int32_t id = 0; id < n; id++) {
        if (tokens[id].ends) v->ends[id / 64] |= UINT64_C(1) << (id % 64);
        bp_text_add(&bytes, tokens[id].bytes, tokens[id].n);
        v->offsets[id + 1] = (uint32_t)bytes.size;
    }
    return finish(v, &bytes, status, out, error);
}

void bp_grammar_vocab_free(bp_grammar_vocab *v) {
    if (!v) return;
    free(v->ends);
    free(v->bytes);
    free(v->offsets);
    free(v->nodes);
    free(v->ids);
    free(v);
}

int32_t bp_grammar_vocab_find(const bp_grammar_vocab *v, const char *text, size_t n) {
    char copy[BP_TRIE_LONGEST + 1];
    if (n > BP_TRIE_LONGEST) return -1;
    if (v->tokenizer) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        return bp_token_find(v->tokenizer, copy);
    }
    for (int32_t id = 0; id < v->n_tokens; id++)
        if (v->offsets[id + 1] - v->offsets[id] == n && !memcmp(v->bytes + v->offsets[id], text, n)) return id;
    return -1;
}
