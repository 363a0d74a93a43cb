/* Walking values: lists, texts, dicts, ranges, and generators, which are walked once. */
#include <string.h>

#include "core/text/jinja_exec.h"

bp_jiterator *bp_jx_iterate(bp_jx *x, bp_jv v) {
    switch (v.type) {
    case BP_J_ITERATOR: return v.iterator;
    case BP_J_UNDEFINED: case BP_J_STRING: case BP_J_LIST: case BP_J_TUPLE: case BP_J_DICT: case BP_J_VIEW:
    case BP_J_RANGE: break;
    default: bp_jx_fail(x, "'%s' object is not iterable", bp_jv_type_name(v)); return NULL;
    }
    bp_jiterator *it = bp_jx_alloc(x, sizeof *it);
    if (it) it->over = v;
    return it;
}

bp_jv bp_jx_generator(bp_jx *x, bp_jiterator it) {
    bp_jiterator *kept = bp_jx_alloc(x, sizeof *kept);
    if (!kept) return (bp_jv){ 0 };
    *kept = it;
    return (bp_jv){ .type = BP_J_ITERATOR, .iterator = kept };
}

static bp_jv pair_item(bp_jx *x, bp_jv v, size_t i) {
    const bp_jpair *pair = &v.dict->pairs[i];
    if (v.type == BP_J_DICT || v.sub == BP_J_VIEW_KEYS) return pair->key;
    return v.sub == BP_J_VIEW_VALUES ? pair->value : bp_jv_pair(x, pair->key, pair->value);
}

static bp_jv next_character(bp_jx *x, bp_jiterator *it) {
    const bp_jstring *s = it->over.string;
    size_t begin = it->at;
    if (it->reversed) {
        size_t end = s->size - it->at, from = end - 1;
        while (from && ((unsigned char)s->data[from] & 0xC0) == 0x80) from--;
        it->at += end - from;
        return bp_jv_string(x, s->data + from, end - from);
    }
    (void)bp_jchar_next(s->data, s->size, &it->at);
    return bp_jv_string(x, s->data + begin, it->at - begin);
}

int bp_jx_next(bp_jx *x, bp_jiterator *it, bp_jv *item) {
    if (!bp_jx_steps(x, 1)) return -1;
    if (it->ended) return 0;
    if (it->next) {
        int got = bp_jx_enter(x) ? it->next(x, it, item) : -1;
        bp_jx_leave(x);
        it->ended = got <= 0;
        return got;
    }
    bp_jv v = it->over;
    size_t n = v.type == BP_J_STRING ? v.string->size : (size_t)bp_jv_length(v);
    if (it->at >= n) return it->ended = true, 0;
    if (v.type == BP_J_STRING) return *item = next_character(x, it), item->type ? 1 : -1;
    size_t i = it->reversed ? n - 1 - it->at : it->at;
    it->at++;
    if (v.type == BP_J_RANGE) *item = bp_jv_int(v.range->start.integer + (int64_t)i * v.range->step.integer);
    else if (v.type == BP_J_DICT || v.type == BP_J_VIEW) *item = pair_item(x, v, i);
    else *item = v.list->items[i];
    return item->type ? 1 : -1;
}

bp_jv bp_jx_to_list(bp_jx *x, bp_jv v) {
    bp_jiterator *it = bp_jx_iterate(x, v);
    int64_t n = bp_jv_length(v);
    bp_jv list = it ? bp_jv_list(x, n > 0 ? (size_t)n : 0) : (bp_jv){ 0 }, item;
    int got = 0;
    while (list.type && (got = bp_jx_next(x, it, &item)) > 0)
        if (!bp_jv_push(x, list, item)) return (bp_jv){ 0 };
    return got < 0 ? (bp_jv){ 0 } : list;
}

bool bp_jx_keep_args(bp_jx *x, const bp_jargs *args, size_t from, bp_jargs *out) {
    (void)x; /* arguments lie in the arena already */
    *out = *args;
    if (from > args->count) return false;
    out->items = args->items + from;
    out->count = args->count - from;
    return true;
}
