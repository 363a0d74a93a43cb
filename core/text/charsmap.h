/* SentencePiece's precompiled_charsmap: a Darts-clone double array from texts to their replacements. */
#ifndef BP_TEXT_CHARSMAP_H
#define BP_TEXT_CHARSMAP_H

#include "core/text/vocab.h"

/* Find tokenizer.ggml.precompiled_charsmap in the file, if it is there, and check its sizes. */
bp_status bp_charsmap_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error);
/* Append the text with the longest replacements made, from left to right; bytes that are no UTF-8 become U+FFFD. */
void bp_charsmap_apply(const bp_tokenizer *t, const char *text, size_t n, bp_text *out);

#endif
