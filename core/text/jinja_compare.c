/* Comparing values as Python does: ==, <, in, is, and sorting. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

static bool lists_equal(bp_jx *x, const bp_jlist *a, const bp_jlist *b, bool *equal) {
    *equal = a->count == b->count;
    for (size_t i = 0; *equal && a != b && i < a->count; i++)
        if (!bp_jx_steps(x, 1) || !bp_jv_equals(x, a->items[i], b->items[i], equal)) return false;
    return true;
}

static bool dicts_equal(bp_jx *x, const bp_jdict *a, const bp_jdict *b, bool *equal) {
    *equal = a->count == b->count;
    for (size_t i = 0; *equal && a != b && i < a->count; i++) {
        bp_jv other = bp_jv_none();
        int found = bp_jx_steps(x, 1) ? bp_jv_find(x, b, a->pairs[i].key, &other) : -1;
        if (found < 0) return false;
        *equal = found;
        if (found && !bp_jv_equals(x, a->pairs[i].value, other, equal)) return false;
    }
    return true;
}

static bool ranges_equal(const bp_jrange *a, const bp_jrange *b) {
    int64_t n = bp_jv_range_length(a);
    if (n != bp_jv_range_length(b)) return false;
    return !n || (a->start.integer == b->start.integer && (n == 1 || a->step.integer == b->step.integer));
}

static bool numbers_equal(bp_jv a, bp_jv b) {
    if (a.type == BP_J_FLOAT || b.type == BP_J_FLOAT) return bp_jv_number(a) == bp_jv_number(b);
    return bp_jv_integer(a) == bp_jv_integer(b);
}

bool bp_jv_equals(bp_jx *x, bp_jv a, bp_jv b, bool *equal) {
    *equal = false;
    if (bp_jv_is_number(a) && bp_jv_is_number(b)) return *equal = numbers_equal(a, b), true;
    if (a.type != b.type) return true;
    bool good = true;
    switch (a.type) {
    case BP_J_UNDEFINED: case BP_J_NONE: *equal = true; break;
    case BP_J_STRING:
        *equal = a.string->size == b.string->size && !memcmp(a.string->data, b.string->data, a.string->size);
        return bp_jx_steps(x, *equal ? a.string->size / 64 : 0);
    case BP_J_LIST: case BP_J_TUPLE:
        good = bp_jx_enter(x) && lists_equal(x, a.list, b.list, equal);
        bp_jx_leave(x);
        break;
    case BP_J_DICT:
        good = bp_jx_enter(x) && dicts_equal(x, a.dict, b.dict, equal);
        bp_jx_leave(x);
        break;
    case BP_J_RANGE: *equal = ranges_equal(a.range, b.range); break;
    default: *equal = a.iterator == b.iterator && a.sub == b.sub; break;
    }
    return good;
}

int bp_jv_compare_strings(const bp_jstring *a, const bp_jstring *b) { /* UTF-8 sorts as its characters do */
    int order = memcmp(a->data, b->data, BP_MIN(a->size, b->size));
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static bool lists_less(bp_jx *x, const bp_jlist *a, const bp_jlist *b, bool *less) {
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        bool equal;
        if (!bp_jx_steps(x, 1) || !bp_jv_equals(x, a->items[i], b->items[i], &equal)) return false;
        if (!equal) return bp_jv_less(x, a->items[i], b->items[i], less);
    }
    *less = a->count < b->count;
    return true;
}

bool bp_jv_less(bp_jx *x, bp_jv a, bp_jv b, bool *less) {
    if (bp_jv_is_integral(a) && bp_jv_is_integral(b)) return *less = bp_jv_integer(a) < bp_jv_integer(b), true;
    if (bp_jv_is_number(a) && bp_jv_is_number(b)) return *less = bp_jv_number(a) < bp_jv_number(b), true;
    if (a.type == BP_J_STRING && b.type == BP_J_STRING) {
        *less = bp_jv_compare_strings(a.string, b.string) < 0;
        return bp_jx_steps(x, BP_MIN(a.string->size, b.string->size) / 64);
    }
    if ((a.type == BP_J_LIST || a.type == BP_J_TUPLE) && a.type == b.type) {
        bool good = bp_jx_enter(x) && lists_less(x, a.list, b.list, less);
        bp_jx_leave(x);
        return good;
    }
    if (a.type == BP_J_UNDEFINED || b.type == BP_J_UNDEFINED)
        return bp_jx_undefined(x, a.type == BP_J_UNDEFINED ? a : b), false;
    return bp_jx_fail(x, "%s and %s cannot be ordered", bp_jv_type_name(a), bp_jv_type_name(b)), false;
}

static bool text_contains(bp_jx *x, bp_jv in, bp_jv item, bool *found) {
    if (item.type != BP_J_STRING)
        return bp_jx_fail(x, "'in <string>' requires a string, not %s", bp_jv_type_name(item)), false;
    const bp_jstring *s = in.string, *part = item.string;
    *found = !part->size || (part->size <= s->size && memmem(s->data, s->size, part->data, part->size));
    return bp_jx_steps(x, s->size / 64);
}

static bool walk_contains(bp_jx *x, bp_jv in, bp_jv item, bool *found) {
    bp_jiterator *it = bp_jx_iterate(x, in);
    bp_jv next;
    int got = 0;
    *found = false;
    while (it && !*found && (got = bp_jx_next(x, it, &next)) > 0)
        if (!bp_jv_equals(x, next, item, found)) return false;
    return it && got >= 0;
}

bool bp_jv_contains(bp_jx *x, bp_jv in, bp_jv item, bool *found) {
    if (in.type == BP_J_STRING) return text_contains(x, in, item, found);
    if (in.type == BP_J_DICT || (in.type == BP_J_VIEW && in.sub == BP_J_VIEW_KEYS)) {
        int there = bp_jv_find(x, in.dict, item, NULL);
        *found = there > 0;
        return there >= 0;
    }
    return walk_contains(x, in, item, found);
}

bool bp_jv_same(bp_jv a, bp_jv b) {
    if (a.type != b.type) return false;
    switch (a.type) {
    case BP_J_NONE: return true;
    case BP_J_BOOL: return a.truth == b.truth;
    case BP_J_INT: return a.integer == b.integer && a.integer >= -5 && a.integer <= 256; /* CPython's own objects */
    case BP_J_FLOAT: case BP_J_UNDEFINED: case BP_J_VIEW: return false; /* made anew each time */
    case BP_J_STRING: return a.string == b.string || (a.string->size <= 1 && b.string->size == a.string->size &&
                                                      a.string->data[0] == b.string->data[0]);
    default: return a.iterator == b.iterator;
    }
}

typedef struct sorter { bp_jx *x; bp_jv *keys, *items, *spare_keys, *spare_items; bool reverse; } sorter;

/* Does the right one come first? Equal ones keep their order. */
static bool right_first(sorter *s, bp_jv left, bp_jv right, bool *yes) {
    return s->reverse ? bp_jv_less(s->x, left, right, yes) : bp_jv_less(s->x, right, left, yes);
}

static bool merge(sorter *s, size_t begin, size_t middle, size_t end) {
    size_t a = begin, b = middle;
    for (size_t to = begin; to < end; to++) {
        bool right = a == middle;
        if (a < middle && b < end && (!bp_jx_steps(s->x, 1) || !right_first(s, s->keys[a], s->keys[b], &right)))
            return false;
        size_t from = right ? b++ : a++;
        s->spare_keys[to] = s->keys[from];
        s->spare_items[to] = s->items[from];
    }
    memcpy(s->keys + begin, s->spare_keys + begin, (end - begin) * sizeof *s->keys);
    memcpy(s->items + begin, s->spare_items + begin, (end - begin) * sizeof *s->items);
    return true;
}

bool bp_jv_sort(bp_jx *x, bp_jv *keys, bp_jv *items, size_t n, bool reverse) {
    sorter s = { x, keys, items, NULL, NULL, reverse };
    s.spare_keys = bp_jx_alloc(x, n * sizeof *keys);
    s.spare_items = bp_jx_alloc(x, n * sizeof *items);
    if (!s.spare_keys || !s.spare_items) return false;
    for (size_t width = 1; width < n; width *= 2)
        for (size_t begin = 0; begin + width < n; begin += 2 * width)
            if (!merge(&s, begin, begin + width, BP_MIN(begin + 2 * width, n))) return false;
    return true;
}
