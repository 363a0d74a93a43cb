/* BPE: pairs merge by rank. Byte-level: each byte is written as a printable character (GPT-2's table); or raw: tokens
 * are UTF-8 with U+2581 for spaces, and characters that are no token become byte tokens. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/normalize.h"
#include "core/text/pipeline.h"
#include "core/text/vocab.h"

enum { FEWEST_EARLY = 256 }; /* merges within words, where it pays to make them first */

static bool is_printable(uint32_t byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* The character that stands for a byte: itself if printable, else the next from U+0100 on. */
static uint32_t character_of(uint32_t byte) {
    if (is_printable(byte)) return byte;
    if (byte <= 0x20) return 0x100 + byte;
    return byte == 0xAD ? 0x143 : 0x121 + (byte - 0x7F);
}

void bp_add_byte_characters(const char *text, size_t n, bp_text *out) {
    for (size_t i = 0; i < n; i++) {
        uint32_t c = character_of((unsigned char)text[i]);
        char written[2] = { (char)c, 0 };
        if (c >= 0x80) written[0] = (char)(0xC0 | c >> 6), written[1] = (char)(0x80 | (c & 0x3F));
        bp_text_add(out, written, c < 0x80 ? 1 : 2);
    }
}

static int byte_of(uint32_t character) {
    if (character < 0x100) return is_printable(character) ? (int)character : -1;
    if (character <= 0x120) return (int)(character - 0x100);
    if (character <= 0x142) return (int)(character - 0x121 + 0x7F);
    return character == 0x143 ? 0xAD : -1;
}

static bool is_raw(const bp_tokenizer *t) { return t->flags & BP_SPLIT_RAW; }

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
    if (is_raw(t) && !t->byte_characters) bp_spm_bytes(t, id, out);
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

/* A pair that merges before words do. */
static bool find_early_pair(const void *self, const char *text, const bp_symbol *left, const bp_symbol *right,
                            bp_candidate *out) {
    const bp_tokenizer *t = self;
    return find_pair(self, text, left, right, out) && out->order < t->spanning_rank;
}

/* The byte that a token begins or ends with; -1 where that is no byte's character. */
static int byte_at(bp_gguf_string token, bool last) {
    size_t at = last ? token.size - 1 : 0;
    while (at && last && ((unsigned char)token.data[at] & 0xC0) == 0x80) at--;
    int length = token.size ? bp_utf8_length(token.data + at, token.size - at) : 0;
    if (length == 1) return byte_of((unsigned char)token.data[at]);
    return length == 2 ? byte_of(((uint32_t)token.data[at] & 0x1F) << 6 | ((uint32_t)token.data[at + 1] & 0x3F)) : -1;
}

/* What merges tell of the places where texts can be cut: which bytes meet in one, which is the first to join words, and
 * whether those before use what it or those after it make. */
static void note_cuts(bp_tokenizer *t, const bp_merge_slot *slot) {
    uint32_t left_id = (uint32_t)(slot->pair >> 32), right_id = (uint32_t)slot->pair;
    int left = byte_at(t->tokens[left_id], true), right = byte_at(t->tokens[right_id], false);
    if (left >= 0 && right >= 0) bp_join(t, (char)left, (char)right);
    if (right == ' ' && left != ' ') t->spanning_rank = BP_MIN(t->spanning_rank, slot->rank);
    if (slot->rank < t->spanning_rank) t->used_early[left_id] = t->used_early[right_id] = true;
    else t->mixed = t->mixed || t->used_early[slot->merged];
}

/* The token of the text left right. Often it is the one after that which the merge before made. */
static bool find_merged(const bp_tokenizer *t, bp_gguf_string left, bp_gguf_string right, bp_text *room, uint32_t *id) {
    uint32_t guess = t->last_merged + 1;
    bool fits = !t->has_equals && !t->pipeline && guess < t->n && t->tokens[guess].size == left.size + right.size;
    if (fits && !memcmp(t->tokens[guess].data, left.data, left.size) &&
        !memcmp(t->tokens[guess].data + left.size, right.data, right.size)) {
        *id = guess;
        return true;
    }
    bp_text_clear(room);
    bp_text_add(room, left.data, left.size);
    bp_text_add(room, right.data, right.size);
    return !room->failed && bp_model_find(t, bp_text_get(room), room->size, id);
}

/* Tokens of which one is not in the vocabulary can never be made, and their merge is left out. */
bool bp_bpe_merge(bp_tokenizer *t, bp_gguf_string left, bp_gguf_string right, uint32_t rank, bp_text *room) {
    uint32_t a, b, both;
    if (!find_merged(t, left, right, room, &both) || !bp_model_find(t, left.data, left.size, &a) ||
        !bp_model_find(t, right.data, right.size, &b))
        return !room->failed;
    t->last_merged = both;
    uint64_t pair = (uint64_t)a << 32 | b;
    bp_merge_slot *slot = &t->merges[slot_at(t, pair)];
    if (slot->pair != UINT64_MAX) return true;
    *slot = (bp_merge_slot){ pair, rank, (int32_t)both };
    if (!is_raw(t)) note_cuts(t, slot);
    else if (left.size && right.size) bp_join(t, left.data[left.size - 1], right.data[0]);
    return true;
}

/* "left right" */
static bool add_merge(bp_tokenizer *t, bp_gguf_string merge, uint32_t rank, bp_text *room) {
    const char *space = merge.size > 2 ? memchr(merge.data + 1, ' ', merge.size - 1) : NULL;
    if (!space) return false;
    size_t n = (size_t)(space - merge.data);
    return bp_bpe_merge(t, (bp_gguf_string){ merge.data, n }, (bp_gguf_string){ space + 1, merge.size - n - 1 }, rank,
                        room) || room->failed;
}

bool bp_bpe_begin(bp_tokenizer *t, uint64_t n_merges) {
    uint64_t slots = 64;
    while (slots < n_merges * 2) slots *= 2;
    t->merges = bp_new_array(slots, sizeof *t->merges);
    t->joined = bp_new_array((1 << 16) / 8, 1);
    t->used_early = bp_new_array(t->n, sizeof *t->used_early);
    t->spanning_rank = UINT32_MAX;
    t->merge_mask = slots - 1;
    for (uint64_t i = 0; t->merges && i < slots; i++) t->merges[i].pair = UINT64_MAX;
    return t->merges && t->joined && t->used_early;
}

static void find_bytes(bp_tokenizer *t) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t c = character_of(byte), id;
        char text[2] = { (char)c, 0 };
        if (c >= 0x80) text[0] = (char)(0xC0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3F));
        t->byte_ids[byte] = bp_model_find(t, text, c < 0x80 ? 1 : 2, &id) ? (int32_t)id : -1;
    }
}

/* Texts of bytes that are all tokens can be cut; others vanish, and what was apart meets. */
void bp_bpe_finish(bp_tokenizer *t) {
    bool all = true;
    if (is_raw(t)) bp_load_bytes(t);
    else find_bytes(t);
    for (unsigned byte = 0; byte < 256; byte++) all = all && t->byte_ids[byte] >= 0;
    free(t->used_early);
    t->used_early = NULL;
    if (!all || is_raw(t) || t->mixed || t->spanning_rank < FEWEST_EARLY || t->flags & BP_SPLIT_WHOLE) t->spanning_rank = 0;
    if (all) return;
    free(t->joined);
    t->joined = NULL;
}

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.merges");
    if (!key || key->type != BP_GGUF_ARRAY || key->item_type != BP_GGUF_STRING || key->count > INT32_MAX)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.merges: no list of texts", bp_gguf_path(file));
    if (!bp_bpe_begin(t, key->count)) return bp_fail(error, BP_E_NO_MEMORY, "tokenizer's merges: out of memory");
    bp_text room = { 0 };
    bp_status status = BP_OK;
    for (uint64_t i = 0; status == BP_OK && i < key->count; i++)
        if (!add_merge(t, key->strings[i], (uint32_t)i, &room))
            status = bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.merges[%llu]: not two texts with a space between",
                             bp_gguf_path(file), (unsigned long long)i);
    bool ok = !room.failed;
    bp_text_free(&room);
    bp_bpe_finish(t);
    return ok ? status : bp_fail(error, BP_E_NO_MEMORY, "tokenizer's merges: out of memory");
}

/* A word that, written in the vocabulary's characters, is a token. */
static int32_t find_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n) {
    uint32_t id;
    if (n > t->longest) return -1;
    bp_text_clear(&s->text);
    if (is_raw(t)) bp_text_add(&s->text, word, n);
    else bp_add_byte_characters(word, n, &s->text);
    bool found = !s->text.failed && bp_model_find(t, bp_text_get(&s->text), s->text.size, &id);
    return found && (t->pipeline || t->types[id] == BP_TOKEN_NORMAL) ? (int32_t)id : -1;
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
        bool found = bp_model_find(t, word + at, size, &id);
        if (found || t->unknown >= 0 || bp_has_bytes(t, word + at, size)) /* else what stands beside it meets */
            s->symbols[s->n_symbols++] = (bp_symbol){ (uint32_t)at, size, found ? (int32_t)id : -1, 0, 0 };
        at += size;
    }
}

static bool add_symbols(const bp_tokenizer *t, const bp_scratch *s, const char *word, bp_tokens *out) {
    bool ok = true, unknown = false;
    for (int32_t i = s->n_symbols ? 0 : -1; ok && i >= 0; i = s->symbols[i].next) {
        const bp_symbol *symbol = &s->symbols[i];
        bool before = unknown; /* was the one before unknown? */
        unknown = symbol->id < 0 && !bp_has_bytes(t, word + symbol->start, symbol->length);
        if (symbol->id >= 0) ok = bp_tokens_add(out, symbol->id);
        else if (!unknown || !before || !t->fuse_unknown)
            ok = bp_add_unknown(t, word + symbol->start, symbol->length, out);
    }
    return ok;
}

static bp_status done(bool ok, bp_error *e) {
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static bp_status merge_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                            bp_error *e) {
    bool ok = bp_merge_reserve(s, n);
    if (ok) {
        if (is_raw(t)) fill_characters(t, s, word, n);
        else fill_bytes(t, s, word, n);
        bp_merge_run(s, word, find_pair, t);
        ok = add_symbols(t, s, word, out);
    }
    return done(ok, e);
}

static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    bool whole_words = t->flags & BP_SPLIT_WHOLE;
    int32_t whole = whole_words ? find_word(t, s, word, n) : -1;
    return whole < 0 ? merge_word(t, s, word, n, out, e) : done(bp_tokens_add(out, whole), e);
}

/* A word without the merges that span words. */
static bp_status encode_part(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    bool ok = bp_merge_reserve(s, n);
    if (ok) {
        fill_bytes(t, s, word, n);
        bp_merge_run(s, word, find_early_pair, t);
        ok = add_symbols(t, s, word, out);
    }
    return done(ok, e);
}

/* The end of the word that begins at `at`: the next space that another character precedes. */
static size_t word_end(const char *text, size_t at, size_t n) {
    while (at < n && text[at] == ' ') at++;
    const char *space = at < n ? memchr(text + at, ' ', n - at) : NULL;
    return space ? (size_t)(space - text) : n;
}

static uint32_t count_bytes(bp_gguf_string token) {
    uint32_t n = 0; /* each is one character of the vocabulary's */
    for (uint64_t i = 0; i < token.size; i++) n += ((unsigned char)token.data[i] & 0xC0) != 0x80;
    return n;
}

static void fill_parts(const bp_tokenizer *t, bp_scratch *s) {
    uint32_t at = 0;
    s->n_symbols = s->part_ids.count;
    for (size_t i = 0; i < s->n_symbols; i++) {
        int32_t id = s->part_ids.ids[i];
        s->symbols[i] = (bp_symbol){ .start = at, .length = count_bytes(t->tokens[id]), .id = id };
        at += s->symbols[i].length;
    }
}

/* A piece of several words: first the merges within words, whose results are kept, then those across them. */
static bp_status encode_words(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                              bp_error *e) {
    bool spans = t->spanning_rank != UINT32_MAX;
    bp_status status = BP_OK;
    s->part_ids.count = 0;
    for (size_t at = 0, end; status == BP_OK && at < n; at = end) {
        end = word_end(text, at, n);
        if (spans) status = bp_encode_kept(t, s, &s->parts, text + at, end - at, encode_part, &s->part_ids, e);
        else status = bp_encode_word(t, s, text + at, end - at, encode_word, out, e);
    }
    if (status != BP_OK || !spans) return status;
    bool ok = bp_merge_reserve(s, s->part_ids.count);
    if (ok) {
        fill_parts(t, s);
        bp_merge_run(s, text, find_pair, t);
        ok = add_symbols(t, s, text, out);
    }
    return done(ok, e);
}

/* Text that no merge joins to what stands beside it. */
static bp_status encode_apart(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                              bp_error *e) {
    if (t->flags & BP_SPLIT_WHOLE) /* a cache of its own: here a text that is a token may not be taken whole */
        return bp_encode_kept(t, s, &s->parts, text, n, merge_word, out, e);
    bool words = t->spanning_rank && word_end(text, 0, n) < n;
    return words ? encode_words(t, s, text, n, out, e) : bp_encode_word(t, s, text, n, encode_word, out, e);
}

/* A piece that the pre-tokenizer gives. */
bp_status bp_bpe_piece(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                       bp_error *e) {
    bool whole_words = t->flags & BP_SPLIT_WHOLE;
    if (!t->joined || (n <= BP_LONGEST_KEPT_WORD && (whole_words || word_end(text, 0, n) == n)))
        return bp_encode_word(t, s, text, n, encode_word, out, e);
    int32_t whole = whole_words ? find_word(t, s, text, n) : -1;
    if (whole >= 0) return done(bp_tokens_add(out, whole), e);
    bp_status status = BP_OK;
    for (size_t at = 0, end; status == BP_OK && at < n; at = end) {
        for (end = at + 1; end < n && bp_is_joined(t, text[end - 1], text[end]); end++) continue;
        status = encode_apart(t, s, text + at, end - at, out, e);
    }
    return status;
}

bp_status bp_bpe_raw_piece(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                           bp_error *e) {
    if (t->flags & BP_SPLIT_WHOLE) return bp_encode_word(t, s, text, n, encode_word, out, e);
    return bp_encode_marked(t, s, text, n, encode_word, out, e);
}

/* One line, or newlines beside each other. */
static bp_status encode_raw(const bp_tokenizer *t, bp_scratch *s, const char *line, size_t n, bp_tokens *out,
                            bp_error *e) {
    uint32_t id;
    bool newlines = *line == '\n' && t->flags & BP_SPLIT_NEWLINES;
    if (newlines && bp_model_find(t, line, n, &id))
        return done(bp_tokens_add(out, (int32_t)id), e);
    return bp_encode_marked(t, s, line, n, encode_word, out, e);
}

/* The text that words are cut from: normalised, and with its spaces marked, where that is asked for. */
static bp_status prepare(const bp_tokenizer *t, bp_scratch *s, const char **text, size_t *n, bp_error *e) {
    uint32_t flags = t->flags;
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
        else status = bp_bpe_piece(t, s, text + start, s->ends[i] - start, out, e);
        start = s->ends[i];
    }
    return status;
}

const bp_vocab_kind bp_kind_bpe = { "gpt2", load, encode, bytes, .bos = -1, .eos = -1, .unknown = -1, .separator = -1 };
const bp_vocab_kind bp_kind_gemma4 = { "gemma4", load, encode, bytes, .bos = -1, .eos = -1, .unknown = -1,
                                       .separator = -1 };
const bp_vocab_kind bp_kind_hf_bpe = { "BPE", NULL, bp_pipeline_encode, bytes, .bos = -1 };
