/* Any bytes, encoded with a small vocabulary of each kind and decoded, must come back where the kind keeps them. The
 * first byte chooses the kind; kinds after the last take a charsmap from the input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/split.h"
#include "core/text/tokenizer.h"
#include "tests/support/vocab_image.h"

enum { SPM, UGM, UGM_BYTES, WPM, GEMMA4, RWKV, PLAMO2, OTHERS, MAX_KINDS = 256 };

static struct kind {
    bp_text image;
    bp_gguf *file;
    bp_tokenizer *t;
    int comes_back;
} kinds[MAX_KINDS];

static void fail(const char *words) {
    fprintf(stderr, "%s\n", words);
    abort();
}

static void open_kind(struct kind *k) {
    bp_error error = BP_ERROR_INIT;
    if (bp_gguf_parse(k->image.data, k->image.size, "vocabulary", &k->file, &error) ||
        bp_tokenizer_new(k->file, &k->t, &error))
        fail(error.message);
}

static int is_lossless(const char *pre) {
    bp_split *split;
    if (bp_split_new(pre, strlen(pre), &split, NULL)) fail(pre);
    int kept = !(bp_split_flags(split) & (BP_SPLIT_NFC | BP_SPLIT_RAW));
    bp_split_free(split);
    return kept;
}

/* OTHERS + i: byte-level BPE with pre-tokenizer i. */
static struct kind *kind_of(unsigned index) {
    unsigned n_pre = 0;
    while (bp_split_name(n_pre)) n_pre++;
    index %= OTHERS + n_pre;
    struct kind *k = &kinds[index];
    if (k->t) return k;
    const char *pre = index >= OTHERS ? bp_split_name(index - OTHERS) : NULL;
    if (pre && !is_lossless(pre) && bp_split_name(index - OTHERS)) k->comes_back = 0;
    else k->comes_back = index != UGM && index != UGM_BYTES && index != WPM && index != PLAMO2; /* it drops a BOM */
    switch (index) {
    case SPM: k->image = image_marked("llama", 1); break;
    case UGM: k->image = image_marked("t5", 0); break;
    case UGM_BYTES: k->image = image_marked("t5", 1); break;
    case WPM: k->image = image_marked("bert", 0); break;
    case GEMMA4: k->image = image_marked("gemma4", 1); break;
    case RWKV: k->image = image_rwkv(); break;
    case PLAMO2: k->image = image_plamo2(); break;
    default: k->image = image_bpe(pre); break;
    }
    open_kind(k);
    return k;
}

/* A literal U+2581 becomes a space where that is how spaces are written. */
static int has_mark(const uint8_t *data, size_t size) {
    for (size_t i = 0; i + 3 <= size; i++)
        if (!memcmp(data + i, IMAGE_MARK, 3)) return 1;
    return 0;
}

static void check(const struct kind *k, const uint8_t *data, size_t size) {
    bp_tokens tokens = { 0 };
    bp_text back = { 0 };
    uint32_t flags = BP_TOKENIZE_SPECIAL | (size & 1 ? BP_TOKENIZE_NO_BOS : 0);
    if (bp_tokenize(k->t, (const char *)data, size, flags | BP_TOKENIZE_NO_BOS, &tokens, NULL)) fail("encoding failed");
    for (size_t i = 0; i < tokens.count; i++)
        if (tokens.ids[i] < 0 || tokens.ids[i] >= bp_vocab_size(k->t)) fail("an id that is no token");
    if (bp_detokenize(k->t, tokens.ids, tokens.count, true, &back, NULL)) fail("decoding failed");
    int same = back.size == size && (!size || !memcmp(back.data, data, size));
    if (k->comes_back && !same && !has_mark(data, size)) fail("the text does not come back");
    free(tokens.ids);
    bp_text_free(&back);
}

/* 2 bytes: how much of the rest is the charsmap. */
static void check_charsmap(const uint8_t *data, size_t size) {
    if (size < 2) return;
    size_t n = data[0] | (size_t)data[1] << 8;
    data += 2, size -= 2;
    if (n > size) n = size;
    image m = { 0 };
    bp_text map = { .data = (char *)(uintptr_t)data, .size = n };
    image_text_key(&m, "tokenizer.ggml.model", "t5");
    image_array_key(&m, "tokenizer.ggml.precompiled_charsmap", BP_GGUF_U8, (uint32_t)n, &map);
    image_token(&m, "<unk>", 2);
    image_words(&m);
    struct kind k = { .image = image_finish(&m) };
    bp_error error = BP_ERROR_INIT;
    if (bp_gguf_parse(k.image.data, k.image.size, "vocabulary", &k.file, &error)) fail(error.message);
    if (!bp_tokenizer_new(k.file, &k.t, &error)) check(&k, data + n, size - n);
    bp_tokenizer_free(k.t);
    bp_gguf_close(k.file);
    bp_text_free(&k.image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    if (data[0] == 255) check_charsmap(data + 1, size - 1);
    else check(kind_of(data[0]), data + 1, size - 1);
    return 0;
}
