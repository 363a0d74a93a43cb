/* Many texts with one tokenizer: reads a JSON array of texts from stdin, prints a JSON array of arrays of ids.
 * Usage: tokenize_batch VOCABULARY FLAGS (of bp_tokenize, as a number), a GGUF file or a tokenizer.json */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/text/tokenizer.h"

enum { MOST = 1 << 28 };

static void stop(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static bp_tokenizer *open_vocabulary(const char *path) {
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    bp_tokenizer *t = NULL;
    if (bp_tokenizer_is_json(path)) {
        if (bp_tokenizer_open_json(path, &t, &error)) stop(error.message);
    } else if (bp_gguf_open(path, &file, &error) || bp_tokenizer_new(file, &t, &error)) {
        stop(error.message);
    }
    return t;
}

int main(int argc, char **argv) {
    bp_text text = { 0 };
    bp_error error = BP_ERROR_INIT;
    if (argc != 3) stop("usage: tokenize_batch VOCABULARY FLAGS");
    bp_tokenizer *t = open_vocabulary(argv[1]);
    if (bp_file_read("-", MOST, &text, &error)) stop(error.message);
    json_t *texts = json_loadb(bp_text_get(&text), text.size, JSON_ALLOW_NUL, NULL), *item;
    size_t i;
    if (!json_is_array(texts)) stop("no JSON array on stdin");
    putchar('[');
    json_array_foreach(texts, i, item) {
        bp_tokens ids = { 0 };
        if (bp_tokenize(t, json_string_value(item), json_string_length(item), (uint32_t)atoi(argv[2]), &ids, &error))
            stop(error.message);
        printf(i ? ",\n[" : "[");
        for (size_t k = 0; k < ids.count; k++) printf(k ? ",%d" : "%d", ids.ids[k]);
        putchar(']');
        free(ids.ids);
    }
    puts("]");
    json_decref(texts);
    bp_text_free(&text);
    bp_tokenizer_free(t);
    return 0;
}
