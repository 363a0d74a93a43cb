/* Numbers: bounds and multiples, by automata over decimal digits. A state knows how far the digits so far agree with
 * the bounds, and the remainder so far; each state is a rule. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_schema.h"

enum { MOST_DIGITS = 340, OPEN = 1 << 20 /* digits still to come: any number of them */ };

typedef struct decimal { /* of a bound: its absolute value, without zeros that say nothing */
    bool there, negative, exclusive, zero;
    char whole[MOST_DIGITS + 2], fraction[MOST_DIGITS + 2];
    int n_whole, n_fraction;
} decimal;

typedef struct digits {
    bp_schema *s;
    const decimal *low, *high; /* of the absolute value; high NULL: none */
    bool low_exclusive, high_exclusive;
    bool integer;
    bool multiple;    /* of divisor, counted in the last of `places` digits after the point */
    uint32_t divisor; /* 1 where any number will do */
    int places;
    unsigned number;  /* tells the automata of a grammar apart */
    struct place *todo;
    size_t n_todo, room_todo, n_states;
} digits;

typedef struct place {
    int left;     /* digits before the point still to come; OPEN: any number; < 0: -1 - digits after the point so far */
    bool begins;  /* no digit yet */
    bool longer;  /* the number has more digits before the point than the lower bound: `left`, then any number */
    bool low, high; /* equal to the bound so far */
    uint32_t rest;  /* remainder so far */
    uint32_t rule;
} place;

static char digit_of(const char *text, int n, int at) { return at >= 0 && at < n ? text[at] : '0'; }

/* The bound's digits from `at` on, counted from the first one before the point, are zeros. */
static bool zeros_from(const decimal *d, int whole_at, int fraction_at) {
    for (int i = whole_at; i < d->n_whole; i++)
        if (d->whole[i] != '0') return false;
    for (int i = fraction_at; i < d->n_fraction; i++)
        if (d->fraction[i] != '0') return false;
    return true;
}

/* Places that no bound or remainder tells apart any more are one. */
static place tidy(const digits *g, place p) {
    int longest = BP_MAX(g->low->n_fraction, g->high ? g->high->n_fraction : 0) + 1;
    if (p.left < 0 && !g->multiple && -1 - p.left > longest) p.left = -1 - longest;
    return p;
}

static uint32_t rule_of(digits *g, place p) {
    char name[96];
    bp_rules *r = g->s->r;
    p = tidy(g, p);
    int n = snprintf(name, sizeof name, "digits %u %d %d %d %d %d %u", g->number, p.left, p.begins, p.longer, p.low,
                     p.high, p.rest);
    size_t known = r->n_rules;
    p.rule = bp_rule_named(r, name, (size_t)n);
    if (r->status || r->n_rules == known) return p.rule;
    void *todo = g->todo;
    bool grown = bp_grow(&todo, &g->room_todo, g->n_todo + 1, sizeof *g->todo);
    g->todo = todo;
    if (!grown) return bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    if (++g->n_states > BP_SCHEMA_MAX_STATES)
        return bp_schema_fail(g->s, BP_E_UNSUPPORTED, "multipleOf", "too many states with these bounds");
    g->todo[g->n_todo++] = p;
    return p.rule;
}

/* Whether the number may end where p is after its digits before or after the point. */
static bool may_end(const digits *g, place p) {
    int after = p.left < 0 ? -1 - p.left : 0;
    if (p.left > 0 && p.left != OPEN) return false;
    if (p.low && !zeros_from(g->low, g->low->n_whole, after)) return false;
    if (p.low && g->low_exclusive) return false;
    if (p.high && g->high_exclusive && zeros_from(g->high, g->high->n_whole, after)) return false;
    uint64_t rest = p.rest;
    for (int i = after; i < g->places; i++) rest = rest * 10 % g->divisor;
    return !rest;
}

/* p after one more digit; false where there is no way on. */
static bool step(const digits *g, place p, char digit, place *out) {
    bool after_point = p.left < 0;
    int index = after_point ? -1 - p.left : 0;
    char low = after_point ? digit_of(g->low->fraction, g->low->n_fraction, index)
                           : digit_of(g->low->whole, g->low->n_whole, g->low->n_whole - p.left);
    char high = !g->high ? '9' : after_point ? digit_of(g->high->fraction, g->high->n_fraction, index)
                                             : digit_of(g->high->whole, g->high->n_whole, g->high->n_whole - p.left);
    if ((p.low && digit < low) || (p.high && digit > high)) return false;
    if (p.begins && digit == '0' && (p.left != 1 || p.longer)) return false;
    *out = p;
    out->begins = false;
    out->low = p.low && digit == low;
    out->high = p.high && digit == high;
    out->rest = (uint32_t)(((uint64_t)p.rest * 10 + (uint64_t)(digit - '0')) % g->divisor);
    if (after_point) out->left = p.left - 1;
    else if (p.left != OPEN) out->left = p.left - 1;
    if (p.longer && !out->left) out->left = OPEN, out->longer = false;
    return true;
}

static void add_digits(digits *g, place p, uint32_t whole) {
    bp_rules *r = g->s->r;
    for (char digit = '0'; digit <= '9' && !r->status;) {
        place next, other;
        char first = digit++;
        if (!step(g, p, first, &next)) continue;
        uint32_t rule = rule_of(g, next);
        while (digit <= '9' && step(g, p, digit, &other) && rule_of(g, other) == rule) digit++;
        bp_range range = { (uint32_t)first, (uint32_t)digit - 1 };
        bp_expr_add(r, whole, BP_SEQUENCE(r, bp_expr_class(r, &range, 1, false), bp_expr_rule(r, rule)));
    }
}

/* A point, and at least one digit after it. */
static void add_point(digits *g, place p, uint32_t whole) {
    bp_rules *r = g->s->r;
    bool most = g->multiple && !g->places;
    if (g->integer || most || p.begins || (p.left && p.left != OPEN)) return;
    p.left = -1;
    p.longer = false;
    uint32_t tail = bp_expr_new(r, BP_X_CHOICE);
    add_digits(g, p, tail);
    bp_expr_add(r, whole, BP_SEQUENCE(r, bp_expr_text(r, "."), tail));
}

static uint32_t expression(digits *g, place p) {
    bp_rules *r = g->s->r;
    uint32_t whole = bp_expr_new(r, BP_X_CHOICE);
    if (!p.begins && may_end(g, p)) bp_expr_add(r, whole, bp_expr_new(r, BP_X_SEQUENCE));
    bool more = p.left < 0 ? !g->multiple || -1 - p.left < g->places : p.left > 0;
    if (more) add_digits(g, p, whole);
    if (p.left >= 0) add_point(g, p, whole);
    return whole;
}

static uint32_t run(digits *g, uint32_t whole) {
    bp_rules *r = g->s->r;
    while (g->n_todo && !r->status) {
        place p = g->todo[--g->n_todo];
        uint32_t expr = expression(g, p);
        if (!r->status) r->rules[p.rule].expr = expr;
    }
    free(g->todo);
    return whole;
}

/* The absolute value, from low to high: every number of digits before the point is its own way to begin. */
static uint32_t magnitude(digits *g) {
    bp_rules *r = g->s->r;
    uint32_t whole = bp_expr_new(r, BP_X_CHOICE);
    int least = g->low->n_whole, most = g->high ? g->high->n_whole : least;
    for (int n = least; n <= most && !r->status; n++) {
        place p = { .left = n, .begins = true, .low = n == least, .high = g->high && n == most };
        bp_expr_add(r, whole, bp_expr_rule(r, rule_of(g, p)));
    }
    if (!g->high) {
        place p = { .left = least + 1, .begins = true, .longer = true };
        bp_expr_add(r, whole, bp_expr_rule(r, rule_of(g, p)));
    }
    return run(g, whole);
}

/* digits and an exponent, as in "12.5e-3", as plain digits. */
static bool plain_digits(const char *text, decimal *d) {
    char all[MOST_DIGITS * 2];
    int n = 0, point = -1;
    for (; *text && *text != 'e' && n < 64; text++) {
        if (*text == '.') point = n;
        else all[n++] = *text;
    }
    if (point < 0) point = n;
    point += *text == 'e' ? atoi(text + 1) : 0;
    if (point > MOST_DIGITS || point < -MOST_DIGITS / 2) return false;
    for (int i = 0; i < point; i++) d->whole[d->n_whole++] = digit_of(all, n, i);
    for (int i = point; i < n; i++) d->fraction[d->n_fraction++] = digit_of(all, n, i);
    while (d->n_fraction && d->fraction[d->n_fraction - 1] == '0') d->n_fraction--;
    int zeros = 0;
    while (zeros < d->n_whole && d->whole[zeros] == '0') zeros++;
    d->n_whole -= zeros;
    memmove(d->whole, d->whole + zeros, (size_t)d->n_whole);
    if (!d->n_whole) d->whole[d->n_whole++] = '0';
    d->zero = zeros_from(d, 0, 0);
    return true;
}

static bool read_decimal(const json_t *value, decimal *d) {
    char text[64];
    double real = json_number_value(value);
    *d = (decimal){ .there = true };
    if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    } else {
        for (int precision = 1; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*e", precision - 1, real);
            if (strtod(text, NULL) == real) break;
        }
    }
    d->negative = text[0] == '-';
    bool good = plain_digits(text + d->negative, d);
    if (d->zero) d->negative = false;
    return good;
}

static int compare(const decimal *a, const decimal *b) {
    int sign = a->negative ? -1 : 1, order = a->n_whole - b->n_whole;
    if (a->negative != b->negative) return sign;
    if (!order && a->n_whole) order = memcmp(a->whole, b->whole, (size_t)a->n_whole);
    for (int i = 0; !order && (i < a->n_fraction || i < b->n_fraction); i++)
        order = digit_of(a->fraction, a->n_fraction, i) - digit_of(b->fraction, b->n_fraction, i);
    return order < 0 ? -sign : order > 0 ? sign : 0;
}

/* The stronger of keyword and its exclusive form, which is a number or, in draft 4, says how the first one is meant.
 * side: 1 for the lower bound, where the greater one is stronger. */
static bool read_bound(bp_schema *s, const json_t *schema, const char *keyword, const char *other, int side,
                       decimal *out) {
    const json_t *plain = json_object_get(schema, keyword), *strict = json_object_get(schema, other);
    decimal second = { 0 };
    *out = (decimal){ 0 };
    bool good = !plain || (json_is_number(plain) && read_decimal(plain, out));
    if (json_is_true(strict)) out->exclusive = true;
    else if (strict && !json_is_false(strict)) good = good && json_is_number(strict) && read_decimal(strict, &second);
    if (!good)
        return bp_schema_fail(s, BP_E_INVALID, plain ? keyword : other, "should be a number of at most %d digits",
                              MOST_DIGITS),
               false;
    second.exclusive = true;
    if (second.there && (!out->there || compare(&second, out) * side >= 0)) *out = second;
    return true;
}

static bool read_divisor(bp_schema *s, const json_t *schema, digits *g) {
    const json_t *value = json_object_get(schema, "multipleOf");
    enum { MOST = 4000 };
    decimal read;
    g->divisor = 1;
    if (!value) return true;
    if (!json_is_number(value) || json_number_value(value) <= 0 || !read_decimal(value, &read))
        return bp_schema_fail(s, BP_E_INVALID, "multipleOf", "should be a number above 0"), false;
    uint64_t divisor = 0;
    for (int i = 0; i < read.n_whole && divisor <= MOST; i++) divisor = divisor * 10 + (uint64_t)(read.whole[i] - '0');
    for (int i = 0; i < read.n_fraction && divisor <= MOST; i++)
        divisor = divisor * 10 + (uint64_t)(read.fraction[i] - '0');
    if (divisor > MOST || read.n_fraction > 6)
        return bp_schema_fail(s, BP_E_UNSUPPORTED, "multipleOf", "only up to %d, counted in its last digit", MOST),
               false;
    g->multiple = true;
    g->divisor = (uint32_t)divisor;
    g->places = read.n_fraction;
    return true;
}

static digits side(bp_schema *s, const digits *all, const decimal *low, const decimal *high) {
    digits g = *all;
    g.s = s;
    g.low = low;
    g.high = high && high->there ? high : NULL;
    g.number = (unsigned)s->r->n_rules;
    g.low_exclusive = low->exclusive;
    g.high_exclusive = g.high && high->exclusive;
    return g;
}

static uint32_t bounded(bp_schema *s, const decimal *low, const decimal *high, const digits *all) {
    decimal zero = { .there = true, .whole = "0", .n_whole = 1, .zero = true };
    decimal past_zero = zero;
    past_zero.exclusive = true;
    uint32_t whole = bp_expr_new(s->r, BP_X_CHOICE);
    if (!high->there || !high->negative) {
        bool from_zero = !low->there || low->negative;
        digits g = side(s, all, from_zero ? &zero : low, high);
        if (from_zero || !high->there || compare(low, high) <= 0) bp_expr_add(s->r, whole, magnitude(&g));
    }
    if (!low->there || low->negative) {
        digits g = side(s, all, high->there && high->negative ? high : &past_zero, low);
        bool some = !high->there || !high->negative || !low->there || compare(low, high) <= 0;
        if (some) bp_expr_add(s->r, whole, BP_SEQUENCE(s->r, bp_expr_text(s->r, "-"), magnitude(&g)));
    }
    return whole;
}

uint32_t bp_schema_number(bp_schema *s, const json_t *schema, bool integer) {
    decimal low, high;
    digits all = { .integer = integer };
    if (!read_bound(s, schema, "minimum", "exclusiveMinimum", 1, &low)) return 0;
    if (!read_bound(s, schema, "maximum", "exclusiveMaximum", -1, &high)) return 0;
    if (!read_divisor(s, schema, &all)) return 0;
    if (!low.there && !high.there && !all.multiple) return bp_schema_common(s, integer ? "integer" : "number");
    return bounded(s, &low, &high, &all);
}
