/* Values as text: Python's str() and repr(). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/jinja_exec.h"

/* The fewest digits that read back as d: "d.ddde±xx". */
static void shortest(double d, char *digits, size_t room) {
    for (int precision = 0; precision < 17; precision++) {
        snprintf(digits, room, "%.*e", precision, d);
        if (strtod(digits, NULL) == d) return;
    }
}

void bp_jv_float_text(double d, bp_text *out) {
    if (isnan(d)) return bp_text_adds(out, "nan");
    if (isinf(d)) return bp_text_adds(out, d < 0 ? "-inf" : "inf");
    char text[40];
    shortest(d, text, sizeof text);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    if (exponent < -4 || exponent >= 16) {
        bp_text_add(out, text, (size_t)(e - text));
        bp_text_format(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    int digits = (int)(e - text) - (text[0] == '-');
    int decimals = (digits > 1 ? digits - 2 : 0) - exponent; /* after the point */
    bp_text_format(out, "%.*f", decimals < 1 ? 1 : decimals, d);
}

static void string_repr(const bp_jstring *s, bp_text *out) {
    bool quote = memchr(s->data, '\'', s->size) && !memchr(s->data, '"', s->size);
    char mark = quote ? '"' : '\'';
    bp_text_add(out, &mark, 1);
    for (size_t at = 0; at < s->size;) {
        size_t begin = at;
        int32_t c = bp_jchar_next(s->data, s->size, &at);
        if (c == mark || c == '\\') bp_text_format(out, "\\%c", (char)c);
        else if (c == '\n') bp_text_adds(out, "\\n");
        else if (c == '\r') bp_text_adds(out, "\\r");
        else if (c == '\t') bp_text_adds(out, "\\t");
        else if (c >= 0x20 && c < 0x7F) bp_text_add(out, s->data + begin, 1);
        else if (c >= 0x80 && bp_jchar_class(c) & BP_JCHAR_PRINTABLE) bp_text_add(out, s->data + begin, at - begin);
        else bp_text_format(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
    bp_text_add(out, &mark, 1);
}

static bool list_repr(bp_jx *x, bp_jv v, bp_text *out) {
    bool tuple = v.type == BP_J_TUPLE;
    bp_text_adds(out, tuple ? "(" : "[");
    for (size_t i = 0; i < v.list->count; i++) {
        if (i) bp_text_adds(out, ", ");
        if (!bp_jv_repr(x, v.list->items[i], out)) return false;
    }
    bp_text_adds(out, !tuple ? "]" : v.list->count == 1 ? ",)" : ")");
    return true;
}

static bool dict_repr(bp_jx *x, const bp_jdict *dict, bp_text *out) {
    bp_text_adds(out, "{");
    for (size_t i = 0; i < dict->count; i++) {
        if (i) bp_text_adds(out, ", ");
        if (!bp_jv_repr(x, dict->pairs[i].key, out)) return false;
        bp_text_adds(out, ": ");
        if (!bp_jv_repr(x, dict->pairs[i].value, out)) return false;
    }
    bp_text_adds(out, "}");
    return true;
}

static bool view_repr(bp_jx *x, bp_jv v, bp_text *out) {
    bp_jv list = bp_jx_to_list(x, v);
    bp_text_format(out, "%s(", bp_jv_type_name(v));
    if (!list.type || !list_repr(x, list, out)) return false;
    bp_text_adds(out, ")");
    return true;
}

static void range_repr(const bp_jrange *r, bp_text *out) {
    bp_text_format(out, "range(%" PRId64 ", %" PRId64, r->start.integer, r->stop.integer);
    if (r->step.integer != 1) bp_text_format(out, ", %" PRId64, r->step.integer);
    bp_text_adds(out, ")");
}

static bool loop_repr(bp_jx *x, bp_jloop *loop, bp_text *out) {
    bool found;
    bp_jv v = { .type = BP_J_LOOP, .loop = loop };
    bp_jv length = bp_jx_method(x, v, "length", &found);
    if (!length.type) return false;
    bp_text_format(out, "<LoopContext %" PRId64 "/%" PRId64 ">", loop->index0 + 1, length.integer);
    return true;
}

static bool deep_repr(bp_jx *x, bp_jv v, bp_text *out) {
    switch (v.type) {
    case BP_J_LIST: case BP_J_TUPLE: return list_repr(x, v, out);
    case BP_J_DICT: return dict_repr(x, v.dict, out);
    case BP_J_VIEW: return view_repr(x, v, out);
    case BP_J_LOOP: return loop_repr(x, v.loop, out);
    case BP_J_NAMESPACE:
        bp_text_adds(out, "<Namespace ");
        if (!dict_repr(x, v.dict, out)) return false;
        bp_text_adds(out, ">");
        return true;
    case BP_J_MACRO:
        bp_text_adds(out, "<Macro ");
        if (v.macro->name) string_repr(v.macro->name, out);
        else bp_text_adds(out, "anonymous");
        bp_text_adds(out, ">");
        return true;
    default: bp_text_format(out, "<%s>", bp_jv_type_name(v)); return true; /* Python prints an address too */
    }
}

bool bp_jv_repr(bp_jx *x, bp_jv v, bp_text *out) {
    if (!bp_jx_steps(x, 1) || !bp_jx_text(x, out)) return false;
    switch (v.type) {
    case BP_J_UNDEFINED: bp_text_adds(out, "Undefined"); break;
    case BP_J_NONE: bp_text_adds(out, "None"); break;
    case BP_J_BOOL: bp_text_adds(out, v.truth ? "True" : "False"); break;
    case BP_J_INT: bp_text_format(out, "%" PRId64, v.integer); break;
    case BP_J_FLOAT: bp_jv_float_text(v.number, out); break;
    case BP_J_RANGE: range_repr(v.range, out); break;
    case BP_J_STRING:
        if (!bp_jx_work(x, v.string->size)) return false;
        if (v.string->safe) bp_text_adds(out, "Markup(");
        string_repr(v.string, out);
        if (v.string->safe) bp_text_adds(out, ")");
        break;
    default: {
        bool good = bp_jx_enter(x) && deep_repr(x, v, out);
        bp_jx_leave(x);
        return good && bp_jx_text(x, out);
    }
    }
    return bp_jx_text(x, out);
}

bool bp_jv_str(bp_jx *x, bp_jv v, bp_text *out) {
    if (v.type == BP_J_UNDEFINED) return true;
    if (v.type != BP_J_STRING) return bp_jv_repr(x, v, out);
    bp_text_add(out, v.string->data, v.string->size);
    return bp_jx_text(x, out);
}

bp_jv bp_jv_to_string(bp_jx *x, bp_jv v) {
    if (v.type == BP_J_STRING) return v;
    bp_text text = { 0 };
    bool good = bp_jv_str(x, v, &text);
    bp_jv string = bp_jv_text(x, &text);
    return good ? string : (bp_jv){ 0 };
}
