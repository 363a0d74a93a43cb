/* Arrays: prefixItems and items (or, as older drafts say it, items and additionalItems), minItems, maxItems. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_schema.h"

typedef struct array {
    bp_schema *s;
    const json_t *prefix; /* NULL: none */
    const json_t *rest;   /* NULL: none may follow the prefix */
    const char *prefix_name, *rest_name;
    uint32_t least, most;
} array;

static uint32_t element(array *a, const json_t *schema, const char *keyword, const char *name, bool comma) {
    bp_schema *s = a->s;
    uint32_t value = bp_schema_part(s, schema, keyword, name);
    if (!comma) return BP_SEQUENCE(s->r, value, bp_schema_space(s));
    return BP_SEQUENCE(s->r, bp_schema_token(s, ","), value, bp_schema_space(s));
}

static uint32_t less(uint32_t count, uint32_t n) {
    return count == BP_REPEAT_NO_END ? count : count > n ? count - n : 0;
}

/* The elements after the prefix; comma: some came before. */
static uint32_t rest(array *a, uint32_t before) {
    bp_rules *r = a->s->r;
    uint32_t least = less(a->least, before), most = less(a->most, before);
    if (!a->rest || !most) return bp_expr_new(r, least ? BP_X_CHOICE : BP_X_SEQUENCE);
    uint32_t rule = bp_rule_new(r, "array item");
    uint32_t value = element(a, a->rest, a->rest_name, NULL, false);
    if (r->status) return 0;
    r->rules[rule].expr = value;
    uint32_t next = BP_SEQUENCE(r, bp_schema_token(a->s, ","), bp_expr_rule(r, rule));
    if (before) return bp_expr_repeat(r, next, least, most);
    uint32_t all = BP_SEQUENCE(r, bp_expr_rule(r, rule), bp_expr_repeat(r, next, less(least, 1), less(most, 1)));
    return least ? all : bp_expr_repeat(r, all, 0, 1);
}

/* From the last element of the prefix to the first: what may follow each. */
static uint32_t elements(array *a) {
    bp_rules *r = a->s->r;
    uint32_t n = (uint32_t)BP_MIN(json_array_size(a->prefix), (size_t)BP_SCHEMA_MAX_STATES);
    if (n > a->most) n = a->most;
    uint32_t after = rest(a, n);
    for (uint32_t i = n; i-- > 0 && !r->status;) {
        char number[24];
        snprintf(number, sizeof number, "%u", i);
        /* a rule each, so that prefixes of any length are not nested */
        uint32_t rule = bp_rule_new(r, "array element");
        uint32_t expr = BP_SEQUENCE(r, element(a, json_array_get(a->prefix, i), a->prefix_name, number, i > 0), after);
        if (i >= a->least) expr = bp_expr_repeat(r, expr, 0, 1);
        if (!r->status) r->rules[rule].expr = expr;
        after = bp_expr_rule(r, rule);
    }
    return after;
}

static void read_items(array *a, const json_t *schema, const json_t *any) {
    const json_t *items = json_object_get(schema, "items"), *prefix = json_object_get(schema, "prefixItems");
    *a = (array){ .s = a->s, .prefix = prefix, .rest = items, .prefix_name = "prefixItems", .rest_name = "items" };
    if (json_is_array(items)) {
        a->prefix = items;
        a->prefix_name = "items";
        a->rest = json_object_get(schema, "additionalItems");
        a->rest_name = "additionalItems";
    }
    if (!a->rest && !a->prefix) a->rest = any;
    if (json_is_false(a->rest)) a->rest = NULL;
    if (a->prefix && !json_is_array(a->prefix))
        bp_schema_fail(a->s, BP_E_INVALID, "prefixItems", "should be an array of schemas");
}

/* ---- uniqueItems: of a list of values, each at most once, in the order of the list ---- */

static bool plain_value(const json_t *value) {
    return json_is_string(value) || json_is_integer(value) || json_is_boolean(value) || json_is_null(value);
}

/* The values that the items may have: a new array; NULL: they are not listed. */
static json_t *item_values(bp_schema *s, const json_t *items) {
    enum { MOST = 64 };
    const json_t *only = json_object_get(items, "const"), *list = json_object_get(items, "enum"), *value;
    const char *type = json_string_value(json_object_get(items, "type"));
    json_t *given = only ? json_pack("[O]", only) : json_is_array(list) ? json_incref((json_t *)list) : NULL;
    json_t *out = json_array();
    bool sure = true;
    size_t i, k;
    if (!given && type && !strcmp(type, "boolean")) given = json_pack("[b, b]", 0, 1);
    json_array_foreach(given, i, value) {
        bool there = !bp_schema_allows(s, items, value, &sure);
        for (k = 0; k < json_array_size(out); k++) there = there || json_equal(json_array_get(out, k), value);
        sure = sure && plain_value(value);
        if (!there) json_array_append(out, (json_t *)value);
    }
    bool good = given && sure && json_array_size(out) <= MOST;
    json_decref(given);
    if (good) return out;
    json_decref(out);
    return NULL;
}

static uint32_t constant(bp_schema *s, const json_t *value) {
    json_t *schema = json_pack("{s:O}", "const", value);
    uint32_t made = bp_schema_value(s, schema);
    json_decref(schema);
    return made;
}

/* A rule for each value that is next and each number of values so far. */
static uint32_t unique(array *a, const json_t *values) {
    bp_rules *r = a->s->r;
    uint32_t n = (uint32_t)json_array_size(values), first = bp_rule_new(r, "unique items");
    for (uint32_t i = 1; i < (n + 1) * (n + 1); i++) bp_rule_new(r, "unique items");
    for (uint32_t at = 0; at <= n && !r->status; at++) {
        for (uint32_t count = 0; count <= n && !r->status; count++) {
            uint32_t expr = bp_expr_new(r, BP_X_CHOICE);
            r->rules[first + at * (n + 1) + count].expr = expr;
            if (count > at) continue; /* never reached */
            if (at == n && count >= a->least) bp_expr_add(r, expr, bp_expr_new(r, BP_X_SEQUENCE));
            if (at < n) bp_expr_add(r, expr, bp_expr_rule(r, first + (at + 1) * (n + 1) + count));
            if (at < n && count < a->most) {
                uint32_t comma = count ? bp_schema_token(a->s, ",") : bp_expr_new(r, BP_X_SEQUENCE);
                uint32_t value = constant(a->s, json_array_get(values, at));
                bp_expr_add(r, expr, BP_SEQUENCE(r, comma, value, bp_schema_space(a->s),
                                                 bp_expr_rule(r, first + (at + 1) * (n + 1) + count + 1)));
            }
        }
    }
    return bp_expr_rule(r, first);
}

static uint32_t unique_items(array *a) {
    bp_schema *s = a->s;
    json_t *values = a->prefix ? NULL : item_values(s, a->rest);
    if (!values)
        return bp_schema_fail(s, BP_E_UNSUPPORTED, "uniqueItems",
                              "a grammar cannot compare items with each other: let items list its values (enum)");
    uint32_t made = unique(a, values);
    json_decref(values);
    return BP_SEQUENCE(s->r, bp_schema_token(s, "["), made, bp_expr_text(s->r, "]"));
}

uint32_t bp_schema_array(bp_schema *s, const json_t *schema) {
    array a = { .s = s };
    json_t *any = json_true();
    read_items(&a, schema, any);
    a.least = bp_schema_count(s, schema, "minItems", 0);
    a.most = bp_schema_count(s, schema, "maxItems", BP_REPEAT_NO_END);
    if (s->r->status) return 0;
    if (a.most < a.least) return bp_expr_new(s->r, BP_X_CHOICE);
    if (json_is_true(json_object_get(schema, "uniqueItems")) && a.most > 1) return unique_items(&a);
    return BP_SEQUENCE(s->r, bp_schema_token(s, "["), elements(&a), bp_expr_text(s->r, "]"));
}
