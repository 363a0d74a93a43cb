/* Inside of the tokenizer: the vocabulary as it is held in memory, and the steps of encoding. Private to core/text. */
#ifndef BP_TEXT_VOCAB_H
#define BP_TEXT_VOCAB_H

#include <string.h>

#include "core/base/map.h"
#include "core/text/merge.h"
#include "core/text/prefixes.h"
#include "core/text/split.h"
#include "core/text/tokenizer.h"

/* tokenizer.ggml.token_type: GGUF's own numbers. */
enum { BP_TOKEN_NORMAL = 1, BP_TOKEN_UNKNOWN, BP_TOKEN_CONTROL, BP_TOKEN_USER, BP_TOKEN_UNUSED, BP_TOKEN_BYTE };

/* Merges of BPE: an open-addressed table from a pair of ids to rank and result. */
typedef struct bp_merge_slot {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank;
    int32_t merged;
} bp_merge_slot;

/* White space beside a token that is matched in the text: it belongs to the token. */
enum { BP_STRIP_LEFT = 1, BP_STRIP_RIGHT = 2 };

/* One kind of tokenizer: what tokenizer.ggml.model names. */
typedef struct bp_vocab_kind {
    const char *model;
    /* Load what the kind needs; by_text and types are ready. */
    bp_status (*load)(bp_tokenizer *t, const bp_gguf *file, bp_error *e);
    /* Add the ids of a piece between tokens that were matched; n > 0. */
    bp_status (*encode)(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e);
    /* Add the text of a token that is neither control nor user-defined. */
    void (*bytes)(const bp_tokenizer *t, int32_t id, bp_text *out);
    int32_t bos, eos, unknown, separator; /* where the file does not say; -1: none */
    bool add_bos, add_eos, add_separator, space_prefix, needs_scores;
} bp_vocab_kind;

extern const bp_vocab_kind bp_kind_bpe, bp_kind_gemma4, bp_kind_spm, bp_kind_wpm, bp_kind_ugm, bp_kind_rwkv,
    bp_kind_plamo2;

struct bp_tokenizer {
    const bp_vocab_kind *kind;
    const bp_gguf_string *tokens; /* n of them, in the file */
    uint32_t n;
    uint8_t *types;  /* BP_TOKEN_* */
    uint8_t *strips; /* BP_STRIP_*; NULL: none */
    bool *ends;
    float *scores; /* SPM, UGM */
    bp_map by_text;
    uint64_t longest; /* bytes of the longest token */
    bool add_bos, add_eos, add_separator, space_prefix;
    bool words_apart; /* no token goes on after a U+2581 that follows another character: words can be encoded alone */
    int32_t bos, eos, unknown, separator;
    int32_t byte_ids[256]; /* -1: none */
    bp_prefixes specials;  /* tokens that are matched in the text itself */
    bp_merge_slot *merges; /* BPE */
    uint64_t merge_mask;
    uint8_t *joined; /* byte-level BPE: a bit for each pair of bytes that some merge joins; NULL: not known */
    uint32_t spanning_rank; /* BPE: merges of lower rank stay within words and can be made first; 0: not so */
    bp_split *split;
    bool lower_case, strip_accents;        /* WPM */
    bp_prefixes prefixes;                  /* UGM, RWKV: the tokens that texts are made of */
    bool merge_spaces, byte_fallback;      /* UGM */
    double unknown_score;                  /* UGM */
    const uint8_t *charsmap, *replacements; /* UGM: a double array of n_charsmap units, and the texts they point to */
    size_t n_charsmap, n_replacements;
    char *unescaped; /* RWKV: the tokens' bytes */
};

/* What one word is encoded with. */
typedef bp_status bp_word_fn(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e);

bool bp_tokens_grow(bp_tokens *tokens); /* false: out of memory */
static inline bool bp_tokens_add(bp_tokens *tokens, int32_t id) {
    if (tokens->count == tokens->capacity && !bp_tokens_grow(tokens)) return false;
    tokens->ids[tokens->count++] = id;
    return true;
}

/* Encode a word, or take its ids from those kept. */
bp_status bp_encode_word(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_word_fn *encode,
                         bp_tokens *out, bp_error *e);
/* The same, with the ids kept in `words`, which only one function fills. */
bp_status bp_encode_kept(const bp_tokenizer *t, bp_scratch *s, bp_words *words, const char *word, size_t n,
                         bp_word_fn *encode, bp_tokens *out, bp_error *e);
/* Encode a text whose spaces are U+2581: word by word, where the vocabulary lets words be encoded alone. */
bp_status bp_encode_marked(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_word_fn *encode,
                           bp_tokens *out, bp_error *e);
/* Add a text with U+2581 for each space; and back. */
void bp_add_marked(const char *text, size_t n, bp_text *out);
void bp_add_unmarked(const char *text, size_t n, bp_text *out);
static inline bool bp_starts_with_mark(const char *text, size_t n) {
    return n >= 3 && !memcmp(text, "\xE2\x96\x81", 3);
}

/* Find the tokens <0x00> to <0xFF>; false where one is missing. */
bool bp_load_bytes(bp_tokenizer *t);
/* The text of SPM's tokens, where <0x41> is a byte: the kinds' function `bytes`. */
void bp_spm_bytes(const bp_tokenizer *t, int32_t id, bp_text *out);
/* Add what stands for a character that is no token: its bytes' tokens, or the unknown token. */
bool bp_add_unknown(const bp_tokenizer *t, const char *character, uint32_t n, bp_tokens *out);

bool bp_specials_load(bp_tokenizer *t); /* false: out of memory */
/* The longest special token that text begins with, -1 where there is none; control tokens only where `control`. */
int32_t bp_specials_match(const bp_tokenizer *t, const char *text, size_t n, bool control);

static inline bool bp_type_is_special(uint8_t type) { return type == BP_TOKEN_CONTROL || type == BP_TOKEN_UNKNOWN; }

#endif
