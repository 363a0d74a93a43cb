/* Regular expressions of ECMAScript as expressions of a grammar. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_REGEX_H
#define BP_TEXT_GRAMMAR_REGEX_H

#include "core/text/grammar_expr.h"

enum {
    BP_REGEX_WHOLE = 1, /* the whole text has to fit; otherwise it has to contain what fits, ^ and $ aside */
    BP_REGEX_JSON = 2,  /* the text is the inside of a JSON string, escaped where it has to be and nowhere else */
};

typedef struct bp_regex {
    uint32_t expr;
    uint32_t least, most; /* characters of a text that fits; BP_REPEAT_NO_END: no bound */
    uint32_t variable;    /* the one part that has no fixed length, a REPEAT of one character; 0: not so simple */
    uint32_t fixed;       /* then: characters of all other parts */
} bp_regex;

/* what: begins the messages ("pattern"). expr is 0 after an error, which is in r. */
bp_regex bp_regex_read(bp_rules *r, const char *text, size_t n, uint32_t flags, const char *what);
/* Keep to texts of `least` to `most` characters; false where the expression is not simple enough for that. */
bool bp_regex_bound(bp_rules *r, const bp_regex *regex, uint32_t least, uint32_t most);

/* One character of the ranges inside a JSON string, escaped where it has to be. */
uint32_t bp_json_class(bp_rules *r, const bp_range *ranges, size_t n, bool negated);
/* Characters as they stand inside a JSON string. */
uint32_t bp_json_literal(bp_rules *r, const char *text, size_t n);

#endif
