/* Grammars as rules of expressions: what GBNF, regular expressions and JSON schemas are turned into. Private to
 * core/text. An expression is an index; 0 stands for one that could not be made. The first error stays in the rules
 * (status, error), later calls then do nothing: makers check once, at the end. One thread at a time. */
#ifndef BP_TEXT_GRAMMAR_EXPR_H
#define BP_TEXT_GRAMMAR_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"
#include "core/base/arena.h"
#include "core/base/map.h"

enum {
    BP_EXPR_MAX = 1 << 18,     /* expressions of a grammar */
    BP_EXPR_MAX_DEPTH = 512,   /* expressions within each other */
    BP_GRAMMAR_MAX_TEXT = 1 << 20, /* bytes of a grammar, schema or regular expression */
};
#define BP_REPEAT_NO_END UINT32_MAX
#define BP_CODE_POINT_MAX 0x10FFFFu

enum bp_expr_kind {
    BP_X_LITERAL = 1, /* bytes */
    BP_X_CLASS,       /* one character of some ranges */
    BP_X_SEQUENCE,    /* its parts one after the other; without parts the empty text */
    BP_X_CHOICE,      /* one of its parts; without parts nothing at all */
    BP_X_REPEAT,      /* its part, at_least to at_most times */
    BP_X_RULE,        /* what a rule says */
    BP_X_TOKEN,       /* one token of the vocabulary by its id, or any but that */
};

typedef struct bp_range { /* code points, both ends included */
    uint32_t first, last;
} bp_range;

typedef struct bp_expr {
    uint8_t kind; /* enum bp_expr_kind */
    bool negated; /* TOKEN */
    uint16_t depth;
    uint32_t n;                 /* bytes of LITERAL, ranges of CLASS, rule of RULE, id of TOKEN */
    uint32_t at_least, at_most; /* REPEAT */
    uint32_t first, last, next; /* parts in order, and the part after this one */
    uint32_t parent;
    uint32_t same; /* RULE: the reference to the same rule made before this one */
    const void *data; /* LITERAL: bytes; CLASS: bp_range, sorted, apart, without surrogates */
} bp_expr;

typedef struct bp_rule {
    const char *name;
    uint32_t expr;       /* 0: not said yet */
    uint32_t references; /* the last RULE expression that names it, 0: none */
    uint32_t line, column; /* where it was named first; 0: no place in a text */
} bp_rule;

typedef struct bp_rules {
    bp_arena arena;
    bp_expr *exprs; /* [0] is not used */
    size_t n_exprs, room_exprs;
    bp_rule *rules;
    size_t n_rules, room_rules;
    bp_map names;
    bp_status status;
    bp_error error;
} bp_rules; /* all zeros has no rules */

void bp_rules_free(bp_rules *r);
/* Keep the first error. Returns 0, as an expression that is none. */
uint32_t bp_rules_fail(bp_rules *r, bp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The rule of this name, made where there is none. The name is copied. */
uint32_t bp_rule_named(bp_rules *r, const char *name, size_t n);
/* A rule that nothing else names; the name is for messages. */
uint32_t bp_rule_new(bp_rules *r, const char *name);

uint32_t bp_expr_new(bp_rules *r, enum bp_expr_kind kind); /* SEQUENCE or CHOICE without parts */
/* Put a part at the end of a SEQUENCE or CHOICE; a part has one place only. */
void bp_expr_add(bp_rules *r, uint32_t whole, uint32_t part);
uint32_t bp_expr_literal(bp_rules *r, const char *bytes, size_t n);
uint32_t bp_expr_text(bp_rules *r, const char *terminated);
/* Ranges in any order, which may overlap; negated: every other character. Surrogates are no characters. */
uint32_t bp_expr_class(bp_rules *r, const bp_range *ranges, size_t n, bool negated);
uint32_t bp_expr_repeat(bp_rules *r, uint32_t part, uint32_t at_least, uint32_t at_most);
uint32_t bp_expr_rule(bp_rules *r, uint32_t rule);
uint32_t bp_expr_token(bp_rules *r, uint32_t id, bool negated);
uint32_t bp_expr_list(bp_rules *r, enum bp_expr_kind kind, const uint32_t *parts, size_t n);
#define BP_LIST(r, kind, ...)                                \
    bp_expr_list(r, kind, (const uint32_t[]){ __VA_ARGS__ }, \
                 sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
#define BP_SEQUENCE(r, ...) BP_LIST(r, BP_X_SEQUENCE, __VA_ARGS__)
#define BP_CHOICE(r, ...) BP_LIST(r, BP_X_CHOICE, __VA_ARGS__)

/* Sort ranges, join those that touch, take surrogates out, and where negated turn them round. out has room for
 * n + 2 ranges; returns how many there are. ranges is sorted in place. */
size_t bp_ranges_tidy(bp_range *ranges, size_t n, bool negated, bp_range *out);

/* Properties of all expressions, as bits in facts [n_exprs]. Time in proportion to the number of expressions. */
enum { BP_FACT_EMPTY = 1 /* may be the empty text */, BP_FACT_ENDS = 2 /* some finite text fits */ };
bool bp_rules_facts(const bp_rules *r, uint8_t *facts); /* false: out of memory */
/* Fail where a rule may call itself before it has taken a byte. */
void bp_rules_refuse_left_recursion(bp_rules *r, const uint8_t *facts);

#endif
