/* Unicode normal forms, and what BERT's tokenizers make of a text before they cut it; characters' properties are
 * utf8proc's. Bytes that are no UTF-8 stay as they are in bp_normalize_nfc, and are left out in bp_normalize_bert. */
#ifndef BP_TEXT_NORMALIZE_H
#define BP_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/text.h"

/* Is the text in NFC for sure? (Only characters below U+0300 are looked at closer.) */
bool bp_is_plainly_nfc(const char *text, size_t n);
/* Append the text in NFC. False: out of memory. */
bool bp_normalize_nfc(const char *text, size_t n, bp_text *out);

/* Append the words of a text as BERT's normalizer and pre-tokenizer give them, each followed by a zero byte: control
 * characters vanish, CJK characters and punctuation stand alone; with lower_case in small letters, with strip_accents
 * without nonspacing marks. */
bool bp_normalize_bert(const char *text, size_t n, bool lower_case, bool strip_accents, bp_text *out);

#endif
