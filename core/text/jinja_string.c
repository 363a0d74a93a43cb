/* Methods of str that make texts; the others: jinja_string_*.c. */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_sequence.h"

bool bp_jinteger(bp_jx *x, bp_jv v, int64_t otherwise, int64_t *out) {
    *out = otherwise;
    if (!bp_jgiven(v)) return true;
    if (v.type == BP_J_UNDEFINED) return bp_jx_undefined(x, v), false;
    if (!bp_jv_is_integral(v)) return bp_jx_fail(x, "an integer is required, not %s", bp_jv_type_name(v)), false;
    *out = bp_jv_integer(v);
    return true;
}

bool bp_jtext(bp_jx *x, bp_jv v, const bp_jstring **out) {
    if (v.type != BP_J_STRING) return bp_jx_fail(x, "a text is required, not %s", bp_jv_type_name(v)), false;
    *out = v.string;
    return bp_jx_steps(x, v.string->size / 64);
}

typedef void (*map_character)(bp_text *out, int32_t c);

static bp_jv map_text(bp_jx *x, bp_jv v, map_character first, map_character rest) {
    const bp_jstring *s = v.string;
    bp_text out = { 0 };
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        bool is_first = !at;
        (is_first ? first : rest)(&out, bp_jchar_next(s->data, s->size, &at));
    }
    return bp_jv_safe(x, bp_jv_text(x, &out), s->safe);
}

bp_jv bp_jv_lower(bp_jx *x, bp_jv v) { return map_text(x, v, bp_jchar_lower, bp_jchar_lower); }
bp_jv bp_jupper(bp_jx *x, bp_jv v) { return map_text(x, v, bp_jchar_upper, bp_jchar_upper); }
bp_jv bp_jcapitalize(bp_jx *x, bp_jv v) { return map_text(x, v, bp_jchar_title, bp_jchar_lower); }

static void swap_case(bp_text *out, int32_t c) {
    if (bp_jchar_class(c) & BP_JCHAR_UPPER) bp_jchar_lower(out, c);
    else bp_jchar_upper(out, c);
}

static void fold(bp_text *out, int32_t c) {
    if (c == 0xDF) bp_text_adds(out, "ss");
    else bp_jchar_lower(out, c);
}

BP_JCALL(bp_jstr_casefold) { BP_JUNUSED; return map_text(x, self, fold, fold); }
BP_JCALL(bp_jstr_upper) { BP_JUNUSED; return bp_jupper(x, self); }
BP_JCALL(bp_jstr_lower) { BP_JUNUSED; return bp_jv_lower(x, self); }
BP_JCALL(bp_jstr_capitalize) { BP_JUNUSED; return bp_jcapitalize(x, self); }
BP_JCALL(bp_jstr_swapcase) { BP_JUNUSED; return map_text(x, self, swap_case, swap_case); }

BP_JCALL(bp_jstr_title) {
    BP_JUNUSED;
    const bp_jstring *s = self.string;
    bp_text out = { 0 };
    bool inside = false;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        int32_t c = bp_jchar_next(s->data, s->size, &at);
        (inside ? bp_jchar_lower : bp_jchar_title)(&out, c);
        inside = bp_jchar_class(c) & BP_JCHAR_CASED;
    }
    return bp_jv_text(x, &out);
}

static bool has_character(const bp_jstring *set, const char *c, size_t n) {
    for (size_t at = 0; at < set->size;) {
        size_t begin = at;
        (void)bp_jchar_next(set->data, set->size, &at);
        if (at - begin == n && !memcmp(set->data + begin, c, n)) return true;
    }
    return false;
}

/* Bytes of characters of the set at the begin, or n without those at the end. */
static size_t strip_left(bp_jx *x, const char *s, size_t n, const bp_jstring *set) {
    for (size_t at = 0, begin = 0; at < n; begin = at) {
        (void)bp_jchar_next(s, n, &at);
        if (!bp_jx_steps(x, 1 + set->size / 8) || !has_character(set, s + begin, at - begin)) return begin;
    }
    return n;
}

static size_t strip_right(bp_jx *x, const char *s, size_t n, const bp_jstring *set) {
    while (n) {
        size_t begin = n - 1;
        while (begin && ((unsigned char)s[begin] & 0xC0) == 0x80) begin--;
        if (!bp_jx_steps(x, 1 + set->size / 8) || !has_character(set, s + begin, n - begin)) break;
        n = begin;
    }
    return n;
}

bp_jv bp_jstrip(bp_jx *x, bp_jv text, bp_jv characters, bool left, bool right) {
    const bp_jstring *s = text.string, *set = NULL;
    if (bp_jgiven_some(characters) && !bp_jtext(x, characters, &set)) return (bp_jv){ 0 };
    const char *data = s->data;
    size_t n = s->size, skip = 0;
    if (!bp_jx_steps(x, n / 16)) return (bp_jv){ 0 };
    if (left) skip = set ? strip_left(x, data, n, set) : bp_jtext_left(data, n);
    data += skip, n -= skip;
    if (right) n = set ? strip_right(x, data, n, set) : bp_jtext_right(data, n);
    return !x->failed ? bp_jv_safe(x, bp_jv_string(x, data, n), s->safe) : (bp_jv){ 0 };
}

BP_JCALL(bp_jstr_strip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], true, true); }
BP_JCALL(bp_jstr_lstrip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], true, false); }
BP_JCALL(bp_jstr_rstrip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], false, true); }

bp_jv bp_jreplace(bp_jx *x, bp_jv text, const bp_jstring *old, const bp_jstring *with, int64_t count) {
    const bp_jstring *s = text.string;
    bp_text out = { 0 };
    size_t at = 0;
    for (; count && (old->size || at <= s->size); count -= count > 0) {
        const char *found = old->size ? memmem(s->data + at, s->size - at, old->data, old->size) : s->data + at;
        if (!found) break;
        size_t place = (size_t)(found - s->data), next = place + old->size;
        bp_text_add(&out, s->data + at, place - at);
        bp_text_add(&out, with->data, with->size);
        at = next;
        if (!bp_jx_steps(x, 1) || !bp_jx_text(x, &out)) return bp_text_free(&out), (bp_jv){ 0 };
        if (old->size) continue;
        if (at == s->size) break; /* an empty text stands before each character and at the end */
        (void)bp_jchar_next(s->data, s->size, &next);
        bp_text_add(&out, s->data + at, next - at);
        at = next;
    }
    bp_text_add(&out, s->data + at, s->size - at);
    return bp_jx_steps(x, s->size / 32) ? bp_jv_safe(x, bp_jv_text(x, &out), s->safe)
                                        : (bp_text_free(&out), (bp_jv){ 0 });
}

BP_JCALL(bp_jstr_replace) {
    BP_JUNUSED;
    const bp_jstring *old, *with;
    int64_t count;
    if (!bp_jtext(x, a[0], &old) || !bp_jtext(x, a[1], &with) || !bp_jinteger(x, a[2], -1, &count)) return (bp_jv){ 0 };
    return bp_jreplace(x, self, old, with, count);
}

BP_JCALL(bp_jstr_join) {
    BP_JUNUSED;
    bp_jiterator *it = bp_jx_iterate(x, a[0]);
    bp_text out = { 0 };
    bp_jv item;
    int got = it ? 1 : -1;
    for (size_t i = 0; got > 0 && (got = bp_jx_next(x, it, &item)) > 0; i++) {
        if (item.type != BP_J_STRING) {
            bp_jx_fail(x, "sequence item %zu: expected str instance, %s found", i, bp_jv_type_name(item));
            got = -1;
        }
        if (got > 0 && i) bp_text_add(&out, self.string->data, self.string->size);
        if (got > 0) bp_text_add(&out, item.string->data, item.string->size);
        if (!bp_jx_text(x, &out)) got = -1;
    }
    bp_jv v = got < 0 ? (bp_jv){ 0 } : bp_jv_string(x, bp_text_get(&out), out.size);
    bp_text_free(&out);
    return v;
}

bp_jv bp_jcenter(bp_jx *x, bp_jv text, int64_t width, int32_t fill, char align) {
    const bp_jstring *s = text.string;
    int64_t missing = BP_MAX(width - s->count, 0);
    if (missing > BP_JINJA_MAX_BYTES / 4 || !bp_jx_steps(x, (size_t)missing / 16))
        return bp_jx_fail(x, "the text is too wide");
    /* str.center puts the odd space on the left where the width is odd. */
    int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
    bp_text out = { 0 };
    for (int64_t i = 0; i < left; i++) bp_jchar_add(&out, fill);
    bp_text_add(&out, s->data, s->size);
    for (int64_t i = left; i < missing; i++) bp_jchar_add(&out, fill);
    return bp_jv_text(x, &out);
}

static bp_jv justify(bp_jx *x, bp_jv self, const bp_jv *a, char align) {
    int64_t width;
    const bp_jstring *fill = NULL;
    if (!bp_jinteger(x, a[0], 0, &width) || (bp_jgiven(a[1]) && !bp_jtext(x, a[1], &fill))) return (bp_jv){ 0 };
    if (fill && fill->count != 1) return bp_jx_fail(x, "the fill character must be exactly one character long");
    size_t at = 0;
    return bp_jcenter(x, self, width, fill ? bp_jchar_next(fill->data, fill->size, &at) : ' ', align);
}

BP_JCALL(bp_jstr_center) { BP_JUNUSED; return justify(x, self, a, '^'); }
BP_JCALL(bp_jstr_ljust) { BP_JUNUSED; return justify(x, self, a, '<'); }
BP_JCALL(bp_jstr_rjust) { BP_JUNUSED; return justify(x, self, a, '>'); }

BP_JCALL(bp_jstr_zfill) {
    BP_JUNUSED;
    int64_t width;
    const bp_jstring *s = self.string;
    if (!bp_jinteger(x, a[0], 0, &width)) return (bp_jv){ 0 };
    size_t sign = s->size && (s->data[0] == '-' || s->data[0] == '+');
    bp_jv rest = bp_jv_string(x, s->data + sign, s->size - sign);
    if (rest.type) rest = bp_jcenter(x, rest, width - (int64_t)sign, '0', '>');
    return rest.type && sign ? bp_jx_add(x, bp_jv_string(x, s->data, 1), rest) : rest;
}

BP_JCALL(bp_jstr_removeprefix) {
    BP_JUNUSED;
    const bp_jstring *s = self.string, *part;
    if (!bp_jtext(x, a[0], &part)) return (bp_jv){ 0 };
    bool there = part->size <= s->size && !memcmp(s->data, part->data, part->size);
    return there ? bp_jv_string(x, s->data + part->size, s->size - part->size) : self;
}

BP_JCALL(bp_jstr_removesuffix) {
    BP_JUNUSED;
    const bp_jstring *s = self.string, *part;
    if (!bp_jtext(x, a[0], &part)) return (bp_jv){ 0 };
    bool there = part->size <= s->size && !memcmp(s->data + s->size - part->size, part->data, part->size);
    return there ? bp_jv_string(x, s->data, s->size - part->size) : self;
}

BP_JCALL(bp_jstr_expandtabs) {
    BP_JUNUSED;
    int64_t size, column = 0;
    const bp_jstring *s = self.string;
    if (!bp_jinteger(x, a[0], 8, &size)) return (bp_jv){ 0 };
    if (size > 1000) return bp_jx_fail(x, "the tabs are too wide");
    bp_text out = { 0 };
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size && bp_jx_text(x, &out);) {
        size_t begin = at;
        int32_t c = bp_jchar_next(s->data, s->size, &at);
        int64_t spaces = c == '\t' && size > 0 ? size - column % size : 0;
        for (int64_t i = 0; i < spaces; i++) bp_text_add(&out, " ", 1);
        if (c != '\t') bp_text_add(&out, s->data + begin, at - begin);
        bp_jx_steps(x, (size_t)spaces / 8);
        column = c == '\n' || c == '\r' ? 0 : column + (c == '\t' ? spaces : 1);
        if (x->failed) return bp_text_free(&out), (bp_jv){ 0 };
    }
    return bp_jv_text(x, &out);
}

BP_JCALL(bp_jstr_format) { BP_JUNUSED; return bp_jx_format(x, self, args); }

BP_JCALL(bp_jstr_format_map) {
    BP_JUNUSED;
    if (a[0].type != BP_J_DICT) return bp_jx_fail(x, "format_map takes a mapping");
    bp_jkeyword *keywords = bp_jx_alloc(x, a[0].dict->count * sizeof *keywords);
    size_t n = 0;
    for (size_t i = 0; keywords && i < a[0].dict->count; i++)
        if (a[0].dict->pairs[i].key.type == BP_J_STRING)
            keywords[n++] = (bp_jkeyword){ a[0].dict->pairs[i].key.string->data, a[0].dict->pairs[i].value };
    bp_jargs named = { .keywords = keywords, .n_keywords = n };
    return keywords ? bp_jx_format(x, self, &named) : (bp_jv){ 0 };
}

const bp_jfunction bp_jstring_methods[] = {
#define BP_JSTRING_METHOD(name, parameters) { #name, parameters, bp_jstr_##name },
#include "core/text/jinja_string_methods.def"
#undef BP_JSTRING_METHOD
    { NULL, NULL, NULL },
};
