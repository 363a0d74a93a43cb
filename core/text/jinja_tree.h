/* From template text to a tree. Private to core/text. */
#ifndef BP_TEXT_JINJA_TREE_H
#define BP_TEXT_JINJA_TREE_H

#include "core/base/map.h"
#include "core/text/jinja_value.h"

/* Tokens. Operators of one character are that character; the others follow. */
enum {
    BP_JT_FLOORDIV = 128, BP_JT_POW, BP_JT_EQ, BP_JT_NE, BP_JT_GE, BP_JT_LE, BP_JT_DATA, BP_JT_OUTPUT, BP_JT_OUTPUT_END,
    BP_JT_BLOCK, BP_JT_BLOCK_END, BP_JT_NAME, BP_JT_STRING, BP_JT_INTEGER, BP_JT_FLOAT, BP_JT_EOF
};

typedef struct bp_jtoken {
    uint8_t type;
    uint32_t at;  /* byte offset in the source, for messages */
    bp_jv value;  /* DATA, NAME, STRING: a string; INTEGER, FLOAT: a number */
} bp_jtoken;

enum bp_jkind {
    /* expressions */
    BP_JK_CONST, BP_JK_NAME, BP_JK_TUPLE, BP_JK_LIST, BP_JK_DICT, BP_JK_IF_ELSE, BP_JK_AND, BP_JK_OR, BP_JK_NOT,
    BP_JK_COMPARE, BP_JK_BINARY, BP_JK_CONCAT, BP_JK_NEGATIVE, BP_JK_POSITIVE, BP_JK_ATTRIBUTE, BP_JK_ITEM,
    BP_JK_SLICE, BP_JK_CALL, BP_JK_FILTER, BP_JK_TEST, BP_JK_NAMESPACE_ITEM,
    /* statements */
    BP_JK_OUTPUT, BP_JK_IF, BP_JK_FOR, BP_JK_SET, BP_JK_SET_BLOCK, BP_JK_WITH, BP_JK_MACRO, BP_JK_CALL_BLOCK,
    BP_JK_FILTER_BLOCK, BP_JK_SCOPE, BP_JK_BREAK, BP_JK_CONTINUE, BP_JK_ELSEWHERE
};

typedef struct bp_jnode {
    uint8_t kind;
    uint8_t op;      /* BINARY: the token; COMPARE: none */
    bool flag;       /* FOR: recursive; TEST: -; MACRO: uses caller; SLICE: - */
    bool kwargs, varargs; /* MACRO, CALL_BLOCK: the body uses them */
    uint16_t height;
    uint32_t at;
    uint32_t name;   /* NAME, MACRO, NAMESPACE_ITEM: id of the name */
    uint32_t n, m;   /* of items and more */
    struct bp_jnode *a, *b, *c;
    /* items: parts, arguments, statements; more: values of keywords or pairs, the else part. */
    struct bp_jnode **items, **more;
    uint32_t *names;     /* parameters of a macro: ids */
    const char **words;  /* names of keywords; of tokens in COMPARE: see ops */
    uint8_t *ops;        /* COMPARE: tokens, 'i' for in, 'n' for not in */
    const bp_jfunction *function; /* FILTER, TEST; NULL: unknown */
    bp_jv value;         /* CONST; ATTRIBUTE, FILTER, TEST: the name as a string */
} bp_jnode;

struct bp_jinja {
    bp_arena arena;
    char *source; /* line ends are \n */
    size_t size;
    bp_jnode **body;
    uint32_t n_body;
    bp_map by_name;
    const bp_jstring **names; /* by id */
    size_t n_names, names_capacity;
    uint32_t loop, caller, kwargs, varargs; /* ids of these names */
};

/* A string that belongs to the template. NULL: out of memory. */
const bp_jstring *bp_jinja_string(bp_arena *arena, const char *data, size_t n);
/* Fail with "line L, column C: words". */
bp_status bp_jinja_fail_at(const bp_jinja *j, size_t at, bp_error *error, bp_status status, const char *words);

/* All tokens of j->source, ended by EOF, in the arena. */
bp_status bp_jinja_lex(bp_jinja *j, bp_jtoken **tokens, size_t *n, bp_error *error);
bp_status bp_jinja_parse(bp_jinja *j, const bp_jtoken *tokens, size_t n, bp_error *error);

/* The parser's state, shared by its two files. */
typedef struct bp_jparser {
    bp_jinja *j;
    const bp_jtoken *tokens; /* the last is EOF */
    size_t at;
    uint32_t depth;
    uint32_t fors;  /* for statements around, also outside of a macro */
    uint32_t loops; /* for statements that are open here, within the same macro */
    bool caller, kwargs, varargs; /* names read since this was cleared */
    bp_error *error;
    bool failed;
} bp_jparser;

typedef struct bp_jnodes { bp_jnode **items; size_t count, capacity; } bp_jnodes; /* a list that grows, in malloc */

const bp_jtoken *bp_jp_now(const bp_jparser *p);
bool bp_jp_is_name(const bp_jparser *p, const char *name);
bool bp_jp_skip_name(bp_jparser *p, const char *name);
bool bp_jp_skip(bp_jparser *p, uint8_t type);
bool bp_jp_expect(bp_jparser *p, uint8_t type);
void *bp_jp_fail(bp_jparser *p, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
bp_jnode *bp_jp_node(bp_jparser *p, uint8_t kind, size_t at);
/* Take the height from the children; NULL and an error where the tree is too high. */
bp_jnode *bp_jp_done(bp_jparser *p, bp_jnode *node);
bool bp_jp_add(bp_jparser *p, bp_jnodes *list, bp_jnode *node); /* false where node is NULL or memory ends */
/* Move the list into the arena; frees it in any case. */
bool bp_jp_keep(bp_jparser *p, bp_jnodes *list, bp_jnode ***items, uint32_t *n);
uint32_t bp_jp_name(bp_jparser *p, const bp_jstring *name);
void *bp_jp_alloc(bp_jparser *p, size_t bytes);

bp_jnode *bp_jp_expression(bp_jparser *p, bool with_condition);
/* One expression or a tuple; end: a name that ends it too (or NULL). */
bp_jnode *bp_jp_tuple(bp_jparser *p, bool with_condition, const char *end, bool parentheses);
bp_jnode *bp_jp_target(bp_jparser *p, const char *end, bool with_namespace);
/* The filters at `|`, around node; with first: begin with a filter's name. */
bp_jnode *bp_jp_filters(bp_jparser *p, bp_jnode *node, bool first);

#endif
