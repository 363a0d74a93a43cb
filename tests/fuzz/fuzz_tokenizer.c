/* Any bytes, encoded with a small byte-level BPE vocabulary and decoded, must come back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/tokenizer.h"

static bp_text image; /* a GGUF file in memory: the tokenizer points into it */

static void add_number(bp_text *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++, value >>= 8) bp_text_add(to, (const char[]){ (char)value }, 1);
}

static void add_string(bp_text *to, const char *text) {
    add_number(to, strlen(text), 8);
    bp_text_adds(to, text);
}

static void add_text_key(const char *name, const char *value) {
    add_string(&image, name);
    add_number(&image, BP_GGUF_STRING, 4);
    add_string(&image, value);
}

static void add_array_key(const char *name, const bp_text *items, uint32_t count) {
    add_string(&image, name);
    add_number(&image, BP_GGUF_ARRAY, 4);
    add_number(&image, BP_GGUF_STRING, 4);
    add_number(&image, count, 8);
    bp_text_add(&image, items->data, items->size);
}

/* GPT-2's character for each byte. */
static void add_byte_tokens(bp_text *tokens) {
    uint32_t other = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        int printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        uint32_t c = printable ? byte : other++;
        char text[3] = { (char)c, 0, 0 };
        if (c >= 0x80) text[0] = (char)(0xC0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3F));
        add_string(tokens, text);
    }
}

static void make_image(void) {
    static const char *const merges[] = { "a b", "ab c", "b c", "a a", "aa aa", "\xC4\xA0 a", "\xC4\xA0 \xC4\xA0",
                                          "\xC3\x83 \xC2\xA9", "e r", "t h", "th e", "1 2", "\xC4\x8A \xC4\x8A" };
    enum { N = sizeof merges / sizeof *merges };
    bp_text tokens = { 0 }, list = { 0 };
    add_byte_tokens(&tokens);
    for (int i = 0; i < N; i++) {
        const char *space = strchr(merges[i], ' ');
        char joined[16];
        snprintf(joined, sizeof joined, "%.*s%s", (int)(space - merges[i]), merges[i], space + 1);
        add_string(&tokens, joined);
        add_string(&list, merges[i]);
    }
    bp_text_adds(&image, "GGUF");
    add_number(&image, 3, 4);
    add_number(&image, 0, 8);
    add_number(&image, 4, 8);
    add_text_key("tokenizer.ggml.model", "gpt2");
    add_text_key("tokenizer.ggml.pre", "gpt-2");
    add_array_key("tokenizer.ggml.tokens", &tokens, 256 + N);
    add_array_key("tokenizer.ggml.merges", &list, N);
    bp_text_free(&tokens);
    bp_text_free(&list);
}

static const bp_tokenizer *tokenizer(void) {
    static bp_gguf *file;
    static bp_tokenizer *made;
    if (made) return made;
    bp_error error = BP_ERROR_INIT;
    make_image();
    if (bp_gguf_parse(image.data, image.size, "vocabulary", &file, &error) || bp_tokenizer_new(file, &made, &error)) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bp_tokenizer *t = tokenizer();
    bp_tokens tokens = { 0 };
    bp_text back = { 0 };
    if (bp_tokenize(t, (const char *)data, size, BP_TOKENIZE_SPECIAL, &tokens, NULL)) abort();
    if (bp_detokenize(t, tokens.ids, tokens.count, false, &back, NULL)) abort();
    if (back.size != size || (size && memcmp(back.data, data, size))) abort();
    free(tokens.ids);
    bp_text_free(&back);
    return 0;
}
