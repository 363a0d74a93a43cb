#include "core/text/normalize.h"

#include <stdlib.h>
#include <utf8proc.h>

enum { MOST_DECOMPOSED = 32 }; /* characters that one decomposes to; Unicode's longest is 18 (in NFKD) */

bool bp_is_white(int32_t c) {
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    utf8proc_category_t category = utf8proc_category(c);
    return c == 0x85 || (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

bool bp_is_word_character(int32_t c) {
    if (c < 0) return false;
    bool circled = (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
                   (c >= 0x1F170 && c <= 0x1F189);
    utf8proc_category_t category = utf8proc_category(c);
    return circled || c == 0x200C || c == 0x200D || (category >= UTF8PROC_CATEGORY_LU &&
                                                     category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}

bool bp_is_plainly_nfc(const char *text, size_t n) {
    unsigned char greatest = 0;
    for (size_t i = 0; i < n; i++) greatest = (unsigned char)text[i] > greatest ? (unsigned char)text[i] : greatest;
    return greatest < 0xCC; /* U+0300 begins with 0xCC */
}

static bool add_form(const char *text, size_t n, bp_normal_form form, bp_text *out) {
    static const utf8proc_option_t options[] = {
        [BP_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [BP_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [BP_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [BP_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &made, options[form]);
    if (size >= 0) bp_text_add(out, (const char *)made, (size_t)size);
    else bp_text_add(out, text, n);
    free(made);
    return size >= 0 && !out->failed;
}

bool bp_normalize_form(const char *text, size_t n, bp_normal_form form, bp_text *out) {
    for (size_t at = 0, end; at < n; at = end) {
        bool valid = bp_utf8_length(text + at, n - at) > 0;
        for (end = at; end < n;) {
            int length = bp_utf8_length(text + end, n - end);
            if ((length > 0) != valid) break;
            end += length > 0 ? (size_t)length : 1;
        }
        if (!valid) bp_text_add(out, text + at, end - at);
        else if (!add_form(text + at, end - at, form, out)) return false;
    }
    return !out->failed;
}

bool bp_normalize_nfc(const char *text, size_t n, bp_text *out) { return bp_normalize_form(text, n, BP_NFC, out); }

bool bp_is_bert_cjk(int32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || /* as published; the block begins at U+2B820 */
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* Other control characters that separate words elsewhere vanish here. */
static bool is_bert_white(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool bp_is_bert_control(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return !c || c == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO;
}

static bool is_punctuation(int32_t c) {
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

struct bert {
    bool lower_case, strip_accents, in_word;
    bp_text *out;
};

static void end_word(struct bert *b) {
    if (b->in_word) bp_text_add(b->out, "", 1);
    b->in_word = false;
}

static void add_character(struct bert *b, int32_t c) {
    utf8proc_uint8_t bytes[4];
    if (is_bert_white(c)) {
        end_word(b);
        return;
    }
    bool alone = bp_is_bert_cjk(c) || is_punctuation(c);
    if (alone) end_word(b);
    bp_text_add(b->out, (const char *)bytes, (size_t)utf8proc_encode_char(c, bytes));
    b->in_word = true;
    if (alone) end_word(b);
}

static void add_lower(struct bert *b, int32_t c) {
    if (!b->lower_case) {
        add_character(b, c);
        return;
    }
    add_character(b, c == 0x130 ? 'i' : utf8proc_tolower(c)); /* U+0130 becomes two: its only such mapping */
    if (c == 0x130) add_character(b, 0x307);
}

/* CJK characters stand alone before they are decomposed (as those for compatibility are). */
static void add_decomposed(struct bert *b, int32_t c) {
    if (bp_is_bert_cjk(c)) end_word(b);
    utf8proc_int32_t parts[MOST_DECOMPOSED];
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, MOST_DECOMPOSED, UTF8PROC_DECOMPOSE, &last);
    if (n < 0 || n > MOST_DECOMPOSED) n = 1, parts[0] = c;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN) add_lower(b, parts[i]);
}

/* Of what normalizes alike only the order of marks differs from NFD, and all nonspacing marks are dropped: each
 * character can be decomposed alone. */
bool bp_normalize_bert(const char *text, size_t n, bool lower_case, bool strip_accents, bp_text *out) {
    struct bert b = { lower_case, strip_accents, false, out };
    for (size_t at = 0; at < n;) {
        int length = bp_utf8_length(text + at, n - at);
        utf8proc_int32_t c = 0xFFFD;
        if (length > 0) utf8proc_iterate((const utf8proc_uint8_t *)text + at, length, &c);
        at += length > 0 ? (size_t)length : 1;
        if (is_bert_white(c)) end_word(&b);
        else if (bp_is_bert_control(c)) continue;
        else if (strip_accents) add_decomposed(&b, c);
        else add_lower(&b, c);
    }
    end_word(&b);
    return !out->failed;
}
