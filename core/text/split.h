/* Cutting text into the words that byte-level BPE merges within, by the published pattern of each pre-tokenizer. */
#ifndef BP_TEXT_SPLIT_H
#define BP_TEXT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "backplane/status.h"
#include "core/text/merge.h"

typedef struct bp_split bp_split; /* immutable: any thread */

/* The pre-tokenizer of this name (tokenizer.ggml.pre); BP_E_UNSUPPORTED naming it where it is unknown. */
bp_status bp_split_new(const char *name, size_t n, bp_split **out, bp_error *error);
void bp_split_free(bp_split *split);
bool bp_split_adds_bos(const bp_split *split);     /* where the file does not say */
bool bp_split_whole_words(const bp_split *split);  /* a word that is a token is taken as it is */

/* Cut text (at most BP_MERGE_MAX_TEXT bytes): the ends of its words, in order, into s->ends; the last is n. Bytes that
 * are no UTF-8 are words of their own. */
bp_status bp_split_text(const bp_split *split, bp_scratch *s, const char *text, size_t n, size_t *n_words, bp_error *e);

#endif
