/* Unicode normal forms, and what BERT's tokenizers make of a text before they cut it; characters' properties are
 * utf8proc's. Bytes that are no UTF-8 stay as they are in bp_normalize_nfc, and are left out in bp_normalize_bert. */
#ifndef BP_TEXT_NORMALIZE_H
#define BP_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/text.h"

/* Unicode's White_Space; characters of words (letters, marks, digits, connectors). False for -1. */
bool bp_is_white(int32_t c);
bool bp_is_word_character(int32_t c);

/* Is the text in NFC for sure? (Only characters below U+0300 are looked at closer.) */
bool bp_is_plainly_nfc(const char *text, size_t n);
/* Append the text in a normal form. False: out of memory. */
typedef enum bp_normal_form { BP_NFC, BP_NFD, BP_NFKC, BP_NFKD } bp_normal_form;
bool bp_normalize_form(const char *text, size_t n, bp_normal_form form, bp_text *out);
bool bp_normalize_nfc(const char *text, size_t n, bp_text *out);

/* Append the words of a text as BERT's normalizer and pre-tokenizer give them, each followed by a zero byte: control
 * characters vanish, CJK characters and punctuation stand alone; with lower_case in small letters, with strip_accents
 * without nonspacing marks. */
bool bp_normalize_bert(const char *text, size_t n, bool lower_case, bool strip_accents, bp_text *out);

/* What stands alone, and what vanishes, in bp_normalize_bert. */
bool bp_is_bert_cjk(int32_t c);
bool bp_is_bert_control(int32_t c);

#endif
