/* Methods of str that split and search. */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_sequence.h"

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

BP_JCALL(bp_jstr_split) { BP_JUNUSED; return split(x, self, a, false); }
BP_JCALL(bp_jstr_rsplit) { BP_JUNUSED; return split(x, self, a, true); }

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

BP_JCALL(bp_jstr_splitlines) { BP_JUNUSED; return bp_jsplit_lines(x, self, bp_jflag(a[0], false)); }

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

BP_JCALL(bp_jstr_partition) { BP_JUNUSED; return partition(x, self, a[0], false); }
BP_JCALL(bp_jstr_rpartition) { BP_JUNUSED; return partition(x, self, a[0], true); }

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

BP_JCALL(bp_jstr_startswith) { BP_JUNUSED; return affix(x, self, a, false); }
BP_JCALL(bp_jstr_endswith) { BP_JUNUSED; return affix(x, self, a, true); }

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

BP_JCALL(bp_jstr_find) { BP_JUNUSED; return find(x, self, a, false, false); }
BP_JCALL(bp_jstr_rfind) { BP_JUNUSED; return find(x, self, a, true, false); }
BP_JCALL(bp_jstr_index) { BP_JUNUSED; return find(x, self, a, false, true); }
BP_JCALL(bp_jstr_rindex) { BP_JUNUSED; return find(x, self, a, true, true); }

BP_JCALL(bp_jstr_count) {
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
