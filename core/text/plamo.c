/* PLaMo-2's tokenizer: of all ways to cut a text into tokens the cheapest, found from the end back; a character that no
 * token covers costs more than any, and becomes the tokens of its bytes. Costs are whole numbers, ten thousandths of a
 * score; of ways that cost the same the one with the longer first token is taken. */
#include <math.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

enum { SCALE = 10000, UNKNOWN_COST = 10000000, MOST_COST = 20000000 };

static bool has_cost(const bp_tokenizer *t, uint32_t id) {
    bool text = !bp_type_is_special(t->types[id]) && t->types[id] != BP_TOKEN_BYTE;
    return text && isfinite(t->scores[id]) && fabs(t->scores[id] * (double)SCALE) < MOST_COST;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    if (!bp_load_bytes(t))
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.tokens: not all of <0x00> to <0xFF> are there",
                       bp_gguf_path(file));
    t->prefixes.sorted = bp_new_array(t->n, sizeof *t->prefixes.sorted);
    if (!t->prefixes.sorted) return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
    for (uint32_t i = 0; i < t->n; i++)
        if (has_cost(t, i)) t->prefixes.sorted[t->prefixes.n++] = (bp_prefix){ t->tokens[i], (int32_t)i, 0 };
    if (bp_prefixes_sort(&t->prefixes)) return BP_OK;
    return bp_fail(error, BP_E_NO_MEMORY, "%s: tokenizer: out of memory", bp_gguf_path(file));
}

/* The cheapest way from a place to the end. */
typedef struct way {
    int64_t cost;
    uint32_t length; /* of its first token */
    int32_t id;      /* -1: a character by its bytes */
} way;

static size_t character_before(const char *text, size_t end) {
    size_t at = end - 1;
    while (at && end - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    return bp_utf8_length(text + at, end - at) == (int)(end - at) ? at : end - 1;
}

static void find_ways(const bp_tokenizer *t, const char *text, size_t n, way *ways) {
    ways[n] = (way){ 0 };
    for (size_t end = n, at; end; end = at) {
        at = character_before(text, end);
        for (size_t i = at + 1; i < end; i++) ways[i].cost = INT64_MAX; /* within a character */
        way best = { INT64_MAX, 0, -1 };
        bp_prefix_walk walk = bp_prefix_begin(&t->prefixes);
        int32_t id;
        for (size_t i = at; i < n && bp_prefix_step(&t->prefixes, &walk, text[i], &id); i++) {
            if (id < 0 || ways[i + 1].cost == INT64_MAX) continue;
            int64_t cost = ways[i + 1].cost - llround(t->scores[id] * (double)SCALE);
            if (cost <= best.cost) best = (way){ cost, (uint32_t)(i + 1 - at), id };
        }
        int64_t unknown = ways[end].cost + UNKNOWN_COST;
        ways[at] = unknown < best.cost ? (way){ unknown, (uint32_t)(end - at), -1 } : best;
    }
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) text += 3, n -= 3;
    bool ok = bp_grow(&s->paths, &s->path_room, n + 1, sizeof(way));
    const way *ways = s->paths;
    if (ok) find_ways(t, text, n, s->paths);
    for (size_t at = 0; ok && at < n; at += ways[at].length) {
        if (ways[at].id >= 0) ok = bp_tokens_add(out, ways[at].id);
        else ok = bp_add_unknown(t, text + at, ways[at].length, out);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static void bytes(const bp_tokenizer *t, int32_t id, bp_text *out) {
    if (t->types[id] == BP_TOKEN_BYTE) bp_spm_bytes(t, id, out);
    else bp_text_add(out, t->tokens[id].data, t->tokens[id].size);
}

const bp_vocab_kind bp_kind_plamo2 = { "plamo2", load, encode, bytes, .bos = 1, .eos = 2, .unknown = 0, .separator = -1,
                                       .needs_scores = true };
