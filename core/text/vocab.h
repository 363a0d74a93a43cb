/* Inside of the tokenizer: the vocabulary as it is held in memory, and the steps of encoding. Private to core/text. */
#ifndef BP_TEXT_VOCAB_H
#define BP_TEXT_VOCAB_H

#include <stdatomic.h>
#include <string.h>

#include "core/base/arena.h"
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

/* White space beside a token that is matched in the text: it belongs to the token. ALONE: no word's character may stand
 * beside it. */
enum { BP_STRIP_LEFT = 1, BP_STRIP_RIGHT = 2, BP_STRIP_ALONE = 4 };

enum { BP_WPM_LONGEST_WORD = 100 };

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
    bp_kind_plamo2, bp_kind_hf_bpe;

struct bp_tokenizer {
    const bp_vocab_kind *kind;
    const bp_gguf_string *tokens; /* n of them, in the file */
    uint32_t n;
    uint8_t *types;  /* BP_TOKEN_* */
    uint8_t *strips; /* BP_STRIP_* */
    bool *ends;
    double *scores; /* SPM, UGM */
    bp_map by_text;
    uint64_t longest; /* bytes of the longest token */
    bool has_equals;  /* several tokens have one text */
    bp_tokens begin, end; /* what is put before and after a text */
    bool space_prefix;
    bool words_apart; /* no token goes on after a U+2581 that follows another character: words can be encoded alone */
    int32_t bos, eos, unknown, separator;
    bp_tokens suppressed; /* never to be sampled, as the file lists them */
    int32_t byte_ids[256]; /* -1: none */
    bp_prefixes specials;  /* tokens that are matched in the text itself */
    bp_merge_slot *merges; /* BPE */
    uint64_t merge_mask;
    uint8_t *joined; /* BPE, SPM: a bit for each pair of bytes that some merge joins; NULL: not known */
    uint32_t spanning_rank; /* BPE: merges of lower rank stay within words and can be made first; 0: not so */
    uint32_t last_merged;    /* while merges are read: what the last one makes */
    bool *used_early, mixed; /* while merges are read: parts of merges within words; later merges make some, too */
    bp_split *split;
    const char *pre; /* its name in pretokenizers.def; NULL: none */
    uint32_t flags; /* BP_SPLIT_* */
    bool byte_characters; /* raw BPE: tokens are GPT-2's characters for bytes nevertheless */
    uint32_t n_model;     /* of a tokenizer.json: the model's tokens, before the added ones */
    bool fuse_unknown; /* raw BPE: unknown characters beside each other are one unknown token */
    bool lower_case, strip_accents;        /* WPM */
    size_t longest_word;                   /* WPM: longer words, in characters, are unknown */
    bp_prefixes prefixes;                  /* UGM, RWKV: the tokens that texts are made of */
    bool merge_spaces, byte_fallback;      /* UGM */
    double unknown_score;                  /* UGM */
    const uint8_t *charsmap, *replacements; /* UGM: a double array of n_charsmap units, and the texts they point to */
    size_t n_charsmap, n_replacements;
    char *unescaped; /* RWKV: the tokens' bytes */
    _Atomic(struct bp_grammar_vocab *) trie; /* for grammars: made when first asked for */
    struct bp_pipeline *pipeline; /* of a tokenizer.json */
    bp_arena arena;               /* of a tokenizer.json: its tokens */
};

/* What one word is encoded with. */
typedef bp_status bp_word_fn(const bp_tokenizer *t, bp_scratch *s, const char *word, size_t n, bp_tokens *out,
                             bp_error *e);

/* The model's token of this text: of a tokenizer.json's added tokens the model knows nothing. */
static inline bool bp_model_find(const bp_tokenizer *t, const char *text, size_t n, uint32_t *id) {
    return bp_map_find(&t->by_text, text, n, id) && (!t->pipeline || *id < t->n_model);
}

static inline void bp_join(bp_tokenizer *t, char left, char right) {
    size_t pair = (size_t)(unsigned char)left << 8 | (unsigned char)right;
    t->joined[pair >> 3] |= (uint8_t)(1 << (pair & 7));
}
static inline bool bp_is_joined(const bp_tokenizer *t, char left, char right) {
    size_t pair = (size_t)(unsigned char)left << 8 | (unsigned char)right;
    return t->joined[pair >> 3] >> (pair & 7) & 1;
}

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
bool bp_has_bytes(const bp_tokenizer *t, const char *character, uint32_t n); /* are all of its bytes tokens? */
/* Add what stands for a character that is no token: its bytes' tokens, or the unknown token. */
bool bp_add_unknown(const bp_tokenizer *t, const char *character, uint32_t n, bp_tokens *out);

bool bp_specials_load(bp_tokenizer *t); /* false: out of memory */
/* Add the tokens that are matched in the text itself (control tokens only where `control`); the text between them is
 * given to `between`, at_start where it begins the text; it is never empty. */
typedef bp_status bp_between_fn(void *self, const char *text, size_t n, bool at_start, bp_error *e);
bp_status bp_specials_encode(const bp_tokenizer *t, const bp_prefixes *specials, const char *text, size_t n,
                             bool control, bp_tokens *out, bp_between_fn *between, void *self, bp_error *e);

/* BPE: make room for the merges; add them in their order (false: out of memory); find where texts can be cut. */
bool bp_bpe_begin(bp_tokenizer *t, uint64_t n_merges);
bool bp_bpe_merge(bp_tokenizer *t, bp_gguf_string left, bp_gguf_string right, uint32_t rank, bp_text *room);
void bp_bpe_finish(bp_tokenizer *t);
/* UGM: index the tokens; false: out of memory. */
bool bp_ugm_index(bp_tokenizer *t);
/* Encode a piece that a pre-tokenizer gives: bytes, characters with U+2581 for spaces (two kinds), a word of BERT's. */
bp_word_fn bp_bpe_piece, bp_bpe_raw_piece, bp_ugm_piece, bp_wpm_piece;
/* Find tokens that end texts: the known ones, by their texts. */
void bp_find_ends(bp_tokenizer *t);
void bp_find_word_spans(bp_tokenizer *t);

static inline bool bp_type_is_special(uint8_t type) { return type == BP_TOKEN_CONTROL || type == BP_TOKEN_UNKNOWN; }

#endif
