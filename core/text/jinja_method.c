/* Methods of other types than str, and the functions of the language. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/size.h"
#include "core/text/jinja_sequence.h"

static bp_jv view(bp_jv dict, uint8_t of) { return (bp_jv){ .type = BP_J_VIEW, .sub = of, .dict = dict.dict }; }
static BP_JCALL(dict_keys) { BP_JUNUSED; return view(self, BP_J_VIEW_KEYS); }
static BP_JCALL(dict_values) { BP_JUNUSED; return view(self, BP_J_VIEW_VALUES); }
static BP_JCALL(dict_items) { BP_JUNUSED; return view(self, BP_J_VIEW_ITEMS); }

static BP_JCALL(dict_get) {
    BP_JUNUSED;
    bp_jv v = bp_jgiven(a[1]) ? a[1] : bp_jv_none();
    return bp_jv_find(x, self.dict, a[0], &v) < 0 ? (bp_jv){ 0 } : v;
}

static bool copy_pairs(bp_jx *x, bp_jv to, const bp_jdict *from) {
    for (size_t i = 0; i < from->count; i++)
        if (!bp_jx_steps(x, 1) || !bp_jv_set(x, to.dict, from->pairs[i].key, from->pairs[i].value)) return false;
    return true;
}

static BP_JCALL(dict_copy) {
    BP_JUNUSED;
    bp_jv copy = bp_jv_dict(x);
    return copy.type && copy_pairs(x, copy, self.dict) ? copy : (bp_jv){ 0 };
}

static BP_JCALL(dict_fromkeys) {
    BP_JUNUSED;
    bp_jiterator *it = bp_jx_iterate(x, a[0]);
    bp_jv dict = bp_jv_dict(x), key;
    int got = it && dict.type ? 1 : -1;
    while (got > 0 && (got = bp_jx_next(x, it, &key)) > 0)
        if (!bp_jv_set(x, dict.dict, key, bp_jgiven(a[1]) ? a[1] : bp_jv_none())) return (bp_jv){ 0 };
    return got < 0 ? (bp_jv){ 0 } : dict;
}

static BP_JCALL(list_copy) { BP_JUNUSED; return bp_jx_to_list(x, self); }

static BP_JCALL(list_count) {
    BP_JUNUSED;
    int64_t n = 0;
    for (size_t i = 0; i < self.list->count; i++) {
        bool equal;
        if (!bp_jx_steps(x, 1) || !bp_jv_equals(x, self.list->items[i], a[0], &equal)) return (bp_jv){ 0 };
        n += equal;
    }
    return bp_jv_int(n);
}

static BP_JCALL(list_index) {
    BP_JUNUSED;
    int64_t n = (int64_t)self.list->count, from, to;
    if (!bp_jinteger(x, a[1], 0, &from) || !bp_jinteger(x, a[2], n, &to)) return (bp_jv){ 0 };
    if (from < 0) from = BP_MAX(from + n, 0);
    if (to < 0) to += n;
    for (int64_t i = from; i < n && i < to; i++) {
        bool equal;
        if (!bp_jx_steps(x, 1) || !bp_jv_equals(x, self.list->items[i], a[0], &equal)) return (bp_jv){ 0 };
        if (equal) return bp_jv_int(i);
    }
    return bp_jx_fail(x, "the value is not in the list");
}

static BP_JCALL(float_is_integer) {
    BP_JUNUSED;
    return bp_jv_bool(self.number - (double)(int64_t)(self.number < 9e18 && self.number > -9e18 ? self.number : 0) ==
                      0);
}

static BP_JCALL(int_bit_length) {
    BP_JUNUSED;
    int64_t i = bp_jv_integer(self), n = 0;
    for (uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i; u; u >>= 1) n++;
    return bp_jv_int(n);
}

static BP_JCALL(loop_cycle) {
    BP_JUNUSED;
    if (!args->count) return bp_jx_fail(x, "no items for cycling given");
    return args->items[self.loop->index0 % (int64_t)args->count];
}

static BP_JCALL(loop_changed) {
    BP_JUNUSED;
    bp_jv now = bp_jv_tuple(x, args->count);
    for (size_t i = 0; now.type && i < args->count; i++) bp_jv_push(x, now, args->items[i]);
    bool equal = false;
    if (!now.type || !bp_jv_equals(x, self.loop->changed, now, &equal)) return (bp_jv){ 0 };
    if (!equal) self.loop->changed = now;
    return bp_jv_bool(!equal);
}

static BP_JCALL(cycler_next) {
    BP_JUNUSED;
    bp_jv v = self.cycler->items.list->items[self.cycler->at];
    self.cycler->at = (self.cycler->at + 1) % self.cycler->items.list->count;
    return v;
}

static BP_JCALL(cycler_reset) {
    BP_JUNUSED;
    self.cycler->at = 0;
    return bp_jv_none();
}

static BP_JCALL(raise_exception) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, a[0]);
    return text.type ? bp_jx_fail(x, "%s", text.string->data) : text;
}

static BP_JCALL(strftime_now) {
    BP_JUNUSED;
    const bp_jstring *format;
    char text[512];
    struct tm parts;
    time_t now = time(NULL);
    if (!bp_jtext(x, a[0], &format)) return (bp_jv){ 0 };
    if (format->size > 100 || !localtime_r(&now, &parts)) return bp_jx_fail(x, "the date format is too long");
    size_t n = format->size ? strftime(text, sizeof text, format->data, &parts) : 0;
    return bp_jv_string(x, text, n);
}

static BP_JCALL(make_range) {
    BP_JUNUSED;
    int64_t first = 0, stop, step;
    if (!bp_jinteger(x, a[0], 0, &stop) || !bp_jinteger(x, a[2], 1, &step)) return (bp_jv){ 0 };
    if (bp_jgiven(a[1])) {
        first = stop;
        if (!bp_jinteger(x, a[1], 0, &stop)) return (bp_jv){ 0 };
    }
    if (!step || step == INT64_MIN) return bp_jx_fail(x, "range() arg 3 must not be zero");
    bp_jrange *range = bp_jx_alloc(x, sizeof *range);
    if (!range) return (bp_jv){ 0 };
    *range = (bp_jrange){ bp_jv_int(first), bp_jv_int(stop), bp_jv_int(step) };
    int64_t n = bp_jv_range_length(range);
    if (n < 0 || n > BP_JINJA_MAX_RANGE) return bp_jx_fail(x, "range too big: more than %d items", BP_JINJA_MAX_RANGE);
    return (bp_jv){ .type = BP_J_RANGE, .range = range };
}

static bool add_pair(bp_jx *x, bp_jv dict, bp_jv pair) {
    bp_jv both = bp_jx_to_list(x, pair);
    if (!both.type) return false;
    if (both.list->count != 2) return bp_jx_fail(x, "dictionary update sequence element must have length 2"), false;
    return bp_jv_set(x, dict.dict, both.list->items[0], both.list->items[1]);
}

/* dict(mapping or pairs, **more) */
static bp_jv dict_from(bp_jx *x, const bp_jargs *args) {
    bp_jv dict = bp_jv_dict(x), pair;
    if (!dict.type || args->count > 1) return bp_jx_fail(x, "dict expected at most 1 argument, got %zu", args->count);
    if (args->count && (args->items[0].type == BP_J_DICT || args->items[0].type == BP_J_NAMESPACE)) {
        if (args->items[0].type == BP_J_NAMESPACE || !copy_pairs(x, dict, args->items[0].dict))
            return bp_jx_fail(x, "not iterable");
    } else if (args->count) {
        bp_jiterator *it = bp_jx_iterate(x, args->items[0]);
        int got = it ? 1 : -1;
        while (got > 0 && (got = bp_jx_next(x, it, &pair)) > 0)
            if (!add_pair(x, dict, pair)) return (bp_jv){ 0 };
        if (got < 0) return (bp_jv){ 0 };
    }
    for (size_t i = 0; i < args->n_keywords; i++)
        if (!bp_jv_set(x, dict.dict, bp_jv_words(x, args->keywords[i].name), args->keywords[i].value))
            return (bp_jv){ 0 };
    return dict;
}

static BP_JCALL(make_dict) { BP_JUNUSED; return dict_from(x, args); }

static BP_JCALL(make_namespace) {
    BP_JUNUSED;
    bp_jv space = dict_from(x, args);
    if (!space.type) return space;
    for (size_t i = 0; i < space.dict->count; i++)
        if (space.dict->pairs[i].key.type == BP_J_STRING && space.dict->pairs[i].key.string->data[0] == '_')
            return bp_jx_fail(x, "attributes of a namespace cannot begin with an underscore");
    space.type = BP_J_NAMESPACE;
    return space;
}

static bp_jv new_cycler(bp_jx *x, uint8_t type, bp_jv items) {
    bp_jcycler *cycler = items.type ? bp_jx_alloc(x, sizeof *cycler) : NULL;
    if (!cycler) return (bp_jv){ 0 };
    cycler->items = items;
    return (bp_jv){ .type = type, .cycler = cycler };
}

static BP_JCALL(make_cycler) {
    BP_JUNUSED;
    if (!args->count || args->n_keywords) return bp_jx_fail(x, "at least one item has to be provided");
    bp_jv items = bp_jv_tuple(x, args->count);
    for (size_t i = 0; items.type && i < args->count; i++) bp_jv_push(x, items, args->items[i]);
    return new_cycler(x, BP_J_CYCLER, items);
}

static BP_JCALL(make_joiner) {
    BP_JUNUSED;
    return new_cycler(x, BP_J_JOINER, bp_jgiven(a[0]) ? a[0] : bp_jv_words(x, ", "));
}

static const bp_jfunction globals[] = {
    { "raise_exception", "message", raise_exception }, { "strftime_now", "format", strftime_now },
    { "range", "!start stop? step?", make_range }, { "dict", "*", make_dict }, { "namespace", "*", make_namespace },
    { "cycler", "*", make_cycler }, { "joiner", "sep?", make_joiner }, { NULL, NULL, NULL },
};
static const bp_jfunction dict_methods[] = {
    { "keys", "", dict_keys }, { "values", "", dict_values }, { "items", "", dict_items }, { "copy", "", dict_copy },
    { "get", "!key default?", dict_get }, { "fromkeys", "!keys value?", dict_fromkeys }, { NULL, NULL, NULL },
};
static const bp_jfunction dict_function_methods[] = { { "fromkeys", "!keys value?", dict_fromkeys },
                                                      { NULL, NULL, NULL } };
static const bp_jfunction list_methods[] = {
    { "count", "!value", list_count }, { "index", "!value start? stop?", list_index }, { "copy", "", list_copy },
    { NULL, NULL, NULL },
};
static const bp_jfunction float_methods[] = { { "is_integer", "", float_is_integer }, { NULL, NULL, NULL } };
static const bp_jfunction int_methods[] = { { "bit_length", "", int_bit_length }, { NULL, NULL, NULL } };
static const bp_jfunction loop_methods[] = {
    { "cycle", "*", loop_cycle }, { "changed", "*", loop_changed }, { NULL, NULL, NULL }
};
static const bp_jfunction cycler_methods[] = {
    { "next", "", cycler_next }, { "reset", "", cycler_reset }, { NULL, NULL, NULL }
};

static const bp_jfunction *search(const bp_jfunction *list, const char *name) {
    for (; list && list->name; list++)
        if (!strcmp(list->name, name)) return list;
    return NULL;
}

const bp_jfunction *bp_jinja_method(uint8_t type, const char *name) {
    switch (type) {
    case BP_J_STRING: return search(bp_jstring_methods, name);
    case BP_J_DICT: return search(dict_methods, name);
    case BP_J_LIST: return search(list_methods, name);
    case BP_J_TUPLE: return strcmp(name, "copy") ? search(list_methods, name) : NULL;
    case BP_J_FLOAT: return search(float_methods, name);
    case BP_J_BOOL: case BP_J_INT: return search(int_methods, name);
    case BP_J_LOOP: return search(loop_methods, name);
    case BP_J_CYCLER: return search(cycler_methods, name);
    case BP_J_FUNCTION: return search(dict_function_methods, name);
    default: return NULL;
    }
}

const bp_jfunction *bp_jinja_global(const char *name) { return search(globals, name); }
