#include "core/text/grammar_expr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

void bp_rules_free(bp_rules *r) {
    bp_arena_free(&r->arena);
    bp_map_free(&r->names);
    free(r->exprs);
    free(r->rules);
    *r = (bp_rules){ 0 };
}

uint32_t bp_rules_fail(bp_rules *r, bp_status status, const char *format, ...) {
    if (r->status) return 0;
    char text[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->error = (bp_error)BP_ERROR_INIT;
    r->status = bp_fail(&r->error, status, "%s", text);
    return 0;
}

static uint32_t no_memory(bp_rules *r) { return bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory"); }

static uint32_t add_rule(bp_rules *r, const char *name) {
    if (r->n_rules >= BP_EXPR_MAX)
        return bp_rules_fail(r, BP_E_REFUSED, "the grammar is too large: more than %d rules", BP_EXPR_MAX);
    void *rules = r->rules;
    bool grown = name && bp_grow(&rules, &r->room_rules, r->n_rules + 1, sizeof *r->rules);
    r->rules = rules;
    if (!grown) return no_memory(r);
    r->rules[r->n_rules] = (bp_rule){ .name = name };
    return (uint32_t)r->n_rules++;
}

uint32_t bp_rule_new(bp_rules *r, const char *name) {
    return r->status ? 0 : add_rule(r, bp_arena_text(&r->arena, name, strlen(name)));
}

uint32_t bp_rule_named(bp_rules *r, const char *name, size_t n) {
    uint32_t rule = 0;
    if (r->status || bp_map_find(&r->names, name, n, &rule)) return rule;
    const char *copy = bp_arena_text(&r->arena, name, n);
    rule = add_rule(r, copy);
    if (!r->status && bp_map_add(&r->names, copy, n, rule) == BP_MAP_NO_MEMORY) return no_memory(r);
    return rule;
}

static uint32_t make(bp_rules *r, bp_expr made) {
    if (r->status) return 0;
    if (r->n_exprs >= BP_EXPR_MAX)
        return bp_rules_fail(r, BP_E_REFUSED, "the grammar is too large: more than %d parts", BP_EXPR_MAX);
    void *exprs = r->exprs;
    bool grown = bp_grow(&exprs, &r->room_exprs, r->n_exprs + 2, sizeof *r->exprs);
    r->exprs = exprs;
    if (!grown) return no_memory(r);
    if (!r->n_exprs) r->exprs[r->n_exprs++] = (bp_expr){ 0 };
    made.depth = 1;
    r->exprs[r->n_exprs] = made;
    return (uint32_t)r->n_exprs++;
}

uint32_t bp_expr_new(bp_rules *r, enum bp_expr_kind kind) { return make(r, (bp_expr){ .kind = (uint8_t)kind }); }

void bp_expr_add(bp_rules *r, uint32_t whole, uint32_t part) {
    if (r->status) return;
    bp_expr *w = &r->exprs[whole], *p = &r->exprs[part];
    if (p->depth >= BP_EXPR_MAX_DEPTH) {
        bp_rules_fail(r, BP_E_REFUSED, "the grammar is nested too deep: more than %d levels", BP_EXPR_MAX_DEPTH);
        return;
    }
    w->depth = BP_MAX(w->depth, (uint16_t)(p->depth + 1));
    p->parent = whole;
    if (w->last) r->exprs[w->last].next = part;
    else w->first = part;
    w->last = part;
}

uint32_t bp_expr_literal(bp_rules *r, const char *bytes, size_t n) {
    const char *copy = r->status ? NULL : bp_arena_text(&r->arena, bytes, n);
    if (!copy) return no_memory(r);
    return make(r, (bp_expr){ .kind = BP_X_LITERAL, .n = (uint32_t)n, .data = copy });
}

uint32_t bp_expr_text(bp_rules *r, const char *terminated) {
    return bp_expr_literal(r, terminated, strlen(terminated));
}

static int by_first(const void *a, const void *b) {
    const bp_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

static size_t turn_round(const bp_range *in, size_t n, bp_range *out) {
    size_t made = 0;
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i].first > next) out[made++] = (bp_range){ next, in[i].first - 1 };
        next = in[i].last + 1;
    }
    if (next <= BP_CODE_POINT_MAX) out[made++] = (bp_range){ next, BP_CODE_POINT_MAX };
    return made;
}

static size_t join(bp_range *ranges, size_t n) {
    size_t made = 0;
    if (n) qsort(ranges, n, sizeof *ranges, by_first);
    for (size_t i = 0; i < n; i++) {
        if (made && ranges[i].first <= ranges[made - 1].last + 1)
            ranges[made - 1].last = BP_MAX(ranges[made - 1].last, ranges[i].last);
        else ranges[made++] = ranges[i];
    }
    return made;
}

static size_t without_surrogates(bp_range *ranges, size_t n) {
    enum { FIRST = 0xD800, LAST = 0xDFFF };
    size_t made = 0;
    bp_range high = { 1, 0 };
    for (size_t i = 0; i < n; i++) {
        bp_range range = ranges[i];
        if (range.last < FIRST || range.first > LAST) {
            if (high.first <= high.last) ranges[made++] = high, high = (bp_range){ 1, 0 };
            ranges[made++] = range;
            continue;
        }
        if (range.last > LAST) high = (bp_range){ LAST + 1, range.last };
        if (range.first < FIRST) ranges[made++] = (bp_range){ range.first, FIRST - 1 };
        else if (range.last > LAST) ranges[made++] = high, high = (bp_range){ 1, 0 };
    }
    if (high.first <= high.last) ranges[made++] = high;
    return made;
}

size_t bp_ranges_tidy(bp_range *ranges, size_t n, bool negated, bp_range *out) {
    n = join(ranges, n);
    if (negated) n = turn_round(ranges, n, out);
    else if (n) memcpy(out, ranges, n * sizeof *out);
    return without_surrogates(out, n);
}

uint32_t bp_expr_class(bp_rules *r, const bp_range *ranges, size_t n, bool negated) {
    if (r->status) return 0;
    bp_range *copy = bp_arena_alloc(&r->arena, n * sizeof *copy);
    bp_range *tidy = bp_arena_alloc(&r->arena, (n + 2) * sizeof *tidy);
    if (!copy || !tidy) return no_memory(r);
    if (n) memcpy(copy, ranges, n * sizeof *copy);
    n = bp_ranges_tidy(copy, n, negated, tidy);
    return make(r, (bp_expr){ .kind = BP_X_CLASS, .n = (uint32_t)n, .data = tidy });
}

uint32_t bp_expr_repeat(bp_rules *r, uint32_t part, uint32_t at_least, uint32_t at_most) {
    uint32_t whole = make(r, (bp_expr){ .kind = BP_X_REPEAT, .at_least = at_least, .at_most = at_most });
    bp_expr_add(r, whole, part);
    return whole;
}

uint32_t bp_expr_rule(bp_rules *r, uint32_t rule) {
    if (r->status) return 0;
    uint32_t made = make(r, (bp_expr){ .kind = BP_X_RULE, .n = rule, .same = r->rules[rule].references });
    if (made) r->rules[rule].references = made;
    return made;
}

uint32_t bp_expr_token(bp_rules *r, uint32_t id, bool negated) {
    return make(r, (bp_expr){ .kind = BP_X_TOKEN, .n = id, .negated = negated });
}

uint32_t bp_expr_list(bp_rules *r, enum bp_expr_kind kind, const uint32_t *parts, size_t n) {
    uint32_t whole = bp_expr_new(r, kind);
    for (size_t i = 0; i < n; i++) bp_expr_add(r, whole, parts[i]);
    return whole;
}
