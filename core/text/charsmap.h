/* SentencePiece's precompiled_charsmap: a Darts-clone double array from texts to their replacements. */
#ifndef BP_TEXT_CHARSMAP_H
#define BP_TEXT_CHARSMAP_H

#include "core/text/vocab.h"

/* Find tokenizer.ggml.precompiled_charsmap in the file, if it is there, and check its sizes. */
bp_status bp_charsmap_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error);
/* The same from n bytes, which outlive the tokenizer; false where its sizes do not fit. */
bool bp_charsmap_set(bp_tokenizer *t, const uint8_t *data, uint64_t n);
/* As Hugging Face's tokenizers apply it: to short graphemes as a whole, else to characters; the first key that they begin
 * with replaces all of them. */
void bp_charsmap_apply_graphemes(const bp_tokenizer *t, const char *text, size_t n, bp_text *out);
/* Append the text with the longest replacements made, from left to right; bytes that are no UTF-8 become U+FFFD. */
void bp_charsmap_apply(const bp_tokenizer *t, const char *text, size_t n, bp_text *out);

#endif
