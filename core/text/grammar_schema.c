#include "core/text/grammar_schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/size.h"
#include "core/text/grammar_internal.h"

enum keyword_kind { UNKNOWN, ANY, NOTE, NUMBER, STRING, ARRAY, OBJECT, REFUSED };

static enum keyword_kind kind_of_keyword(const char *name) {
#define BP_KEYWORD(text, kind) \
    if (!strcmp(name, text)) return kind;
#include "core/text/grammar_keywords.def"
#undef BP_KEYWORD
    return UNKNOWN;
}

uint32_t bp_schema_fail(bp_schema *s, bp_status status, const char *keyword, const char *format, ...) {
    char words[BP_ERROR_TEXT];
    if (s->r->status) return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    const char *path = bp_text_get(&s->path);
    size_t n = strlen(path), skip = n > 100 ? n - 100 : 0;
    return bp_rules_fail(s->r, status, "JSON schema, %s%s%s%s: %s", skip ? "..." : "#", path + skip, keyword ? "/" : "",
                         keyword ? keyword : "", words);
}

bool bp_schema_work(bp_schema *s, size_t amount) {
    s->work += amount;
    if (s->work <= BP_SCHEMA_MAX_WORK) return !s->r->status;
    bp_schema_fail(s, BP_E_REFUSED, NULL, "the schema is too large once its parts are put together");
    return false;
}

static void add_pointer_token(bp_text *to, const char *name) {
    bp_text_adds(to, "/");
    for (; *name; name++) {
        if (*name == '~') bp_text_adds(to, "~0");
        else if (*name == '/') bp_text_adds(to, "~1");
        else bp_text_add(to, name, 1);
    }
}

size_t bp_schema_enter(bp_schema *s, const char *keyword, const char *name) {
    size_t before = s->path.size;
    if (keyword) add_pointer_token(&s->path, keyword);
    if (name) add_pointer_token(&s->path, name);
    return before;
}

void bp_schema_leave(bp_schema *s, size_t before) {
    s->path.size = before;
    if (s->path.data) s->path.data[before] = '\0';
}

uint32_t bp_schema_part(bp_schema *s, const json_t *schema, const char *keyword, const char *name) {
    size_t before = bp_schema_enter(s, keyword, name);
    uint32_t made = bp_schema_value(s, schema);
    bp_schema_leave(s, before);
    return made;
}

bool bp_schema_only(const json_t *schema, const char *keyword) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)schema, name, value) {
        enum keyword_kind kind = kind_of_keyword(name);
        if (kind != NOTE && kind != UNKNOWN && strcmp(name, keyword)) return false;
    }
    return true;
}

bool bp_schema_is_note(const char *keyword) {
    enum keyword_kind kind = kind_of_keyword(keyword);
    return kind == NOTE || kind == UNKNOWN;
}

uint32_t bp_schema_count(bp_schema *s, const json_t *schema, const char *keyword, uint32_t otherwise) {
    const json_t *value = json_object_get(schema, keyword);
    if (!value) return otherwise;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < 0 || number != floor(number))
        return bp_schema_fail(s, BP_E_INVALID, keyword, "should be a whole number from 0 on");
    return number < BP_REPEAT_NO_END ? (uint32_t)number : BP_REPEAT_NO_END - 1;
}

int bp_json_kind_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return BP_JSON_OBJECT;
    case JSON_ARRAY: return BP_JSON_ARRAY;
    case JSON_STRING: return BP_JSON_STRING;
    case JSON_INTEGER: return BP_JSON_INTEGER;
    case JSON_REAL: return json_real_value(value) == floor(json_real_value(value)) ? BP_JSON_INTEGER : BP_JSON_NUMBER;
    case JSON_NULL: return BP_JSON_NULL;
    default: return BP_JSON_BOOLEAN;
    }
}

static int kind_named(bp_schema *s, const json_t *name) {
    static const struct { const char *name; int kind;
    } names[] = {
        { "null", BP_JSON_NULL },     { "boolean", BP_JSON_BOOLEAN }, { "integer", BP_JSON_INTEGER },
        { "number", BP_JSON_NUMBER }, { "string", BP_JSON_STRING },   { "array", BP_JSON_ARRAY },
        { "object", BP_JSON_OBJECT },
    };
    for (size_t i = 0; json_is_string(name) && i < BP_COUNT(names); i++)
        if (!strcmp(json_string_value(name), names[i].name)) return names[i].kind;
    return (int)bp_schema_fail(s, BP_E_INVALID, "type",
                               "should name types of JSON: null, boolean, integer, number, string, array, object");
}

/* Where no type is said: the types that the keywords limit; all where there are none. */
static int kinds_spoken_of(const json_t *schema) {
    const char *name;
    const json_t *value;
    int kinds = 0;
    json_object_foreach((json_t *)schema, name, value) {
        switch (kind_of_keyword(name)) {
        case NUMBER: kinds |= BP_JSON_NUMBER; break;
        case STRING: kinds |= BP_JSON_STRING; break;
        case ARRAY: kinds |= BP_JSON_ARRAY; break;
        case OBJECT: kinds |= BP_JSON_OBJECT; break;
        default: break;
        }
    }
    return kinds ? kinds : BP_JSON_ALL;
}

int bp_schema_kinds(bp_schema *s, const json_t *schema) {
    const json_t *type = json_object_get(schema, "type"), *item;
    size_t i;
    int kinds = 0;
    if (!type) kinds = kinds_spoken_of(schema);
    else if (!json_is_array(type)) kinds = kind_named(s, type);
    else json_array_foreach(type, i, item) kinds |= kind_named(s, item);
    if (json_is_true(json_object_get(schema, "nullable"))) kinds |= BP_JSON_NULL;
    return kinds & BP_JSON_NUMBER ? kinds & ~BP_JSON_INTEGER : kinds;
}

uint32_t bp_schema_space(bp_schema *s) {
    enum { MOST = 20 /* so that no model runs on in spaces */ };
    static const bp_range spaces[] = { { ' ', ' ' }, { '\t', '\n' }, { '\r', '\r' } };
    if (!s->whitespace) return bp_expr_new(s->r, BP_X_SEQUENCE);
    return bp_expr_repeat(s->r, bp_expr_class(s->r, spaces, BP_COUNT(spaces), false), 0, MOST);
}

uint32_t bp_schema_token(bp_schema *s, const char *text) {
    if (!s->whitespace) return bp_expr_text(s->r, text);
    return BP_SEQUENCE(s->r, bp_expr_text(s->r, text), bp_schema_space(s));
}

static uint32_t constant(bp_schema *s, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return bp_schema_fail(s, BP_E_NO_MEMORY, NULL, "out of memory");
    uint32_t made = bp_expr_text(s->r, text);
    free(text);
    return made;
}

static json_t *without(const json_t *schema, const char *keyword) {
    json_t *copy = json_copy((json_t *)schema);
    if (copy) json_object_del(copy, keyword);
    return copy;
}

static void add_constant(bp_schema *s, const json_t *schema, const json_t *value, uint32_t whole) {
    bool sure = true;
    if (!bp_schema_allows(s, schema, value, &sure)) return;
    if (!sure)
        bp_schema_fail(s, BP_E_UNSUPPORTED, NULL,
                       "enum or const beside keywords that would have to be checked for each value");
    bp_expr_add(s->r, whole, constant(s, value));
}

static uint32_t constants(bp_schema *s, const json_t *schema) {
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum"), *item;
    uint32_t whole = bp_expr_new(s->r, BP_X_CHOICE);
    size_t i;
    if (list && !json_is_array(list)) return bp_schema_fail(s, BP_E_INVALID, "enum", "should be an array");
    if (only) {
        add_constant(s, schema, only, whole);
        return whole;
    }
    json_t *rest = without(schema, "enum");
    json_array_foreach(list, i, item) add_constant(s, rest, item, whole);
    json_decref(rest);
    return whole;
}

static bool limits(const json_t *schema, enum keyword_kind kind) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)schema, name, value)
        if (kind_of_keyword(name) == kind) return true;
    return false;
}

/* Strings but for those of {"not": {"enum": […]}}. */
static uint32_t strings_left(bp_schema *s, const json_t *schema) {
    const json_t *list = json_object_get(json_object_get(schema, "not"), "enum"), *item;
    const char **texts = bp_new_array(json_array_size(list) + 1, sizeof *texts);
    size_t i, n = 0;
    if (!texts) return bp_schema_fail(s, BP_E_NO_MEMORY, NULL, "out of memory");
    json_array_foreach(list, i, item) if (json_is_string(item)) texts[n++] = json_string_value(item);
    if (n && limits(schema, STRING))
        bp_schema_fail(s, BP_E_UNSUPPORTED, "not", "of single texts beside other keywords for strings");
    uint32_t made = n ? bp_schema_other_strings(s, texts, n) : bp_schema_string(s, schema);
    free(texts);
    return made;
}

/* {"not": {"enum": […]}} without its value at `at`, a number, which bounds on either side rule out. */
static uint32_t beside_number(bp_schema *s, const json_t *schema, size_t at) {
    json_t *copy = json_copy((json_t *)schema);
    json_t *list = json_copy(json_object_get(json_object_get(schema, "not"), "enum"));
    json_t *value = json_incref(json_array_get(list, at));
    json_array_remove(list, at);
    json_object_set_new(copy, "not", json_pack("{s:o}", "enum", list));
    json_t *sides = json_pack("[{s:O}, {s:O}]", "exclusiveMaximum", value, "exclusiveMinimum", value);
    json_object_set_new(copy, "anyOf", sides);
    uint32_t made = bp_schema_value(s, copy);
    json_decref(value);
    json_decref(copy);
    return made;
}

/* Kinds without those of which a value is ruled out that is neither a text nor a number. */
static int kinds_left(bp_schema *s, const json_t *schema, int kinds) {
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(schema, "not"), "enum"), i, item) {
        int kind = bp_json_kind_of(item);
        if (kind & (BP_JSON_STRING | BP_JSON_INTEGER | BP_JSON_NUMBER)) continue;
        if (kind == BP_JSON_NULL || !(kinds & kind) || !json_object_get(schema, "type")) kinds &= ~kind;
        else bp_schema_fail(s, BP_E_UNSUPPORTED, "not", "of single values, where the others are not listed");
    }
    return kinds;
}

static uint32_t by_type(bp_schema *s, const json_t *schema) {
    int kinds = kinds_left(s, schema, bp_schema_kinds(s, schema));
    const json_t *no = json_object_get(json_object_get(schema, "not"), "enum"), *item;
    bool any = kinds == BP_JSON_ALL && kinds_spoken_of(schema) == BP_JSON_ALL;
    if (any && !json_array_size(no)) return bp_schema_common(s, "value");
    size_t i;
    if (kinds & (BP_JSON_NUMBER | BP_JSON_INTEGER))
        json_array_foreach(no, i, item) if (json_is_number(item)) return beside_number(s, schema, i);
    uint32_t whole = bp_expr_new(s->r, BP_X_CHOICE);
    if (kinds & BP_JSON_OBJECT) bp_expr_add(s->r, whole, bp_schema_object(s, schema));
    if (kinds & BP_JSON_ARRAY) bp_expr_add(s->r, whole, bp_schema_array(s, schema));
    if (kinds & BP_JSON_STRING) bp_expr_add(s->r, whole, strings_left(s, schema));
    if (kinds & (BP_JSON_NUMBER | BP_JSON_INTEGER))
        bp_expr_add(s->r, whole, bp_schema_number(s, schema, !(kinds & BP_JSON_NUMBER)));
    if (kinds & BP_JSON_BOOLEAN) {
        bp_expr_add(s->r, whole, bp_expr_text(s->r, "true"));
        bp_expr_add(s->r, whole, bp_expr_text(s->r, "false"));
    }
    if (kinds & BP_JSON_NULL) bp_expr_add(s->r, whole, bp_expr_text(s->r, "null"));
    return whole;
}

static uint32_t reference(bp_schema *s, const char *ref) {
    size_t known = s->r->n_rules;
    const char *name = bp_arena_format(&s->r->arena, "$ref %s", ref);
    uint32_t rule = bp_rule_named(s->r, name ? name : ref, strlen(name ? name : ref));
    if (s->r->status || s->r->n_rules == known) return bp_expr_rule(s->r, rule); /* made, or being made */
    const json_t *target = bp_schema_target(s, ref);
    if (!target) return 0;
    bp_text path = s->path;
    s->path = (bp_text){ 0 };
    if (ref[0] == '#' && ref[1] == '/') bp_text_adds(&s->path, ref + 1);
    uint32_t expr = bp_schema_value(s, target);
    bp_text_free(&s->path);
    s->path = path;
    if (!s->r->status) s->r->rules[rule].expr = expr;
    return bp_expr_rule(s->r, rule);
}

/* A schema and another one beside it: both hold. */
static uint32_t merged_value(bp_schema *s, const json_t *rest, const json_t *other) {
    json_t *both = bp_schema_merge(s, rest, other);
    uint32_t made = both ? bp_schema_value(s, both) : 0;
    json_decref(both);
    return made;
}

static uint32_t reference_and_more(bp_schema *s, const json_t *schema, const char *ref) {
    if (bp_schema_only(schema, "$ref")) return reference(s, ref);
    const json_t *target = bp_schema_target(s, ref);
    if (!target) return 0;
    json_t *rest = without(schema, "$ref");
    uint32_t made = merged_value(s, rest, target);
    json_decref(rest);
    return made;
}

/* oneOf is made as anyOf; that is right where no text fits two branches. */
static void check_apart(bp_schema *s, const json_t *list) {
    size_t n = json_array_size(list);
    for (size_t a = 0; a < n && !s->r->status; a++)
        for (size_t b = 0; b < n && !s->r->status; b++)
            if (a != b && !bp_schema_apart(s, json_array_get(list, a), json_array_get(list, b)))
                bp_schema_fail(s, BP_E_UNSUPPORTED, NULL,
                               "a value of branch %zu may fit branch %zu as well, which a grammar cannot "
                               "prevent: use anyOf, or give both a required property of different constants",
                               a, b);
}

static uint32_t branches(bp_schema *s, const json_t *schema, const char *keyword) {
    const json_t *list = json_object_get(schema, keyword), *branch;
    size_t i, before = bp_schema_enter(s, keyword, NULL);
    if (!json_is_array(list) || !json_array_size(list))
        return bp_schema_fail(s, BP_E_INVALID, NULL, "should be an array of schemas");
    if (!strcmp(keyword, "oneOf")) check_apart(s, list);
    uint32_t whole = bp_expr_new(s->r, BP_X_CHOICE);
    bool only = bp_schema_only(schema, keyword);
    json_t *rest = without(schema, keyword);
    json_array_foreach(list, i, branch) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        size_t inside = bp_schema_enter(s, number, NULL);
        if (s->r->status) break;
        bp_expr_add(s->r, whole, only ? bp_schema_value(s, branch) : merged_value(s, rest, branch));
        bp_schema_leave(s, inside);
    }
    json_decref(rest);
    bp_schema_leave(s, before);
    return whole;
}

static uint32_t all_of_now(bp_schema *s, const json_t *schema) {
    const json_t *list = json_object_get(schema, "allOf"), *part;
    size_t i;
    if (!json_is_array(list)) return bp_schema_fail(s, BP_E_INVALID, "allOf", "should be an array of schemas");
    json_t *sum = without(schema, "allOf");
    json_array_foreach(list, i, part) {
        json_t *next = sum ? bp_schema_merge(s, sum, part) : NULL;
        json_decref(sum);
        sum = next;
    }
    uint32_t made = sum ? bp_schema_value(s, sum) : 0;
    json_decref(sum);
    return made;
}

/* The same allOf may come again while it is made, where it refers to itself: it is a rule under its own text. */
static uint32_t all_of(bp_schema *s, const json_t *schema) {
    enum { MOST = 4096 };
    char *text = json_dumps(schema, JSON_COMPACT | JSON_SORT_KEYS);
    size_t n = text ? strlen(text) : MOST + 1, known = s->r->n_rules;
    bp_schema_work(s, n / 16);
    uint32_t rule = n <= MOST ? bp_rule_named(s->r, text, n) : bp_rule_new(s->r, "allOf");
    free(text);
    if (s->r->status || s->r->n_rules == known) return bp_expr_rule(s->r, rule);
    uint32_t expr = all_of_now(s, schema);
    if (!s->r->status) s->r->rules[rule].expr = expr;
    return bp_expr_rule(s->r, rule);
}

static void check_keywords(bp_schema *s, const json_t *schema) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)schema, name, value) {
        enum keyword_kind kind = kind_of_keyword(name);
        bp_schema_work(s, 1);
        if (kind == REFUSED) bp_schema_fail(s, BP_E_UNSUPPORTED, name, "a grammar cannot hold to this keyword");
        if (kind == UNKNOWN && strncmp(name, "x-", 2))
            bp_log(BP_LOG_WARN, "JSON schema, #%s/%s: unknown keyword, which is passed over", bp_text_get(&s->path),
                   name);
        if (s->r->status) return;
    }
}

static uint32_t of_object(bp_schema *s, const json_t *schema) {
    const json_t *ref = json_object_get(schema, "$ref");
    json_t *expanded = bp_schema_expand(s, schema, BP_LATE_ALONE);
    if (expanded != schema) {
        uint32_t made = expanded ? bp_schema_value(s, expanded) : 0;
        json_decref(expanded);
        return made;
    }
    json_decref(expanded);
    check_keywords(s, schema);
    if (s->r->status) return 0;
    if (json_is_string(ref)) return reference_and_more(s, schema, json_string_value(ref));
    if (ref) return bp_schema_fail(s, BP_E_INVALID, "$ref", "should be a text");
    if (json_object_get(schema, "anyOf")) return branches(s, schema, "anyOf");
    if (json_object_get(schema, "oneOf")) return branches(s, schema, "oneOf");
    if (json_object_get(schema, "allOf")) return all_of(s, schema);
    if (json_object_get(schema, "const") || json_object_get(schema, "enum")) return constants(s, schema);
    return by_type(s, schema);
}

uint32_t bp_schema_value(bp_schema *s, const json_t *schema) {
    if (s->r->status) return 0;
    if (json_is_true(schema)) return bp_schema_common(s, "value");
    if (json_is_false(schema)) return bp_expr_new(s->r, BP_X_CHOICE);
    if (!json_is_object(schema)) return bp_schema_fail(s, BP_E_INVALID, NULL, "a schema is an object, true or false");
    if (++s->depth > BP_SCHEMA_MAX_DEPTH)
        return bp_schema_fail(s, BP_E_REFUSED, NULL, "schemas within each other more than %d deep",
                              BP_SCHEMA_MAX_DEPTH);
    uint32_t made = of_object(s, schema);
    s->depth--;
    return made;
}

bp_status bp_grammar_json_schema(const char *text, size_t n, bool whitespace, const bp_grammar_vocab *vocab,
                                 bp_grammar **out, bp_error *error) {
    bp_rules rules = { 0 };
    bp_schema s = { .r = &rules, .whitespace = whitespace };
    json_error_t at;
    if (n > BP_GRAMMAR_MAX_TEXT)
        bp_rules_fail(&rules, BP_E_REFUSED, "a JSON schema of more than %d bytes", BP_GRAMMAR_MAX_TEXT);
    json_t *root =
        rules.status ? NULL : json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!root) bp_rules_fail(&rules, BP_E_INVALID, "JSON schema, line %d, column %d: %s", at.line, at.column, at.text);
    s.root = root;
    bp_schema_find_late(&s, root, 0);
    uint32_t rule = bp_rule_new(&rules, "the schema");
    uint32_t expr = bp_schema_value(&s, root);
    if (!rules.status) expr = BP_SEQUENCE(&rules, bp_schema_space(&s), expr, bp_schema_space(&s));
    if (!rules.status) rules.rules[rule].expr = expr;
    bp_text_free(&s.path);
    json_decref(root);
    return bp_grammar_from_rules(&rules, rule, vocab, out, error);
}
