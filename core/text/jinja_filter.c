/* Filters of texts, numbers and single values. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_sequence.h"

static BP_JCALL(to_upper) { BP_JUNUSED; return (self = bp_jv_to_string(x, self)).type ? bp_jupper(x, self) : self; }
static BP_JCALL(to_lower) { BP_JUNUSED; return (self = bp_jv_to_string(x, self)).type ? bp_jv_lower(x, self) : self; }
static BP_JCALL(capitalize) {
    BP_JUNUSED;
    return (self = bp_jv_to_string(x, self)).type ? bp_jcapitalize(x, self) : self;
}
static BP_JCALL(to_string) { BP_JUNUSED; return bp_jv_to_string(x, self); }
static BP_JCALL(escape) { BP_JUNUSED; return bp_jx_escape(x, self); }

static BP_JCALL(force_escape) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    return text.type ? bp_jx_escape(x, bp_jv_safe(x, text, false)) : text;
}

static BP_JCALL(safe) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    return text.type ? bp_jv_safe(x, text, true) : text;
}

static BP_JCALL(trim) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    return text.type ? bp_jstrip(x, text, a[0], true, true) : text;
}

static BP_JCALL(center) {
    BP_JUNUSED;
    int64_t width;
    bp_jv text = bp_jv_to_string(x, self);
    return text.type && bp_jinteger(x, a[0], 80, &width) ? bp_jcenter(x, text, width, ' ', '^') : (bp_jv){ 0 };
}

static BP_JCALL(replace) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self), old = bp_jv_to_string(x, a[0]), with = bp_jv_to_string(x, a[1]);
    int64_t count = -1;
    if (bp_jgiven_some(a[2]) && !bp_jinteger(x, a[2], -1, &count)) return (bp_jv){ 0 };
    if (!text.type || !old.type || !with.type) return (bp_jv){ 0 };
    return bp_jreplace(x, bp_jv_safe(x, text, false), old.string, with.string, count);
}

static bool begins_words(int32_t c) {
    return c == '-' || bp_jchar_space(c) || c == '(' || c == '{' || c == '[' || c == '<';
}

static BP_JCALL(title) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    bp_text out = { 0 };
    bool inside = false;
    if (text.type && !bp_jx_work(x, text.string->size)) return (bp_jv){ 0 };
    for (size_t at = 0; text.type && at < text.string->size;) {
        int32_t c = bp_jchar_next(text.string->data, text.string->size, &at);
        (inside ? bp_jchar_lower : bp_jchar_upper)(&out, c);
        inside = !begins_words(c);
    }
    bp_jv v = bp_jv_text(x, &out);
    return text.type ? v : text;
}

static BP_JCALL(word_count) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    int64_t n = 0;
    bool inside = false;
    if (text.type && !bp_jx_work(x, text.string->size)) return (bp_jv){ 0 };
    for (size_t at = 0; text.type && at < text.string->size;) {
        bool word = bp_jchar_class(bp_jchar_next(text.string->data, text.string->size, &at)) & BP_JCHAR_WORD;
        n += word && !inside;
        inside = word;
    }
    return text.type ? bp_jv_int(n) : text;
}

static bool add_lines(bp_jx *x, bp_jv lines, const bp_jstring *by, bool first, bool blank, bp_text *out) {
    for (size_t i = 0; i < lines.list->count; i++) {
        const bp_jstring *line = lines.list->items[i].string;
        if (i) bp_text_adds(out, "\n");
        if (i ? blank || line->size : first) bp_text_add(out, by->data, by->size);
        bp_text_add(out, line->data, line->size);
        if (!bp_jx_text(x, out)) return false;
    }
    return true;
}

static BP_JCALL(indent) {
    BP_JUNUSED;
    int64_t width = 4;
    const bp_jstring *s;
    bp_jv by = a[0];
    if (self.type == BP_J_UNDEFINED) return bp_jx_undefined(x, self);
    if (!bp_jtext(x, self, &s)) return (bp_jv){ 0 };
    if (by.type != BP_J_STRING) {
        if (!bp_jinteger(x, by, 4, &width)) return (bp_jv){ 0 };
        by = bp_jx_binary(x, '*', bp_jv_words(x, " "), bp_jv_int(width));
    }
    bp_jv lines = by.type ? bp_jsplit_lines(x, bp_jx_add(x, self, bp_jv_words(x, "\n")), false) : by;
    bp_text out = { 0 };
    bool good = lines.type && add_lines(x, lines, by.string, bp_jflag(a[1], false), bp_jflag(a[2], false), &out);
    bp_jv v = bp_jv_text(x, &out);
    return good ? bp_jv_safe(x, v, s->safe) : (bp_jv){ 0 };
}

static BP_JCALL(truncate_text) {
    BP_JUNUSED;
    int64_t length, leeway = 5;
    const bp_jstring *s, *end;
    bp_jv ending = bp_jgiven(a[2]) ? a[2] : bp_jv_words(x, "...");
    if (!bp_jtext(x, ending, &end) || !bp_jinteger(x, a[0], 255, &length)) return (bp_jv){ 0 };
    if (bp_jgiven_some(a[3]) && !bp_jinteger(x, a[3], 5, &leeway)) return (bp_jv){ 0 };
    if (length < end->count || leeway < 0)
        return bp_jx_fail(x, "truncate: expected length >= %lld", (long long)end->count);
    if (bp_jv_length(self) >= 0 && bp_jv_length(self) - leeway <= length) return self; /* whatever has a length */
    if (!bp_jtext(x, self, &s)) return (bp_jv){ 0 };
    size_t n = bp_jstring_offset(s, length - end->count);
    const char *space = bp_jflag(a[1], false) ? NULL : memrchr(s->data, ' ', n);
    if (space) n = (size_t)(space - s->data);
    return bp_jx_add(x, bp_jv_string(x, s->data, n), ending);
}

/* A float as an integer; false and no error where it is none. */
static bool whole(double d, int64_t *out) {
    if (!(fabs(d) < 9.2e18)) return false;
    *out = (int64_t)d;
    return true;
}

static BP_JCALL(to_int) {
    BP_JUNUSED;
    bp_jv otherwise = bp_jgiven(a[0]) ? a[0] : bp_jv_int(0);
    int64_t base, i;
    double d;
    if (!bp_jinteger(x, a[1], 10, &base)) return (bp_jv){ 0 };
    if (self.type == BP_J_UNDEFINED) return bp_jx_undefined(x, self);
    if (bp_jv_is_integral(self)) return bp_jv_int(bp_jv_integer(self));
    if (self.type == BP_J_FLOAT)
        return whole(self.number, &i) ? bp_jv_int(i)
               : isinf(self.number)   ? bp_jx_fail(x, "cannot convert float infinity to integer")
                                      : otherwise;
    if (self.type != BP_J_STRING) return otherwise;
    if (base != 0 && (base < 2 || base > 36))
        return bp_jparse_float(self.string, &d) && whole(d, &i) ? bp_jv_int(i) : otherwise;
    if (bp_jparse_int(self.string, (int)base, &i)) return bp_jv_int(i);
    return bp_jparse_float(self.string, &d) && whole(d, &i) ? bp_jv_int(i) : otherwise;
}

static BP_JCALL(to_float) {
    BP_JUNUSED;
    double d;
    if (self.type == BP_J_UNDEFINED) return bp_jx_undefined(x, self);
    if (bp_jv_is_number(self)) return bp_jv_float(bp_jv_number(self));
    if (self.type == BP_J_STRING && bp_jparse_float(self.string, &d)) return bp_jv_float(d);
    return bp_jgiven(a[0]) ? a[0] : bp_jv_float(0);
}

static BP_JCALL(absolute) {
    BP_JUNUSED;
    if (self.type == BP_J_FLOAT) return bp_jv_float(fabs(self.number));
    if (!bp_jv_is_integral(self)) return bp_jx_fail(x, "bad operand type for abs(): '%s'", bp_jv_type_name(self));
    int64_t i = bp_jv_integer(self);
    return i == INT64_MIN ? bp_jx_fail(x, "the integer does not fit 64 bits") : bp_jv_int(i < 0 ? -i : i);
}

/* round() of Python: half to even, on the decimal digits. */
static double rounded(double d, int64_t precision) {
    char text[400];
    if (!isfinite(d) || precision > 300) return d;
    if (precision >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)precision, d);
        double r = 0;
        sscanf(text, "%lf", &r);
        return r;
    }
    if (precision < -308) return copysign(0, d);
    double unit = pow(10, (double)-precision);
    return nearbyint(d / unit) * unit;
}

static bp_jv round_integer(bp_jx *x, int64_t i, int64_t precision) {
    if (precision >= 0) return bp_jv_int(i);
    if (precision < -18) return bp_jv_int(0);
    int64_t unit = 1;
    for (; precision; precision++) unit *= 10;
    int64_t rest = i % unit, base = i - rest, half = unit / 2, odd = (base / unit) & 1;
    int64_t size = rest < 0 ? -rest : rest, step = rest < 0 ? -unit : unit;
    if (size > half || (size == half && odd)) {
        if (__builtin_add_overflow(base, step, &base)) return bp_jx_fail(x, "the integer does not fit 64 bits");
    }
    return bp_jv_int(base);
}

static BP_JCALL(round_number) {
    BP_JUNUSED;
    int64_t precision;
    const bp_jstring *method = NULL;
    if (!bp_jinteger(x, a[0], 0, &precision) || (bp_jgiven(a[1]) && !bp_jtext(x, a[1], &method))) return (bp_jv){ 0 };
    bool up = method && !strcmp(method->data, "ceil"), down = method && !strcmp(method->data, "floor");
    if (method && !up && !down && strcmp(method->data, "common"))
        return bp_jx_fail(x, "method must be common, ceil or floor");
    if (!bp_jv_is_number(self)) return bp_jx_fail(x, "type %s cannot be rounded", bp_jv_type_name(self));
    if (!up && !down) {
        if (self.type == BP_J_FLOAT) return bp_jv_float(rounded(self.number, precision));
        return round_integer(x, bp_jv_integer(self), precision);
    }
    bp_jv unit = bp_jx_power(x, bp_jv_int(10), bp_jv_int(precision));
    bp_jv scaled = unit.type ? bp_jx_binary(x, '*', self, unit) : unit;
    if (!scaled.type) return scaled;
    if (scaled.type == BP_J_FLOAT) {
        int64_t i;
        if (!whole(up ? ceil(scaled.number) : floor(scaled.number), &i))
            return bp_jx_fail(x, "the number does not fit 64 bits");
        scaled = bp_jv_int(i);
    }
    return bp_jx_binary(x, '/', scaled, unit);
}

static BP_JCALL(default_value) {
    BP_JUNUSED;
    bool missing = self.type == BP_J_UNDEFINED || (bp_jflag(a[1], false) && !bp_jv_truth(self));
    return !missing ? self : bp_jgiven(a[0]) ? a[0] : bp_jv_words(x, "");
}

static BP_JCALL(format) {
    BP_JUNUSED;
    bp_jv text = bp_jv_to_string(x, self);
    if (args->count && args->n_keywords)
        return bp_jx_fail(x, "format: positional and keyword arguments at the same time");
    bp_jv values = args->n_keywords ? bp_jv_dict(x) : bp_jv_tuple(x, args->count);
    if (!text.type || !values.type) return (bp_jv){ 0 };
    for (size_t i = 0; i < args->count; i++) bp_jv_push(x, values, args->items[i]);
    for (size_t i = 0; i < args->n_keywords; i++)
        if (!bp_jv_set(x, values.dict, bp_jv_words(x, args->keywords[i].name), args->keywords[i].value))
            return (bp_jv){ 0 };
    return bp_jx_percent(x, text, values);
}

static bool json_indent(bp_jx *x, bp_jv given, const bp_jstring **indent) {
    *indent = NULL;
    if (!bp_jgiven_some(given)) return true;
    bp_jv v = given;
    int64_t n = 0;
    if (v.type != BP_J_STRING) {
        if (!bp_jinteger(x, given, 0, &n)) return false;
        v = bp_jx_binary(x, '*', bp_jv_words(x, " "), bp_jv_int(n));
    }
    if (!v.type) return false;
    *indent = v.string;
    return true;
}

static bool json_separators(bp_jx *x, bp_jv given, bp_jjson *how) {
    how->comma = bp_jv_words(x, how->indent ? "," : ", ");
    how->colon = bp_jv_words(x, ": ");
    if (bp_jgiven_some(given)) {
        bp_jv both = bp_jx_to_list(x, given);
        if (!both.type) return false;
        if (both.list->count != 2) return bp_jx_fail(x, "tojson: separators must be two texts"), false;
        how->comma = both.list->items[0];
        how->colon = both.list->items[1];
    }
    if (how->comma.type == BP_J_STRING && how->colon.type == BP_J_STRING) return true;
    return bp_jx_fail(x, "tojson: separators must be two texts"), false;
}

static BP_JCALL(to_json) {
    BP_JUNUSED;
    bp_jjson how = { .ascii = bp_jflag(a[0], false), .sort_keys = bp_jflag(a[3], false) };
    if (!json_indent(x, a[1], &how.indent) || !json_separators(x, a[2], &how)) return (bp_jv){ 0 };
    bp_text out = { 0 };
    bool good = bp_jv_json(x, self, &how, &out);
    bp_jv v = bp_jv_text(x, &out);
    return good ? v : (bp_jv){ 0 };
}

static bool url_safe(unsigned char c, bool query) {
    bool word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80);
    return word || c == '_' || c == '.' || c == '-' || c == '~' || (!query && c == '/');
}

static bool url_quote(bp_jx *x, bp_jv v, bool query, bp_text *out) {
    v = bp_jv_to_string(x, v);
    if (v.type && !bp_jx_work(x, v.string->size)) return false;
    for (size_t i = 0; v.type && i < v.string->size; i++) {
        unsigned char c = (unsigned char)v.string->data[i];
        if (url_safe(c, query)) bp_text_add(out, (const char[]){ (char)c }, 1);
        else if (query && c == ' ') bp_text_adds(out, "+");
        else bp_text_format(out, "%%%02X", c);
    }
    return v.type && bp_jx_text(x, out);
}

static BP_JCALL(url_encode) {
    BP_JUNUSED;
    bp_text out = { 0 };
    bool good = true, plain = self.type == BP_J_STRING || (bp_jv_length(self) < 0 && self.type != BP_J_ITERATOR);
    if (plain) good = url_quote(x, self, false, &out);
    if (self.type == BP_J_DICT) self = (bp_jv){ .type = BP_J_VIEW, .sub = BP_J_VIEW_ITEMS, .dict = self.dict };
    bp_jv list = plain ? bp_jv_none() : bp_jx_to_list(x, self);
    good = good && list.type;
    for (size_t i = 0; good && !plain && i < list.list->count; i++) {
        bp_jv pair = bp_jx_to_list(x, list.list->items[i]);
        if (pair.type && pair.list->count != 2) pair = bp_jx_fail(x, "urlencode takes pairs");
        if (i) bp_text_adds(&out, "&");
        good = pair.type && url_quote(x, pair.list->items[0], true, &out);
        bp_text_adds(&out, "=");
        good = good && url_quote(x, pair.list->items[1], true, &out);
    }
    bp_jv v = bp_jv_text(x, &out);
    return good ? v : (bp_jv){ 0 };
}

static BP_JCALL(xml_attributes) {
    BP_JUNUSED;
    if (self.type != BP_J_DICT) return bp_jx_fail(x, "xmlattr takes a mapping");
    bp_text out = { 0 };
    bool good = true;
    for (size_t i = 0; good && i < self.dict->count; i++) {
        bp_jv key = self.dict->pairs[i].key, value = self.dict->pairs[i].value;
        if (value.type == BP_J_NONE || value.type == BP_J_UNDEFINED) continue;
        good = key.type == BP_J_STRING && !strpbrk(key.string->data, " \t\n\r\f\v/>=");
        if (!good) break;
        bp_jv left = bp_jx_escape(x, key), right = bp_jx_escape(x, value);
        good = left.type && right.type;
        if (good) bp_text_format(&out, "%s%s=\"%s\"", out.size ? " " : "", left.string->data, right.string->data);
    }
    bp_text all = { 0 };
    if (out.size && bp_jflag(a[0], true)) bp_text_adds(&all, " ");
    bp_text_add(&all, bp_text_get(&out), out.size);
    bp_text_free(&out);
    bp_jv v = bp_jv_text(x, &all);
    return good ? v : bp_jx_fail(x, "invalid character in attribute name");
}

static BP_JCALL(file_size) {
    BP_JUNUSED;
    static const char *const decimal[] = { "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };
    static const char *const binary[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB" };
    bool two = bp_jflag(a[0], false);
    double size, base = two ? 1024 : 1000;
    if (self.type == BP_J_STRING ? !bp_jparse_float(self.string, &size) : !bp_jv_is_number(self))
        return bp_jx_fail(x, "filesizeformat takes a number");
    if (self.type != BP_J_STRING) size = bp_jv_number(self);
    bp_text out = { 0 };
    if (size == 1) bp_text_adds(&out, "1 Byte");
    else if (size < base) bp_text_format(&out, "%.0f Bytes", trunc(size));
    else {
        double unit = base * base;
        int i = 0;
        for (; i < 7 && size >= unit; i++) unit *= base;
        bp_text_format(&out, "%.1f %s", base * size / unit, (two ? binary : decimal)[i]);
    }
    return bp_jv_text(x, &out);
}

/* attribute without the items behind it */
static BP_JCALL(attribute) {
    BP_JUNUSED;
    bool found;
    const bp_jstring *name;
    if (!bp_jtext(x, a[0], &name)) return (bp_jv){ 0 };
    if (self.type == BP_J_UNDEFINED) return bp_jx_undefined(x, self);
    bp_jv v = bp_jx_method(x, self, name->data, &found);
    if (x->failed) return (bp_jv){ 0 };
    return found ? v
                 : (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_NO_ATTRIBUTE, .of = self.type, .words = name->data };
}

static const bp_jfunction filters[] = {
    { "upper", "", to_upper },
    { "lower", "", to_lower },
    { "capitalize", "", capitalize },
    { "title", "", title },
    { "trim", "chars?", trim },
    { "replace", "old new count?", replace },
    { "string", "", to_string },
    { "center", "width?", center },
    { "indent", "width? first? blank?", indent },
    { "wordcount", "", word_count },
    { "truncate", "length? killwords? end? leeway?", truncate_text },
    { "int", "default? base?", to_int },
    { "float", "default?", to_float },
    { "abs", "!", absolute },
    { "round", "precision? method?", round_number },
    { "default", "default_value? boolean?", default_value },
    { "d", "default_value? boolean?", default_value },
    { "format", "*", format },
    { "tojson", "ensure_ascii? indent? separators? sort_keys?", to_json },
    { "escape", "!", escape },
    { "e", "!", escape },
    { "forceescape", "", force_escape },
    { "safe", "", safe },
    { "urlencode", "", url_encode },
    { "xmlattr", "autospace?", xml_attributes },
    { "filesizeformat", "binary?", file_size },
    { "attr", "name", attribute },
    { NULL, NULL, NULL },
};

const bp_jfunction *bp_jinja_filter(const char *name) {
    for (const bp_jfunction *f = filters; f->name; f++)
        if (!strcmp(f->name, name)) return f;
    for (const bp_jfunction *f = bp_jsequence_filters; f->name; f++)
        if (!strcmp(f->name, name)) return f;
    return NULL;
}
