/* Keywords that have no form in a grammar of their own, said by others. What is made allows the same values or fewer:
 * `contains` asks for the first items, `if` becomes a choice between it with `then` and its opposite with `else`. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_schema.h"

enum { MOST_CONTAINED = 256 };

static json_t *negated(bp_schema *s, const json_t *schema);

static bool has_one(const json_t *schema, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (json_object_get(schema, names[i])) return true;
    return false;
}

/* Keywords whose schemas speak of the same value. */
static bool in_place(const json_t *schema) {
    static const char *const names[] = { "$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf" };
    return has_one(schema, names, BP_COUNT(names));
}

/* out and part both hold; takes part. */
static void also(json_t *out, json_t *part) {
    json_t *list = json_copy(json_object_get(out, "allOf"));
    if (!list) list = json_array();
    json_array_append_new(list, part);
    json_object_set_new(out, "allOf", list);
}

bool bp_schema_only_values(const json_t *schema) {
    bool values = json_object_get(schema, "enum") || json_object_get(schema, "const");
    return values && (bp_schema_only(schema, "enum") || bp_schema_only(schema, "const"));
}

/* The values that a schema names: a new array. */
static json_t *values_of(const json_t *schema) {
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    if (only) return json_pack("[O]", only);
    return json_is_array(list) ? json_copy((json_t *)list) : json_array();
}

/* ---- opposites; NULL: none can be said ---- */

static json_t *other_types(bp_schema *s, const json_t *type) {
    static const char *const names[] = { "null", "boolean", "integer", "number", "string", "array", "object" };
    json_t *schema = json_pack("{s:O}", "type", type), *list = json_array();
    int kinds = bp_schema_kinds(s, schema);
    if (kinds & (BP_JSON_INTEGER | BP_JSON_NUMBER)) kinds |= BP_JSON_INTEGER | BP_JSON_NUMBER;
    for (size_t i = 0; i < BP_COUNT(names); i++)
        if (!(kinds >> i & 1)) json_array_append_new(list, json_string(names[i]));
    json_decref(schema);
    return json_pack("{s:o}", "type", list);
}

static json_t *without_one(const json_t *required) {
    json_t *branches = json_array();
    const json_t *name;
    size_t i;
    json_array_foreach(required, i, name) json_array_append_new(
        branches, json_pack("{s:s, s:{s:b}}", "type", "object", "properties", json_string_value(name), 0));
    return json_pack("{s:o}", "anyOf", branches);
}

/* unevaluated… must not take a property for evaluated that only an opposite names: then there is none. */
static json_t *with_another(bp_schema *s, const json_t *properties) {
    if (s->late) return NULL;
    json_t *branches = json_array();
    const json_t *value;
    const char *name;
    json_object_foreach((json_t *)properties, name, value) {
        json_t *other = negated(s, value);
        if (!other) return json_decref(branches), NULL;
        json_array_append_new(branches, json_pack("{s:s, s:[s], s:{s:o}}", "type", "object", "required", name,
                                                  "properties", name, other));
    }
    return json_pack("{s:o}", "anyOf", branches);
}

static json_t *beyond_bound(const char *name, const json_t *value) {
    static const struct { const char *name, *other, *type; int step; } bounds[] = {
        { "minimum", "exclusiveMaximum", "number", 0 }, { "exclusiveMinimum", "maximum", "number", 0 },
        { "maximum", "exclusiveMinimum", "number", 0 }, { "exclusiveMaximum", "minimum", "number", 0 },
        { "minLength", "maxLength", "string", -1 },     { "maxLength", "minLength", "string", 1 },
        { "minItems", "maxItems", "array", -1 },        { "maxItems", "minItems", "array", 1 },
        { "minProperties", "maxProperties", "object", -1 }, { "maxProperties", "minProperties", "object", 1 },
    };
    for (size_t i = 0; i < BP_COUNT(bounds) && json_is_number(value); i++) {
        if (strcmp(name, bounds[i].name)) continue;
        if (!bounds[i].step) return json_pack("{s:s, s:O}", "type", bounds[i].type, bounds[i].other, value);
        json_int_t count = (json_int_t)json_number_value(value) + bounds[i].step;
        if (count < 0) return json_false();
        return json_pack("{s:s, s:I}", "type", bounds[i].type, bounds[i].other, count);
    }
    return NULL;
}

static json_t *each_negated(bp_schema *s, const json_t *list, const char *joined) {
    json_t *out = json_array();
    const json_t *part;
    size_t i;
    json_array_foreach(list, i, part) {
        json_t *other = negated(s, part);
        if (!other) return json_decref(out), NULL;
        json_array_append_new(out, other);
    }
    return json_pack("{s:o}", joined, out);
}

static json_t *keyword_negated(bp_schema *s, const char *name, const json_t *value) {
    if (!strcmp(name, "type")) return other_types(s, value);
    if (!strcmp(name, "required")) return without_one(value);
    if (!strcmp(name, "properties")) return with_another(s, value);
    if (!strcmp(name, "const")) return json_pack("{s:{s:[O]}}", "not", "enum", value);
    if (!strcmp(name, "enum")) return json_pack("{s:{s:O}}", "not", "enum", value);
    if (!strcmp(name, "not")) return s->late ? NULL : json_incref((json_t *)value);
    if (!strcmp(name, "anyOf")) return each_negated(s, value, "allOf");
    if (!strcmp(name, "allOf")) return each_negated(s, value, "anyOf");
    return beyond_bound(name, value);
}

static json_t *negated(bp_schema *s, const json_t *schema) {
    if (json_is_boolean(schema)) return json_boolean(json_is_false(schema));
    if (!json_is_object(schema) || s->depth >= BP_SCHEMA_MAX_DEPTH || !bp_schema_work(s, 1)) return NULL;
    json_t *branches = json_array();
    const json_t *value;
    const char *name;
    bool good = true;
    s->depth++;
    json_object_foreach((json_t *)schema, name, value) {
        if (bp_schema_is_note(name) || !good) continue;
        json_t *other = keyword_negated(s, name, value);
        good = other && !json_array_append_new(branches, other);
    }
    s->depth--;
    if (!good) return json_decref(branches), NULL;
    if (json_array_size(branches)) return json_pack("{s:o}", "anyOf", branches);
    json_decref(branches);
    return json_false();
}

/* ---- the keywords ---- */

static void replace_not(bp_schema *s, json_t *out) {
    const json_t *no = json_object_get(out, "not");
    if (bp_schema_only_values(no)) {
        if (json_object_get(no, "const")) json_object_set_new(out, "not", json_pack("{s:o}", "enum", values_of(no)));
        return;
    }
    json_t *other = negated(s, no);
    if (other) also(out, other);
    else bp_schema_fail(s, BP_E_UNSUPPORTED, "not", "a grammar cannot hold to the opposite of this schema");
    json_object_del(out, "not");
}

static void replace_if(bp_schema *s, json_t *out) {
    const json_t *test = json_object_get(out, "if"), *then = json_object_get(out, "then"),
                 *otherwise = json_object_get(out, "else");
    if (then || otherwise) {
        json_t *other = negated(s, test), *yes = then ? bp_schema_both(test, then) : json_incref((json_t *)test);
        json_t *no = other && otherwise ? bp_schema_both(other, otherwise) : json_incref(other);
        if (other) also(out, json_pack("{s:[O,O]}", "anyOf", yes, no));
        else bp_schema_fail(s, BP_E_UNSUPPORTED, "if", "a grammar cannot hold to the opposite of this schema");
        json_decref(other);
        json_decref(yes);
        json_decref(no);
    }
    json_object_del(out, "if");
}

/* Without the property `name`, or with it and what it asks for. */
static void depend(bp_schema *s, json_t *out, const char *name, const json_t *asked) {
    json_t *with = json_is_array(asked) ? json_pack("{s:O}", "required", asked) : json_incref((json_t *)asked);
    json_t *has = json_pack("{s:[s]}", "required", name);
    if (!json_is_array(asked) && !json_is_object(asked) && !json_is_boolean(asked))
        bp_schema_fail(s, BP_E_INVALID, name, "should be a schema or an array of names");
    else
        also(out, json_pack("{s:[{s:{s:b}}, {s:[O,O]}]}", "anyOf", "properties", name, 0, "allOf", has, with));
    json_decref(has);
    json_decref(with);
}

static void replace_dependents(bp_schema *s, json_t *out, const char *keyword) {
    json_t *all = json_incref(json_object_get(out, keyword)), *asked;
    const char *name;
    json_object_del(out, keyword);
    json_object_foreach(all, name, asked) depend(s, out, name, asked);
    json_decref(all);
}

/* allOf made one with what stands beside it: takes out. */
static json_t *flat(bp_schema *s, json_t *out) {
    json_t *parts = json_incref(json_object_get(out, "allOf"));
    const json_t *part;
    size_t i;
    json_object_del(out, "allOf");
    json_array_foreach(parts, i, part) {
        json_t *next = out ? bp_schema_merge(s, out, part) : NULL;
        json_decref(out);
        out = next;
    }
    json_decref(parts);
    return out;
}

/* What no schema of this value speaks of is what this schema does not speak of, once it is all there is. */
static void replace_unevaluated(json_t *out, const char *keyword, const char *additional) {
    json_t *rest = json_incref(json_object_get(out, keyword));
    const json_t *items = json_object_get(out, "items");
    json_object_del(out, keyword);
    if (!strcmp(additional, "items") && json_is_array(items)) additional = "additionalItems";
    if (!json_object_get(out, additional)) json_object_set(out, additional, rest);
    json_decref(rest);
}

static void replace_contains(bp_schema *s, json_t *out) {
    const json_t *wanted = json_object_get(out, "contains"), *items = json_object_get(out, "items");
    const json_t *prefix = json_object_get(out, "prefixItems");
    uint32_t least = bp_schema_count(s, out, "minContains", 1);
    uint32_t most = bp_schema_count(s, out, "maxContains", UINT32_MAX);
    size_t n = BP_MAX((size_t)least, json_array_size(prefix));
    if (json_is_array(items) || least > MOST_CONTAINED || !most || s->late_items)
        bp_schema_fail(s, BP_E_UNSUPPORTED, "contains",
                       "beside an array of items or unevaluatedItems, of no item, or of more than %d", MOST_CONTAINED);
    json_t *list = json_array();
    for (size_t i = 0; i < n && !s->r->status; i++) {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i) : items ? items : json_true();
        json_array_append_new(list, i < least ? bp_schema_both(own, wanted) : json_incref((json_t *)own));
    }
    if (!items && !prefix) json_object_set_new(out, "items", json_true());
    if (n) json_object_set(out, "prefixItems", list);
    json_decref(list);
    if (bp_schema_count(s, out, "minItems", 0) < least) json_object_set_new(out, "minItems", json_integer(least));
    if (bp_schema_count(s, out, "maxItems", UINT32_MAX) > most)
        json_object_set_new(out, "maxItems", json_integer(most));
    json_object_del(out, "contains");
}

void bp_schema_find_late(bp_schema *s, const json_t *at, int depth) {
    const json_t *part;
    const char *key;
    size_t i;
    enum { DEEPEST = 4096 /* of JSON; the parser allows less */ };
    if (depth > DEEPEST || !bp_schema_work(s, 1)) return;
    if (json_is_array(at)) json_array_foreach(at, i, part) bp_schema_find_late(s, part, depth + 1);
    json_object_foreach((json_t *)at, key, part) {
        s->late_items = s->late_items || !strcmp(key, "unevaluatedItems");
        s->late = s->late_items || s->late || !strcmp(key, "unevaluatedProperties");
        bp_schema_find_late(s, part, depth + 1);
    }
}

static size_t count_anchors(bp_schema *s, const json_t *at, const char *name, int depth) {
    const json_t *part;
    const char *key;
    size_t i, n = 0;
    if (depth > BP_SCHEMA_MAX_DEPTH || !bp_schema_work(s, 1)) return 2;
    if (json_is_array(at)) json_array_foreach(at, i, part) n += count_anchors(s, part, name, depth + 1);
    json_object_foreach((json_t *)at, key, part) {
        bool dynamic = !strcmp(key, "$dynamicAnchor") || !strcmp(key, "$anchor");
        if (dynamic && json_is_string(part)) n += !strcmp(json_string_value(part), name);
        n += count_anchors(s, part, name, depth + 1);
    }
    return n;
}

/* Where there is but one anchor of that name, whoever refers dynamically refers to it. */
static bool is_static(bp_schema *s, const json_t *schema) {
    const char *ref = json_string_value(json_object_get(schema, "$dynamicRef"));
    if (!ref || ref[0] != '#' || !ref[1] || ref[1] == '/' || json_object_get(schema, "$ref")) return false;
    return count_anchors(s, s->root, ref + 1, 0) == 1;
}

static bool to_do(bp_schema *s, const json_t *schema, enum bp_schema_late when) {
    static const char *const names[] = { "if", "dependencies", "dependentRequired", "dependentSchemas", "contains" };
    static const char *const late[] = { "unevaluatedProperties", "unevaluatedItems" };
    const json_t *no = json_object_get(schema, "not");
    if (has_one(schema, names, BP_COUNT(names)) || (no && (!bp_schema_only_values(no) || json_object_get(no, "const"))))
        return true;
    if (is_static(s, schema)) return true;
    if (when == BP_LATE_STAYS || !has_one(schema, late, BP_COUNT(late))) return false;
    return when == BP_LATE_WHOLE || !in_place(schema);
}

static json_t *replace_late(bp_schema *s, json_t *out, enum bp_schema_late when) {
    bool whole = when == BP_LATE_WHOLE;
    static const char *const late[][2] = { { "unevaluatedProperties", "additionalProperties" },
                                           { "unevaluatedItems", "items" } };
    for (size_t i = 0; i < BP_COUNT(late) && out && when != BP_LATE_STAYS; i++) {
        if (!json_object_get(out, late[i][0])) continue;
        if (whole && json_object_get(out, "allOf")) out = flat(s, out);
        if (out && !in_place(out)) replace_unevaluated(out, late[i][0], late[i][1]);
        else if (out && whole)
            bp_schema_fail(s, BP_E_UNSUPPORTED, late[i][0], "within allOf, and beside a choice of its own");
    }
    return out;
}

json_t *bp_schema_expand(bp_schema *s, const json_t *schema, enum bp_schema_late when) {
    if (!json_is_object(schema) || !to_do(s, schema, when)) return json_incref((json_t *)schema);
    json_t *out = json_copy((json_t *)schema);
    if (is_static(s, out)) {
        json_object_set(out, "$ref", json_object_get(out, "$dynamicRef"));
        json_object_del(out, "$dynamicRef");
    }
    if (json_object_get(out, "if")) replace_if(s, out);
    if (json_object_get(out, "not")) replace_not(s, out);
    replace_dependents(s, out, "dependentRequired");
    replace_dependents(s, out, "dependentSchemas");
    replace_dependents(s, out, "dependencies");
    out = replace_late(s, out, when);
    if (out && json_object_get(out, "contains")) replace_contains(s, out);
    if (out && !s->r->status) return out;
    json_decref(out);
    return NULL;
}
