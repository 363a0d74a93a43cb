/* object.name, object[key] and slices, with the refusals of jinja2's immutable sandbox. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

/* Methods that change their object: their names are there, but give what cannot be used. */
static bool is_refused(uint8_t type, const char *name) {
    static const char *const of_dict[] = { "clear", "pop", "popitem", "setdefault", "update", NULL };
    static const char *const of_list[] = { "append", "clear",  "pop",    "reverse", "insert",
                                           "sort",   "extend", "remove", NULL };
    const char *const *names = type == BP_J_DICT ? of_dict : type == BP_J_LIST ? of_list : NULL;
    for (; names && *names; names++)
        if (!strcmp(*names, name)) return true;
    size_t n = strlen(name);
    return n > 4 && name[0] == '_' && name[1] == '_' && name[n - 1] == '_' && name[n - 2] == '_';
}

static bp_jv loop_member(bp_jx *x, bp_jloop *loop, const char *name, bool *found);

static bp_jv length_of_loop(bp_jx *x, bp_jloop *loop) {
    int64_t n = loop->length >= 0 ? loop->length : bp_jv_length(loop->over);
    if (n < 0) { /* a generator: the rest of it is made now */
        bp_jv rest = bp_jx_to_list(x, (bp_jv){ .type = BP_J_ITERATOR, .iterator = loop->it });
        if (!rest.type) return rest;
        loop->it = bp_jx_iterate(x, rest);
        if (!loop->it) return (bp_jv){ 0 };
        n = (int64_t)rest.list->count + loop->index0 + 1 + (loop->after.type != BP_J_MISSING);
    }
    loop->length = n;
    return bp_jv_int(n);
}

static bp_jv loop_next(bp_jx *x, bp_jloop *loop, bool last) {
    bool more;
    if (!bp_jloop_more(x, loop, &more)) return (bp_jv){ 0 };
    if (last) return bp_jv_bool(!more);
    return more ? loop->after : bp_jv_hint("there is no next item");
}

static bp_jv loop_member(bp_jx *x, bp_jloop *loop, const char *name, bool *found) {
    *found = true;
    if (!strcmp(name, "index")) return bp_jv_int(loop->index0 + 1);
    if (!strcmp(name, "index0")) return bp_jv_int(loop->index0);
    if (!strcmp(name, "first")) return bp_jv_bool(loop->index0 == 0);
    if (!strcmp(name, "last")) return loop_next(x, loop, true);
    if (!strcmp(name, "nextitem")) return loop_next(x, loop, false);
    if (!strcmp(name, "previtem")) return loop->index0 ? loop->before : bp_jv_hint("there is no previous item");
    if (!strcmp(name, "depth")) return bp_jv_int(loop->depth0 + 1);
    if (!strcmp(name, "depth0")) return bp_jv_int(loop->depth0);
    bool back = !strcmp(name, "revindex"), back0 = !strcmp(name, "revindex0");
    if (!back && !back0 && strcmp(name, "length")) return *found = false, bp_jv_none();
    bp_jv n = length_of_loop(x, loop);
    if (!n.type || (!back && !back0)) return n;
    return bp_jv_int(n.integer - loop->index0 - back0);
}

static bp_jv macro_member(bp_jx *x, const bp_jmacro *macro, const char *name, bool *found) {
    const bp_jnode *node = macro->node;
    *found = true;
    if (!strcmp(name, "name")) {
        if (!macro->name) return bp_jv_none();
        return (bp_jv){ .type = BP_J_STRING, .string = macro->name };
    }
    if (!strcmp(name, "caller")) return bp_jv_bool(node->flag);
    if (!strcmp(name, "catch_kwargs")) return bp_jv_bool(node->kwargs);
    if (!strcmp(name, "catch_varargs")) return bp_jv_bool(node->varargs);
    if (strcmp(name, "arguments")) return *found = false, bp_jv_none();
    bp_jv list = bp_jv_tuple(x, node->name);
    for (uint32_t i = 0; list.type && i < node->name; i++)
        bp_jv_push(x, list, (bp_jv){ .type = BP_J_STRING, .string = x->j->names[node->names[i]] });
    return list;
}

static bp_jv cycler_member(bp_jcycler *cycler, const char *name, bool *found) {
    *found = true;
    if (!strcmp(name, "current")) return cycler->items.list->items[cycler->at];
    if (!strcmp(name, "items")) return cycler->items;
    if (!strcmp(name, "pos")) return bp_jv_int((int64_t)cycler->at);
    return *found = false, bp_jv_none();
}

static bp_jv group_member(bp_jv tuple, const char *name, bool *found) {
    *found = tuple.sub && tuple.list->count == 2 && (!strcmp(name, "grouper") || !strcmp(name, "list"));
    return *found ? tuple.list->items[name[0] == 'l'] : bp_jv_none();
}

static bp_jv number_member(bp_jv v, const char *name, bool *found) {
    *found = true;
    if (!strcmp(name, "real")) return v.type == BP_J_FLOAT ? v : bp_jv_int(bp_jv_integer(v));
    if (!strcmp(name, "imag")) return v.type == BP_J_FLOAT ? bp_jv_float(0) : bp_jv_int(0);
    if (v.type != BP_J_FLOAT && !strcmp(name, "numerator")) return bp_jv_int(bp_jv_integer(v));
    if (v.type != BP_J_FLOAT && !strcmp(name, "denominator")) return bp_jv_int(1);
    return *found = false, bp_jv_none();
}

static bp_jv property(bp_jx *x, bp_jv object, const char *name, bool *found) {
    *found = false;
    switch (object.type) {
    case BP_J_LOOP: return loop_member(x, object.loop, name, found);
    case BP_J_MACRO: return macro_member(x, object.macro, name, found);
    case BP_J_CYCLER: return cycler_member(object.cycler, name, found);
    case BP_J_TUPLE: return group_member(object, name, found);
    case BP_J_BOOL: case BP_J_INT: case BP_J_FLOAT: return number_member(object, name, found);
    case BP_J_RANGE:
        *found = true;
        if (!strcmp(name, "start")) return object.range->start;
        if (!strcmp(name, "stop")) return object.range->stop;
        if (!strcmp(name, "step")) return object.range->step;
        *found = false;
        return bp_jv_none();
    case BP_J_NAMESPACE: *found = bp_jv_find_name(object.dict, name, strlen(name), &object); return object;
    default: return bp_jv_none();
    }
}

bp_jv bp_jx_method(bp_jx *x, bp_jv object, const char *name, bool *found) {
    bp_jv v = property(x, object, name, found);
    if (*found || x->failed) return v;
    if (object.type == BP_J_NAMESPACE) return v;
    *found = true;
    if (is_refused(object.type, name)) return (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_UNSAFE, .words = name };
    bool is_dict = object.type == BP_J_FUNCTION && !strcmp(object.function->function->name, "dict");
    const bp_jfunction *method = bp_jinja_method(is_dict ? (uint8_t)BP_J_FUNCTION : object.type, name);
    if (object.type == BP_J_FUNCTION && !is_dict) method = NULL;
    if (!method) return *found = false, v;
    bp_jbound *bound = bp_jx_alloc(x, sizeof *bound);
    if (!bound) return (bp_jv){ 0 };
    *bound = (bp_jbound){ method, object };
    return (bp_jv){ .type = BP_J_FUNCTION, .function = bound };
}

static bp_jv no_attribute(bp_jv object, const char *name) {
    return (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_NO_ATTRIBUTE, .of = object.type, .words = name };
}

bp_jv bp_jx_attribute(bp_jx *x, bp_jv object, bp_jv name) {
    if (object.type == BP_J_UNDEFINED && is_refused(object.type, name.string->data))
        return (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_UNSAFE, .words = name.string->data };
    if (object.type == BP_J_UNDEFINED) return bp_jx_undefined(x, object);
    bool found;
    bp_jv v = bp_jx_method(x, object, name.string->data, &found);
    if (found || x->failed) return x->failed ? (bp_jv){ 0 } : v;
    if (object.type == BP_J_DICT && bp_jv_find(x, object.dict, name, &v) > 0) return v;
    return no_attribute(object, name.string->data);
}

static bp_jv character_at(bp_jx *x, const bp_jstring *s, int64_t i) {
    if ((size_t)s->count != s->size && !bp_jx_work(x, (size_t)i)) return (bp_jv){ 0 };
    size_t begin = bp_jstring_offset(s, i), end = begin;
    (void)bp_jchar_next(s->data, s->size, &end);
    bp_jv v = bp_jv_string(x, s->data + begin, end - begin);
    return s->safe ? bp_jv_safe(x, v, true) : v;
}

static bp_jv at_index(bp_jx *x, bp_jv object, int64_t i) {
    int64_t n = bp_jv_length(object);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return no_attribute(object, "[index]");
    if (object.type == BP_J_STRING) return character_at(x, object.string, i);
    if (object.type == BP_J_RANGE) return bp_jv_int(object.range->start.integer + i * object.range->step.integer);
    return object.list->items[i];
}

bp_jv bp_jx_item(bp_jx *x, bp_jv object, bp_jv key) {
    bool found = false, is_indexed = object.type == BP_J_LIST || object.type == BP_J_TUPLE ||
                                     object.type == BP_J_STRING || object.type == BP_J_RANGE;
    bp_jv v = bp_jv_none();
    if (object.type == BP_J_UNDEFINED) return bp_jx_undefined(x, object);
    if (is_indexed && bp_jv_is_integral(key)) return at_index(x, object, bp_jv_integer(key));
    if (is_indexed && key.type == BP_J_SLICE) return bp_jx_slice(x, object, key.range);
    if (object.type == BP_J_DICT && key.type != BP_J_LIST && key.type != BP_J_DICT) {
        int there = bp_jv_find(x, object.dict, key, &v);
        if (there) return there > 0 ? v : (bp_jv){ 0 };
    }
    if (key.type != BP_J_STRING) return no_attribute(object, "[key]");
    v = bp_jx_method(x, object, key.string->data, &found);
    if (x->failed) return (bp_jv){ 0 };
    return found ? v : no_attribute(object, key.string->data);
}

static bool bound(bp_jx *x, bp_jv v, int64_t missing, int64_t *out) {
    *out = missing;
    if (v.type == BP_J_NONE) return true;
    if (!bp_jv_is_integral(v)) return bp_jx_fail(x, "slice indices must be integers or None"), false;
    *out = bp_jv_integer(v);
    return true;
}

static int64_t within(int64_t i, int64_t n, int64_t low, int64_t high) {
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

/* As slice.indices: first index, step and number of items. */
static bool resolve(bp_jx *x, const bp_jrange *slice, int64_t n, int64_t *first, int64_t *step, int64_t *count) {
    int64_t stop;
    if (!bound(x, slice->step, 1, step)) return false;
    if (*step == 0) return bp_jx_fail(x, "slice step cannot be zero"), false;
    if (*step < -INT64_MAX) *step = -INT64_MAX;
    bool back = *step < 0;
    int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
    if (!bound(x, slice->start, INT64_MIN, first) || !bound(x, slice->stop, INT64_MIN, &stop)) return false;
    *first = slice->start.type == BP_J_NONE ? (back ? high : low) : within(*first, n, low, high);
    stop = slice->stop.type == BP_J_NONE ? (back ? low : high) : within(stop, n, low, high);
    bp_jrange range = { bp_jv_int(*first), bp_jv_int(stop), bp_jv_int(*step) };
    *count = bp_jv_range_length(&range);
    return true;
}

static bp_jv slice_string(bp_jx *x, const bp_jstring *s, int64_t first, int64_t step, int64_t count) {
    if (!count) return bp_jv_words(x, "");
    if ((size_t)s->count != s->size && !bp_jx_work(x, s->size)) return (bp_jv){ 0 };
    if (step == 1) {
        size_t begin = bp_jstring_offset(s, first), end = bp_jstring_offset(s, first + count);
        return bp_jx_steps(x, end / 64) ? bp_jv_string(x, s->data + begin, end - begin) : (bp_jv){ 0 };
    }
    size_t *offsets = bp_jx_alloc(x, ((size_t)s->count + 1) * sizeof *offsets), at = 0;
    if (!offsets || !bp_jx_steps(x, (size_t)s->count / 4)) return (bp_jv){ 0 };
    for (int64_t i = 0; i < s->count; i++) offsets[i] = at, (void)bp_jchar_next(s->data, s->size, &at);
    offsets[s->count] = s->size;
    bp_text text = { 0 };
    for (int64_t i = 0, c = first; i < count; i++, c += step)
        bp_text_add(&text, s->data + offsets[c], offsets[c + 1] - offsets[c]);
    return bp_jv_text(x, &text);
}

bp_jv bp_jx_slice(bp_jx *x, bp_jv object, const bp_jrange *slice) {
    int64_t first, step, count;
    if (object.type == BP_J_UNDEFINED) return bp_jx_undefined(x, object);
    bool is_list = object.type == BP_J_LIST || object.type == BP_J_TUPLE;
    if (!is_list && object.type != BP_J_STRING && object.type != BP_J_RANGE)
        return bp_jx_fail(x, "'%s' object cannot be sliced", bp_jv_type_name(object));
    if (!resolve(x, slice, bp_jv_length(object), &first, &step, &count)) return (bp_jv){ 0 };
    if (object.type == BP_J_STRING)
        return bp_jv_safe(x, slice_string(x, object.string, first, step, count), object.string->safe);
    if (object.type == BP_J_RANGE) {
        bp_jrange *r = bp_jx_alloc(x, sizeof *r), *of = object.range;
        if (!r) return (bp_jv){ 0 };
        int64_t begin = of->start.integer + first * of->step.integer, by = of->step.integer * step;
        *r = (bp_jrange){ bp_jv_int(begin), bp_jv_int(begin + count * by), bp_jv_int(by) };
        return (bp_jv){ .type = BP_J_RANGE, .range = r };
    }
    bp_jv list = object.type == BP_J_LIST ? bp_jv_list(x, (size_t)count) : bp_jv_tuple(x, (size_t)count);
    if (!list.type || !bp_jx_steps(x, (size_t)count)) return (bp_jv){ 0 };
    for (int64_t i = 0, c = first; i < count; i++, c += step) bp_jv_push(x, list, object.list->items[c]);
    return list;
}
