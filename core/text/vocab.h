/* Inside of the tokenizer: the vocabulary as it is held in memory, and the steps of encoding. Private to core/text. */
#ifndef BP_TEXT_VOCAB_H
#define BP_TEXT_VOCAB_H

#include "core/base/map.h"
#include "core/text/merge.h"
#include "core/text/split.h"
#include "core/text/tokenizer.h"

/* tokenizer.ggml.token_type: GGUF's own numbers. */
enum { BP_TOKEN_NORMAL = 1, BP_TOKEN_UNKNOWN, BP_TOKEN_CONTROL, BP_TOKEN_USER, BP_TOKEN_UNUSED, BP_TOKEN_BYTE };

/* Merges of byte-level BPE: an open-addressed table from a pair of ids to rank and result. */
typedef struct bp_merge_slot {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank;
    int32_t merged;
} bp_merge_slot;

/* Tokens that are matched in the text itself. For each first byte b the distinct lengths in bytes, longest first, are
 * lengths[first[b]] to lengths[first[b + 1] - 1]. */
typedef struct bp_specials {
    bp_map by_text;
    uint32_t *lengths;
    uint32_t first[257];
} bp_specials;

struct bp_tokenizer {
    const bp_gguf_string *tokens; /* n of them, in the file */
    uint32_t n;
    uint8_t *types; /* BP_TOKEN_* */
    bool *ends;
    float *scores; /* SPM */
    bp_map by_text;
    uint64_t longest; /* bytes of the longest token */
    bool spm, add_bos, add_eos, space_prefix;
    bool whole_words; /* BPE: a word that is a token needs no merges */
    int32_t bos, eos, unknown;
    int32_t byte_ids[256]; /* -1: none */
    bp_merge_slot *merges;
    uint64_t merge_mask;
    bp_specials specials;
    bp_split *split;
};

/* Add the ids of a piece without special tokens. */
bp_status bp_bpe_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e);
bp_status bp_spm_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out, bp_error *e);
/* Load t->merges from tokenizer.ggml.merges, and byte_ids; by_text is ready. */
bp_status bp_bpe_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error);
/* Load scores and byte_ids. */
bp_status bp_spm_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error);

/* The bytes of a normal token of byte-level BPE: its characters stand for bytes. */
void bp_bpe_bytes(const char *token, size_t n, bp_text *out);

bool bp_specials_load(bp_tokenizer *t); /* false: out of memory */
void bp_specials_free(bp_specials *s);
/* The longest special token that text begins with, -1 where there is none; control tokens only where `control`. */
int32_t bp_specials_match(const bp_tokenizer *t, const char *text, size_t n, bool control);

bool bp_tokens_add(bp_tokens *tokens, int32_t id); /* false: out of memory */

static inline bool bp_type_is_special(uint8_t type) { return type == BP_TOKEN_CONTROL || type == BP_TOKEN_UNKNOWN; }

#endif
