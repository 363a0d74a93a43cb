/* A window into grammars for the integration tests. Reads requests from stdin, one JSON object a line, and answers each
 * with one line of JSON:
 *   {"gbnf" or "regex" or "schema": TEXT, "whitespace": BOOL, "accept": [TEXT, ...], "walks": N, "seed": S, "most":
 * TOKENS}
 *   -> {"error": WORDS} or {"accepted": [BOOL, ...], "walks": [TEXT or null, ...]}: null for a walk that did not end
 * A walk takes tokens of the mask at random; after `most` tokens one of the shortest ways to the end.
 * Usage: grammar_probe [VOCABULARY.gguf] (without one: a token for each byte). */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gguf/gguf.h"
#include "core/text/grammar.h"

static bp_grammar_vocab *vocab;
static int32_t n_tokens, *order;
static bp_tokenizer *tokenizer;

static uint64_t seed;
static uint32_t next_random(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static bool in_mask(const uint64_t *mask, int32_t id) { return mask[id / 64] >> (id % 64) & 1; }

static int32_t random_token(const uint64_t *mask) {
    int32_t count = 0;
    for (int32_t i = 0; i < (n_tokens + 63) / 64; i++) count += __builtin_popcountll(mask[i]);
    if (!count) return -1;
    int32_t wanted = (int32_t)next_random((uint32_t)count);
    for (int32_t i = 0; i < (n_tokens + 63) / 64; i++) {
        int32_t here = __builtin_popcountll(mask[i]);
        if (wanted >= here) {
            wanted -= here;
            continue;
        }
        uint64_t word = mask[i];
        while (wanted--) word &= word - 1;
        return i * 64 + __builtin_ctzll(word);
    }
    return -1;
}

/* Bytes that close things come first. */
static int32_t closing_token(const uint64_t *mask) {
    for (int32_t i = 0; i < n_tokens; i++)
        if (in_mask(mask, order[i])) return order[i];
    return -1;
}

static void add_bytes(bp_text *text, int32_t id) {
    if (tokenizer) bp_token_bytes(tokenizer, id, false, text, NULL);
    else if (id > 0) bp_text_add(text, (const char[]){ (char)(id - 1) }, 1);
}

static json_t *walk(bp_grammar_matcher *m, int most, const char **problem) {
    bp_text text = { 0 };
    json_t *made = NULL;
    bp_grammar_matcher_reset(m);
    for (int step = 0; step < most * 8; step++) {
        const uint64_t *mask;
        static bp_error error = BP_ERROR_INIT;
        if (bp_grammar_matcher_mask(m, &mask, &error)) {
            *problem = error.message;
            break;
        }
        if (bp_grammar_matcher_may_end(m) && (step > most || next_random(3) == 0)) {
            made = json_stringn(bp_text_get(&text), text.size);
            if (!made) *problem = "a walk made no UTF-8";
            break;
        }
        int32_t id = step > most ? closing_token(mask) : random_token(mask);
        if (id < 0 || bp_grammar_matcher_accept(m, id, NULL)) {
            *problem = id < 0 ? "no token is allowed" : "a token of the mask was not accepted";
            break;
        }
        if (bp_grammar_matcher_ended(m)) {
            made = json_stringn(bp_text_get(&text), text.size);
            break;
        }
        add_bytes(&text, id);
    }
    bp_text_free(&text);
    return made ? made : json_null();
}

static bp_status make(const json_t *request, bp_grammar **out, bp_error *error) {
    const json_t *gbnf = json_object_get(request, "gbnf"), *regex = json_object_get(request, "regex");
    const json_t *schema = json_object_get(request, "schema");
    if (gbnf) return bp_grammar_gbnf(json_string_value(gbnf), json_string_length(gbnf), vocab, out, error);
    if (regex) return bp_grammar_regex(json_string_value(regex), json_string_length(regex), vocab, out, error);
    return bp_grammar_json_schema(json_string_value(schema), json_string_length(schema),
                                  json_is_true(json_object_get(request, "whitespace")), vocab, out, error);
}

static json_t *answer(const json_t *request) {
    bp_grammar *grammar = NULL;
    bp_grammar_matcher *m = NULL;
    bp_error error = BP_ERROR_INIT;
    if (make(request, &grammar, &error)) return json_pack("{s:s}", "error", error.message);
    if (bp_grammar_matcher_new(grammar, &m, NULL)) exit(1);
    json_t *accepted = json_array(), *walks = json_array(), *text;
    size_t i;
    const char *problem = NULL;
    json_array_foreach(json_object_get(request, "accept"), i, text) {
        bp_grammar_matcher_reset(m);
        bool fits = !bp_grammar_matcher_accept_bytes(m, json_string_value(text), json_string_length(text), NULL);
        json_array_append_new(accepted, json_boolean(fits && bp_grammar_matcher_may_end(m)));
    }
    seed = (uint64_t)json_integer_value(json_object_get(request, "seed")) * 2654435761u + 1;
    for (int n = (int)json_integer_value(json_object_get(request, "walks")); n > 0; n--)
        json_array_append_new(walks, walk(m, (int)json_integer_value(json_object_get(request, "most")), &problem));
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
    json_t *made = json_pack("{s:o,s:o}", "accepted", accepted, "walks", walks);
    if (problem) json_object_set_new(made, "problem", json_string(problem));
    return made;
}

static int rank(int32_t id) {
    bp_text text = { 0 };
    add_bytes(&text, id);
    static const char closing[] = "\"}],0Zz1-:.@";
    const char *found = text.size == 1 ? strchr(closing, text.data[0]) : NULL;
    int made = found && *found ? (int)(found - closing) : 100 + (int)text.size;
    bp_text_free(&text);
    return made;
}

static int *ranks;
static int by_rank(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return ranks[x] != ranks[y] ? ranks[x] - ranks[y] : x - y;
}

static void byte_vocab(void) {
    static char bytes[256];
    static bp_grammar_token tokens[257] = { { "", 0, true } };
    for (int i = 0; i < 256; i++) bytes[i] = (char)i, tokens[1 + i] = (bp_grammar_token){ &bytes[i], 1, false };
    n_tokens = 257;
    if (bp_grammar_vocab_of(tokens, 257, &vocab, NULL)) exit(1);
}

int main(int argc, char **argv) {
    bp_gguf *file;
    bp_error error = BP_ERROR_INIT;
    if (argc > 1) {
        if (bp_gguf_open(argv[1], &file, &error) || bp_tokenizer_new(file, &tokenizer, &error) ||
            bp_grammar_vocab_new(tokenizer, 0, &vocab, &error)) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        n_tokens = bp_vocab_size(tokenizer);
    } else {
        byte_vocab();
    }
    order = malloc((size_t)n_tokens * sizeof *order);
    ranks = malloc((size_t)n_tokens * sizeof *ranks);
    for (int32_t id = 0; id < n_tokens; id++) order[id] = id, ranks[id] = rank(id);
    qsort(order, (size_t)n_tokens, sizeof *order, by_rank);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, JSON_ALLOW_NUL, NULL), *made = answer(request);
        json_dumpf(made, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(made);
        json_decref(request);
    }
    return 0;
}
