/* JSON schemas as rules of a grammar. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_SCHEMA_H
#define BP_TEXT_GRAMMAR_SCHEMA_H

#include <jansson.h>

#include "core/base/text.h"
#include "core/text/grammar_expr.h"

enum {
    BP_SCHEMA_MAX_DEPTH = 96,      /* schemas within each other */
    BP_SCHEMA_MAX_WORK = 1 << 18,  /* keywords looked at, with those of merged schemas */
    BP_SCHEMA_MAX_STATES = 1 << 14, /* of an object's or a number's rules */
};

enum bp_json_kind {
    BP_JSON_NULL = 1, BP_JSON_BOOLEAN = 2, BP_JSON_INTEGER = 4, BP_JSON_NUMBER = 8, BP_JSON_STRING = 16,
    BP_JSON_ARRAY = 32, BP_JSON_OBJECT = 64, BP_JSON_ALL = 127 - BP_JSON_INTEGER /* numbers hold integers */
};

typedef struct bp_schema {
    bp_rules *r;
    const json_t *root;
    bool whitespace;
    bp_text path; /* JSON pointer of the schema at work */
    int depth;
    size_t work;
    bool late_items, late; /* unevaluatedItems, or one of the two, stands somewhere in root */
} bp_schema;

/* Say an error at the schema at work, or at its keyword (NULL: none). Returns 0. */
uint32_t bp_schema_fail(bp_schema *s, bp_status status, const char *keyword, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Go into a part: its names below the schema at work. Returns what bp_schema_leave takes. */
size_t bp_schema_enter(bp_schema *s, const char *keyword, const char *name);
void bp_schema_leave(bp_schema *s, size_t before);

/* The expression of a schema's values, as JSON text. part: at keyword/name below the schema at work. */
uint32_t bp_schema_value(bp_schema *s, const json_t *schema);
uint32_t bp_schema_part(bp_schema *s, const json_t *schema, const char *keyword, const char *name);
/* What follows a token of JSON: nothing, or whitespace. Parts are joined by bp_schema_token. */
uint32_t bp_schema_space(bp_schema *s);
uint32_t bp_schema_token(bp_schema *s, const char *text); /* text and the space after it */
/* Texts for the whole grammar, made once: "value", "string", "character", "number", "integer". */
uint32_t bp_schema_common(bp_schema *s, const char *name);

uint32_t bp_schema_object(bp_schema *s, const json_t *schema);
uint32_t bp_schema_array(bp_schema *s, const json_t *schema);
uint32_t bp_schema_string(bp_schema *s, const json_t *schema);
uint32_t bp_schema_number(bp_schema *s, const json_t *schema, bool integer);

/* What a schema's `type` and `nullable` allow, as BP_JSON_* bits, or what its other keywords speak of. */
int bp_schema_kinds(bp_schema *s, const json_t *schema);
int bp_json_kind_of(const json_t *value);
/* Whether a value fits, as far as type, enum, const, lengths and bounds say; *sure: no other keyword matters. */
bool bp_schema_allows(bp_schema *s, const json_t *schema, const json_t *value, bool *sure);
/* A non-negative whole number; `otherwise` where the keyword is not there. */
uint32_t bp_schema_count(bp_schema *s, const json_t *schema, const char *keyword, uint32_t otherwise);
/* The schema that {"$ref": …} names, NULL after an error. */
const json_t *bp_schema_target(bp_schema *s, const char *ref);
/* A new schema that allows what both allow; NULL after an error. Free with json_decref. */
json_t *bp_schema_merge(bp_schema *s, const json_t *a, const json_t *b);
/* Look where the root speaks of what is unevaluated. */
void bp_schema_find_late(bp_schema *s, const json_t *at, int depth);
/* The schema without not (but of values: {"enum": […]}), if, contains, dependent… and unevaluated…, which others say;
 * NULL after an error. A new reference. unevaluated… wait until nothing else speaks of the same value. */
enum bp_schema_late {
    BP_LATE_STAYS, /* more of this schema will be merged with it */
    BP_LATE_ALONE, /* said by others unless allOf and the like stand beside it */
    BP_LATE_WHOLE  /* must be said by others now: what will be merged with it is another schema */
};
json_t *bp_schema_expand(bp_schema *s, const json_t *schema, enum bp_schema_late late);
bool bp_schema_only_values(const json_t *schema); /* it has an enum or a const, and nothing else */
bool bp_schema_is_note(const char *keyword);
/* Texts of strings but for n of them, sorted; those are not empty at all. */
uint32_t bp_schema_other_strings(bp_schema *s, const char **texts, size_t n);
/* {"allOf": [a, b]}, or one of them where that says the same. */
json_t *bp_schema_both(const json_t *a, const json_t *b);
/* Whether texts made for a can never fit b; to tell the branches of oneOf apart. */
bool bp_schema_apart(bp_schema *s, const json_t *a, const json_t *b);

/* Count work that is not a keyword; false, with the error said, where it is too much. */
bool bp_schema_work(bp_schema *s, size_t amount);

/* True where a schema says nothing but what `keyword` says, notes aside. */
bool bp_schema_only(const json_t *schema, const char *keyword);

#endif
