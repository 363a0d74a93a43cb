/* Small vocabularies as GGUF files in memory, one of each kind of tokenizer; for unit tests and fuzzers. */
#ifndef TESTS_VOCAB_IMAGE_H
#define TESTS_VOCAB_IMAGE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "core/gguf/gguf.h"

typedef struct image {
    bp_text keys, tokens, types, scores, merges;
    uint32_t n_keys, n_tokens, n_merges;
} image;

static inline void image_number(bp_text *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++, value >>= 8) bp_text_add(to, (const char[]){ (char)value }, 1);
}

static inline void image_string(bp_text *to, const char *text, size_t n) {
    image_number(to, n, 8);
    bp_text_add(to, text, n);
}

static inline void image_key(image *m, const char *name, uint32_t type) {
    image_string(&m->keys, name, strlen(name));
    image_number(&m->keys, type, 4);
    m->n_keys++;
}

static inline void image_text_key(image *m, const char *name, const char *value) {
    image_key(m, name, BP_GGUF_STRING);
    image_string(&m->keys, value, strlen(value));
}

static inline void image_int_key(image *m, const char *name, uint32_t value) {
    image_key(m, name, BP_GGUF_U32);
    image_number(&m->keys, value, 4);
}

static inline void image_array_key(image *m, const char *name, uint32_t type, uint32_t count, const bp_text *items) {
    image_key(m, name, BP_GGUF_ARRAY);
    image_number(&m->keys, type, 4);
    image_number(&m->keys, count, 8);
    bp_text_add(&m->keys, items->data, items->size);
}

static inline void image_token_of(image *m, const char *text, size_t n, int32_t type, float score) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    image_string(&m->tokens, text, n);
    image_number(&m->types, (uint32_t)type, 4);
    image_number(&m->scores, bits, 4);
    m->n_tokens++;
}

static inline void image_token(image *m, const char *text, int32_t type) {
    image_token_of(m, text, strlen(text), type, -(float)m->n_tokens);
}

/* "a b": the merge, and the token that it makes. */
static inline void image_merge(image *m, const char *merge) {
    char joined[64];
    const char *space = strchr(merge + 1, ' ');
    snprintf(joined, sizeof joined, "%.*s%s", (int)(space - merge), merge, space + 1);
    image_token(m, joined, 1);
    image_string(&m->merges, merge, strlen(merge));
    m->n_merges++;
}

/* GPT-2's characters for the bytes. */
static inline void image_characters(image *m) {
    uint32_t other = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        int printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        uint32_t c = printable ? byte : other++;
        char text[3] = { (char)c, 0, 0 };
        if (c >= 0x80) text[0] = (char)(0xC0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3F));
        image_token(m, text, 1);
    }
}

/* <0x00> to <0xFF>, or for RWKV \x00 to \xff. */
static inline void image_bytes(image *m, const char *format, int32_t type) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[16];
        snprintf(text, sizeof text, format, byte);
        image_token(m, text, type);
    }
}

/* The whole file; the image is freed. */
static inline bp_text image_finish(image *m) {
    bp_text file = { 0 };
    image_array_key(m, "tokenizer.ggml.tokens", BP_GGUF_STRING, m->n_tokens, &m->tokens);
    image_array_key(m, "tokenizer.ggml.token_type", BP_GGUF_I32, m->n_tokens, &m->types);
    image_array_key(m, "tokenizer.ggml.scores", BP_GGUF_F32, m->n_tokens, &m->scores);
    if (m->n_merges) image_array_key(m, "tokenizer.ggml.merges", BP_GGUF_STRING, m->n_merges, &m->merges);
    bp_text_adds(&file, "GGUF");
    image_number(&file, 3, 4);
    image_number(&file, 0, 8);
    image_number(&file, m->n_keys, 8);
    bp_text_add(&file, m->keys.data, m->keys.size);
    bp_text_free(&m->keys);
    bp_text_free(&m->tokens);
    bp_text_free(&m->types);
    bp_text_free(&m->scores);
    bp_text_free(&m->merges);
    *m = (image){ 0 };
    return file;
}

/* Byte-level BPE with the pre-tokenizer of this name. */
static inline bp_text image_bpe(const char *pre) {
    static const char *const merges[] = { "a b", "ab c", "b c", "a a", "aa aa", "\xC4\xA0 a", "\xC4\xA0 \xC4\xA0",
                                          "\xC3\x83 \xC2\xA9", "e r", "t h", "th e", "1 2", "\xC4\x8A \xC4\x8A" };
    image m = { 0 };
    image_text_key(&m, "tokenizer.ggml.model", "gpt2");
    image_text_key(&m, "tokenizer.ggml.pre", pre);
    image_characters(&m);
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) image_merge(&m, merges[i]);
    image_token(&m, "<|end|>", 3);
    image_token(&m, "<user>", 4);
    return image_finish(&m);
}

#define IMAGE_MARK "\xE2\x96\x81"

/* Words for all kinds whose spaces are U+2581. */
static inline void image_words(image *m) {
    static const char *const words[] = { IMAGE_MARK, IMAGE_MARK IMAGE_MARK, "a", "b", "c", "ab", "abc", IMAGE_MARK "a",
                                         IMAGE_MARK "ab", "\xC3\xA9", "\xE4\xBD\xA0", "aa", "aaaa", "t", "h", "e", "th",
                                         "the", IMAGE_MARK "the", ".", "1", "12", "\n\n", "\n" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) image_token(m, words[i], 1);
}

static inline bp_text image_marked(const char *model, int with_bytes) {
    image m = { 0 };
    image_text_key(&m, "tokenizer.ggml.model", model);
    image_token(&m, "<unk>", 2);
    image_token(&m, "<s>", 3);
    image_token(&m, "</s>", 3);
    image_int_key(&m, "tokenizer.ggml.unknown_token_id", 0);
    image_int_key(&m, "tokenizer.ggml.bos_token_id", 1);
    image_int_key(&m, "tokenizer.ggml.eos_token_id", 2);
    image_int_key(&m, "tokenizer.ggml.seperator_token_id", 2);
    if (with_bytes) image_bytes(&m, "<0x%02X>", 6);
    if (!strcmp(model, "gemma4")) {
        image_token(&m, IMAGE_MARK, 1);
        for (const char *letter = "abcthe."; *letter; letter++) image_token(&m, (const char[]){ *letter, 0 }, 1);
        image_merge(&m, "a b");
        image_merge(&m, IMAGE_MARK " ab");
        image_merge(&m, "t h");
        image_merge(&m, IMAGE_MARK " " IMAGE_MARK);
        image_token(&m, "\n\n", 1);
    } else {
        image_words(&m);
    }
    image_token(&m, "<user>", 4);
    return image_finish(&m);
}

static inline bp_text image_plamo2(void) {
    image m = { 0 };
    image_text_key(&m, "tokenizer.ggml.model", "plamo2");
    image_token(&m, "<unk>", 2);
    image_token(&m, "<s>", 3);
    image_token(&m, "</s>", 3);
    image_bytes(&m, "<0x%02X>", 6);
    static const struct { const char *text; float score; } words[] = {
        { "a", -3 }, { "b", -3 }, { "ab", -5 }, { "ba", -5 }, { "aba", -8 }, { " ", -2 }, { "\xE4\xBD\xA0", -4 },
        { "the", -3 }, { " the", -5 },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        image_token_of(&m, words[i].text, strlen(words[i].text), 1, words[i].score);
    return image_finish(&m);
}

static inline bp_text image_rwkv(void) {
    image m = { 0 };
    image_text_key(&m, "tokenizer.ggml.model", "rwkv");
    image_token(&m, "<s>", 3);
    image_bytes(&m, "\\x%02x", 1);
    static const char *const words[] = { "the", " the", "\\n\\n", "a\\\\b", "\\xe4\\xbd\\xa0", "\\'", "\\t\\t" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) image_token(&m, words[i], 1);
    return image_finish(&m);
}

#endif
