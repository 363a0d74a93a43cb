/* Python's two ways to format: "%05.2f" % values and "{:>8}".format(values). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

enum { MAX_WIDTH = 1 << 20, MAX_PRECISION = 1000 };

typedef struct spec {
    int32_t fill;  /* 0: none given */
    char align;    /* < > = ^ or 0 */
    char sign;     /* + space or 0 (minus only) */
    bool alternate, grouped;
    char group;    /* , or _ */
    int64_t width, precision; /* precision -1: none */
    char type;     /* 0: none */
} spec;

static void pad(bp_text *out, int32_t fill, int64_t n) {
    for (int64_t i = 0; i < n; i++) bp_jchar_add(out, fill);
}

static int64_t characters(const char *s, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

/* body in width; the first `prefix` bytes (sign, 0x) stand before the padding of '='. */
static void aligned(bp_text *out, const spec *f, const char *body, size_t n, size_t prefix, char standard) {
    int64_t missing = f->width - characters(body, n);
    char align = f->align ? f->align : standard;
    int32_t fill = f->fill ? f->fill : ' ';
    if (missing < 0) missing = 0;
    int64_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    pad(out, fill, left);
    if (align == '=') {
        bp_text_add(out, body, prefix);
        pad(out, fill, missing);
        bp_text_add(out, body + prefix, n - prefix);
        return;
    }
    bp_text_add(out, body, n);
    pad(out, fill, missing - left);
}

/* Digits of n with separators every `every`; zero-padded numbers get separators in the padding too. */
static void grouped(bp_text *out, const char *digits, size_t n, char group, size_t every, int64_t least) {
    size_t zeros = 0;
    while ((int64_t)(n + zeros + (n + zeros - 1) / every) < least) zeros++;
    for (size_t i = 0; i < n + zeros; i++) {
        if (i && (n + zeros - i) % every == 0) bp_text_add(out, &group, 1);
        bp_text_add(out, i < zeros ? "0" : digits + i - zeros, 1);
    }
}

static size_t to_digits(uint64_t u, unsigned base, bool upper, char *end) {
    size_t n = 0;
    do {
        unsigned d = (unsigned)(u % base);
        *--end = (char)(d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10);
        n++;
    } while (u /= base);
    return n;
}

static bool format_integer(bp_jx *x, int64_t i, const spec *f, bp_text *out) {
    unsigned base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : f->type == 'b' ? 2 : 10;
    char room[72], sign = i < 0 ? '-' : f->sign;
    if (f->precision >= 0) return bp_jx_fail(x, "precision not allowed in an integer format"), false;
    if (f->type == 'c') {
        if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i < 0xE000)) return bp_jx_fail(x, "%%c: not a character"), false;
        char c[4];
        aligned(out, f, c, bp_jchar_encode((int32_t)i, c), 0, '<');
        return true;
    }
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    size_t n = to_digits(u, base, f->type == 'X', room + sizeof room);
    bp_text body = { 0 };
    if (sign) bp_text_add(&body, &sign, 1);
    if (f->alternate && base != 10) bp_text_format(&body, "0%c", f->type);
    size_t prefix = body.size;
    bool zero_fill = f->fill == '0' && f->align == '=';
    if (f->grouped)
        grouped(&body, room + sizeof room - n, n, f->group, base == 10 ? 3 : 4,
                zero_fill ? f->width - (int64_t)prefix : 0);
    else bp_text_add(&body, room + sizeof room - n, n);
    aligned(out, f, bp_text_get(&body), body.size, prefix, '>');
    bp_text_free(&body);
    return true;
}

/* repr-like with a precision: type none of format(). */
static void general(double d, const spec *f, bp_text *body) {
    char text[64];
    if (f->precision < 0) return bp_jv_float_text(d, body);
    int64_t precision = f->precision ? f->precision : 1;
    if (precision > 40) precision = 40;
    snprintf(text, sizeof text, "%.*e", (int)precision - 1, d);
    int exponent = atoi(strchr(text, 'e') + 1);
    snprintf(text, sizeof text, "%.*g", (int)precision, d);
    if (exponent >= precision - 1 && exponent < precision) snprintf(text, sizeof text, "%.*e", (int)precision - 1, d);
    bp_text_adds(body, text);
    if (!strchr(text, '.') && !strchr(text, 'e')) bp_text_adds(body, ".0");
}

static void float_body(double d, const spec *f, bp_text *body) {
    char upper = f->type == 'E' || f->type == 'F' || f->type == 'G';
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    if (isnan(d) || isinf(d)) {
        bp_text_adds(body, isnan(d) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf"));
        if (f->type == '%') bp_text_adds(body, "%");
        return;
    }
    switch (f->type) {
    case 'f': case 'F': bp_text_format(body, f->alternate ? "%#.*f" : "%.*f", precision, d); break;
    case 'e': bp_text_format(body, f->alternate ? "%#.*e" : "%.*e", precision, d); break;
    case 'E': bp_text_format(body, f->alternate ? "%#.*E" : "%.*E", precision, d); break;
    case 'g': case 'n': bp_text_format(body, f->alternate ? "%#.*g" : "%.*g", precision, d); break;
    case 'G': bp_text_format(body, f->alternate ? "%#.*G" : "%.*G", precision, d); break;
    case '%': bp_text_format(body, "%.*f%%", precision, d * 100); break;
    default: general(d, f, body); break;
    }
}

static void format_float(double d, const spec *f, bp_text *out) {
    bp_text digits = { 0 }, body = { 0 };
    char sign = signbit(d) && !isnan(d) ? '-' : f->sign;
    float_body(fabs(d), f, &digits);
    if (sign) bp_text_add(&body, &sign, 1);
    size_t prefix = body.size, whole = strspn(bp_text_get(&digits), "0123456789");
    bool zero_fill = f->fill == '0' && f->align == '=';
    int64_t rest = (int64_t)(digits.size - whole + prefix);
    if (f->grouped && whole) grouped(&body, digits.data, whole, f->group, 3, zero_fill ? f->width - rest : 0);
    else bp_text_add(&body, bp_text_get(&digits), whole);
    if (digits.size) bp_text_add(&body, digits.data + whole, digits.size - whole);
    aligned(out, f, bp_text_get(&body), body.size, prefix, '>');
    bp_text_free(&digits);
    bp_text_free(&body);
}

static void format_text(const bp_jstring *s, const spec *f, bp_text *out) {
    size_t n = f->precision >= 0 && f->precision < s->count ? bp_jstring_offset(s, f->precision) : s->size;
    aligned(out, f, s->data, n, 0, '<');
}

static size_t read_number(const char *s, size_t n, int64_t *out) {
    size_t i = 0;
    *out = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) *out = BP_MIN(*out * 10 + (s[i] - '0'), (int64_t)INT32_MAX);
    return i;
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static bool read_spec(bp_jx *x, const char *s, size_t n, spec *f) {
    size_t at = 0, next = 0;
    *f = (spec){ .precision = -1 };
    if (n) (void)bp_jchar_next(s, n, &next);
    if (n > next && next && strchr("<>=^", s[next])) {
        f->fill = bp_jchar_next(s, n, &at);
        f->align = s[at++];
    } else if (n && strchr("<>=^", s[0])) {
        f->align = s[at++];
    }
    if (at < n && strchr("+- ", s[at])) f->sign = s[at] == '-' ? 0 : s[at], at++;
    if (at < n && s[at] == '#') f->alternate = true, at++;
    if (at < n && s[at] == '0') {
        if (!f->fill) f->fill = '0';
        if (!f->align) f->align = '=';
        at++;
    }
    at += read_number(s + at, n - at, &f->width);
    if (at < n && (s[at] == ',' || s[at] == '_')) f->grouped = true, f->group = s[at++];
    if (at < n && s[at] == '.') {
        size_t used = read_number(s + at + 1, n - at - 1, &f->precision);
        if (!used) return bp_jx_fail(x, "format specifier missing precision"), false;
        at += 1 + used;
    }
    if (at < n) f->type = s[at++];
    if (at < n) return bp_jx_fail(x, "invalid format specifier"), false;
    if (f->width > MAX_WIDTH || f->precision > MAX_PRECISION) return bp_jx_fail(x, "the format is too wide"), false;
    return bp_jx_steps(x, (size_t)f->width / 16);
}

bool bp_jx_format_spec(bp_jx *x, bp_jv v, const char *s, size_t n, bp_text *out) {
    spec f;
    if (!n) return bp_jv_str(x, v, out);
    if (!read_spec(x, s, n, &f)) return false;
    bool integral = bp_jv_is_integral(v) && (!f.type || strchr("bcdoxXn", f.type));
    if (integral && v.type == BP_J_BOOL && !f.type) integral = true;
    if (integral) return format_integer(x, bp_jv_integer(v), &f, out);
    if (bp_jv_is_number(v) && (!f.type || strchr("eEfFgGn%", f.type)))
        return format_float(bp_jv_number(v), &f, out), true;
    if (v.type == BP_J_STRING && (!f.type || f.type == 's') && f.align != '=' && !f.sign && !f.grouped && !f.alternate)
        return format_text(v.string, &f, out), true;
    return bp_jx_fail(x, "this format does not fit a value of type %s", bp_jv_type_name(v)), false;
}

/* ---- "{}".format ---- */

typedef struct formatter {
    bp_jx *x;
    const bp_jargs *args;
    int64_t automatic; /* next number; -1: numbers are given */
    int depth;
} formatter;

static bp_jv first_field(formatter *f, const char *s, size_t n) {
    int64_t index;
    if (!n || read_number(s, n, &index) == n) {
        if (n ? f->automatic > 0 : f->automatic < 0)
            return bp_jx_fail(f->x, "format: automatic and given field numbers are mixed");
        if (!n) index = f->automatic++;
        else f->automatic = -1;
        if ((size_t)index < f->args->count) return f->args->items[index];
        return bp_jx_fail(f->x, "format: replacement index %" PRId64 " out of range", index);
    }
    for (size_t i = 0; i < f->args->n_keywords; i++)
        if (strlen(f->args->keywords[i].name) == n && !memcmp(f->args->keywords[i].name, s, n))
            return f->args->keywords[i].value;
    return bp_jx_fail(f->x, "format: there is no '%.*s'", (int)BP_MIN(n, (size_t)40), s);
}

/* name.attribute[item]… */
static bp_jv field_value(formatter *f, const char *s, size_t n) {
    size_t at = 0;
    while (at < n && s[at] != '.' && s[at] != '[') at++;
    bp_jv v = first_field(f, s, at);
    while (v.type && at < n) {
        bool attribute = s[at] == '.';
        size_t begin = ++at;
        while (at < n && (attribute ? s[at] != '.' && s[at] != '[' : s[at] != ']')) at++;
        if (at == begin || (!attribute && at == n)) return bp_jx_fail(f->x, "format: malformed field");
        int64_t index;
        bp_jv key = bp_jv_string(f->x, s + begin, at - begin);
        if (!attribute && read_number(s + begin, at - begin, &index) == at - begin) key = bp_jv_int(index);
        if (!key.type) return key;
        v = attribute ? bp_jx_attribute(f->x, v, key) : bp_jx_item(f->x, v, key);
        if (!attribute) at++;
    }
    return v;
}

static bool format_text_of(formatter *f, const char *s, size_t n, bp_text *out);

/* The inside of { }: name, !conversion, :spec. */
static bool field(formatter *f, const char *s, size_t n, bp_text *out) {
    size_t end = 0;
    while (end < n && s[end] != '!' && s[end] != ':') end = s[end] == '[' ? end + strcspn(s + end, "]") : end + 1;
    if (end > n) end = n;
    bp_jv v = field_value(f, s, end);
    if (!v.type) return false;
    if (end < n && s[end] == '!') {
        bp_text text = { 0 };
        char how = end + 1 < n ? s[end + 1] : 0;
        if ((how != 's' && how != 'r') || (end + 2 < n && s[end + 2] != ':'))
            return bp_jx_fail(f->x, "format: malformed conversion"), false;
        bool good = how == 's' ? bp_jv_str(f->x, v, &text) : bp_jv_repr(f->x, v, &text);
        v = bp_jv_text(f->x, &text);
        if (!good || !v.type) return false;
        end += 2;
    }
    bp_text how = { 0 };
    bool good = true;
    if (end < n) good = format_text_of(f, s + end + 1, n - end - 1, &how);
    good = good && bp_jx_format_spec(f->x, v, bp_text_get(&how), how.size, out);
    bp_text_free(&how);
    return good;
}

static bool format_text_of(formatter *f, const char *s, size_t n, bp_text *out) {
    if (f->depth++ > 2) return bp_jx_fail(f->x, "format: nested too deeply"), false;
    for (size_t at = 0; at < n; at++) {
        bool twice = at + 1 < n && s[at + 1] == s[at];
        if (s[at] == '}' && !twice) return bp_jx_fail(f->x, "format: single '}'"), false;
        if (s[at] != '{' || twice) {
            at += twice && (s[at] == '{' || s[at] == '}');
            bp_text_add(out, s + at, 1);
            continue;
        }
        size_t begin = ++at;
        for (int open = 1; at < n; at++) {
            open += (s[at] == '{') - (s[at] == '}');
            if (!open) break;
        }
        if (at == n) return bp_jx_fail(f->x, "format: '}' is missing"), false;
        if (!field(f, s + begin, at - begin, out)) return false;
    }
    f->depth--;
    return bp_jx_text(f->x, out);
}

bp_jv bp_jx_format(bp_jx *x, bp_jv format, const bp_jargs *args) {
    formatter f = { x, args, 0, 0 };
    bp_text out = { 0 };
    bool good =
        bp_jx_steps(x, format.string->size) && format_text_of(&f, format.string->data, format.string->size, &out);
    bp_jv v = bp_jv_text(x, &out);
    return good ? v : (bp_jv){ 0 };
}

/* ---- "%s" % values ---- */

typedef struct percent {
    bp_jx *x;
    bp_jv values;
    size_t used; /* of a tuple */
    bool single_used, mapped;
} percent;

static bp_jv next_value(percent *p) {
    if (p->values.type == BP_J_TUPLE) {
        if (p->used < p->values.list->count) return p->values.list->items[p->used++];
    } else if (!p->single_used) {
        p->single_used = true;
        return p->values;
    }
    return bp_jx_fail(p->x, "not enough arguments for format string");
}

static bp_jv named_value(percent *p, const char *name, size_t n) {
    bp_jv v;
    if (p->values.type != BP_J_DICT) return bp_jx_fail(p->x, "format requires a mapping");
    p->mapped = true;
    if (bp_jv_find_name(p->values.dict, name, n, &v)) return v;
    return bp_jx_fail(p->x, "format: there is no '%.*s'", (int)BP_MIN(n, (size_t)40), name);
}

/* Width or precision: digits, or '*' for the next value. */
static bool measure(percent *p, const char *s, size_t n, size_t *at, int64_t *out) {
    if (*at < n && s[*at] == '*') {
        bp_jv v = next_value(p);
        if (!v.type) return false;
        if (v.type != BP_J_INT) return bp_jx_fail(p->x, "* wants int"), false;
        *out = v.integer;
        ++*at;
    } else {
        *at += read_number(s + *at, n - *at, out);
    }
    if (*out > MAX_WIDTH) return bp_jx_fail(p->x, "the format is too wide"), false;
    return true;
}

static bool percent_number(percent *p, bp_jv v, spec *f, bp_text *out) {
    bool integer = strchr("diuxXo", f->type);
    if (!bp_jv_is_number(v))
        return bp_jx_fail(p->x, "%%%c format: a number is required, not %s", f->type, bp_jv_type_name(v)), false;
    if (!integer) {
        if (f->precision > MAX_PRECISION) return bp_jx_fail(p->x, "precision too large"), false;
        return format_float(bp_jv_number(v), f, out), true;
    }
    if (v.type == BP_J_FLOAT && strchr("xXo", f->type))
        return bp_jx_fail(p->x, "%%%c format: an integer is required", f->type), false;
    if (v.type == BP_J_FLOAT && !(fabs(v.number) < 9e18))
        return bp_jx_fail(p->x, "the number does not fit 64 bits"), false;
    int64_t i = v.type == BP_J_FLOAT ? (int64_t)v.number : bp_jv_integer(v);
    char room[72], sign = i < 0 ? '-' : f->sign;
    unsigned base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : 10;
    size_t n = to_digits(i < 0 ? 0 - (uint64_t)i : (uint64_t)i, base, f->type == 'X', room + sizeof room);
    bp_text body = { 0 };
    if (sign) bp_text_add(&body, &sign, 1);
    if (f->alternate && base != 10) bp_text_format(&body, "0%c", f->type);
    size_t prefix = body.size;
    pad(&body, '0', BP_MIN(f->precision, (int64_t)MAX_WIDTH) - (int64_t)n);
    bp_text_add(&body, room + sizeof room - n, n);
    aligned(out, f, bp_text_get(&body), body.size, prefix, '>');
    bp_text_free(&body);
    return true;
}

static bool percent_text(percent *p, bp_jv v, spec *f, bp_text *out) {
    bp_text text = { 0 };
    bool good = f->type == 's' ? bp_jv_str(p->x, v, &text) : bp_jv_repr(p->x, v, &text);
    bp_jv s = bp_jv_text(p->x, &text);
    if (!good || !s.type) return false;
    if (f->fill == '0') f->fill = 0;
    if (f->align == '=') f->align = '>';
    if (!f->align) f->align = '>';
    format_text(s.string, f, out);
    return true;
}

static bool percent_character(percent *p, bp_jv v, spec *f, bp_text *out) {
    f->precision = -1;
    f->sign = 0;
    if (f->align != '<') f->align = '>';
    if (f->fill == '0') f->fill = 0;
    if (v.type == BP_J_STRING && v.string->count == 1) return format_text(v.string, f, out), true;
    if (!bp_jv_is_integral(v)) return bp_jx_fail(p->x, "%%c requires int or char"), false;
    return format_integer(p->x, bp_jv_integer(v), f, out);
}

static bool conversion(percent *p, const char *s, size_t n, size_t *at, bp_text *out) {
    spec f = { .precision = -1 };
    bp_jv v = { .type = BP_J_MISSING };
    if (*at < n && s[*at] == '(') {
        size_t begin = ++*at;
        for (int open = 1; *at < n; ++*at) {
            open += (s[*at] == '(') - (s[*at] == ')');
            if (!open) break;
        }
        if (*at == n) return bp_jx_fail(p->x, "incomplete format key"), false;
        v = named_value(p, s + begin, (*at)++ - begin);
        if (!v.type) return false;
    }
    for (; *at < n && strchr("-+ #0", s[*at]); ++*at) {
        if (s[*at] == '-') f.align = '<', f.fill = 0;
        else if (s[*at] == '+') f.sign = '+';
        else if (s[*at] == ' ') f.sign = f.sign ? f.sign : ' ';
        else if (s[*at] == '#') f.alternate = true;
        else if (f.align != '<') f.align = '=', f.fill = '0';
    }
    if (!measure(p, s, n, at, &f.width)) return false;
    if (f.width < 0) f.align = '<', f.fill = 0, f.width = -f.width;
    if (*at < n && s[*at] == '.') {
        ++*at;
        if (!measure(p, s, n, at, &f.precision)) return false;
        if (f.precision < 0) f.precision = 0;
    }
    while (*at < n && strchr("hlL", s[*at])) ++*at;
    if (*at >= n) return bp_jx_fail(p->x, "incomplete format"), false;
    f.type = s[(*at)++];
    if (f.type == '%') return bp_text_adds(out, "%"), true;
    if (!f.type || !strchr("srdiuxXofFeEgGc", f.type)) return bp_jx_fail(p->x, "unsupported format character"), false;
    if (v.type == BP_J_MISSING) v = next_value(p);
    if (!v.type || !bp_jx_steps(p->x, (size_t)f.width / 16)) return false;
    if (f.type == 's' || f.type == 'r') return percent_text(p, v, &f, out);
    return f.type == 'c' ? percent_character(p, v, &f, out) : percent_number(p, v, &f, out);
}

bp_jv bp_jx_percent(bp_jx *x, bp_jv format, bp_jv values) {
    percent p = { .x = x, .values = values };
    const char *s = format.string->data;
    size_t n = format.string->size;
    bp_text out = { 0 };
    bool good = bp_jx_steps(x, n / 16);
    for (size_t at = 0; good && at < n;) {
        size_t plain = at;
        while (plain < n && s[plain] != '%') plain++;
        bp_text_add(&out, s + at, plain - at);
        at = plain + 1;
        if (plain < n) good = conversion(&p, s, n, &at, &out) && bp_jx_text(x, &out);
    }
    if (good && values.type == BP_J_TUPLE) good = p.used == values.list->count;
    else if (good) good = p.single_used || values.type == BP_J_DICT || values.type == BP_J_LIST ||
                          values.type == BP_J_RANGE || values.type == BP_J_UNDEFINED;
    bp_jv v = bp_jv_text(x, &out);
    return good ? v : bp_jx_fail(x, "not all arguments converted during string formatting");
}
