#include "core/text/grammar_regex_class.h"

#include <string.h>

#include "core/base/size.h"

enum { MAX_RANGES = 1 << 16 };

static bool add(bp_reader *in, bp_ranges *set, uint32_t first, uint32_t last) {
    void *items = set->items;
    bool grown = set->n < MAX_RANGES && bp_grow(&items, &set->room, set->n + 1, sizeof *set->items);
    set->items = items;
    if (!grown) return bp_reader_fail(in, in->at, "this class is too large"), false;
    set->items[set->n++] = (bp_range){ first, last };
    return true;
}

static const bp_range digits[] = { { '0', '9' } };
static const bp_range words[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const bp_range spaces[] = {
    { 0x09, 0x0D }, { 0x20, 0x20 }, { 0xA0, 0xA0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200A }, { 0x2028, 0x2029 },
    { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF },
};

/* Add the characters of \d \w \s, or with a capital letter all others. */
static bool add_kind(bp_reader *in, bp_ranges *set, uint32_t kind) {
    const bp_range *list = (kind | 0x20) == 'd' ? digits : (kind | 0x20) == 'w' ? words : spaces;
    size_t n = (kind | 0x20) == 'd' ? BP_COUNT(digits) : (kind | 0x20) == 'w' ? BP_COUNT(words) : BP_COUNT(spaces);
    bp_range copy[16], out[18];
    if (n) memcpy(copy, list, n * sizeof *list);
    n = bp_ranges_tidy(copy, n, !(kind & 0x20), out);
    for (size_t i = 0; i < n; i++)
        if (!add(in, set, out[i].first, out[i].last)) return false;
    return true;
}

static bool braced_hex(bp_reader *in, size_t begin, uint32_t *c) {
    *c = 0;
    for (in->at++; bp_reader_peek(in) != '}'; in->at++) {
        int d = bp_reader_peek(in);
        int value = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : -1;
        if (value < 0 || *c > BP_CODE_POINT_MAX)
            return bp_reader_fail(in, begin, "\\u{...} holds a code point in hexadecimal"), false;
        *c = *c << 4 | (uint32_t)value;
    }
    in->at++;
    return bp_reader_scalar(in, begin, *c);
}

/* \uNNNN, \u{...}, and two of them that make a surrogate pair. */
static bool unicode(bp_reader *in, size_t begin, uint32_t *c) {
    if (bp_reader_peek(in) == '{') return braced_hex(in, begin, c);
    if (!bp_reader_hex(in, 4, c)) return false;
    if (*c >= 0xD800 && *c <= 0xDBFF && bp_reader_peek(in) == '\\' && bp_reader_peek_at(in, 1) == 'u') {
        uint32_t low;
        in->at += 2;
        if (!bp_reader_hex(in, 4, &low)) return false;
        if (low >= 0xDC00 && low <= 0xDFFF) *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
    }
    return bp_reader_scalar(in, begin, *c);
}

static bool control(bp_reader *in, size_t begin, uint32_t *c) {
    int letter = bp_reader_peek(in);
    if (!((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'))
        return bp_reader_fail(in, begin, "after \\c comes a letter"), false;
    in->at++;
    *c = (uint32_t)letter & 0x1F;
    return true;
}

static bool refuse(bp_reader *in, size_t begin, uint32_t c) {
    if (c >= '1' && c <= '9') bp_reader_fail(in, begin, "references to groups (\\%c) are not supported", (int)c);
    else if (c == 'k') bp_reader_fail(in, begin, "references to groups (\\k) are not supported");
    else if (c == 'b' || c == 'B') bp_reader_fail(in, begin, "word boundaries (\\%c) are not supported", (int)c);
    else if (c == 'p' || c == 'P') bp_reader_fail(in, begin, "Unicode properties (\\%c) are not supported", (int)c);
    else bp_reader_fail(in, begin, "unknown escape \\%c", (int)c);
    return false;
}

/* The one character that an escape stands for. */
static bool single(bp_reader *in, size_t begin, uint32_t *c, bool in_class) {
    static const char letters[] = "nrtfv0", values[] = "\n\r\t\f\v";
    const char *found = *c < 0x80 && *c ? strchr(letters, (int)*c) : NULL;
    if (*c == '0' && bp_reader_peek(in) >= '0' && bp_reader_peek(in) <= '9')
        return bp_reader_fail(in, begin, "octal escapes are not supported"), false;
    if (found) return *c = (uint8_t)values[found - letters], true;
    if (*c == 'b' && in_class) return *c = '\b', true;
    if (*c == 'x') return bp_reader_hex(in, 2, c);
    if (*c == 'u') return unicode(in, begin, c);
    if (*c == 'c') return control(in, begin, c);
    bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    return letter ? refuse(in, begin, *c) : true;
}

/* An escape: *kind tells \d and the like, whose characters are added; else *c is the character. */
static bool escape(bp_reader *in, bp_ranges *set, bool in_class, bool *kind, uint32_t *c) {
    size_t begin = in->at++;
    *kind = false;
    if (!bp_reader_character(in, c)) return bp_reader_fail(in, begin, "the pattern ends after a backslash"), false;
    if (*c < 0x80 && *c && strchr("dDwWsS", (int)*c)) return *kind = true, add_kind(in, set, *c);
    return single(in, begin, c, in_class);
}

bool bp_regex_escape(bp_reader *in, bp_ranges *set, bool in_class) {
    bool kind;
    uint32_t c;
    if (!escape(in, set, in_class, &kind, &c)) return false;
    return kind || add(in, set, c, c);
}

/* One end of a range in a class. */
static bool class_atom(bp_reader *in, bp_ranges *set, bool *kind, uint32_t *c) {
    if (bp_reader_peek(in) == '\\') return escape(in, set, true, kind, c);
    size_t begin = in->at;
    *kind = false;
    if (!bp_reader_character(in, c)) return bp_reader_fail(in, begin, "no valid UTF-8 here"), false;
    return true;
}

static bool class_part(bp_reader *in, bp_ranges *set) {
    size_t begin = in->at;
    uint32_t first, last;
    bool kind;
    if (!class_atom(in, set, &kind, &first)) return false;
    if (bp_reader_peek(in) != '-' || bp_reader_peek_at(in, 1) == ']' || bp_reader_peek_at(in, 1) < 0)
        return kind || add(in, set, first, first);
    in->at++;
    bool last_kind;
    if (!class_atom(in, set, &last_kind, &last)) return false;
    if (kind || last_kind) /* as in [\w-.]: the - is a character */
        return add(in, set, '-', '-') && (kind || add(in, set, first, first)) &&
               (last_kind || add(in, set, last, last));
    if (last < first) return bp_reader_fail(in, begin, "this range is the wrong way round"), false;
    return add(in, set, first, last);
}

bool bp_regex_class(bp_reader *in, bp_ranges *set) {
    size_t begin = in->at++;
    set->negated = bp_reader_peek(in) == '^';
    if (set->negated) in->at++;
    while (!bp_reader_done(in) && bp_reader_peek(in) != ']')
        if (!class_part(in, set)) return false;
    if (bp_reader_done(in)) return bp_reader_fail(in, begin, "this [ is never closed"), false;
    in->at++;
    return true;
}
