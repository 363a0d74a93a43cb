/* WordPiece as BERT has it: a word is the longest token that it begins with, then the longest that goes on, and so
 * forth; a word that cannot be made so is unknown. In GGUF tokens that begin a word begin with U+2581, others have no mark.
 * Source: Devlin et al., "BERT", 2018, and its published code. */
#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/normalize.h"
#include "core/text/vocab.h"

static bp_status load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    (void)error;
    int64_t lower = 1, strip;
    bp_gguf_int(bp_gguf_find(file, "tokenizer.ggml.normalizer.lowercase"), 0, &lower);
    strip = lower;
    bp_gguf_int(bp_gguf_find(file, "tokenizer.ggml.normalizer.strip_accents"), 0, &strip);
    t->longest_word = BP_WPM_LONGEST_WORD;
    t->lower_case = lower;
    t->strip_accents = strip;
    return BP_OK;
}

/* Can the token go on within a word? Those that are matched in the text stand without a mark, too. */
static bool goes_on(const bp_tokenizer *t, uint32_t id) {
    return !bp_type_is_special(t->types[id]) && !(t->pipeline && t->types[id] == BP_TOKEN_USER);
}

/* The longest token that text[0, n) begins with; 0 where there is none. Within a word U+2581 is a character, and no
 * mark of the tokens that begin words. */
static size_t longest_token(const bp_tokenizer *t, const char *text, size_t n, bool within, int32_t *id) {
    uint32_t found;
    if (within && bp_starts_with_mark(text, n)) n = 3;
    size_t least = within ? 1 : 4; /* the mark alone begins no word */
    for (size_t size = BP_MIN(n, t->longest); size >= least; size--) {
        if (!bp_model_find(t, text, size, &found) || (within && !goes_on(t, found))) continue;
        *id = (int32_t)found;
        return size;
    }
    return 0;
}

static size_t count_characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* word: with its mark. */
static bp_status encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e) {
    (void)s;
    size_t before = out->count, at = 0;
    bool ok = true, known = count_characters(word, n) <= t->longest_word + 1;
    for (int32_t id; ok && known && at < n;) {
        size_t size = longest_token(t, word + at, n - at, at, &id);
        known = size;
        if (known) ok = bp_tokens_add(out, id);
        at += size;
    }
    if (ok && !known) {
        out->count = before;
        ok = t->unknown < 0 || bp_tokens_add(out, t->unknown);
    }
    return ok ? BP_OK : bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

bp_status bp_wpm_piece(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out, bp_error *e) {
    bp_text_clear(&s->text);
    bp_add_marked(" ", 1, &s->text);
    bp_text_add(&s->text, word, n);
    if (s->text.failed) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    return bp_encode_word(t, s, s->text.data, s->text.size, encode_word, out, e);
}

static bp_status encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e) {
    bp_text_clear(&s->normal);
    if (!bp_normalize_bert(text, n, t->lower_case, t->strip_accents, &s->normal))
        return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
    bp_status status = BP_OK;
    for (size_t at = 0, size; status == BP_OK && at < s->normal.size; at += size + 1) {
        size = strlen(s->normal.data + at);
        status = bp_wpm_piece(t, s, s->normal.data + at, size, out, e);
    }
    return status;
}

const bp_vocab_kind bp_kind_wpm = { "bert", load, encode, bp_spm_bytes, .bos = 101, .eos = -1, .unknown = 100,
                                    .separator = 102, .add_bos = true, .add_separator = true, .space_prefix = true };
