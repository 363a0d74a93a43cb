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

/* The pre-tokenizer of this name (tokenizer.ggml.pre); BP_E_UNSUPPORTED naming it where it is unknown. */
bp_status bp_split_new(const char *name, size_t n, bp_split **out, bp_error *error);
void bp_split_free(bp_split *split);
uint32_t bp_split_flags(const bp_split *split);
/* All names, in the list's order; NULL at the end. */
const char *bp_split_name(size_t index);
/* Match every word by the pattern, also those that are known without: for tests. */
void bp_split_match_all(bp_split *split);

/* Cut text (at most BP_MERGE_MAX_TEXT bytes): the ends of its words, in order, into s->ends; the last is n. Bytes that
 * are no UTF-8 are words of their own. */
bp_status bp_split_text(const bp_split *split, bp_scratch *s, const char *text, size_t n, size_t *n_words, bp_error *e);

#endif
