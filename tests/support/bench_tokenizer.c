/* Speed of tokenizers on one core: a text as it is, one word of 100,000 letters, and a million spaces; megabytes a
 * second of CPU time, the best of three.
 * Usage: bench_tokenizer TEXT VOCABULARY... */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/file.h"
#include "core/text/tokenizer.h"

enum { WORD = 100000, SPACES = 1000000, MOST = 1 << 26, ROUNDS = 3 };

static void stop(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double speed(const bp_tokenizer *t, const char *text, size_t n, size_t *n_ids) {
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        bp_tokens tokens = { 0 };
        bp_error error = BP_ERROR_INIT;
        double begin = now();
        if (bp_tokenize(t, text, n, 0, &tokens, &error)) stop(error.message);
        double taken = now() - begin;
        best = taken < best ? taken : best;
        *n_ids = tokens.count;
        free(tokens.ids);
    }
    return (double)n * 1e-6 / best;
}

static void bench(const char *path, const bp_text *text, const char *word, const char *spaces) {
    bp_error error = BP_ERROR_INIT;
    bp_tokenizer *t = NULL;
    size_t n_ids, other;
    bp_gguf *file = NULL;
    if (bp_tokenizer_is_json(path) ? bp_tokenizer_open_json(path, &t, &error)
                                   : (bp_gguf_open(path, &file, &error) || bp_tokenizer_new(file, &t, &error)))
        stop(error.message);
    double prose = speed(t, text->data, text->size, &n_ids);
    printf("%8.2f %8.2f %8.2f  %s (%zu tokens)\n", prose, speed(t, word, WORD, &other),
           speed(t, spaces, SPACES, &other), path, n_ids);
    bp_tokenizer_free(t);
    if (file) bp_gguf_close(file);
}

int main(int argc, char **argv) {
    bp_text text = { 0 };
    bp_error error = BP_ERROR_INIT;
    char *word = malloc(WORD), *spaces = malloc(SPACES);
    if (argc < 3) stop("usage: bench_tokenizer TEXT VOCABULARY...");
    if (!word || !spaces || bp_file_read(argv[1], MOST, &text, &error)) stop(error.message);
    uint64_t seed = 1;
    for (size_t i = 0; i < WORD; i++, seed = seed * 6364136223846793005u + 1442695040888963407u)
        word[i] = (char)('a' + (seed >> 33) % 26);
    memset(spaces, ' ', SPACES);
    printf("    text     word   spaces  MB/s\n");
    for (int i = 2; i < argc; i++) bench(argv[i], &text, word, spaces);
    free(word);
    free(spaces);
    bp_text_free(&text);
    return 0;
}
