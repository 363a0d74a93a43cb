/* Filters of sequences. Those that are generators in jinja2 are generators here: walked once, item by item. */
#include <stdlib.h>
#include <string.h>

#include "core/text/jinja_sequence.h"

static bool is_digits(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return n;
}

static bp_jv path_part(bp_jx *x, const char *s, size_t n) {
    if (is_digits(s, n) && n < 19) return bp_jv_int(strtoll(s, NULL, 10));
    return bp_jv_string(x, s, n);
}

static bp_jv path_items(bp_jx *x, bp_jv item, const char *path, size_t n, bp_jv otherwise) {
    for (size_t at = 0; item.type && at <= n;) {
        const char *dot = memchr(path + at, '.', n - at);
        size_t end = dot ? (size_t)(dot - path) : n;
        bp_jv part = path_part(x, path + at, end - at);
        if (!part.type || !bp_jx_steps(x, 1)) return (bp_jv){ 0 };
        item = bp_jx_item(x, item, part);
        if (item.type == BP_J_UNDEFINED && bp_jgiven_some(otherwise)) item = otherwise;
        at = end + 1;
    }
    return item;
}

bp_jv bp_jpath(bp_jx *x, bp_jv item, bp_jv path, bp_jv otherwise) {
    if (path.type == BP_J_STRING) return path_items(x, item, path.string->data, path.string->size, otherwise);
    if (!bp_jgiven_some(path)) return item;
    item = bp_jx_item(x, item, path);
    return item.type == BP_J_UNDEFINED && bp_jgiven_some(otherwise) ? otherwise : item;
}

static bp_jv folded(bp_jx *x, bp_jv v, bool case_sensitive) {
    return !case_sensitive && v.type == BP_J_STRING ? bp_jv_lower(x, v) : v;
}

/* ---- generators over a source ---- */

static bp_jv generator(bp_jx *x, bp_jv over, bp_jiterator it) {
    it.source = bp_jx_iterate(x, over);
    return it.source ? bp_jx_generator(x, it) : (bp_jv){ 0 };
}

static bp_jv empty_generator(bp_jx *x) {
    return generator(x, bp_jv_hint("empty"), (bp_jiterator){ .ended = true });
}

typedef struct mapper {
    const bp_jfunction *function; /* a filter or test; NULL: by truth, or by attribute */
    bp_jargs args;
    bp_jv path, otherwise; /* MISSING: none */
    bool wanted;
} mapper;

static int next_mapped(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    const mapper *m = it->state;
    int got = bp_jx_next(x, it->source, item);
    if (got <= 0) return got;
    *item = m->function ? bp_jx_apply(x, m->function, *item, &m->args) : bp_jpath(x, *item, m->path, m->otherwise);
    return item->type ? 1 : -1;
}

static int next_selected(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    const mapper *m = it->state;
    for (;;) {
        int got = bp_jx_next(x, it->source, item);
        if (got <= 0) return got;
        bp_jv v = bp_jpath(x, *item, m->path, (bp_jv){ .type = BP_J_MISSING });
        if (v.type && m->function) v = bp_jx_apply(x, m->function, v, &m->args);
        if (!v.type) return -1;
        if (bp_jv_truth(v) == m->wanted) return 1;
    }
}

static mapper *new_mapper(bp_jx *x) {
    mapper *m = bp_jx_alloc(x, sizeof *m);
    bp_jv missing = { .type = BP_J_MISSING };
    if (m) *m = (mapper){ .path = missing, .otherwise = missing };
    return m;
}

/* The function that argument `from` names, and the arguments behind it. */
static bool take_function(bp_jx *x, mapper *m, const bp_jargs *args, size_t from,
                          const bp_jfunction *(*find)(const char *)) {
    const bp_jstring *name;
    if (!bp_jtext(x, args->items[from], &name)) return false;
    m->function = find(name->data);
    if (!m->function) return bp_jx_fail(x, "no filter or test named '%s'", name->data), false;
    return bp_jx_keep_args(x, args, from + 1, &m->args);
}

static bool take_attribute(bp_jx *x, mapper *m, const bp_jargs *args) {
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (!strcmp(args->keywords[i].name, "attribute")) m->path = args->keywords[i].value;
        else if (!strcmp(args->keywords[i].name, "default")) m->otherwise = args->keywords[i].value;
        else return bp_jx_fail(x, "map: unexpected keyword argument '%s'", args->keywords[i].name), false;
    }
    return bp_jgiven(m->path) ? true : (bp_jx_fail(x, "map requires a filter argument"), false);
}

/* A generator whose arguments are wrong fails when it is first walked, as in Python. */
static int next_fails(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    (void)item;
    bp_jx_fail(x, "%s", it->over.words);
    return -1;
}

static bp_jv failing(bp_jx *x, const char *words) {
    return bp_jx_generator(x, (bp_jiterator){ .next = next_fails, .over = bp_jv_hint(words) });
}

static BP_JCALL(map_items) {
    BP_JUNUSED;
    mapper *m = new_mapper(x);
    if (!m || !bp_jv_truth(self)) return m ? empty_generator(x) : (bp_jv){ 0 };
    bool good = args->count ? take_function(x, m, args, 0, bp_jinja_filter) : take_attribute(x, m, args);
    return good ? generator(x, self, (bp_jiterator){ .next = next_mapped, .state = m }) : (bp_jv){ 0 };
}

static bp_jv select_items(bp_jx *x, bp_jv self, const bp_jargs *args, bool by_attribute, bool wanted) {
    mapper *m = new_mapper(x);
    if (!m || !bp_jv_truth(self)) return m ? empty_generator(x) : (bp_jv){ 0 };
    m->wanted = wanted;
    if (by_attribute && !args->count) return failing(x, "missing parameter for attribute name");
    if (by_attribute) m->path = args->items[0];
    size_t from = by_attribute;
    if (args->count > from && !take_function(x, m, args, from, bp_jinja_test)) return (bp_jv){ 0 };
    return generator(x, self, (bp_jiterator){ .next = next_selected, .state = m });
}

static BP_JCALL(select_by) { BP_JUNUSED; return select_items(x, self, args, false, true); }
static BP_JCALL(reject_by) { BP_JUNUSED; return select_items(x, self, args, false, false); }
static BP_JCALL(select_attribute) { BP_JUNUSED; return select_items(x, self, args, true, true); }
static BP_JCALL(reject_attribute) { BP_JUNUSED; return select_items(x, self, args, true, false); }

static int next_unique(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    bp_jdict *seen = it->state;
    for (;;) {
        int got = bp_jx_next(x, it->source, item);
        if (got <= 0) return got;
        bp_jv key = folded(x, bp_jpath(x, *item, it->over, (bp_jv){ .type = BP_J_MISSING }), it->n);
        size_t before = seen->count;
        if (!key.type || !bp_jv_set(x, seen, key, bp_jv_none())) return -1;
        if (seen->count > before) return 1;
    }
}

static BP_JCALL(unique) {
    BP_JUNUSED;
    bp_jv seen = bp_jv_dict(x);
    if (!seen.type) return seen;
    bp_jiterator it = { .next = next_unique, .state = seen.dict, .over = a[1], .n = bp_jflag(a[0], false) };
    return generator(x, self, it);
}

static int next_batch(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    bp_jv list = bp_jv_list(x, 0), next;
    int got = list.type ? 1 : -1;
    while (got > 0 && ((int64_t)list.list->count != it->n || !list.list->count) &&
           (got = bp_jx_next(x, it->source, &next)) > 0)
        if (!bp_jv_push(x, list, next)) return -1;
    if (got < 0 || !list.list->count) return got < 0 ? got : 0;
    for (int64_t n = (int64_t)list.list->count; bp_jgiven_some(it->over) && n < it->n; n++)
        if (!bp_jx_steps(x, 1) || !bp_jv_push(x, list, it->over)) return -1;
    *item = list;
    return 1;
}

static BP_JCALL(batch) {
    BP_JUNUSED;
    bp_jiterator it = { .next = next_batch, .over = a[1] };
    return bp_jinteger(x, a[0], 0, &it.n) ? generator(x, self, it) : (bp_jv){ 0 };
}

static int next_slice(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    const bp_jlist *all = ((bp_jv *)it->state)->list;
    int64_t i = (int64_t)it->at++, n = (int64_t)all->count, extra = n % it->n, each = n / it->n;
    if (i >= it->n) return 0;
    int64_t begin = i * each + (i < extra ? i : extra), end = begin + each + (i < extra);
    *item = bp_jv_list(x, (size_t)(end - begin + 1));
    if (!item->type) return -1;
    for (int64_t k = begin; k < end; k++) bp_jv_push(x, *item, all->items[k]);
    if (bp_jgiven_some(it->over) && i >= extra) bp_jv_push(x, *item, it->over);
    return bp_jx_steps(x, (size_t)(end - begin)) ? 1 : -1;
}

static BP_JCALL(slice) {
    BP_JUNUSED;
    bp_jiterator it = { .next = next_slice, .over = a[1] };
    bp_jv *list = bp_jx_alloc(x, sizeof *list);
    if (!list || !bp_jinteger(x, a[0], 0, &it.n)) return (bp_jv){ 0 };
    if (it.n == 0) return failing(x, "integer division or modulo by zero");
    *list = bp_jx_to_list(x, self);
    it.state = list;
    return list->type ? bp_jx_generator(x, it) : *list;
}

static BP_JCALL(items) {
    BP_JUNUSED;
    if (self.type == BP_J_UNDEFINED) return empty_generator(x);
    if (self.type != BP_J_DICT) return failing(x, "can only get item pairs from a mapping");
    return generator(x, (bp_jv){ .type = BP_J_VIEW, .sub = BP_J_VIEW_ITEMS, .dict = self.dict },
                     (bp_jiterator){ .next = next_mapped, .state = new_mapper(x) });
}

static BP_JCALL(reverse) {
    BP_JUNUSED;
    if (self.type == BP_J_STRING)
        return bp_jx_slice(x, self, &(bp_jrange){ bp_jv_none(), bp_jv_none(), bp_jv_int(-1) });
    if (self.type == BP_J_ITERATOR) { /* reversed() refuses a generator: jinja2 makes a list of it */
        bp_jv list = bp_jx_to_list(x, self);
        return list.type ? bp_jx_slice(x, list, &(bp_jrange){ bp_jv_none(), bp_jv_none(), bp_jv_int(-1) }) : list;
    }
    bp_jiterator *it = bp_jx_iterate(x, self);
    if (!it) return (bp_jv){ 0 };
    it->reversed = true;
    return (bp_jv){ .type = BP_J_ITERATOR, .iterator = it };
}

/* ---- whole sequences ---- */

static BP_JCALL(length) {
    BP_JUNUSED;
    int64_t n = bp_jv_length(self);
    if (self.type == BP_J_LOOP) return bp_jx_attribute(x, self, bp_jv_words(x, "length"));
    return n < 0 ? bp_jx_fail(x, "object of type '%s' has no length", bp_jv_type_name(self)) : bp_jv_int(n);
}

static BP_JCALL(to_list) { BP_JUNUSED; return bp_jx_to_list(x, self); }

static BP_JCALL(first) {
    BP_JUNUSED;
    bp_jiterator *it = bp_jx_iterate(x, self);
    bp_jv item;
    int got = it ? bp_jx_next(x, it, &item) : -1;
    return got > 0 ? item : got < 0 ? (bp_jv){ 0 } : bp_jv_hint("No first item, sequence was empty.");
}

static BP_JCALL(last) {
    BP_JUNUSED;
    if (self.type == BP_J_ITERATOR) return bp_jx_fail(x, "'generator' object is not reversible");
    bp_jiterator *it = bp_jx_iterate(x, self);
    bp_jv item;
    if (it) it->reversed = true;
    int got = it ? bp_jx_next(x, it, &item) : -1;
    return got > 0 ? item : got < 0 ? (bp_jv){ 0 } : bp_jv_hint("No last item, sequence was empty.");
}

static BP_JCALL(join) {
    BP_JUNUSED;
    bp_jiterator *it = bp_jx_iterate(x, self);
    bp_jv by = bp_jgiven(a[0]) ? bp_jv_to_string(x, a[0]) : bp_jv_words(x, ""), item;
    bp_text out = { 0 };
    int got = it && by.type ? 1 : -1;
    for (size_t i = 0; got > 0 && (got = bp_jx_next(x, it, &item)) > 0; i++) {
        item = bp_jpath(x, item, a[1], (bp_jv){ .type = BP_J_MISSING });
        if (i) bp_text_add(&out, by.string->data, by.string->size);
        if (!item.type || !bp_jv_str(x, item, &out)) got = -1;
    }
    bp_jv v = got < 0 ? (bp_jv){ 0 } : bp_jv_string(x, bp_text_get(&out), out.size);
    bp_text_free(&out);
    return v;
}

/* The key of sort(attribute="a,b.c"): a list of what the paths lead to. */
static bp_jv sort_key(bp_jx *x, bp_jv item, bp_jv path, bool case_sensitive) {
    bp_jv key = bp_jv_list(x, 1), missing = { .type = BP_J_MISSING };
    if (path.type != BP_J_STRING) {
        bp_jv v = folded(x, bp_jpath(x, item, path, missing), case_sensitive);
        return key.type && bp_jv_push(x, key, v) ? key : (bp_jv){ 0 };
    }
    const char *s = path.string->data;
    for (size_t at = 0, n = path.string->size; key.type && at <= n;) {
        const char *comma = memchr(s + at, ',', n - at);
        size_t end = comma ? (size_t)(comma - s) : n;
        bp_jv v = folded(x, path_items(x, item, s + at, end - at, missing), case_sensitive);
        if (!bp_jv_push(x, key, v)) return (bp_jv){ 0 };
        at = end + 1;
    }
    return key;
}

static bp_jv sorted_by(bp_jx *x, bp_jv list, bp_jv keys, bool reverse) {
    bool good = list.type && keys.type && bp_jv_sort(x, keys.list->items, list.list->items, list.list->count, reverse);
    return good ? list : (bp_jv){ 0 };
}

static BP_JCALL(sort) {
    BP_JUNUSED;
    bp_jv list = bp_jx_to_list(x, self), keys = list.type ? bp_jv_list(x, list.list->count) : list;
    for (size_t i = 0; keys.type && i < list.list->count; i++)
        if (!bp_jv_push(x, keys, sort_key(x, list.list->items[i], a[2], bp_jflag(a[1], false)))) return (bp_jv){ 0 };
    return sorted_by(x, list, keys, bp_jflag(a[0], false));
}

static BP_JCALL(dict_sort) {
    BP_JUNUSED;
    const bp_jstring *by = NULL;
    if (self.type == BP_J_UNDEFINED) return bp_jx_undefined(x, self);
    if (bp_jgiven(a[1]) && !bp_jtext(x, a[1], &by)) return (bp_jv){ 0 };
    bool by_value = by && !strcmp(by->data, "value");
    if (by && !by_value && strcmp(by->data, "key")) return bp_jx_fail(x, "dictsort sorts by \"key\" or \"value\"");
    if (self.type != BP_J_DICT) return bp_jx_fail(x, "dictsort takes a mapping");
    bp_jv list = bp_jx_to_list(x, (bp_jv){ .type = BP_J_VIEW, .sub = BP_J_VIEW_ITEMS, .dict = self.dict });
    bp_jv keys = list.type ? bp_jv_list(x, list.list->count) : list;
    for (size_t i = 0; keys.type && i < list.list->count; i++)
        if (!bp_jv_push(x, keys, folded(x, list.list->items[i].list->items[by_value], bp_jflag(a[0], false))))
            return (bp_jv){ 0 };
    return sorted_by(x, list, keys, bp_jflag(a[2], false));
}

static bp_jv group(bp_jx *x, bp_jv grouper, bp_jv list) {
    bp_jv pair = bp_jv_pair(x, grouper, list);
    pair.sub = 1;
    return pair;
}

static BP_JCALL(group_by) {
    BP_JUNUSED;
    bool case_sensitive = bp_jflag(a[2], false);
    bp_jv list = bp_jx_to_list(x, self), keys = list.type ? bp_jv_list(x, list.list->count) : list,
          out = bp_jv_list(x, 0);
    for (size_t i = 0; keys.type && i < list.list->count; i++)
        if (!bp_jv_push(x, keys, folded(x, bp_jpath(x, list.list->items[i], a[0], a[1]), case_sensitive)))
            return (bp_jv){ 0 };
    list = sorted_by(x, list, keys, false);
    bp_jv values = bp_jv_none();
    for (size_t i = 0; list.type && out.type && i < list.list->count; i++) {
        bool same = false;
        if (i && !bp_jv_equals(x, keys.list->items[i - 1], keys.list->items[i], &same)) return (bp_jv){ 0 };
        if (!same) {
            values = bp_jv_list(x, 0);
            bp_jv grouper = bp_jpath(x, list.list->items[i], a[0], a[1]);
            if (!values.type || !grouper.type || !bp_jv_push(x, out, group(x, grouper, values))) return (bp_jv){ 0 };
        }
        if (!bp_jv_push(x, values, list.list->items[i])) return (bp_jv){ 0 };
    }
    return list.type ? out : list;
}

static bp_jv extreme(bp_jx *x, bp_jv self, const bp_jv *a, bool most) {
    bp_jiterator *it = bp_jx_iterate(x, self);
    bp_jv item, best = bp_jv_hint("No aggregated item, sequence was empty."), best_key = best;
    int got = it ? 1 : -1;
    for (bool any = false; got > 0 && (got = bp_jx_next(x, it, &item)) > 0; any = true) {
        bp_jv key = folded(x, bp_jpath(x, item, a[1], (bp_jv){ .type = BP_J_MISSING }), bp_jflag(a[0], false));
        bool better = !any;
        if (!key.type || (any && !bp_jv_less(x, most ? best_key : key, most ? key : best_key, &better)))
            return (bp_jv){ 0 };
        if (better) best = item, best_key = key;
    }
    return got < 0 ? (bp_jv){ 0 } : best;
}

static BP_JCALL(minimum) { BP_JUNUSED; return extreme(x, self, a, false); }
static BP_JCALL(maximum) { BP_JUNUSED; return extreme(x, self, a, true); }

static BP_JCALL(sum) {
    BP_JUNUSED;
    bp_jiterator *it = bp_jx_iterate(x, self);
    bp_jv total = bp_jgiven(a[1]) ? a[1] : bp_jv_int(0), item;
    int got = it ? 1 : -1;
    if (total.type == BP_J_STRING) return bp_jx_fail(x, "sum() can't sum strings");
    while (got > 0 && (got = bp_jx_next(x, it, &item)) > 0) {
        item = bp_jpath(x, item, a[0], (bp_jv){ .type = BP_J_MISSING });
        total = item.type ? bp_jx_add(x, total, item) : item;
        if (!total.type) return total;
    }
    return got < 0 ? (bp_jv){ 0 } : total;
}

const bp_jfunction bp_jsequence_filters[] = {
    { "length", "!", length }, { "count", "!", length }, { "list", "", to_list }, { "first", "", first },
    { "last", "", last }, { "join", "d? attribute?", join }, { "map", "*", map_items }, { "select", "*", select_by },
    { "reject", "*", reject_by }, { "selectattr", "*", select_attribute }, { "rejectattr", "*", reject_attribute },
    { "unique", "case_sensitive? attribute?", unique }, { "batch", "linecount fill_with?", batch },
    { "slice", "slices fill_with?", slice }, { "items", "", items }, { "reverse", "", reverse },
    { "sort", "reverse? case_sensitive? attribute?", sort }, { "dictsort", "case_sensitive? by? reverse?", dict_sort },
    { "groupby", "attribute default? case_sensitive?", group_by }, { "min", "case_sensitive? attribute?", minimum },
    { "max", "case_sensitive? attribute?", maximum }, { "sum", "attribute? start?", sum }, { NULL, NULL, NULL },
};
