/* Time of token masks under JSON schemas, on a vocabulary of 128k tokens: those of the given GGUF files, and pairs of
 * them up to that number. Documents of a schema are cut into the longest tokens; each token's mask is asked for. Times are of the CPU.
 * Usage: bench_grammar VOCABULARY.gguf... */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/map.h"
#include "core/gguf/gguf.h"
#include "core/text/grammar.h"

enum { WANTED = 128000, DOCUMENTS = 40, LONGEST = 64 };

static bp_map known;
static bp_grammar_token tokens[WANTED];
static int32_t n_tokens;
static uint64_t seed = 1;

static uint32_t next_random(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void add_token(const char *bytes, size_t n) {
    if (!n || n > LONGEST || n_tokens == WANTED) return;
    char *copy = memcpy(malloc(n), bytes, n);
    if (bp_map_add(&known, copy, n, (uint32_t)n_tokens) == BP_MAP_ADDED)
        tokens[n_tokens++] = (bp_grammar_token){ copy, (uint32_t)n, false };
}

static void add_file(const char *path) {
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    bp_tokenizer *t;
    if (bp_gguf_open(path, &file, &error) || bp_tokenizer_new(file, &t, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    for (int32_t id = 0; id < bp_vocab_size(t); id++) {
        bp_text text = { 0 };
        bp_token_bytes(t, id, false, &text, NULL);
        add_token(bp_text_get(&text), text.size);
        bp_text_free(&text);
    }
}

static void add_pairs(void) {
    int32_t own = n_tokens;
    while (n_tokens < WANTED) {
        const bp_grammar_token *a = &tokens[next_random((uint32_t)own)], *b = &tokens[next_random((uint32_t)own)];
        char both[2 * LONGEST];
        if (a->n + b->n > 14) continue;
        memcpy(both, a->bytes, a->n);
        memcpy(both + a->n, b->bytes, b->n);
        add_token(both, a->n + b->n);
    }
}

static void add_words(bp_text *text, int n) {
    static const char *const words[] = { "the",
                                         " river",
                                         " of",
                                         " Lisbon",
                                         " is",
                                         " 27",
                                         " caf\xC3\xA9",
                                         ", and",
                                         " measure",
                                         " \\\"so\\\"",
                                         " international",
                                         " x",
                                         "\\n",
                                         " grammar",
                                         " \xE6\x97\xA5\xE6\x9C\xAC",
                                         "." };
    while (n--) bp_text_adds(text, words[next_random(16)]);
}

static void person(bp_text *text, int depth) {
    static const char *const kinds[] = { "admin", "author", "reader" };
    bp_text_adds(text, "{\"name\":\"");
    add_words(text, 1 + (int)next_random(4));
    bp_text_format(text, "\",\"age\":%u,\"role\":\"%s\",\"email\":\"ab%u@example.org\",\"biography\":\"",
                   next_random(150), kinds[next_random(3)], next_random(1000));
    add_words(text, 10 + (int)next_random(40));
    bp_text_format(text, "\",\"since\":\"20%02u-0%u-1%u\",\"scores\":[%u.%u,-%u,1e%u],\"friends\":[", next_random(100),
                   1 + next_random(9), next_random(10), next_random(100), next_random(1000), 1 + next_random(50),
                   next_random(30));
    for (int i = depth ? (int)next_random(3) : 0; i > 0; i--) {
        person(text, depth - 1);
        if (i > 1) bp_text_adds(text, ",");
    }
    bp_text_adds(text, "]}");
}

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150},\"role\":{\"enum\":[\"admin\",\"author\",\"reader\"]}"
    ","
    "\"email\":{\"type\":\"string\",\"format\":\"email\"},\"biography\":{\"type\":\"string\"},"
    "\"since\":{\"type\":\"string\",\"format\":\"date\"},\"scores\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}"
    "},"
    "\"friends\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}},"
    "\"required\":[\"name\",\"age\",\"role\",\"email\",\"biography\",\"since\",\"scores\",\"friends\"]}";

static int by_value(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void report(const char *what, double *times, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += times[i];
    qsort(times, n, sizeof *times, by_value);
    printf("%-34s %6zu tokens: median %.2f us, 99%% %.1f us, greatest %.1f us, mean %.2f us\n", what, n, times[n / 2],
           times[n * 99 / 100], times[n - 1], sum / (double)n);
}

/* Masks of one document; times, and those of the steps, are added. */
static void measure(bp_grammar_matcher *m, const bp_text *text, double *masks, double *steps, size_t *n) {
    bp_grammar_matcher_reset(m);
    for (size_t at = 0; at < text->size;) {
        uint32_t id = 0;
        size_t length = text->size - at < LONGEST ? text->size - at : LONGEST;
        while (length && !bp_map_find(&known, text->data + at, length, &id)) length--;
        const uint64_t *mask;
        double begin = now();
        if (!length || bp_grammar_matcher_mask(m, &mask, NULL)) exit(1);
        double middle = now();
        if (!(mask[id / 64] >> (id % 64) & 1) || bp_grammar_matcher_accept(m, (int32_t)id, NULL)) {
            fprintf(stderr, "not allowed: %.*s at %.40s\n", (int)length, text->data + at, text->data + at);
            exit(1);
        }
        steps[*n] = now() - middle;
        masks[(*n)++] = middle - begin;
        at += length;
    }
}

static void run(const char *name, const char *text, const bp_grammar_vocab *vocab) {
    static double masks[1 << 20], steps[1 << 20];
    bp_text documents[2 * DOCUMENTS] = { 0 };
    bp_grammar *grammar;
    bp_grammar_matcher *m;
    bp_error error = BP_ERROR_INIT;
    double begin = now();
    if (bp_grammar_json_schema(text, strlen(text), false, vocab, &grammar, &error) ||
        bp_grammar_matcher_new(grammar, &m, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    printf("%s: made in %.0f us\n", name, now() - begin);
    for (int i = 0; i < 2 * DOCUMENTS; i++) person(&documents[i], 3);
    size_t n = 0;
    for (int i = 0; i < DOCUMENTS; i++) measure(m, &documents[i], masks, steps, &n);
    report("  first use, mask", masks, n);
    n = 0;
    for (int i = DOCUMENTS; i < 2 * DOCUMENTS; i++) measure(m, &documents[i], masks, steps, &n);
    report("  other documents after, mask", masks, n);
    report("  other documents after, step", steps, n);
    for (int i = 0; i < 2 * DOCUMENTS; i++) bp_text_free(&documents[i]);
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
}

int main(int argc, char **argv) {
    bp_grammar_vocab *vocab;
    for (int i = 0; i < 256; i++) add_token(&(char){ (char)i }, 1);
    for (int i = 1; i < argc; i++) add_file(argv[i]);
    printf("%d tokens of the files\n", n_tokens);
    add_pairs();
    double begin = now();
    if (bp_grammar_vocab_of(tokens, n_tokens, &vocab, NULL)) return 1;
    printf("trie of %d tokens: %.1f ms\n", n_tokens, (now() - begin) * 1e-3);
    run("schema of a person", schema, vocab);
    run("any JSON", "true", vocab);
    bp_grammar_vocab_free(vocab);
    return 0;
}
