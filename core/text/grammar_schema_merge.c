/* Two schemas that hold at once, as one schema; and whether two schemas can hold at once. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_schema.h"

typedef struct merging {
    bp_schema *s;
    const json_t *a, *b;
    json_t *out;
    const char *name; /* the keyword that both have */
    const json_t *x, *y;
} merging;

json_t *bp_schema_both(const json_t *a, const json_t *b) {
    if (json_equal(a, b) || json_is_true(b)) return json_incref((json_t *)a);
    if (json_is_true(a)) return json_incref((json_t *)b);
    if (json_is_false(a) || json_is_false(b)) return json_false();
    return json_pack("{s:[O,O]}", "allOf", a, b);
}

static void put(merging *m, const char *name, json_t *value) {
    if (!value || json_object_set_new(m->out, name, value)) bp_schema_fail(m->s, BP_E_NO_MEMORY, NULL, "out of memory");
}

static void refuse(merging *m) {
    bp_schema_fail(m->s, BP_E_UNSUPPORTED, m->name,
                   "two of them that both hold (allOf or beside $ref) cannot be made one");
}

static void same_or_refuse(merging *m) {
    if (!json_equal(m->x, m->y)) refuse(m);
}

static void greater(merging *m) {
    if (!json_is_number(m->x) || !json_is_number(m->y)) same_or_refuse(m);
    else if (json_number_value(m->y) > json_number_value(m->x)) put(m, m->name, json_incref((json_t *)m->y));
}

static void lesser(merging *m) {
    if (!json_is_number(m->x) || !json_is_number(m->y)) same_or_refuse(m);
    else if (json_number_value(m->y) < json_number_value(m->x)) put(m, m->name, json_incref((json_t *)m->y));
}

static bool listed(const json_t *list, const json_t *value) {
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item) if (json_equal(item, value)) return true;
    return false;
}

static void types(merging *m) {
    static const char *const names[] = { "null", "boolean", "integer", "number", "string", "array", "object" };
    json_t *x = json_pack("{s:O}", "type", m->x), *y = json_pack("{s:O}", "type", m->y), *list = json_array();
    int both[2] = { bp_schema_kinds(m->s, x), bp_schema_kinds(m->s, y) };
    for (int i = 0; i < 2; i++)
        if (both[i] & BP_JSON_NUMBER) both[i] |= BP_JSON_INTEGER;
    int kinds = both[0] & both[1];
    if (kinds & BP_JSON_NUMBER) kinds &= ~BP_JSON_INTEGER;
    for (size_t i = 0; i < BP_COUNT(names); i++)
        if (kinds >> i & 1) json_array_append_new(list, json_string(names[i]));
    json_decref(x);
    json_decref(y);
    put(m, "type", list);
}

static void common_values(merging *m) {
    json_t *list = json_array();
    const json_t *item;
    size_t i;
    if (bp_schema_work(m->s, json_array_size(m->x) * json_array_size(m->y) / 16))
        json_array_foreach(m->x, i, item) if (listed(m->y, item)) json_array_append(list, (json_t *)item);
    put(m, "enum", list);
}

static void constant(merging *m) {
    if (json_equal(m->x, m->y)) return;
    put(m, "enum", json_array()); /* nothing fits */
    json_object_del(m->out, "const");
}

static void names(merging *m) {
    json_t *list = json_copy((json_t *)m->x);
    const json_t *item;
    size_t i;
    if (bp_schema_work(m->s, json_array_size(m->x) * json_array_size(m->y) / 16))
        json_array_foreach(m->y, i, item) if (!listed(list, item)) json_array_append(list, (json_t *)item);
    put(m, "required", list);
}

static void join(merging *m) {
    bp_schema_work(m->s, json_array_size(m->x) + json_array_size(m->y));
    json_t *list = json_copy((json_t *)m->x);
    if (json_is_array(m->x) && json_is_array(m->y)) json_array_extend(list, (json_t *)m->y);
    put(m, m->name, list);
}

/* A second anyOf waits in allOf until the first one is dealt with. */
static void second_choice(merging *m) {
    json_t *list = json_copy(json_object_get(m->out, "allOf"));
    if (!list) list = json_array();
    json_array_append_new(list, json_pack("{s:O}", m->name, m->y));
    put(m, "allOf", list);
}

/* {"enum": […]} both times: none of either. */
static void no_values(merging *m) {
    json_t *list = json_copy(json_object_get(m->x, "enum"));
    bp_schema_work(m->s, json_array_size(list));
    json_array_extend(list, json_object_get(m->y, "enum"));
    put(m, "not", json_pack("{s:o}", "enum", list));
}

static void multiples(merging *m) {
    json_int_t x = json_integer_value(m->x), y = json_integer_value(m->y), a = x, b = y;
    if (json_equal(m->x, m->y)) return;
    if (x <= 0 || y <= 0 || x > INT32_MAX || y > INT32_MAX) {
        refuse(m);
        return;
    }
    while (b) {
        json_int_t rest = a % b;
        a = b;
        b = rest;
    }
    put(m, m->name, json_integer(x / a * y));
}

static void both_hold(merging *m) { put(m, m->name, bp_schema_both(m->x, m->y)); }
static void either(merging *m) { if (json_is_true(m->y)) put(m, m->name, json_true()); }
static void neither_but_both(merging *m) { if (!json_is_true(m->y)) json_object_del(m->out, m->name); }
static void first_stays(merging *m) { (void)m; }

static void combine(merging *m) {
    static const struct { const char *name; void (*how)(merging *);
    } rules[] = {
        { "type", types },
        { "enum", common_values },
        { "const", constant },
        { "required", names },
        { "allOf", join },
        { "anyOf", second_choice },
        { "oneOf", second_choice },
        { "minimum", greater },
        { "exclusiveMinimum", greater },
        { "maximum", lesser },
        { "exclusiveMaximum", lesser },
        { "minLength", greater },
        { "maxLength", lesser },
        { "minItems", greater },
        { "maxItems", lesser },
        { "minProperties", greater },
        { "maxProperties", lesser },
        { "multipleOf", multiples },
        { "not", no_values },
        { "unevaluatedProperties", refuse },
        { "unevaluatedItems", refuse },
        { "pattern", same_or_refuse },
        { "format", same_or_refuse },
        { "uniqueItems", either },
        { "nullable", neither_but_both },
        { "propertyNames", both_hold },
        { "properties", first_stays },
        { "additionalProperties", first_stays },
        { "patternProperties", first_stays },
        { "items", first_stays },
        { "prefixItems", first_stays },
        { "additionalItems", first_stays },
    };
    for (size_t i = 0; i < BP_COUNT(rules); i++)
        if (!strcmp(rules[i].name, m->name)) rules[i].how(m);
}

/* The properties of `one`, each also held to what `other` says of it. */
static void add_properties(merging *m, const json_t *one, const json_t *other, json_t *out) {
    const json_t *theirs = json_object_get(other, "properties"), *rest = json_object_get(other, "additionalProperties"),
                 *value;
    const char *name;
    json_object_foreach(json_object_get(one, "properties"), name, value) {
        const json_t *second = json_object_get(theirs, name);
        if (json_object_get(out, name)) continue;
        if (!second) second = rest ? rest : json_true();
        if (!bp_schema_work(m->s, 1)) break;
        json_object_set_new(out, name, bp_schema_both(value, second));
    }
}

/* Additional properties of one schema are those that it does not name itself. */
static void objects(merging *m) {
    static const char *const names[] = { "additionalProperties", "patternProperties" };
    bool patterns = json_object_get(m->a, "patternProperties") || json_object_get(m->b, "patternProperties");
    bool named = json_object_get(m->a, "properties") || json_object_get(m->b, "properties");
    bool more = json_object_get(m->a, names[0]) || json_object_get(m->b, names[0]);
    m->name = "patternProperties";
    if (patterns && !json_equal(json_object_get(m->a, m->name), json_object_get(m->b, m->name)) &&
        (more || named || (json_object_get(m->a, m->name) && json_object_get(m->b, m->name))))
        refuse(m);
    if (named) {
        json_t *out = json_object();
        add_properties(m, m->a, m->b, out);
        add_properties(m, m->b, m->a, out);
        put(m, "properties", out);
    }
    const json_t *x = json_object_get(m->a, names[0]), *y = json_object_get(m->b, names[0]);
    if (x && y) put(m, names[0], bp_schema_both(x, y));
}

static const json_t *item_at(const json_t *schema, size_t i) {
    const json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    if (i < json_array_size(prefix)) return json_array_get(prefix, i);
    return items ? items : json_true();
}

static void arrays(merging *m) {
    size_t n = BP_MAX(json_array_size(json_object_get(m->a, "prefixItems")),
                      json_array_size(json_object_get(m->b, "prefixItems")));
    const json_t *x = json_object_get(m->a, "items"), *y = json_object_get(m->b, "items");
    m->name = "items";
    if (x && y && (json_is_array(x) || json_is_array(y))) {
        same_or_refuse(m);
        if (!json_equal(x, y)) refuse(m);
        return;
    }
    if (x && y) put(m, "items", bp_schema_both(x, y));
    if (!n) return;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, bp_schema_both(item_at(m->a, i), item_at(m->b, i)));
    put(m, "prefixItems", list);
}

/* A schema with its $ref followed: a new reference. */
static json_t *followed(bp_schema *s, const json_t *schema) {
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (!ref) return json_incref((json_t *)schema);
    const json_t *target = bp_schema_target(s, ref);
    if (!target) return NULL;
    json_t *rest = json_copy((json_t *)schema);
    json_object_del(rest, "$ref");
    json_t *made = bp_schema_merge(s, rest, target);
    json_decref(rest);
    return made;
}

static json_t *merge_objects(bp_schema *s, const json_t *a, const json_t *b) {
    merging m = { .s = s, .a = a, .b = b, .out = json_copy((json_t *)a) };
    json_object_foreach((json_t *)b, m.name, m.y) {
        m.x = json_object_get(a, m.name);
        if (!bp_schema_work(s, 1)) break;
        if (m.x) combine(&m);
        else if (strcmp(m.name, "nullable")) put(&m, m.name, json_incref((json_t *)m.y));
    }
    if (json_object_get(a, "nullable") && !json_object_get(b, "nullable") && json_object_get(b, "type"))
        json_object_del(m.out, "nullable");
    if (!json_object_get(a, "type") && json_object_get(b, "nullable"))
        json_object_set(m.out, "nullable", json_object_get(b, "nullable"));
    objects(&m);
    arrays(&m);
    bp_schema_work(s, 8 + json_object_size(m.out) + json_object_size(json_object_get(m.out, "properties")));
    if (!s->r->status) return m.out;
    json_decref(m.out);
    return NULL;
}

json_t *bp_schema_merge(bp_schema *s, const json_t *a, const json_t *b) {
    if (s->r->status) return NULL;
    if (json_is_boolean(a) || json_is_boolean(b)) return bp_schema_both(a, b);
    if (!json_is_object(a) || !json_is_object(b))
        return bp_schema_fail(s, BP_E_INVALID, NULL, "a schema is an object, true or false"), NULL;
    if (++s->depth > BP_SCHEMA_MAX_DEPTH)
        return bp_schema_fail(s, BP_E_REFUSED, NULL, "schemas refer to each other more than %d deep",
                              BP_SCHEMA_MAX_DEPTH),
               NULL;
    json_t *x = followed(s, a), *y = x ? followed(s, b) : NULL, *made = NULL;
    json_t *first = x ? bp_schema_expand(s, x, BP_LATE_STAYS) : NULL;
    json_t *whole = x && y ? bp_schema_expand(s, y, BP_LATE_WHOLE) : NULL;
    json_decref(x);
    json_decref(y);
    x = first;
    y = whole;
    if (x && y) made = json_is_object(x) && json_is_object(y) ? merge_objects(s, x, y) : bp_schema_both(x, y);
    json_decref(x);
    json_decref(y);
    s->depth--;
    return made;
}

static const json_t *plain(bp_schema *s, const json_t *schema) {
    for (int i = 0; i < 8 && json_object_get(schema, "$ref"); i++) {
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        const json_t *target = ref && bp_schema_only(schema, "$ref") ? bp_schema_target(s, ref) : NULL;
        if (!target) break;
        schema = target;
    }
    return schema;
}

/* The values that a schema lists, NULL where it lists none: a new array. */
static json_t *values_of(const json_t *schema) {
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    if (only) return json_pack("[O]", only);
    return json_is_array(list) ? json_incref((json_t *)list) : NULL;
}

static bool values_apart(bp_schema *s, const json_t *a, const json_t *b) {
    json_t *list = values_of(a);
    const json_t *item;
    size_t i;
    bool apart = list != NULL, sure;
    json_array_foreach(list, i, item) {
        if (!bp_schema_work(s, 1)) apart = false;
        if (apart && bp_schema_allows(s, b, item, &sure)) apart = false;
    }
    json_decref(list);
    return apart;
}

static bool needs(const json_t *schema, const char *name) {
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, item)
        if (json_is_string(item) && !strcmp(json_string_value(item), name)) return true;
    return false;
}

/* Objects of a have no property that b needs, or need one whose value b refuses. */
static bool objects_apart(bp_schema *s, const json_t *a, const json_t *b) {
    const json_t *mine = json_object_get(a, "properties"), *theirs = json_object_get(b, "properties"), *item, *value;
    const json_t *more = json_object_get(a, "additionalProperties");
    bool closed = mine && (!more || json_is_false(more)) && !json_object_get(a, "patternProperties") &&
                  !json_object_get(a, "unevaluatedProperties");
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(b, "required"), i, item) {
        const char *wanted = json_string_value(item);
        if (closed && wanted && !json_object_get(mine, wanted) && !needs(a, wanted)) return true;
    }
    json_object_foreach((json_t *)mine, name, value) {
        const json_t *other = json_object_get(theirs, name);
        if (!other && json_is_false(json_object_get(b, "additionalProperties")) && needs(a, name)) return true;
        if (other && needs(a, name) && s->depth < BP_SCHEMA_MAX_DEPTH) {
            s->depth++;
            bool apart = bp_schema_apart(s, value, other);
            s->depth--;
            if (apart) return true;
        }
    }
    return false;
}

static bool beyond(const json_t *a, const json_t *b, const char *least, const char *most) {
    const json_t *low = json_object_get(a, least), *high = json_object_get(b, most);
    return json_is_number(low) && json_is_number(high) && json_number_value(low) > json_number_value(high);
}

static bool ranges_apart(const json_t *a, const json_t *b, const char *least, const char *most) {
    return beyond(a, b, least, most) || beyond(b, a, least, most);
}

bool bp_schema_apart(bp_schema *s, const json_t *a, const json_t *b) {
    a = plain(s, a);
    b = plain(s, b);
    if (!bp_schema_work(s, 1)) return false;
    if (json_is_false(a) || json_is_false(b)) return true;
    if (!json_is_object(a) || !json_is_object(b) || s->r->status) return false;
    if (values_apart(s, a, b) || values_apart(s, b, a)) return true;
    if (json_object_get(a, "anyOf") || json_object_get(a, "oneOf") || json_object_get(a, "allOf")) return false;
    int mine = bp_schema_kinds(s, a), theirs = BP_JSON_ALL;
    if (json_object_get(b, "type")) theirs = bp_schema_kinds(s, b);
    int both = mine & theirs;
    if (mine & BP_JSON_INTEGER && theirs & BP_JSON_NUMBER) both |= BP_JSON_NUMBER;
    if (mine & BP_JSON_NUMBER && theirs & BP_JSON_INTEGER) both |= BP_JSON_NUMBER;
    if (both & BP_JSON_INTEGER) both |= BP_JSON_NUMBER;
    if (both & (BP_JSON_NULL | BP_JSON_BOOLEAN)) return false;
    if (both & BP_JSON_NUMBER && !ranges_apart(a, b, "minimum", "maximum")) return false;
    if (both & BP_JSON_STRING && !ranges_apart(a, b, "minLength", "maxLength")) return false;
    if (both & BP_JSON_ARRAY && !ranges_apart(a, b, "minItems", "maxItems")) return false;
    return !(both & BP_JSON_OBJECT) || objects_apart(s, a, b);
}
