/* BPE: pairs merge by rank. Byte-level: each byte is written as a printable character (GPT-2's table); or raw: tokens
 * are UTF-8 with U+2581 for spaces, and characters that are no token become byte tokens. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/normalize.h"
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

static bool is_raw(const bp_tokenizer *t) { return bp_split_flags(t->split) & BP_SPLIT_RAW; }

static void add_meant_bytes(const char *token, size_t n, bp_text *out) {
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

static void bytes(const bp_tokenizer *t, int32_t id, bp_text *out) {
    if (is_raw(t)) bp_spm_bytes(t, id, out);
    else add_meant_bytes(t->tokens[id].data, t->tokens[id].size, out);
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

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.merges");
    if (!key || key->type != BP_GGUF_ARRAY || key->item_type != BP_GGUF_STRING || key->count > INT32_MAX)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.merges: no list of texts", bp_gguf_path(file));
    if (!make_table(t, key->count)) return bp_fail(error, BP_E_NO_MEMORY, "tokenizer's merges: out of memory");
    if (is_raw(t)) bp_load_bytes(t);
    else find_bytes(t);
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
static int32_t find_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n) {
    uint32_t id;
    if (n > t->longest) return -1;
    bp_text_clear(&s->text);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = character_of((unsigned char)word[i]);
        char written[2] = { (char)c, 0 };
        if (c >= 0x80) written[0] = (char)(0xC0 | c >> 6), written[1] = (char)(0x80 | (c & 0x3F));
        bp_text_add(&s->text, written, c < 0x80 ? 1 : 2);
    }
    bool found = !s->text.failed && bp_map_find(&t->by_text, bp_text_get(&s->text), s->text.size, &id);
    return found && t->types[id] == BP_TOKEN_NORMAL ? (int32_t)id : -1;
}

/* Bytes that are no token are left out, unless there is an unknown token. */
static void fill_bytes(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n) {
    s->n_symbols = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(unsigned char)word[i]];
        if (id < 0) id = t->unknown;
        if (id >= 0) s->symbols[s->n_symbols++] = (bp_symbol){ .start = (uint32_t)i, .length = 1, .id = id };
    }
}

static void fill_characters(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n) {
    s->n_symbols = 0;
    for (size_t at = 0; at < n;) {
        int length = bp_utf8_length(word + at, n - at);
        uint32_t size = length > 0 ? (uint32_t)length : 1, id;
        bool found = bp_map_find(&t->by_text, word + at, size, &id);
        s->symbols[s->n_symbols++] = (bp_symbol){ (uint32_t)at, size, found ? (int32_t)id : -1, 0, 0 };
        at += size;
    }
}

static bool add_symbols(const bp_tokenizer *t, const bp_scratch *s, const char *word, bp_tokens *out) {
    bool ok = true;
    for (int32_t i = s->n_symbols ? 0 : -1; ok && i >= 0; i = s->symbols[i].next) {
        const bp_symbol *symbol = &s->symbols[i];
        if (symbol->id >= 0) ok = bp_tokens_add(out, symbol->id);
        else ok = bp_add_unknown(t, word + symbol->start, symbol->length, out);
    }
    return ok;
}

static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    bool whole_words = bp_split_flags(t->split) & BP_SPLIT_WHOLE;
    int32_t whole = whole_words ? find_word(t, s, word, n) : -1;
    bool ok = true;
    if (whole >= 0) {
        ok = bp_tokens_add(out, whole);
    } else if ((ok = bp_merge_reserve(s, n))) {
        if (is_raw(t)) fill_characters(t, s, word, n);
        else fill_bytes(t, s, word, n);
        bp_merge_run(s, word, find_pair, t);
        ok = add_symbols(t, s, word, out);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

/* One line, or newlines beside each other. */
static bp_status encode_raw(const bp_tokenizer *t, bp_scratch *s, const char *line, size_t n, bp_tokens *out,
                            bp_error *e) {
    uint32_t id;
    bool newlines = *line == '\n' && bp_split_flags(t->split) & BP_SPLIT_NEWLINES;
    if (newlines && bp_map_find(&t->by_text, line, n, &id))
        return bp_tokens_add(out, (int32_t)id) ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    return bp_encode_marked(t, s, line, n, encode_word, out, e);
}

/* The text that words are cut from: normalised, and with its spaces marked, where that is asked for. */
static bp_status prepare(const bp_tokenizer *t, bp_scratch *s, const char **text, size_t *n, bp_error *e) {
    uint32_t flags = bp_split_flags(t->split);
    bool normalize = flags & BP_SPLIT_NFC && !bp_is_plainly_nfc(*text, *n);
    if (!normalize && !(flags & BP_SPLIT_RAW)) return BP_OK;
    bp_text_clear(&s->normal);
    if (flags & BP_SPLIT_RAW) bp_add_marked(*text, *n, &s->normal);
    else bp_normalize_nfc(*text, *n, &s->normal);
    if (s->normal.failed) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    *text = bp_text_get(&s->normal);
    *n = s->normal.size;
    return BP_OK;
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    size_t n_words, start = 0;
    bp_status status = prepare(t, s, &text, &n, e);
    if (status == BP_OK) status = bp_split_text(t->split, s, text, n, &n_words, e);
    bool raw = is_raw(t);
    for (size_t i = 0; status == BP_OK && i < n_words; i++) {
        if (raw) status = encode_raw(t, s, text + start, s->ends[i] - start, out, e);
        else status = bp_encode_word(t, s, text + start, s->ends[i] - start, encode_word, out, e);
        start = s->ends[i];
    }
    return status;
}

const bp_vocab_kind bp_kind_bpe = { "gpt2", load, encode, bytes, .bos = -1, .eos = -1, .unknown = -1, .separator = -1 };
const bp_vocab_kind bp_kind_gemma4 = { "gemma4", load, encode, bytes, .bos = -1, .eos = -1, .unknown = -1,
                                       .separator = -1 };
