/* Methods of str. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
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

static BP_JCALL(str_casefold) { BP_JUNUSED; return map_text(x, self, fold, fold); }
static BP_JCALL(str_upper) { BP_JUNUSED; return bp_jupper(x, self); }
static BP_JCALL(str_lower) { BP_JUNUSED; return bp_jv_lower(x, self); }
static BP_JCALL(str_capitalize) { BP_JUNUSED; return bp_jcapitalize(x, self); }
static BP_JCALL(str_swapcase) { BP_JUNUSED; return map_text(x, self, swap_case, swap_case); }

static BP_JCALL(str_title) {
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

static BP_JCALL(str_strip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], true, true); }
static BP_JCALL(str_lstrip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], true, false); }
static BP_JCALL(str_rstrip) { BP_JUNUSED; return bp_jstrip(x, self, a[0], false, true); }

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

static BP_JCALL(str_replace) {
    BP_JUNUSED;
    const bp_jstring *old, *with;
    int64_t count;
    if (!bp_jtext(x, a[0], &old) || !bp_jtext(x, a[1], &with) || !bp_jinteger(x, a[2], -1, &count)) return (bp_jv){ 0 };
    return bp_jreplace(x, self, old, with, count);
}

static bool push_piece(bp_jx *x, bp_jv list, const char *data, size_t n) {
    return bp_jx_steps(x, 1) && bp_jv_push(x, list, bp_jv_string(x, data, n));
}

static bp_jv split_spaces(bp_jx *x, const bp_jstring *s, int64_t most) {
    bp_jv list = bp_jv_list(x, 0);
    size_t at = bp_jtext_left(s->data, s->size);
    while (list.type && at < s->size) {
        size_t end = at, next = at;
        if (most == 0) end = s->size;
        else
            while (next < s->size && !bp_jchar_space(bp_jchar_next(s->data, s->size, &next))) end = next;
        if (!push_piece(x, list, s->data + at, end - at)) return (bp_jv){ 0 };
        at = end + bp_jtext_left(s->data + end, s->size - end);
        most -= most > 0;
    }
    return list;
}

static bp_jv split_by(bp_jx *x, const bp_jstring *s, const bp_jstring *by, int64_t most) {
    bp_jv list = bp_jv_list(x, 0);
    size_t at = 0;
    if (!by->size) return bp_jx_fail(x, "empty separator");
    for (; list.type && most; most -= most > 0) {
        const char *found = memmem(s->data + at, s->size - at, by->data, by->size);
        if (!found) break;
        size_t end = (size_t)(found - s->data);
        if (!push_piece(x, list, s->data + at, end - at)) return (bp_jv){ 0 };
        at = end + by->size;
    }
    return list.type && push_piece(x, list, s->data + at, s->size - at) ? list : (bp_jv){ 0 };
}

static bp_jv reversed(bp_jv list) {
    for (size_t i = 0, n = list.type ? list.list->count : 0; i < n / 2; i++) {
        bp_jv t = list.list->items[i];
        list.list->items[i] = list.list->items[n - 1 - i];
        list.list->items[n - 1 - i] = t;
    }
    return list;
}

/* The last place of part in n bytes; NULL where it is not. */
static const char *find_last(bp_jx *x, const char *s, size_t n, const bp_jstring *part) {
    if (!bp_jx_steps(x, n / 16 * (part->size / 64 + 1))) return NULL;
    for (size_t at = part->size <= n ? n - part->size + 1 : 0; at-- > 0;)
        if (!memcmp(s + at, part->data, part->size)) return s + at;
    return NULL;
}

static bp_jv rsplit_by(bp_jx *x, const bp_jstring *s, const bp_jstring *by, int64_t most) {
    bp_jv list = bp_jv_list(x, 0);
    size_t n = s->size;
    if (!by->size) return bp_jx_fail(x, "empty separator");
    for (; list.type && most; most -= most > 0) {
        const char *found = find_last(x, s->data, n, by);
        if (!found) break;
        size_t begin = (size_t)(found - s->data) + by->size;
        if (!push_piece(x, list, s->data + begin, n - begin)) return (bp_jv){ 0 };
        n = (size_t)(found - s->data);
    }
    return list.type && !x->failed && push_piece(x, list, s->data, n) ? reversed(list) : (bp_jv){ 0 };
}

static bp_jv rsplit_spaces(bp_jx *x, const bp_jstring *s, int64_t most) {
    bp_jv list = bp_jv_list(x, 0);
    size_t n = bp_jtext_right(s->data, s->size);
    while (list.type && n) {
        size_t begin = n;
        if (most == 0) begin = 0;
        while (most && begin) {
            size_t before = begin - 1, next;
            while (before && ((unsigned char)s->data[before] & 0xC0) == 0x80) before--;
            next = before;
            if (bp_jchar_space(bp_jchar_next(s->data, n, &next))) break;
            begin = before;
        }
        if (!push_piece(x, list, s->data + begin, n - begin)) return (bp_jv){ 0 };
        n = bp_jtext_right(s->data, most == 0 ? 0 : begin);
        most -= most > 0;
    }
    return reversed(list);
}

static bp_jv split(bp_jx *x, bp_jv self, const bp_jv *a, bool from_right) {
    const bp_jstring *by = NULL;
    int64_t most;
    if (!bp_jinteger(x, a[1], -1, &most) || (bp_jgiven_some(a[0]) && !bp_jtext(x, a[0], &by))) return (bp_jv){ 0 };
    if (!bp_jx_work(x, self.string->size)) return (bp_jv){ 0 };
    if (most < 0) most = -1, from_right = from_right && by;
    if (by) return from_right ? rsplit_by(x, self.string, by, most) : split_by(x, self.string, by, most);
    return from_right ? rsplit_spaces(x, self.string, most) : split_spaces(x, self.string, most);
}

static BP_JCALL(str_split) { BP_JUNUSED; return split(x, self, a, false); }
static BP_JCALL(str_rsplit) { BP_JUNUSED; return split(x, self, a, true); }

bp_jv bp_jsplit_lines(bp_jx *x, bp_jv text, bool keep_ends) {
    const bp_jstring *s = text.string;
    bp_jv list = bp_jx_work(x, s->size) ? bp_jv_list(x, 0) : (bp_jv){ 0 };
    for (size_t at = 0, begin = 0; list.type && at < s->size;) {
        size_t end = at;
        int32_t c = bp_jchar_next(s->data, s->size, &at);
        if (!bp_jchar_line_end(c) && at < s->size) continue;
        if (!bp_jchar_line_end(c)) end = at;
        if (c == '\r' && at < s->size && s->data[at] == '\n') at++;
        if (!push_piece(x, list, s->data + begin, (keep_ends ? at : end) - begin)) return (bp_jv){ 0 };
        begin = at;
    }
    return list;
}

static BP_JCALL(str_splitlines) { BP_JUNUSED; return bp_jsplit_lines(x, self, bp_jflag(a[0], false)); }

static bp_jv partition(bp_jx *x, bp_jv self, bp_jv by, bool last) {
    const bp_jstring *s = self.string, *part;
    if (!bp_jtext(x, by, &part)) return (bp_jv){ 0 };
    if (!part->size) return bp_jx_fail(x, "empty separator");
    const char *found = last ? find_last(x, s->data, s->size, part) : memmem(s->data, s->size, part->data, part->size);
    size_t before = found  ? (size_t)(found - s->data)
                    : last ? 0
                           : s->size,
           after = found ? before + part->size : before;
    bp_jv tuple = bp_jv_tuple(x, 3);
    bool good = tuple.type && push_piece(x, tuple, s->data, before) &&
                push_piece(x, tuple, s->data + before, after - before) &&
                push_piece(x, tuple, s->data + after, s->size - after);
    return good ? tuple : (bp_jv){ 0 };
}

static BP_JCALL(str_partition) { BP_JUNUSED; return partition(x, self, a[0], false); }
static BP_JCALL(str_rpartition) { BP_JUNUSED; return partition(x, self, a[0], true); }

/* The bytes of characters [start, end) as str methods take them; false: start is past the end. */
static bool window(bp_jx *x, const bp_jstring *s, bp_jv start, bp_jv end, size_t *from, size_t *to, bool *outside) {
    int64_t first = 0, last = s->count;
    if (bp_jgiven_some(start) && !bp_jinteger(x, start, 0, &first)) return false;
    if (bp_jgiven_some(end) && !bp_jinteger(x, end, 0, &last)) return false;
    if (first < 0) first = BP_MAX(first + s->count, 0);
    if (last < 0) last = BP_MAX(last + s->count, 0);
    last = BP_MIN(last, s->count);
    *outside = first > last;
    if (*outside) return true;
    *from = bp_jstring_offset(s, first);
    *to = bp_jstring_offset(s, last);
    return bp_jx_steps(x, s->size / 16);
}

static bp_jv affix(bp_jx *x, bp_jv self, const bp_jv *a, bool at_end) {
    const bp_jstring *s = self.string, *part;
    size_t from, to;
    bool outside;
    if (!window(x, s, a[1], a[2], &from, &to, &outside)) return (bp_jv){ 0 };
    size_t n = a[0].type == BP_J_TUPLE ? a[0].list->count : 1;
    for (size_t i = 0; i < n; i++) {
        if (!bp_jtext(x, a[0].type == BP_J_TUPLE ? a[0].list->items[i] : a[0], &part)) return (bp_jv){ 0 };
        if (outside || part->size > to - from) continue;
        if (!memcmp(s->data + (at_end ? to - part->size : from), part->data, part->size)) return bp_jv_bool(true);
    }
    return bp_jv_bool(false);
}

static BP_JCALL(str_startswith) { BP_JUNUSED; return affix(x, self, a, false); }
static BP_JCALL(str_endswith) { BP_JUNUSED; return affix(x, self, a, true); }

static bp_jv find(bp_jx *x, bp_jv self, const bp_jv *a, bool last, bool must) {
    const bp_jstring *s = self.string, *part;
    size_t from, to;
    bool outside;
    if (!bp_jtext(x, a[0], &part) || !window(x, s, a[1], a[2], &from, &to, &outside)) return (bp_jv){ 0 };
    const char *found = NULL;
    if (!outside)
        found = last ? find_last(x, s->data + from, to - from, part)
                     : memmem(s->data + from, to - from, part->data, part->size);
    if (!outside && !part->size && !last) found = s->data + from;
    if (x->failed) return (bp_jv){ 0 };
    if (!found) return must ? bp_jx_fail(x, "substring not found") : bp_jv_int(-1);
    int64_t index = 0;
    for (const char *c = s->data; c < found; c++) index += ((unsigned char)*c & 0xC0) != 0x80;
    return bp_jv_int(index);
}

static BP_JCALL(str_find) { BP_JUNUSED; return find(x, self, a, false, false); }
static BP_JCALL(str_rfind) { BP_JUNUSED; return find(x, self, a, true, false); }
static BP_JCALL(str_index) { BP_JUNUSED; return find(x, self, a, false, true); }
static BP_JCALL(str_rindex) { BP_JUNUSED; return find(x, self, a, true, true); }

static BP_JCALL(str_count) {
    BP_JUNUSED;
    const bp_jstring *s = self.string, *part;
    size_t from, to;
    bool outside;
    if (!bp_jtext(x, a[0], &part) || !window(x, s, a[1], a[2], &from, &to, &outside)) return (bp_jv){ 0 };
    int64_t n = 0;
    if (outside) return bp_jv_int(0);
    if (!part->size) {
        for (size_t i = from; i < to; i++) n += ((unsigned char)s->data[i] & 0xC0) != 0x80;
        return bp_jv_int(n + 1);
    }
    for (const char *at = s->data + from; (at = memmem(at, (size_t)(s->data + to - at), part->data, part->size)); n++)
        at += part->size;
    return bp_jv_int(n);
}

static BP_JCALL(str_join) {
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

static BP_JCALL(str_center) { BP_JUNUSED; return justify(x, self, a, '^'); }
static BP_JCALL(str_ljust) { BP_JUNUSED; return justify(x, self, a, '<'); }
static BP_JCALL(str_rjust) { BP_JUNUSED; return justify(x, self, a, '>'); }

static BP_JCALL(str_zfill) {
    BP_JUNUSED;
    int64_t width;
    const bp_jstring *s = self.string;
    if (!bp_jinteger(x, a[0], 0, &width)) return (bp_jv){ 0 };
    size_t sign = s->size && (s->data[0] == '-' || s->data[0] == '+');
    bp_jv rest = bp_jv_string(x, s->data + sign, s->size - sign);
    if (rest.type) rest = bp_jcenter(x, rest, width - (int64_t)sign, '0', '>');
    return rest.type && sign ? bp_jx_add(x, bp_jv_string(x, s->data, 1), rest) : rest;
}

static BP_JCALL(str_removeprefix) {
    BP_JUNUSED;
    const bp_jstring *s = self.string, *part;
    if (!bp_jtext(x, a[0], &part)) return (bp_jv){ 0 };
    bool there = part->size <= s->size && !memcmp(s->data, part->data, part->size);
    return there ? bp_jv_string(x, s->data + part->size, s->size - part->size) : self;
}

static BP_JCALL(str_removesuffix) {
    BP_JUNUSED;
    const bp_jstring *s = self.string, *part;
    if (!bp_jtext(x, a[0], &part)) return (bp_jv){ 0 };
    bool there = part->size <= s->size && !memcmp(s->data + s->size - part->size, part->data, part->size);
    return there ? bp_jv_string(x, s->data, s->size - part->size) : self;
}

static BP_JCALL(str_expandtabs) {
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

static BP_JCALL(str_format) { BP_JUNUSED; return bp_jx_format(x, self, args); }

static BP_JCALL(str_format_map) {
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

/* All characters are of a class, and there is one. */
static bp_jv all_are(bp_jx *x, bp_jv self, uint32_t class, bool empty) {
    const bp_jstring *s = self.string;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;)
        if (!(bp_jchar_class(bp_jchar_next(s->data, s->size, &at)) & class)) return bp_jv_bool(false);
    return bp_jv_bool(s->size || empty);
}

bp_jv bp_jis_case(bp_jx *x, const bp_jstring *s, uint32_t wanted, uint32_t other) {
    bool any = false;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        uint32_t class = bp_jchar_class(bp_jchar_next(s->data, s->size, &at));
        if (class & (other | BP_JCHAR_TITLE)) return bp_jv_bool(false);
        if (class & wanted) any = true;
    }
    return bp_jv_bool(any);
}

static BP_JCALL(str_isalpha) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_ALPHA, false); }
static BP_JCALL(str_isdigit) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_DIGIT, false); }
static BP_JCALL(str_isdecimal) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_DECIMAL, false); }
static BP_JCALL(str_isnumeric) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_NUMERIC, false); }
static BP_JCALL(str_isprintable) { BP_JUNUSED; return all_are(x, self, BP_JCHAR_PRINTABLE, true); }
static BP_JCALL(str_isalnum) {
    BP_JUNUSED;
    return all_are(x, self, BP_JCHAR_ALPHA | BP_JCHAR_NUMERIC | BP_JCHAR_DIGIT | BP_JCHAR_DECIMAL, false);
}
static BP_JCALL(str_isascii) { BP_JUNUSED; return bp_jv_bool((size_t)self.string->count == self.string->size); }
static BP_JCALL(str_isupper) { BP_JUNUSED; return bp_jis_case(x, self.string, BP_JCHAR_UPPER, BP_JCHAR_LOWER); }
static BP_JCALL(str_islower) { BP_JUNUSED; return bp_jis_case(x, self.string, BP_JCHAR_LOWER, BP_JCHAR_UPPER); }

static BP_JCALL(str_isspace) {
    BP_JUNUSED;
    if (!bp_jx_work(x, self.string->size)) return (bp_jv){ 0 };
    return bp_jv_bool(self.string->size && bp_jtext_left(self.string->data, self.string->size) == self.string->size);
}

static BP_JCALL(str_isidentifier) {
    BP_JUNUSED;
    const bp_jstring *s = self.string;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        bool first = !at;
        if (!bp_jchar_in_name(bp_jchar_next(s->data, s->size, &at), first)) return bp_jv_bool(false);
    }
    return bp_jv_bool(s->size);
}

static BP_JCALL(str_istitle) {
    BP_JUNUSED;
    const bp_jstring *s = self.string;
    bool inside = false, any = false;
    if (!bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    for (size_t at = 0; at < s->size;) {
        uint32_t class = bp_jchar_class(bp_jchar_next(s->data, s->size, &at));
        if (class & (BP_JCHAR_UPPER | BP_JCHAR_TITLE) && inside) return bp_jv_bool(false);
        if (class & BP_JCHAR_LOWER && !inside) return bp_jv_bool(false);
        inside = class & BP_JCHAR_CASED;
        any |= inside;
    }
    return bp_jv_bool(any);
}

/* Underscores only between digits; false where there is another. */
static bool without_underscores(const char *s, size_t n, char *out, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') {
            if (!i || i + 1 == n || s[i - 1] == '_' || strchr("+-", s[i - 1])) return false;
            continue;
        }
        if (used + 1 >= room || !s[i]) return false;
        out[used++] = s[i];
    }
    out[used] = '\0';
    return used;
}

bool bp_jparse_int(const bp_jstring *s, int base, int64_t *out) {
    char text[128], *end;
    size_t skip = bp_jtext_left(s->data, s->size);
    size_t n = bp_jtext_right(s->data + skip, s->size - skip);
    const char *data = s->data + skip;
    if (!without_underscores(data, n, text, sizeof text)) return false;
    size_t sign = text[0] == '+' || text[0] == '-';
    char second = (char)(text[sign] == '0' ? text[sign + 1] | 0x20 : 0);
    bool prefixed = (base == 2 && second == 'b') || (base == 8 && second == 'o') || (base == 16 && second == 'x');
    if (prefixed) memmove(text + sign, text + sign + 2, strlen(text + sign + 2) + 1);
    char c = text[sign];
    if (!c || c == ' ' || c == '+' || c == '-' || (base == 16 && (text[sign + 1] | 0x20) == 'x')) return false;
    errno = 0;
    *out = strtoll(text, &end, base);
    return !*end && errno != ERANGE;
}

bool bp_jparse_float(const bp_jstring *s, double *out) {
    char text[128], *end;
    size_t skip = bp_jtext_left(s->data, s->size);
    size_t n = bp_jtext_right(s->data + skip, s->size - skip);
    if (!without_underscores(s->data + skip, n, text, sizeof text) || strpbrk(text, "xX(")) return false;
    *out = strtod(text, &end);
    return !*end && end != text;
}

const bp_jfunction bp_jstring_methods[] = {
    { "capitalize", "", str_capitalize },
    { "casefold", "", str_casefold },
    { "center", "!width fill?", str_center },
    { "count", "!sub start? end?", str_count },
    { "endswith", "!suffix start? end?", str_endswith },
    { "expandtabs", "tabsize?", str_expandtabs },
    { "find", "!sub start? end?", str_find },
    { "format", "*", str_format },
    { "format_map", "!mapping", str_format_map },
    { "index", "!sub start? end?", str_index },
    { "isalnum", "", str_isalnum },
    { "isalpha", "", str_isalpha },
    { "isascii", "", str_isascii },
    { "isdecimal", "", str_isdecimal },
    { "isdigit", "", str_isdigit },
    { "isidentifier", "", str_isidentifier },
    { "islower", "", str_islower },
    { "isnumeric", "", str_isnumeric },
    { "isprintable", "", str_isprintable },
    { "isspace", "", str_isspace },
    { "istitle", "", str_istitle },
    { "isupper", "", str_isupper },
    { "join", "!iterable", str_join },
    { "ljust", "!width fill?", str_ljust },
    { "lower", "", str_lower },
    { "lstrip", "!chars?", str_lstrip },
    { "partition", "!sep", str_partition },
    { "removeprefix", "!prefix", str_removeprefix },
    { "removesuffix", "!suffix", str_removesuffix },
    { "replace", "!old new count?", str_replace },
    { "rfind", "!sub start? end?", str_rfind },
    { "rindex", "!sub start? end?", str_rindex },
    { "rjust", "!width fill?", str_rjust },
    { "rpartition", "!sep", str_rpartition },
    { "rsplit", "sep? maxsplit?", str_rsplit },
    { "rstrip", "!chars?", str_rstrip },
    { "split", "sep? maxsplit?", str_split },
    { "splitlines", "keepends?", str_splitlines },
    { "startswith", "!prefix start? end?", str_startswith },
    { "strip", "!chars?", str_strip },
    { "swapcase", "", str_swapcase },
    { "title", "", str_title },
    { "upper", "", str_upper },
    { "zfill", "!width", str_zfill },
    { NULL, NULL, NULL },
};
