/* Objects: properties in the order given, then properties of a pattern or additional ones. A rule for each place in
 * that order and each number of properties so far, as far as it matters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/size.h"
#include "core/text/grammar_regex.h"
#include "core/text/grammar_schema.h"

typedef struct property {
    const char *name;
    const json_t *schema;
    const char *keyword; /* where the schema stands: keyword/name, or keyword alone */
    bool required;
} property;

typedef struct object {
    bp_schema *s;
    const json_t *schema;
    property *properties;
    size_t n, room;
    const json_t *more; /* additional properties; NULL: none */
    const char *pattern; /* of the names of `more`; NULL: any but those of properties */
    const char *more_keyword;
    uint32_t least, most; /* properties */
    uint32_t n_counts;    /* numbers of properties that are told apart: 0 to n_counts - 1, the last is "and more" */
    uint32_t member, first_rule;
} object;

static void add_property(object *o, property made) {
    void *all = o->properties;
    bool grown = bp_grow(&all, &o->room, o->n + 1, sizeof *o->properties);
    o->properties = all;
    if (grown) o->properties[o->n++] = made;
    else bp_schema_fail(o->s, BP_E_NO_MEMORY, NULL, "out of memory");
}

/* Names that are required and not in properties are such with the schema for additional ones. */
static void add_required(object *o, const json_t *required, const json_t *others) {
    const json_t *item;
    size_t i;
    bp_map known = { 0 };
    for (size_t k = 0; k < o->n; k++)
        bp_map_add(&known, o->properties[k].name, strlen(o->properties[k].name), (uint32_t)k);
    json_array_foreach(required, i, item) {
        const char *name = json_string_value(item);
        uint32_t at = (uint32_t)o->n;
        if (!name) bp_schema_fail(o->s, BP_E_INVALID, "required", "should be an array of names");
        if (!name || o->s->r->status) break;
        if (bp_map_add(&known, name, strlen(name), at) == BP_MAP_THERE) bp_map_find(&known, name, strlen(name), &at);
        else add_property(o, (property){ name, others, o->more_keyword, false });
        if (!o->s->r->status) o->properties[at].required = true;
    }
    bp_map_free(&known);
}

static void read_patterns(object *o, const json_t *patterns, const json_t *additional) {
    bp_schema *s = o->s;
    if (!json_object_size(patterns)) return;
    if (json_object_size(patterns) > 1)
        bp_schema_fail(s, BP_E_UNSUPPORTED, "patternProperties", "more than one pattern: a name might fit several");
    else if (additional && !json_is_false(additional))
        bp_schema_fail(s, BP_E_UNSUPPORTED, "additionalProperties", "beside patternProperties it can only be false");
    else if (o->n)
        bp_schema_fail(s, BP_E_UNSUPPORTED, "patternProperties", "beside properties: a name might fit both");
    else if (json_object_get(o->schema, "required") || json_object_get(o->schema, "propertyNames"))
        bp_schema_fail(s, BP_E_UNSUPPORTED, "patternProperties", "beside required or propertyNames");
    o->pattern = json_object_iter_key(json_object_iter((json_t *)patterns));
    o->more = json_object_iter_value(json_object_iter((json_t *)patterns));
    o->more_keyword = "patternProperties";
}

static void read_object(object *o, const json_t *any) {
    bp_schema *s = o->s;
    const json_t *properties = json_object_get(o->schema, "properties"), *value;
    const json_t *additional = json_object_get(o->schema, "additionalProperties");
    const json_t *patterns = json_object_get(o->schema, "patternProperties");
    const char *name;
    json_object_foreach((json_t *)properties, name, value)
        add_property(o, (property){ name, value, "properties", false });
    if (properties && !json_is_object(properties)) bp_schema_fail(s, BP_E_INVALID, "properties", "should be an object");
    if (patterns && !json_is_object(patterns))
        bp_schema_fail(s, BP_E_INVALID, "patternProperties", "should be an object");
    o->more = additional ? additional : properties || patterns ? NULL : any;
    o->more_keyword = "additionalProperties";
    if (json_is_false(o->more)) o->more = NULL;
    read_patterns(o, patterns, additional);
    add_required(o, json_object_get(o->schema, "required"), additional ? additional : any);
    o->least = bp_schema_count(s, o->schema, "minProperties", 0);
    o->most = bp_schema_count(s, o->schema, "maxProperties", BP_REPEAT_NO_END);
}

/* The names that additional properties may have: strings that are none of names[0, n), sorted, which agree in their
 * first `at` bytes; those bytes are written already. */
static uint32_t other_names(bp_schema *s, const char **names, size_t n, size_t at) {
    bp_rules *r = s->r;
    bool ends = n && !names[0][at];
    uint32_t whole = bp_expr_new(r, BP_X_CHOICE), tail;
    if (ends) names++, n--;
    else bp_expr_add(r, whole, bp_expr_text(r, "\""));
    bp_range *first = bp_new_array(n + 1, sizeof *first);
    size_t n_first = 0;
    for (size_t i = 0, end; first && i < n && !r->status; i = end) {
        size_t length = (size_t)BP_MAX(bp_utf8_length(names[i] + at, strlen(names[i] + at)), 1);
        for (end = i + 1; end < n && !strncmp(names[end] + at, names[i] + at, length); end++) {}
        uint32_t c = (uint8_t)names[i][at] & (length == 1 ? 0x7Fu : length == 2 ? 0x1Fu : length == 3 ? 0x0Fu : 0x07u);
        for (size_t k = 1; k < length; k++) c = c << 6 | ((uint8_t)names[i][at + k] & 0x3Fu);
        first[n_first++] = (bp_range){ c, c };
        uint32_t rule = bp_rule_new(r, "other name");
        uint32_t below = other_names(s, names + i, end - i, at + length);
        if (!r->status) r->rules[rule].expr = below;
        bp_expr_add(r, whole, BP_SEQUENCE(r, bp_json_literal(r, names[i] + at, length), bp_expr_rule(r, rule)));
    }
    tail = bp_expr_repeat(r, bp_schema_common(s, "character"), 0, BP_REPEAT_NO_END);
    bp_expr_add(r, whole, BP_SEQUENCE(r, bp_json_class(r, first, n_first, true), tail, bp_expr_text(r, "\"")));
    free(first);
    return whole;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

uint32_t bp_schema_other_strings(bp_schema *s, const char **texts, size_t n) {
    enum { LONGEST = 256 /* bytes: bounds the depth */ };
    size_t kept = 0;
    qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 0; i < n; i++) {
        if (strlen(texts[i]) > LONGEST)
            return bp_schema_fail(s, BP_E_UNSUPPORTED, "not", "a text of more than %d bytes", LONGEST);
        if (!i || strcmp(texts[i], texts[i - 1])) texts[kept++] = texts[i];
    }
    return BP_SEQUENCE(s->r, bp_expr_text(s->r, "\""), other_names(s, texts, kept, 0));
}

static uint32_t additional_name(object *o) {
    enum { LONGEST = 256 /* bytes of a property's name where additional ones are allowed: bounds the depth */ };
    bp_schema *s = o->s;
    const json_t *limits = json_object_get(o->schema, "propertyNames");
    if (o->pattern) {
        bp_regex regex =
            bp_regex_read(s->r, o->pattern, strlen(o->pattern), BP_REGEX_JSON, "pattern of patternProperties");
        return BP_SEQUENCE(s->r, bp_expr_text(s->r, "\""), regex.expr, bp_expr_text(s->r, "\""));
    }
    if (limits && !json_is_true(limits)) {
        if (o->n) return bp_schema_fail(s, BP_E_UNSUPPORTED, "propertyNames", "beside properties and required");
        json_t *text = json_pack("{s:s}", "type", "string"), *both = text ? bp_schema_merge(s, text, limits) : NULL;
        uint32_t made = both ? bp_schema_part(s, both, "propertyNames", NULL) : 0;
        json_decref(text);
        json_decref(both);
        return made;
    }
    if (!o->n) return bp_schema_common(s, "string");
    const char **names = bp_new_array(o->n, sizeof *names);
    for (size_t i = 0; names && i < o->n; i++) {
        names[i] = o->properties[i].name;
        if (strlen(names[i]) > LONGEST)
            bp_schema_fail(s, BP_E_UNSUPPORTED, "properties",
                           "a name of more than %d bytes beside additional properties", LONGEST);
    }
    if (!names || s->r->status) return free(names), 0;
    qsort(names, o->n, sizeof *names, by_text);
    uint32_t made = BP_SEQUENCE(s->r, bp_expr_text(s->r, "\""), other_names(s, names, o->n, 0));
    free(names);
    return made;
}

/* "name": value. */
static uint32_t member(object *o, uint32_t name, const json_t *schema, const char *keyword, const char *below) {
    bp_schema *s = o->s;
    uint32_t colon = BP_SEQUENCE(s->r, bp_schema_space(s), bp_schema_token(s, ":"));
    uint32_t value = bp_schema_part(s, schema, keyword, below);
    return BP_SEQUENCE(s->r, name, colon, value, bp_schema_space(s));
}

static uint32_t less(uint32_t count, uint32_t n) {
    return count == BP_REPEAT_NO_END ? count : count > n ? count - n : 0;
}

/* Additional properties after `count` others. Their names may repeat, so that only one more is sure to be new. */
static uint32_t more(object *o, uint32_t count) {
    bp_rules *r = o->s->r;
    uint32_t least = less(o->least, count), most = less(o->most, count);
    if (!o->more || !most) return bp_expr_new(r, least ? BP_X_CHOICE : BP_X_SEQUENCE);
    if (least > 1) return bp_expr_new(r, BP_X_CHOICE);
    uint32_t next = BP_SEQUENCE(r, bp_schema_token(o->s, ","), bp_expr_rule(r, o->member));
    if (count) return bp_expr_repeat(r, next, least, most);
    uint32_t all = BP_SEQUENCE(r, bp_expr_rule(r, o->member), bp_expr_repeat(r, next, less(least, 1), less(most, 1)));
    return least ? all : bp_expr_repeat(r, all, 0, 1);
}

static uint32_t state(const object *o, size_t at, uint32_t count) {
    return o->first_rule + (uint32_t)at * o->n_counts + BP_MIN(count, o->n_counts - 1);
}

/* What may follow where `count` properties came and the one at `at` is next. kv: the rule of its member. */
static uint32_t from_state(object *o, size_t at, uint32_t count, uint32_t kv) {
    bp_rules *r = o->s->r;
    uint32_t next = bp_expr_rule(r, state(o, at + 1, count + 1)), whole = bp_expr_new(r, BP_X_CHOICE);
    if (count < o->most) {
        uint32_t one = bp_expr_rule(r, kv);
        bp_expr_add(r, whole,
                    count ? BP_SEQUENCE(r, bp_schema_token(o->s, ","), one, next) : BP_SEQUENCE(r, one, next));
    }
    if (!o->properties[at].required) bp_expr_add(r, whole, bp_expr_rule(r, state(o, at + 1, count)));
    return whole;
}

static uint32_t member_rule(object *o, const property *p) {
    bp_rules *r = o->s->r;
    uint32_t rule = bp_rule_new(r, "property");
    uint32_t name =
        BP_SEQUENCE(r, bp_expr_text(r, "\""), bp_json_literal(r, p->name, strlen(p->name)), bp_expr_text(r, "\""));
    uint32_t expr = member(o, name, p->schema, p->keyword, strcmp(p->keyword, "properties") ? NULL : p->name);
    if (!r->status) r->rules[rule].expr = expr;
    return rule;
}

static uint32_t members(object *o) {
    bp_rules *r = o->s->r;
    o->n_counts =
        o->most != BP_REPEAT_NO_END ? (uint32_t)BP_MIN(o->most, o->n) + 1 : (uint32_t)BP_MIN(o->least, o->n) + 1;
    o->n_counts = BP_MAX(o->n_counts, 2);
    if ((o->n + 1) * o->n_counts > BP_SCHEMA_MAX_STATES)
        return bp_schema_fail(o->s, BP_E_UNSUPPORTED, NULL,
                              "too many properties for minProperties or maxProperties as large");
    o->first_rule = bp_rule_new(r, "object");
    for (size_t i = 1; i < (o->n + 1) * o->n_counts; i++) bp_rule_new(r, "object");
    for (size_t at = 0; at <= o->n && !r->status; at++) {
        uint32_t kv = at < o->n ? member_rule(o, &o->properties[at]) : 0;
        for (uint32_t count = 0; count < o->n_counts && !r->status; count++) {
            uint32_t expr = at < o->n ? from_state(o, at, count, kv) : more(o, count);
            if (!r->status) r->rules[state(o, at, count)].expr = expr;
        }
    }
    return bp_expr_rule(r, o->first_rule);
}

uint32_t bp_schema_object(bp_schema *s, const json_t *schema) {
    object o = { .s = s, .schema = schema };
    read_object(&o, json_true());
    if (o.more && o.least > o.n + 1)
        bp_schema_fail(s, BP_E_UNSUPPORTED, "minProperties",
                       "a grammar cannot keep the names of additional properties apart");
    if (!s->r->status && o.more && o.most) {
        o.member = bp_rule_new(s->r, "additional property");
        uint32_t expr = member(&o, additional_name(&o), o.more, o.more_keyword, o.pattern);
        if (!s->r->status) s->r->rules[o.member].expr = expr;
    }
    uint32_t inside = s->r->status ? 0 : members(&o);
    free(o.properties);
    return BP_SEQUENCE(s->r, bp_schema_token(s, "{"), inside, bp_expr_text(s->r, "}"));
}
