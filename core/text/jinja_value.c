/* Values: strings, lists and dicts in the arena of a rendering. */
#include "core/text/jinja_value.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

enum { SMALL_DICT = 8 };

static int64_t count_characters(const char *data, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)data[i] & 0xC0) != 0x80;
    return count;
}

static bp_jstring *fill_string(bp_jstring *s, const char *data, size_t n) {
    s->size = n;
    s->count = count_characters(data, n);
    if (n) memcpy(s->data, data, n);
    s->data[n] = '\0';
    return s;
}

const bp_jstring *bp_jinja_string(bp_arena *arena, const char *data, size_t n) {
    if (n > BP_JINJA_MAX_BYTES) return NULL;
    bp_jstring *s = bp_arena_alloc(arena, sizeof *s + n + 1);
    return s ? fill_string(s, data, n) : NULL;
}

bp_jv bp_jv_string(bp_jx *x, const char *data, size_t n) {
    bp_jstring *s = n < BP_JINJA_MAX_BYTES ? bp_jx_alloc(x, sizeof *s + n + 1) : NULL;
    if (!s) return bp_jx_fail(x, "a text is too long");
    return (bp_jv){ .type = BP_J_STRING, .string = fill_string(s, data, n) };
}

bp_jv bp_jv_words(bp_jx *x, const char *terminated) { return bp_jv_string(x, terminated, strlen(terminated)); }

bp_jv bp_jv_text(bp_jx *x, bp_text *text) {
    bp_jv v = text->failed ? bp_jx_fail(x, "out of memory") : bp_jv_string(x, bp_text_get(text), text->size);
    bp_text_free(text);
    return v;
}

bp_jv bp_jv_safe(bp_jx *x, bp_jv string, bool safe) {
    if (string.type != BP_J_STRING || string.string->safe == safe) return string;
    bp_jv copy = bp_jv_string(x, string.string->data, string.string->size);
    if (copy.type == BP_J_STRING) ((bp_jstring *)copy.string)->safe = safe;
    return copy;
}

bp_jv bp_jv_list(bp_jx *x, size_t room) {
    bp_jlist *list = bp_jx_alloc(x, sizeof *list);
    if (!list || room > BP_JINJA_MAX_BYTES / sizeof(bp_jv)) return bp_jx_fail(x, "a list is too long");
    if (room && !(list->items = bp_jx_alloc(x, room * sizeof(bp_jv)))) return (bp_jv){ 0 };
    list->capacity = room;
    return (bp_jv){ .type = BP_J_LIST, .list = list };
}

bp_jv bp_jv_tuple(bp_jx *x, size_t room) {
    bp_jv v = bp_jv_list(x, room);
    if (v.type) v.type = BP_J_TUPLE;
    return v;
}

/* Grow an array in the arena; the old one stays until the end. */
static void *regrow(bp_jx *x, const void *old, size_t count, size_t *capacity, size_t size) {
    size_t room = *capacity ? *capacity * 2 : 4;
    void *items = bp_jx_alloc(x, room * size);
    if (!items) return NULL;
    if (count) memcpy(items, old, count * size);
    *capacity = room;
    return items;
}

bool bp_jv_push(bp_jx *x, bp_jv v, bp_jv item) {
    bp_jlist *list = v.list;
    if (!item.type) return false;
    if (list->count == list->capacity) {
        bp_jv *items = regrow(x, list->items, list->count, &list->capacity, sizeof *items);
        if (!items) return false;
        list->items = items;
    }
    list->items[list->count++] = item;
    return true;
}

bp_jv bp_jv_pair(bp_jx *x, bp_jv a, bp_jv b) {
    bp_jv pair = bp_jv_tuple(x, 2);
    return pair.type && bp_jv_push(x, pair, a) && bp_jv_push(x, pair, b) ? pair : (bp_jv){ 0 };
}

static uint64_t hash_number(bp_jv v) {
    double d = bp_jv_number(v);
    int64_t i = v.type == BP_J_FLOAT ? (d >= -9e18 && d <= 9e18 ? (int64_t)d : 0) : bp_jv_integer(v);
    if (v.type != BP_J_FLOAT || (double)i == d) return bp_hash(&i, sizeof i); /* 1, 1.0 and true are one key */
    return bp_hash(&d, sizeof d);
}

bool bp_jv_hash(bp_jx *x, bp_jv v, uint64_t *hash) {
    switch (v.type) {
    case BP_J_STRING: *hash = bp_hash(v.string->data, v.string->size); return bp_jx_steps(x, v.string->size / 64);
    case BP_J_BOOL: case BP_J_INT: case BP_J_FLOAT: *hash = hash_number(v); return true;
    case BP_J_NONE: case BP_J_UNDEFINED: *hash = v.type; return true;
    case BP_J_TUPLE: break;
    case BP_J_LIST: case BP_J_DICT: case BP_J_VIEW: case BP_J_SLICE:
        return bp_jx_fail(x, "unhashable type: '%s'", bp_jv_type_name(v)), false;
    default: *hash = bp_hash(&v.iterator, sizeof v.iterator); return true;
    }
    uint64_t all = 17;
    if (!bp_jx_enter(x)) return false;
    for (size_t i = 0; i < v.list->count; i++) {
        uint64_t part = 0;
        if (!bp_jx_steps(x, 1) || !bp_jv_hash(x, v.list->items[i], &part)) return false;
        all = all * 0x9E3779B97F4A7C15u ^ part;
    }
    bp_jx_leave(x);
    *hash = all;
    return true;
}

bp_jv bp_jv_dict(bp_jx *x) {
    bp_jdict *dict = bp_jx_alloc(x, sizeof *dict);
    return dict ? (bp_jv){ .type = BP_J_DICT, .dict = dict } : (bp_jv){ 0 };
}

static int keys_equal(bp_jx *x, const bp_jpair *pair, uint64_t hash, bp_jv key) {
    if (pair->hash != hash) return 0;
    if (pair->key.type == BP_J_STRING && key.type == BP_J_STRING) {
        const bp_jstring *a = pair->key.string, *b = key.string;
        return a == b || (a->size == b->size && !memcmp(a->data, b->data, a->size));
    }
    bool equal = false;
    return bp_jv_equals(x, pair->key, key, &equal) ? equal : -1;
}

/* Index of the pair; -1: not there; -2: failed. */
static int64_t find_hashed(bp_jx *x, const bp_jdict *dict, bp_jv key, uint64_t hash) {
    if (!dict->slots) {
        for (size_t i = 0; i < dict->count; i++) {
            int equal = keys_equal(x, &dict->pairs[i], hash, key);
            if (equal) return equal < 0 ? -2 : (int64_t)i;
        }
        return -1;
    }
    for (size_t at = hash & (dict->n_slots - 1); dict->slots[at]; at = (at + 1) & (dict->n_slots - 1)) {
        int equal = keys_equal(x, &dict->pairs[dict->slots[at] - 1], hash, key);
        if (equal) return equal < 0 ? -2 : (int64_t)dict->slots[at] - 1;
    }
    return -1;
}

static void place(bp_jdict *dict, size_t index) {
    size_t at = dict->pairs[index].hash & (dict->n_slots - 1);
    while (dict->slots[at]) at = (at + 1) & (dict->n_slots - 1);
    dict->slots[at] = (uint32_t)index + 1;
}

static bool index_dict(bp_jx *x, bp_jdict *dict) {
    if (dict->count <= SMALL_DICT) return true;
    if (dict->slots && dict->count * 2 <= dict->n_slots) return place(dict, dict->count - 1), true;
    dict->n_slots = dict->n_slots ? dict->n_slots * 2 : 32;
    dict->slots = bp_jx_alloc(x, dict->n_slots * sizeof *dict->slots);
    if (!dict->slots) return false;
    for (size_t i = 0; i < dict->count; i++) place(dict, i);
    return true;
}

bool bp_jv_set(bp_jx *x, bp_jdict *dict, bp_jv key, bp_jv value) {
    uint64_t hash = 0;
    if (!key.type || !value.type || !bp_jv_hash(x, key, &hash)) return false;
    int64_t found = find_hashed(x, dict, key, hash);
    if (found >= 0) return dict->pairs[found].value = value, true;
    if (found == -2) return false;
    if (dict->count == dict->capacity) {
        bp_jpair *pairs = regrow(x, dict->pairs, dict->count, &dict->capacity, sizeof *pairs);
        if (!pairs) return false;
        dict->pairs = pairs;
    }
    dict->pairs[dict->count++] = (bp_jpair){ key, value, hash };
    return index_dict(x, dict);
}

int bp_jv_find(bp_jx *x, const bp_jdict *dict, bp_jv key, bp_jv *value) {
    uint64_t hash = 0;
    if (!bp_jv_hash(x, key, &hash)) return -1;
    int64_t found = find_hashed(x, dict, key, hash);
    if (found < 0) return found == -2 ? -1 : 0;
    if (value) *value = dict->pairs[found].value;
    return 1;
}

bool bp_jv_find_name(const bp_jdict *dict, const char *name, size_t n, bp_jv *value) {
    uint64_t hash = bp_hash(name, n);
    for (size_t i = 0; i < dict->count; i++) {
        const bp_jpair *pair = &dict->pairs[i];
        if (pair->hash != hash || pair->key.type != BP_J_STRING || pair->key.string->size != n) continue;
        if (memcmp(pair->key.string->data, name, n)) continue;
        *value = pair->value;
        return true;
    }
    return false;
}

const char *bp_jv_type_name(bp_jv v) {
    static const char *const views[] = { "dict_keys", "dict_values", "dict_items" };
    switch (v.type) {
    case BP_J_UNDEFINED: return "Undefined";
    case BP_J_NONE: return "None";
    case BP_J_BOOL: return "bool";
    case BP_J_INT: return "int";
    case BP_J_FLOAT: return "float";
    case BP_J_STRING: return "str";
    case BP_J_LIST: return "list";
    case BP_J_TUPLE: return "tuple";
    case BP_J_DICT: return "dict";
    case BP_J_VIEW: return views[v.sub];
    case BP_J_RANGE: return "range";
    case BP_J_SLICE: return "slice";
    case BP_J_ITERATOR: return "generator";
    case BP_J_MACRO: return "Macro";
    case BP_J_NAMESPACE: return "Namespace";
    case BP_J_LOOP: return "LoopContext";
    default: return "function";
    }
}

int64_t bp_jv_range_length(const bp_jrange *r) {
    int64_t start = r->start.integer, stop = r->stop.integer, step = r->step.integer;
    if (step > 0) return start >= stop ? 0 : (int64_t)(((uint64_t)stop - (uint64_t)start - 1) / (uint64_t)step + 1);
    return start <= stop ? 0 : (int64_t)(((uint64_t)start - (uint64_t)stop - 1) / (0 - (uint64_t)step) + 1);
}

int64_t bp_jv_length(bp_jv v) {
    switch (v.type) {
    case BP_J_UNDEFINED: return 0;
    case BP_J_STRING: return v.string->count;
    case BP_J_LIST: case BP_J_TUPLE: return (int64_t)v.list->count;
    case BP_J_DICT: case BP_J_VIEW: return (int64_t)v.dict->count;
    case BP_J_RANGE: return bp_jv_range_length(v.range);
    default: return -1;
    }
}

bool bp_jv_truth(bp_jv v) {
    switch (v.type) {
    case BP_J_UNDEFINED: case BP_J_NONE: case BP_J_FAIL: case BP_J_MISSING: return false;
    case BP_J_BOOL: return v.truth;
    case BP_J_INT: return v.integer;
    case BP_J_FLOAT: return v.number != 0;
    default: return bp_jv_length(v) != 0;
    }
}
