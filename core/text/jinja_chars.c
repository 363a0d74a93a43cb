/* Characters as Python's str knows them, over utf8proc's tables. */
#include <string.h>
#include <utf8proc.h>

#include "core/text/jinja_value.h"

int32_t bp_jchar_next(const char *data, size_t size, size_t *at) {
    const unsigned char *s = (const unsigned char *)data + *at;
    size_t left = size - *at;
    int n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if ((size_t)n > left) n = 1;
    *at += (size_t)n;
    switch (n) {
    case 2: return (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
    case 3: return (s[0] & 0x0F) << 12 | (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
    case 4: return (s[0] & 0x07) << 18 | (s[1] & 0x3F) << 12 | (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    default: return s[0];
    }
}

size_t bp_jchar_encode(int32_t c, char out[4]) {
    if (c < 0x80) return out[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[n] | c);
    return n;
}

void bp_jchar_add(bp_text *out, int32_t c) {
    char bytes[4];
    bp_text_add(out, bytes, bp_jchar_encode(c, bytes));
}

size_t bp_jstring_offset(const bp_jstring *s, int64_t character) {
    if ((size_t)s->count == s->size) return (size_t)character;
    if (character == s->count) return s->size;
    size_t at = 0;
    while (character--) (void)bp_jchar_next(s->data, s->size, &at);
    return at;
}

bool bp_utf8_is_valid(const char *data, size_t n) {
    for (size_t at = 0; at < n;) {
        if ((unsigned char)data[at] < 0x80) {
            at++;
            continue;
        }
        int length = bp_utf8_length(data + at, n - at);
        if (length <= 0) return false;
        at += (size_t)length;
    }
    return true;
}

bool bp_jchar_space(int32_t c) {
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool bp_jchar_line_end(int32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t bp_jtext_left(const char *data, size_t n) {
    size_t at = 0, end = 0;
    while (at < n && bp_jchar_space(bp_jchar_next(data, n, &at))) end = at;
    return end;
}

size_t bp_jtext_right(const char *data, size_t n) {
    while (n) {
        size_t begin = n - 1;
        while (begin && ((unsigned char)data[begin] & 0xC0) == 0x80) begin--;
        size_t at = begin;
        if (!bp_jchar_space(bp_jchar_next(data, n, &at))) break;
        n = begin;
    }
    return n;
}

static bool is_letter(utf8proc_category_t c) { return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO; }

bool bp_jchar_in_name(int32_t c, bool first) {
    if (c < 0x80) {
        bool letter = c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        return letter || (!first && c >= '0' && c <= '9');
    }
    utf8proc_category_t category = utf8proc_category(c);
    if (is_letter(category) || category == UTF8PROC_CATEGORY_NL) return true;
    return !first && (category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                      category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_PC);
}

void bp_jchar_upper(bp_text *out, int32_t c) {
    if (c == 0xDF) bp_text_adds(out, "SS");
    else bp_jchar_add(out, utf8proc_toupper(c));
}

void bp_jchar_title(bp_text *out, int32_t c) {
    if (c == 0xDF) bp_text_adds(out, "Ss");
    else bp_jchar_add(out, utf8proc_totitle(c));
}

void bp_jchar_lower(bp_text *out, int32_t c) {
    if (c == 0x130) bp_text_adds(out, "i\xCC\x87");
    else bp_jchar_add(out, utf8proc_tolower(c));
}

static bool is_digit_like(int32_t c) { /* superscripts, subscripts and circled digits: digits but not decimal */
    return c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
           (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C);
}

uint32_t bp_jchar_class(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    uint32_t all = 0;
    if (category == UTF8PROC_CATEGORY_LU) all |= BP_JCHAR_UPPER | BP_JCHAR_CASED;
    if (category == UTF8PROC_CATEGORY_LL) all |= BP_JCHAR_LOWER | BP_JCHAR_CASED;
    if (c == 0xAA || c == 0xBA) all |= BP_JCHAR_LOWER | BP_JCHAR_CASED;
    if (category == UTF8PROC_CATEGORY_LT) all |= BP_JCHAR_TITLE | BP_JCHAR_CASED;
    if (is_letter(category)) all |= BP_JCHAR_ALPHA | BP_JCHAR_WORD;
    if (category == UTF8PROC_CATEGORY_ND) all |= BP_JCHAR_DECIMAL | BP_JCHAR_DIGIT | BP_JCHAR_NUMERIC | BP_JCHAR_WORD;
    if (is_digit_like(c)) all |= BP_JCHAR_DIGIT;
    if (category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO) all |= BP_JCHAR_NUMERIC | BP_JCHAR_WORD;
    if (c == '_') all |= BP_JCHAR_WORD;
    bool hidden = category == UTF8PROC_CATEGORY_CN || category >= UTF8PROC_CATEGORY_ZS;
    if (!hidden || c == ' ') all |= BP_JCHAR_PRINTABLE;
    return all;
}
