/* What many schemas share: any value, any string, any number; references; and simple checks of given values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_regex.h"
#include "core/text/grammar_schema.h"

/* A character of a string, escaped in any way that JSON has, surrogates in pairs only. */
static const char character[] =
    "[^\\x00-\\x1f\"\\\\]|\\\\[\"\\\\/bfnrt]|\\\\u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|"
    "[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2})";
static const char integer[] = "-?(?:0|[1-9][0-9]*)";
/* Exponents up to 307, so that no digit before them leaves the range of double precision. */
static const char number[] = "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][-+]?(?:[0-9]{1,2}|[12][0-9][0-9]|30[0-7]))?";

static uint32_t pattern(bp_schema *s, const char *text) {
    return bp_regex_read(s->r, text, strlen(text), BP_REGEX_WHOLE, "built-in pattern").expr;
}

static uint32_t any_string(bp_schema *s) {
    return BP_SEQUENCE(s->r, bp_expr_text(s->r, "\""),
                       bp_expr_repeat(s->r, bp_schema_common(s, "character"), 0, BP_REPEAT_NO_END),
                       bp_expr_text(s->r, "\""));
}

static uint32_t any_value(bp_schema *s) {
    json_t *object = json_pack("{s:b}", "additionalProperties", 1), *array = json_object();
    uint32_t made = BP_CHOICE(s->r, bp_schema_object(s, object), bp_schema_array(s, array),
                              bp_schema_common(s, "string"), bp_schema_common(s, "number"), bp_expr_text(s->r, "true"),
                              bp_expr_text(s->r, "false"), bp_expr_text(s->r, "null"));
    json_decref(object);
    json_decref(array);
    return made;
}

static uint32_t make_common(bp_schema *s, const char *name) {
    if (!strcmp(name, "character")) return pattern(s, character);
    if (!strcmp(name, "integer")) return pattern(s, integer);
    if (!strcmp(name, "number")) return pattern(s, number);
    return !strcmp(name, "string") ? any_string(s) : any_value(s);
}

uint32_t bp_schema_common(bp_schema *s, const char *name) {
    size_t known = s->r->n_rules;
    uint32_t rule = bp_rule_named(s->r, name, strlen(name));
    if (!s->r->status && s->r->n_rules > known) {
        uint32_t expr = make_common(s, name);
        if (!s->r->status) s->r->rules[rule].expr = expr;
    }
    return bp_expr_rule(s->r, rule);
}

/* One step of a JSON pointer (RFC 6901); percent escapes as in URIs. */
static bool next_token(const char **pointer, bp_text *token) {
    const char *p = *pointer + 1;
    for (; *p && *p != '/'; p++) {
        char c = *p;
        unsigned byte;
        if (c == '~' && (p[1] == '0' || p[1] == '1')) c = *++p == '0' ? '~' : '/';
        else if (c == '%' && p[1] && p[2] && sscanf(p + 1, "%2x", &byte) == 1) c = (char)byte, p += 2;
        bp_text_add(token, &c, 1);
    }
    *pointer = p;
    return !token->failed;
}

static const json_t *by_pointer(const json_t *at, const char *pointer) {
    while (at && *pointer == '/') {
        bp_text token = { 0 };
        next_token(&pointer, &token);
        const char *name = bp_text_get(&token);
        if (json_is_array(at)) {
            char *end;
            unsigned long index = strtoul(name, &end, 10);
            at = *name >= '0' && *name <= '9' && !*end ? json_array_get(at, index) : NULL;
        } else {
            at = json_object_get(at, name);
        }
        bp_text_free(&token);
    }
    return *pointer ? NULL : at;
}

static const json_t *by_anchor(bp_schema *s, const json_t *at, const char *name, int depth) {
    const json_t *found = NULL, *part;
    const char *key;
    size_t i;
    if (depth > BP_SCHEMA_MAX_DEPTH || !bp_schema_work(s, 1)) return NULL;
    if (json_is_array(at)) json_array_foreach(at, i, part) if (!found) found = by_anchor(s, part, name, depth + 1);
    if (!json_is_object(at)) return found;
    const char *anchor = json_string_value(json_object_get(at, "$anchor"));
    if (!anchor) anchor = json_string_value(json_object_get(at, "$dynamicAnchor"));
    if (anchor && !strcmp(anchor, name)) return at;
    json_object_foreach((json_t *)at, key, part) {
        bool values = !strcmp(key, "enum") && json_is_array(part); /* no schemas */
        if (!found && !values) found = by_anchor(s, part, name, depth + 1);
    }
    return found;
}

const json_t *bp_schema_target(bp_schema *s, const char *ref) {
    const char *id = json_string_value(json_object_get(s->root, "$id"));
    if (!bp_schema_work(s, 4)) return NULL;
    size_t n = id ? strcspn(id, "#") : 0;
    const char *local = n && !strncmp(ref, id, n) && (!ref[n] || ref[n] == '#') ? ref + n : ref;
    if (*local && *local != '#')
        return bp_schema_fail(s, BP_E_UNSUPPORTED, "$ref",
                              "'%.80s' is outside this schema: only references within it (#...) are followed", ref),
               NULL;
    if (*local) local++;
    const json_t *found = !*local || *local == '/' ? by_pointer(s->root, local) : by_anchor(s, s->root, local, 0);
    if (!found) bp_schema_fail(s, BP_E_INVALID, "$ref", "there is no '%.80s' in this schema", ref);
    return found;
}

static size_t characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((uint8_t)text[i] & 0xC0) != 0x80;
    return count;
}

static bool within(const json_t *schema, const char *least, const char *most, double value) {
    const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);
    return (!json_is_number(low) || value >= json_number_value(low)) &&
           (!json_is_number(high) || value <= json_number_value(high));
}

static bool number_fits(const json_t *schema, double value) {
    const json_t *low = json_object_get(schema, "exclusiveMinimum"),
                 *high = json_object_get(schema, "exclusiveMaximum");
    if (json_is_true(low)) low = json_object_get(schema, "minimum");
    if (json_is_true(high)) high = json_object_get(schema, "maximum");
    if (json_is_number(low) && value <= json_number_value(low)) return false;
    if (json_is_number(high) && value >= json_number_value(high)) return false;
    return within(schema, "minimum", "maximum", value);
}

static bool in_list(const json_t *list, const json_t *value) {
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item) if (json_equal(item, value)) return true;
    return false;
}

/* Keywords that limit a value of this kind and are not checked here. */
static bool has_more(const json_t *schema, int kind) {
    static const struct { int kind; const char *name;
    } more[] = {
        { BP_JSON_STRING, "pattern" },
        { BP_JSON_STRING, "format" },
        { BP_JSON_INTEGER | BP_JSON_NUMBER, "multipleOf" },
        { BP_JSON_ARRAY, "items" },
        { BP_JSON_ARRAY, "prefixItems" },
        { BP_JSON_ARRAY, "additionalItems" },
        { BP_JSON_ARRAY, "uniqueItems" },
        { BP_JSON_ARRAY, "contains" },
        { BP_JSON_ARRAY, "unevaluatedItems" },
        { BP_JSON_OBJECT, "properties" },
        { BP_JSON_OBJECT, "required" },
        { BP_JSON_OBJECT, "additionalProperties" },
        { BP_JSON_OBJECT, "patternProperties" },
        { BP_JSON_OBJECT, "propertyNames" },
        { BP_JSON_OBJECT, "dependencies" },
        { BP_JSON_OBJECT, "dependentRequired" },
        { BP_JSON_OBJECT, "dependentSchemas" },
        { BP_JSON_OBJECT, "unevaluatedProperties" },
        { BP_JSON_ALL | BP_JSON_INTEGER, "if" },
    };
    for (size_t i = 0; i < BP_COUNT(more); i++)
        if (more[i].kind & kind && json_object_get(schema, more[i].name)) return true;
    return false;
}

bool bp_schema_allows(bp_schema *s, const json_t *schema, const json_t *value, bool *sure) {
    int kind = bp_json_kind_of(value);
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    int kinds = json_object_get(schema, "type") ? bp_schema_kinds(s, schema) : BP_JSON_ALL;
    if (kinds & BP_JSON_NUMBER) kinds |= BP_JSON_INTEGER;
    if (!(kinds & kind) || (only && !json_equal(only, value)) || (list && !in_list(list, value))) return false;
    const json_t *no = json_object_get(schema, "not");
    if (bp_schema_only_values(no) && in_list(json_object_get(no, "enum"), value)) return false;
    if (has_more(schema, kind) || (no && !bp_schema_only_values(no))) *sure = false;
    if (kind & (BP_JSON_INTEGER | BP_JSON_NUMBER)) return number_fits(schema, json_number_value(value));
    if (kind == BP_JSON_STRING)
        return within(schema, "minLength", "maxLength",
                      (double)characters(json_string_value(value), json_string_length(value)));
    if (kind == BP_JSON_ARRAY) return within(schema, "minItems", "maxItems", (double)json_array_size(value));
    if (kind == BP_JSON_OBJECT)
        return within(schema, "minProperties", "maxProperties", (double)json_object_size(value));
    return true;
}
