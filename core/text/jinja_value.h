/* Values of the template language, as Python has them. They live in the rendering's arena and are never freed one by
 * one; all but namespaces, loops, iterators, cyclers and joiners are immutable once made. Private to core/text. */
#ifndef BP_TEXT_JINJA_VALUE_H
#define BP_TEXT_JINJA_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/text/jinja.h"

enum bp_jtype {
    BP_J_FAIL, /* no value: an error was reported */
    BP_J_MISSING, /* no value: an argument that was not given */
    BP_J_UNDEFINED, BP_J_NONE, BP_J_BOOL, BP_J_INT, BP_J_FLOAT, BP_J_STRING, BP_J_LIST, BP_J_TUPLE, BP_J_DICT,
    BP_J_VIEW,  /* of a dict: keys(), values(), items() */
    BP_J_RANGE, BP_J_SLICE,
    BP_J_ITERATOR, /* a generator: walked once */
    BP_J_FUNCTION, BP_J_MACRO, BP_J_NAMESPACE, BP_J_LOOP, BP_J_CYCLER, BP_J_JOINER
};

enum { BP_J_VIEW_KEYS, BP_J_VIEW_VALUES, BP_J_VIEW_ITEMS };
/* Why a value is undefined: the words of its error message. */
enum { BP_J_NO_NAME, BP_J_NO_ATTRIBUTE, BP_J_HINT, BP_J_UNSAFE };

typedef struct bp_jv {
    uint8_t type;
    uint8_t sub;  /* VIEW: what of the dict; UNDEFINED: why; TUPLE: 1 has the attributes grouper and list */
    uint8_t of;   /* UNDEFINED: type of the object without the attribute */
    union {
        bool truth;
        int64_t integer;
        double number;
        const char *words;              /* UNDEFINED: the name or the hint */
        const struct bp_jstring *string;
        struct bp_jlist *list;          /* LIST, TUPLE */
        struct bp_jdict *dict;          /* DICT, VIEW, NAMESPACE */
        struct bp_jrange *range;        /* RANGE, SLICE */
        struct bp_jiterator *iterator;
        struct bp_jbound *function;
        struct bp_jmacro *macro;
        struct bp_jloop *loop;
        struct bp_jcycler *cycler;      /* CYCLER, JOINER */
    };
} bp_jv;

typedef struct bp_jstring {
    size_t size;   /* bytes */
    int64_t count; /* characters; == size: ASCII */
    bool safe;     /* a Markup: escapes what is added to it */
    char data[];   /* terminated */
} bp_jstring;

typedef struct bp_jlist {
    bp_jv *items;
    size_t count, capacity;
} bp_jlist;

typedef struct bp_jpair { bp_jv key, value; uint64_t hash; } bp_jpair;

typedef struct bp_jdict { /* in order of insertion */
    bp_jpair *pairs;
    size_t count, capacity;
    uint32_t *slots; /* index + 1 by hash; NULL while small */
    size_t n_slots;
} bp_jdict;

typedef struct bp_jrange { bp_jv start, stop, step; } bp_jrange; /* RANGE: integers; SLICE: anything */

typedef struct bp_jcycler { bp_jv items; size_t at; bool used; } bp_jcycler; /* JOINER: items is the separator */

typedef struct bp_jkeyword { const char *name; bp_jv value; } bp_jkeyword;

typedef struct bp_jargs {
    const bp_jv *items;
    size_t count;
    const bp_jkeyword *keywords;
    size_t n_keywords;
} bp_jargs;

struct bp_jx; /* one rendering: jinja_exec.h */

/* A function of the language. a: the arguments bound to the signature (BP_J_MISSING where not given); args: all as
 * given. For a method `self` is its object, for a filter or test the value that stands before it. */
typedef bp_jv (*bp_jcall)(struct bp_jx *x, bp_jv self, const bp_jv *a, const bp_jargs *args);

enum { BP_J_MAX_PARAMETERS = 8 };
typedef struct bp_jfunction {
    const char *name;
    /* Parameters: "old new count?", '?' for one that may be left out; "!" first: by position only; "*": unbound. */
    const char *signature;
    bp_jcall call;
} bp_jfunction;

typedef struct bp_jbound { const bp_jfunction *function; bp_jv self; } bp_jbound;

/* Source of items: jinja_iterate.c. */
typedef struct bp_jiterator {
    bp_jv over;    /* what is walked; an ITERATOR is walked in turn */
    size_t at;     /* next item; byte offset in a string */
    bool reversed, ended;
    /* Generators: next makes an item (1), ends (0) or fails (-1) from `over`'s items and what it needs. */
    int (*next)(struct bp_jx *x, struct bp_jiterator *it, bp_jv *item);
    struct bp_jiterator *source;
    bp_jargs args;
    void *state;
    int64_t n, m;
} bp_jiterator;

static inline bp_jv bp_jv_none(void) { return (bp_jv){ .type = BP_J_NONE }; }
static inline bp_jv bp_jv_bool(bool b) { return (bp_jv){ .type = BP_J_BOOL, .truth = b }; }
static inline bp_jv bp_jv_int(int64_t i) { return (bp_jv){ .type = BP_J_INT, .integer = i }; }
static inline bp_jv bp_jv_float(double d) { return (bp_jv){ .type = BP_J_FLOAT, .number = d }; }
static inline bp_jv bp_jv_hint(const char *hint) {
    return (bp_jv){ .type = BP_J_UNDEFINED, .sub = BP_J_HINT, .words = hint };
}
static inline bool bp_jv_is_integral(bp_jv v) { return v.type == BP_J_INT || v.type == BP_J_BOOL; }
static inline bool bp_jv_is_number(bp_jv v) { return bp_jv_is_integral(v) || v.type == BP_J_FLOAT; }
static inline int64_t bp_jv_integer(bp_jv v) { return v.type == BP_J_BOOL ? v.truth : v.integer; }
static inline double bp_jv_number(bp_jv v) { return v.type == BP_J_FLOAT ? v.number : (double)bp_jv_integer(v); }

/* Making values. All charge the rendering and give BP_J_FAIL where a limit or memory ends. */
bp_jv bp_jv_string(struct bp_jx *x, const char *data, size_t n);
bp_jv bp_jv_text(struct bp_jx *x, bp_text *text); /* takes and frees text */
bp_jv bp_jv_words(struct bp_jx *x, const char *terminated);
bp_jv bp_jv_safe(struct bp_jx *x, bp_jv string, bool safe);
bp_jv bp_jv_list(struct bp_jx *x, size_t room);
bp_jv bp_jv_tuple(struct bp_jx *x, size_t room);
bool bp_jv_push(struct bp_jx *x, bp_jv list, bp_jv item); /* while the list is being made */
bp_jv bp_jv_dict(struct bp_jx *x);
bool bp_jv_set(struct bp_jx *x, bp_jdict *dict, bp_jv key, bp_jv value);
/* 1 found, 0 not, -1 failed (a key that cannot be hashed). */
int bp_jv_find(struct bp_jx *x, const bp_jdict *dict, bp_jv key, bp_jv *value);
bool bp_jv_find_name(const bp_jdict *dict, const char *name, size_t n, bp_jv *value);
bp_jv bp_jv_pair(struct bp_jx *x, bp_jv a, bp_jv b); /* a tuple of two */
/* false and an error for a value that Python cannot hash. */
bool bp_jv_hash(struct bp_jx *x, bp_jv v, uint64_t *hash);

/* Reading values. */
const char *bp_jv_type_name(bp_jv v); /* Python's */
bool bp_jv_truth(bp_jv v);
int64_t bp_jv_length(bp_jv v); /* -1: it has none */
int64_t bp_jv_range_length(const bp_jrange *range);
bool bp_jv_equals(struct bp_jx *x, bp_jv a, bp_jv b, bool *equal);
bool bp_jv_less(struct bp_jx *x, bp_jv a, bp_jv b, bool *less); /* a < b; an error where Python has one */
bool bp_jv_contains(struct bp_jx *x, bp_jv in, bp_jv item, bool *found);
bool bp_jv_same(bp_jv a, bp_jv b); /* the `is` of Python */
int bp_jv_compare_strings(const bp_jstring *a, const bp_jstring *b);
/* Sort list items by keys of the same number, both in place; stable. */
bool bp_jv_sort(struct bp_jx *x, bp_jv *keys, bp_jv *items, size_t n, bool reverse);

/* Text of values, appended to out: str(), repr(), json.dumps(). */
bool bp_jv_str(struct bp_jx *x, bp_jv v, bp_text *out);
bool bp_jv_repr(struct bp_jx *x, bp_jv v, bp_text *out);
bp_jv bp_jv_to_string(struct bp_jx *x, bp_jv v);
void bp_jv_float_text(double d, bp_text *out); /* repr of a float */
typedef struct bp_jjson {
    bool ascii, sort_keys;
    const bp_jstring *indent; /* NULL: on one line */
    bp_jv comma, colon; /* strings */
} bp_jjson;
bool bp_jv_json(struct bp_jx *x, bp_jv v, const bp_jjson *how, bp_text *out);
bp_jv bp_jv_from_json(struct bp_jx *x, const json_t *json);

/* The characters of strings. */
int32_t bp_jchar_next(const char *data, size_t size, size_t *at); /* decode one character (the text is valid UTF-8) */
void bp_jchar_add(bp_text *out, int32_t c);
size_t bp_jchar_encode(int32_t c, char out[4]);
size_t bp_jstring_offset(const bp_jstring *s, int64_t character); /* byte offset of a character, 0 <= it <= count */
bool bp_jchar_space(int32_t c); /* as str.isspace */
bool bp_jchar_line_end(int32_t c); /* as str.splitlines */
bool bp_jchar_in_name(int32_t c, bool first); /* identifiers */
void bp_jchar_upper(bp_text *out, int32_t c);
void bp_jchar_lower(bp_text *out, int32_t c);
void bp_jchar_title(bp_text *out, int32_t c);
enum {
    BP_JCHAR_UPPER = 1,
    BP_JCHAR_LOWER = 2,
    BP_JCHAR_TITLE = 4,
    BP_JCHAR_ALPHA = 8,
    BP_JCHAR_DECIMAL = 16,
    BP_JCHAR_DIGIT = 32,
    BP_JCHAR_NUMERIC = 64,
    BP_JCHAR_PRINTABLE = 128,
    BP_JCHAR_WORD = 256,
    BP_JCHAR_CASED = 512
};
uint32_t bp_jchar_class(int32_t c);
bp_jv bp_jv_lower(struct bp_jx *x, bp_jv string);
bool bp_utf8_is_valid(const char *data, size_t n);
size_t bp_jtext_left(const char *data, size_t n);  /* bytes of white space at the beginning */
size_t bp_jtext_right(const char *data, size_t n); /* size without the white space at the end */

#endif
