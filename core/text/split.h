/* Cutting text into the words that BPE merges within, by the published pattern of each pre-tokenizer. */
#ifndef BP_TEXT_SPLIT_H
#define BP_TEXT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"
#include "core/text/merge.h"

typedef struct bp_split bp_split; /* immutable: any thread */

/* What pretokenizers.def says of a name. */
enum { BP_SPLIT_BOS = 1, BP_SPLIT_WHOLE = 2, BP_SPLIT_NFC = 4, BP_SPLIT_RAW = 8, BP_SPLIT_NEWLINES = 16 };

/* What becomes of the matches of a pattern, in the words of Hugging Face's tokenizers: pieces of their own; left out; all
 * else left out; at the end of the piece before; at the begin of the piece after. */
typedef enum bp_cut { BP_CUT_ISOLATED, BP_CUT_REMOVED, BP_CUT_KEPT, BP_CUT_PREVIOUS, BP_CUT_NEXT } bp_cut;

/* Set in the end of a piece that is left out. */
#define BP_PIECE_DROPPED (UINT32_C(1) << 31)

/* The pre-tokenizer of this name (tokenizer.ggml.pre); BP_E_UNSUPPORTED naming it where it is unknown. */
bp_status bp_split_new(const char *name, size_t n, bp_split **out, bp_error *error);
void bp_split_free(bp_split *split);
/* A pre-tokenizer of steps that are added one by one (NULL: out of memory): patterns for PCRE2, from a file that is not
 * trusted. BP_E_UNSUPPORTED with PCRE2's words where the pattern is none, or there are too many. */
bp_split *bp_split_empty(void);
bp_status bp_split_add(bp_split *split, const char *pattern, bp_cut cut, bp_error *error);
uint32_t bp_split_flags(const bp_split *split);
/* All names, in the list's order; NULL at the end. */
const char *bp_split_name(size_t index);
/* Of the names of the same patterns as `name`, itself or else the first, whose flags in `mask` are these; without one,
 * `name` as the list has it; NULL where it is not in the list. */
const char *bp_split_variant(const char *name, size_t n, uint32_t mask, uint32_t flags);
/* Match every word by the pattern, also those that are known without: for tests. */
void bp_split_match_all(bp_split *split);

/* Cut text (at most BP_MERGE_MAX_TEXT bytes): the ends of its words, in order, into s->ends; the last is n. Bytes that
 * are no UTF-8 are words of their own. */
bp_status bp_split_text(const bp_split *split, bp_scratch *s, const char *text, size_t n, size_t *n_words, bp_error *e);
/* Cut only where valid UTF-8 begins or ends. */
bp_status bp_split_runs(bp_scratch *s, const char *text, size_t n, size_t *n_words, bp_error *e);
/* Cut further: *n_words pieces whose ends are in s->ends. */
bp_status bp_split_pieces(const bp_split *split, bp_scratch *s, const char *text, size_t *n_words, bp_error *e);

#endif
