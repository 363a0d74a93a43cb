/* Byte-level BPE: each byte is written as a printable character (GPT-2's table), and pairs merge by rank. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/vocab.h"

static bool is_printable(uint32_t byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* The character that stands for a byte: itself if printable, else the next from U+0100 on. */
static uint32_t character_of(uint32_t byte) {
    if (is_printable(byte)) return byte;
    if (byte <= 0x20) return 0x100 + byte;
    return byte == 0xAD ? 0x143 : 0x121 + (byte - 0x7F);
}

static int byte_of(uint32_t character) {
    if (character < 0x100) return is_printable(character) ? (int)character : -1;
    if (character <= 0x120) return (int)(character - 0x100);
    if (character <= 0x142) return (int)(character - 0x121 + 0x7F);
    return character == 0x143 ? 0xAD : -1;
}

void bp_bpe_bytes(const char *token, size_t n, bp_text *out) {
    for (size_t at = 0; at < n;) {
        int length = bp_utf8_length(token + at, n - at), byte = -1;
        if (length == 1) byte = byte_of((unsigned char)token[at]);
        if (length == 2) byte = byte_of(((uint32_t)token[at] & 0x1F) << 6 | ((uint32_t)token[at + 1] & 0x3F));
        size_t taken = length > 0 ? (size_t)length : 1;
        char one = (char)byte;
        if (byte >= 0) bp_text_add(out, &one, 1);
        else bp_text_add(out, token + at, taken);
        at += taken;
    }
}

static uint64_t slot_at(const bp_tokenizer *t, uint64_t pair) {
    uint64_t hash = pair * 0x9E3779B97F4A7C15u;
    uint64_t at = (hash ^ hash >> 32) & t->merge_mask;
    while (t->merges[at].pair != pair && t->merges[at].pair != UINT64_MAX) at = (at + 1) & t->merge_mask;
    return at;
}

static bool find_pair(const void *self, const char *text, const bp_symbol *left, const bp_symbol *right,
                      bp_candidate *out) {
    const bp_tokenizer *t = self;
    (void)text;
    const bp_merge_slot *slot = &t->merges[slot_at(t, (uint64_t)(uint32_t)left->id << 32 | (uint32_t)right->id)];
    if (slot->pair == UINT64_MAX) return false;
    out->order = slot->rank;
    out->merged = slot->merged;
    return true;
}

/* "left right": tokens of which one is not in the vocabulary can never be made, and their merge is left out. */
static bool add_merge(bp_tokenizer *t, bp_gguf_string merge, uint32_t rank, bp_text *joined) {
    const char *space = merge.size > 2 ? memchr(merge.data + 1, ' ', merge.size - 1) : NULL;
    if (!space) return false;
    size_t n_left = (size_t)(space - merge.data), n_right = merge.size - n_left - 1;
    uint32_t left, right, both;
    bp_text_clear(joined);
    bp_text_add(joined, merge.data, n_left);
    bp_text_add(joined, space + 1, n_right);
    if (joined->failed || !bp_map_find(&t->by_text, joined->data, joined->size, &both) ||
        !bp_map_find(&t->by_text, merge.data, n_left, &left) || !bp_map_find(&t->by_text, space + 1, n_right, &right))
        return true;
    uint64_t pair = (uint64_t)left << 32 | right;
    bp_merge_slot *slot = &t->merges[slot_at(t, pair)];
    if (slot->pair == UINT64_MAX) *slot = (bp_merge_slot){ pair, rank, (int32_t)both };
    return true;
}

static bool make_table(bp_tokenizer *t, uint64_t n_merges) {
    uint64_t slots = 64;
    while (slots < n_merges * 2) slots *= 2;
    t->merges = bp_new_array(slots, sizeof *t->merges);
    t->merge_mask = slots - 1;
    for (uint64_t i = 0; t->merges && i < slots; i++) t->merges[i].pair = UINT64_MAX;
    return t->merges;
}

static void find_bytes(bp_tokenizer *t) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t c = character_of(byte), id;
        char text[2] = { (char)c, 0 };
        if (c >= 0x80) text[0] = (char)(0xC0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3F));
        t->byte_ids[byte] = bp_map_find(&t->by_text, text, c < 0x80 ? 1 : 2, &id) ? (int32_t)id : -1;
    }
}

bp_status bp_bpe_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.merges");
    if (!key || key->type != BP_GGUF_ARRAY || key->item_type != BP_GGUF_STRING || key->count > INT32_MAX)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.merges: no list of texts", bp_gguf_path(file));
    if (!make_table(t, key->count)) return bp_fail(error, BP_E_NO_MEMORY, "tokenizer's merges: out of memory");
    find_bytes(t);
    bp_text joined = { 0 };
    bp_status status = BP_OK;
    for (uint64_t i = 0; status == BP_OK && i < key->count; i++)
        if (!add_merge(t, key->strings[i], (uint32_t)i, &joined))
            status = bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.merges[%llu]: not two texts with a space between",
                             bp_gguf_path(file), (unsigned long long)i);
    if (joined.failed) status = bp_fail(error, BP_E_NO_MEMORY, "tokenizer's merges: out of memory");
    bp_text_free(&joined);
    return status;
}

/* A word that, written in the vocabulary's characters, is a token. */
static int32_t find_word(const bp_tokenizer *t, const char *word, size_t n) {
    char written[256];
    size_t size = 0;
    uint32_t id;
    if (n > sizeof written / 2) return -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = character_of((unsigned char)word[i]);
        if (c >= 0x80) written[size++] = (char)(0xC0 | c >> 6);
        written[size++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3F));
    }
    return bp_map_find(&t->by_text, written, size, &id) && t->types[id] == BP_TOKEN_NORMAL ? (int32_t)id : -1;
}

static bp_status fill_symbols(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_error *e) {
    if (!bp_merge_reserve(s, n)) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(unsigned char)word[i]];
        if (id < 0) id = t->unknown;
        if (id < 0)
            return bp_fail(e, BP_E_INVALID, "the vocabulary has no token for byte 0x%02X", (unsigned char)word[i]);
        s->symbols[i] = (bp_symbol){ .start = (uint32_t)i, .length = 1, .id = id };
    }
    s->n_symbols = n;
    return BP_OK;
}

static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    int32_t whole = t->whole_words ? find_word(t, word, n) : -1;
    bool ok = true;
    if (whole >= 0) {
        ok = bp_tokens_add(out, whole);
    } else {
        bp_status status = fill_symbols(t, s, word, n, e);
        if (status != BP_OK) return status;
        bp_merge_run(s, word, find_pair, t);
        for (int32_t i = 0; ok && i >= 0; i = s->symbols[i].next) ok = bp_tokens_add(out, s->symbols[i].id);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

bp_status bp_bpe_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    size_t n_words, start = 0;
    bp_status status = bp_split_text(t->split, s, text, n, &n_words, e);
    for (size_t i = 0; status == BP_OK && i < n_words; i++) {
        status = encode_word(t, s, text + start, s->ends[i] - start, out, e);
        start = s->ends[i];
    }
    return status;
}
