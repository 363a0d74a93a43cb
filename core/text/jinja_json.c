/* JSON in, by jansson, and out, as Python's json.dumps writes it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/text/jinja_exec.h"

static bp_jv array_from(bp_jx *x, const json_t *json) {
    bp_jv list = bp_jv_list(x, json_array_size(json));
    for (size_t i = 0; list.type && i < json_array_size(json); i++)
        if (!bp_jv_push(x, list, bp_jv_from_json(x, json_array_get(json, i)))) return (bp_jv){ 0 };
    return list;
}

static bp_jv object_from(bp_jx *x, const json_t *json) {
    bp_jv dict = bp_jv_dict(x);
    const char *key;
    size_t size;
    json_t *value;
    if (!dict.type) return dict;
    json_object_keylen_foreach((json_t *)json, key, size, value) {
        if (!bp_jv_set(x, dict.dict, bp_jv_string(x, key, size), bp_jv_from_json(x, value))) return (bp_jv){ 0 };
    }
    return dict;
}

bp_jv bp_jv_from_json(bp_jx *x, const json_t *json) {
    bp_jv v = { 0 };
    switch (json_typeof(json)) {
    case JSON_NULL: return bp_jv_none();
    case JSON_TRUE: return bp_jv_bool(true);
    case JSON_FALSE: return bp_jv_bool(false);
    case JSON_INTEGER: return bp_jv_int(json_integer_value(json));
    case JSON_REAL: return bp_jv_float(json_real_value(json));
    case JSON_STRING: return bp_jv_string(x, json_string_value(json), json_string_length(json));
    default: break;
    }
    if (bp_jx_enter(x)) v = json_is_array(json) ? array_from(x, json) : object_from(x, json);
    bp_jx_leave(x);
    return v;
}

static void add_escaped(int32_t c, bp_text *out) {
    if (c >= 0x10000) {
        c -= 0x10000;
        bp_text_format(out, "\\u%04x\\u%04x", 0xD800 + (unsigned)(c >> 10), 0xDC00 + (unsigned)(c & 0x3FF));
    } else {
        bp_text_format(out, "\\u%04x", (unsigned)c);
    }
}

static void write_string(const bp_jstring *s, bool ascii, bp_text *out) {
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    bp_text_adds(out, "\"");
    for (size_t at = 0; at < s->size;) {
        size_t begin = at;
        int32_t c = bp_jchar_next(s->data, s->size, &at);
        const char *found = c && c < 0x80 ? strchr(special, c) : NULL;
        if (found) bp_text_format(out, "\\%c", letter[found - special]);
        else if (c < 0x20 || (ascii && c >= 0x7F)) add_escaped(c, out);
        else bp_text_add(out, s->data + begin, at - begin);
    }
    bp_text_adds(out, "\"");
}

static void write_float(double d, bp_text *out) {
    if (isnan(d)) bp_text_adds(out, "NaN");
    else if (isinf(d)) bp_text_adds(out, d < 0 ? "-Infinity" : "Infinity");
    else bp_jv_float_text(d, out);
}

static void new_line(const bp_jjson *how, uint32_t level, bp_text *out) {
    if (!how->indent) return;
    bp_text_adds(out, "\n");
    for (uint32_t i = 0; i < level; i++) bp_text_add(out, how->indent->data, how->indent->size);
}

static bool write(bp_jx *x, bp_jv v, const bp_jjson *how, uint32_t level, bp_text *out);

static bool write_list(bp_jx *x, bp_jv v, const bp_jjson *how, uint32_t level, bp_text *out) {
    if (!v.list->count) return bp_text_adds(out, "[]"), true;
    bp_text_adds(out, "[");
    for (size_t i = 0; i < v.list->count; i++) {
        if (i) bp_text_add(out, how->comma.string->data, how->comma.string->size);
        new_line(how, level + 1, out);
        if (!write(x, v.list->items[i], how, level + 1, out)) return false;
    }
    new_line(how, level, out);
    bp_text_adds(out, "]");
    return true;
}

/* Keys that are no strings become strings as json.dumps has them. */
static bool write_key(bp_jx *x, bp_jv key, const bp_jjson *how, bp_text *out) {
    if (key.type == BP_J_STRING) return write_string(key.string, how->ascii, out), true;
    if (key.type != BP_J_NONE && !bp_jv_is_number(key))
        return bp_jx_fail(x, "keys must be strings or numbers, not %s", bp_jv_type_name(key)), false;
    bp_text_adds(out, "\"");
    bool good = write(x, key, how, 0, out);
    bp_text_adds(out, "\"");
    return good;
}

static bp_jpair *sorted_pairs(bp_jx *x, const bp_jdict *dict) {
    bp_jpair *pairs = bp_jx_alloc(x, dict->count * sizeof *pairs);
    bp_jv *keys = bp_jx_alloc(x, dict->count * sizeof *keys), *order = bp_jx_alloc(x, dict->count * sizeof *order);
    if (!pairs || !keys || !order) return NULL;
    for (size_t i = 0; i < dict->count; i++) keys[i] = dict->pairs[i].key, order[i] = bp_jv_int((int64_t)i);
    if (!bp_jv_sort(x, keys, order, dict->count, false)) return NULL;
    for (size_t i = 0; i < dict->count; i++) pairs[i] = dict->pairs[order[i].integer];
    return pairs;
}

static bool write_dict(bp_jx *x, bp_jv v, const bp_jjson *how, uint32_t level, bp_text *out) {
    if (!v.dict->count) return bp_text_adds(out, "{}"), true;
    const bp_jpair *pairs = how->sort_keys ? sorted_pairs(x, v.dict) : v.dict->pairs;
    if (!pairs) return false;
    bp_text_adds(out, "{");
    for (size_t i = 0; i < v.dict->count; i++) {
        if (i) bp_text_add(out, how->comma.string->data, how->comma.string->size);
        new_line(how, level + 1, out);
        if (!write_key(x, pairs[i].key, how, out)) return false;
        bp_text_add(out, how->colon.string->data, how->colon.string->size);
        if (!write(x, pairs[i].value, how, level + 1, out)) return false;
    }
    new_line(how, level, out);
    bp_text_adds(out, "}");
    return true;
}

static bool write_deep(bp_jx *x, bp_jv v, const bp_jjson *how, uint32_t level, bp_text *out) {
    bool good = bp_jx_enter(x);
    if (good) good = v.type == BP_J_DICT ? write_dict(x, v, how, level, out) : write_list(x, v, how, level, out);
    bp_jx_leave(x);
    return good;
}

static bool write(bp_jx *x, bp_jv v, const bp_jjson *how, uint32_t level, bp_text *out) {
    if (!bp_jx_steps(x, 1) || !bp_jx_text(x, out)) return false;
    switch (v.type) {
    case BP_J_NONE: bp_text_adds(out, "null"); return true;
    case BP_J_BOOL: bp_text_adds(out, v.truth ? "true" : "false"); return true;
    case BP_J_INT: bp_text_format(out, "%" PRId64, v.integer); return true;
    case BP_J_FLOAT: write_float(v.number, out); return true;
    case BP_J_STRING:
        if (!bp_jx_work(x, v.string->size)) return false;
        write_string(v.string, how->ascii, out);
        return true;
    case BP_J_LIST: case BP_J_TUPLE: case BP_J_DICT: return write_deep(x, v, how, level, out);
    case BP_J_UNDEFINED: return bp_jx_undefined(x, v), false;
    default: return bp_jx_fail(x, "an object of type %s is not JSON serializable", bp_jv_type_name(v)), false;
    }
}

bool bp_jv_json(bp_jx *x, bp_jv v, const bp_jjson *how, bp_text *out) {
    return write(x, v, how, 0, out) && bp_jx_text(x, out);
}
