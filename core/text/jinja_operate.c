/* Arithmetic as Python has it, on 64-bit integers. */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/jinja_exec.h"

static bp_jv too_big(bp_jx *x) { return bp_jx_fail(x, "the integer does not fit 64 bits"); }
static bp_jv by_zero(bp_jx *x) { return bp_jx_fail(x, "division by zero"); }

static bp_jv floor_divide(bp_jx *x, int64_t a, int64_t b, bool modulo) {
    if (b == 0) return by_zero(x);
    if (b == -1) return modulo ? bp_jv_int(0) : a == INT64_MIN ? too_big(x) : bp_jv_int(-a);
    int64_t q = a / b, r = a % b;
    if (r && (r < 0) != (b < 0)) q--, r += b;
    return bp_jv_int(modulo ? r : q);
}

static bp_jv on_integers(bp_jx *x, uint8_t op, int64_t a, int64_t b) {
    int64_t r;
    switch (op) {
    case '+': return __builtin_add_overflow(a, b, &r) ? too_big(x) : bp_jv_int(r);
    case '-': return __builtin_sub_overflow(a, b, &r) ? too_big(x) : bp_jv_int(r);
    case '*': return __builtin_mul_overflow(a, b, &r) ? too_big(x) : bp_jv_int(r);
    case '/': return b ? bp_jv_float((double)a / (double)b) : by_zero(x);
    case '%': return floor_divide(x, a, b, true);
    default: return floor_divide(x, a, b, false);
    }
}

static bp_jv float_modulo(double a, double b, bool floor_of) {
    double r = fmod(a, b), q = (a - r) / b;
    if (r != 0) {
        if ((b < 0) != (r < 0)) r += b, q -= 1;
    } else {
        r = copysign(0, b);
    }
    if (!floor_of) return bp_jv_float(r);
    if (q == 0) return bp_jv_float(copysign(0, a / b));
    double whole = floor(q);
    return bp_jv_float(q - whole > 0.5 ? whole + 1 : whole);
}

static bp_jv on_floats(bp_jx *x, uint8_t op, double a, double b) {
    switch (op) {
    case '+': return bp_jv_float(a + b);
    case '-': return bp_jv_float(a - b);
    case '*': return bp_jv_float(a * b);
    default: break;
    }
    if (b == 0) return by_zero(x);
    if (op == '/') return bp_jv_float(a / b);
    return float_modulo(a, b, op == BP_JT_FLOORDIV);
}

static bp_jv integer_power(bp_jx *x, int64_t base, int64_t exponent) {
    int64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) return too_big(x);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return too_big(x);
    }
    return bp_jv_int(result);
}

bp_jv bp_jx_power(bp_jx *x, bp_jv a, bp_jv b) {
    if (bp_jv_is_integral(a) && bp_jv_is_integral(b) && bp_jv_integer(b) >= 0)
        return integer_power(x, bp_jv_integer(a), bp_jv_integer(b));
    double base = bp_jv_number(a), exponent = bp_jv_number(b), r = pow(base, exponent);
    if (base == 0 && exponent < 0) return bp_jx_fail(x, "0.0 cannot be raised to a negative power");
    if (isnan(r) && !isnan(base) && !isnan(exponent)) return bp_jx_fail(x, "complex numbers are not there");
    if (isinf(r) && !isinf(base) && !isinf(exponent)) return bp_jx_fail(x, "numerical result out of range");
    return bp_jv_float(r);
}

static bp_jv repeat_text(bp_jx *x, const bp_jstring *s, int64_t n) {
    bp_text text = { 0 };
    if (n > 0 && s->size > (size_t)(BP_JINJA_MAX_BYTES / n)) return bp_jx_fail(x, "a text is too long");
    for (int64_t i = 0; i < n && s->size; i++) bp_text_add(&text, s->data, s->size);
    return bp_jx_steps(x, text.size / 16) ? bp_jv_text(x, &text) : (bp_text_free(&text), (bp_jv){ 0 });
}

static bp_jv repeat_list(bp_jx *x, bp_jv list, int64_t n) {
    size_t count = list.list->count;
    if (n < 0 || !count) n = 0;
    if (n && count > (size_t)(BP_JINJA_MAX_STEPS / n)) return bp_jx_fail(x, "a list is too long");
    bp_jv out = bp_jv_list(x, count * (size_t)n);
    if (!out.type || !bp_jx_steps(x, count * (size_t)n)) return (bp_jv){ 0 };
    for (int64_t i = 0; i < n; i++)
        for (size_t k = 0; k < count; k++) bp_jv_push(x, out, list.list->items[k]);
    out.type = list.type;
    return out;
}

static bp_jv repeat(bp_jx *x, bp_jv v, int64_t n) {
    if (v.type != BP_J_STRING) return repeat_list(x, v, n);
    return bp_jv_safe(x, repeat_text(x, v.string, n), v.string->safe);
}

static bp_jv join_lists(bp_jx *x, bp_jv a, bp_jv b) {
    bp_jv out = bp_jv_list(x, a.list->count + b.list->count);
    if (!out.type || !bp_jx_steps(x, a.list->count + b.list->count)) return (bp_jv){ 0 };
    for (size_t i = 0; i < a.list->count; i++) bp_jv_push(x, out, a.list->items[i]);
    for (size_t i = 0; i < b.list->count; i++) bp_jv_push(x, out, b.list->items[i]);
    out.type = a.type;
    return out;
}

static bp_jv join_texts(bp_jx *x, bp_jv a, bp_jv b) {
    bool safe = a.string->safe || b.string->safe; /* what is added to a safe text is escaped */
    if (safe && !a.string->safe) a = bp_jx_escape(x, a);
    if (safe && !b.string->safe) b = bp_jx_escape(x, b);
    if (!a.type || !b.type) return (bp_jv){ 0 };
    size_t n = a.string->size + b.string->size;
    bp_jstring *s = n < BP_JINJA_MAX_BYTES ? bp_jx_alloc(x, sizeof *s + n + 1) : NULL;
    if (!s || !bp_jx_steps(x, n / 64)) return bp_jx_fail(x, "a text is too long");
    s->size = n;
    s->count = a.string->count + b.string->count;
    s->safe = safe;
    memcpy(s->data, a.string->data, a.string->size);
    memcpy(s->data + a.string->size, b.string->data, b.string->size + 1);
    return (bp_jv){ .type = BP_J_STRING, .string = s };
}

static bp_jv cannot(bp_jx *x, uint8_t op, bp_jv a, bp_jv b) {
    const char *sign = op == BP_JT_FLOORDIV ? "//" : op == BP_JT_POW ? "**" : (char[]){ (char)op, 0 };
    return bp_jx_fail(x, "unsupported operand types for %s: '%s' and '%s'", sign, bp_jv_type_name(a),
                      bp_jv_type_name(b));
}

static bool is_sequence(bp_jv v) { return v.type == BP_J_STRING || v.type == BP_J_LIST || v.type == BP_J_TUPLE; }

bp_jv bp_jx_binary(bp_jx *x, uint8_t op, bp_jv a, bp_jv b) {
    if (op == '%' && a.type == BP_J_STRING) return bp_jx_percent(x, a, b);
    if (a.type == BP_J_UNDEFINED) return bp_jx_undefined(x, a);
    if (b.type == BP_J_UNDEFINED) return bp_jx_undefined(x, b);
    if (bp_jv_is_number(a) && bp_jv_is_number(b)) {
        if (op == BP_JT_POW) return bp_jx_power(x, a, b);
        if (a.type == BP_J_FLOAT || b.type == BP_J_FLOAT) return on_floats(x, op, bp_jv_number(a), bp_jv_number(b));
        return on_integers(x, op, bp_jv_integer(a), bp_jv_integer(b));
    }
    if (op == '+' && a.type == BP_J_STRING && b.type == BP_J_STRING) return join_texts(x, a, b);
    if (op == '+' && a.type == b.type && is_sequence(a)) return join_lists(x, a, b);
    if (op == '*' && is_sequence(a) && bp_jv_is_integral(b)) return repeat(x, a, bp_jv_integer(b));
    if (op == '*' && is_sequence(b) && bp_jv_is_integral(a)) return repeat(x, b, bp_jv_integer(a));
    return cannot(x, op, a, b);
}

bp_jv bp_jx_add(bp_jx *x, bp_jv a, bp_jv b) { return bp_jx_binary(x, '+', a, b); }

bp_jv bp_jx_escape(bp_jx *x, bp_jv v) {
    v = bp_jv_to_string(x, v);
    if (!v.type || v.string->safe || !bp_jx_work(x, v.string->size)) return x->failed ? (bp_jv){ 0 } : v;
    bp_text text = { 0 };
    for (size_t i = 0; i < v.string->size; i++) {
        char c = v.string->data[i];
        const char *to = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&#34;"
                         : c == '\'' ? "&#39;" : NULL;
        if (to) bp_text_adds(&text, to);
        else bp_text_add(&text, &c, 1);
    }
    return bp_jv_safe(x, bp_jv_text(x, &text), true);
}
