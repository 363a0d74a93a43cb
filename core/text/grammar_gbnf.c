/* Reading GBNF. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/grammar_internal.h"
#include "core/text/grammar_read.h"

enum { MAX_GROUPS = 200 /* parentheses within each other */, MAX_CLASS = 4096 /* ranges of a class */ };

typedef struct gbnf {
    bp_rules *r;
    bp_reader in;
    const bp_grammar_vocab *vocab;
    int depth;
} gbnf;

static uint32_t alternatives(gbnf *g, bool grouped);

static bool is_name(uint32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void skip_space(gbnf *g) {
    for (;;) {
        int c = bp_reader_peek(&g->in);
        if (c == '#') {
            while (!bp_reader_done(&g->in) && bp_reader_peek(&g->in) != '\n') g->in.at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            g->in.at++;
        } else {
            return;
        }
    }
}

static size_t name_length(const gbnf *g) {
    size_t n = 0;
    while (g->in.at + n < g->in.n && is_name((uint8_t)g->in.text[g->in.at + n])) n++;
    return n;
}

/* Whether `name ::=` begins here. */
static bool at_definition(gbnf *g) {
    size_t begin = g->in.at, n = name_length(g);
    g->in.at += n;
    if (n) skip_space(g);
    bool is = n && g->in.n - g->in.at >= 3 && !memcmp(g->in.text + g->in.at, "::=", 3);
    g->in.at = begin;
    return is;
}

static uint32_t rule_here(gbnf *g, size_t n) {
    uint32_t rule = bp_rule_named(g->r, g->in.text + g->in.at, n);
    if (!g->r->status && !g->r->rules[rule].line)
        bp_reader_place(&g->in, g->in.at, &g->r->rules[rule].line, &g->r->rules[rule].column);
    g->in.at += n;
    return rule;
}

/* A character or an escape for one, as a code point. */
static bool character(gbnf *g, uint32_t *c) {
    size_t begin = g->in.at;
    if (!bp_reader_character(&g->in, c)) return bp_reader_fail(&g->in, begin, "no valid UTF-8 here"), false;
    if (*c != '\\') return true;
    if (!bp_reader_character(&g->in, c)) return bp_reader_fail(&g->in, begin, "the text ends after a backslash"), false;
    switch (*c) {
    case 'n': return *c = '\n', true;
    case 'r': return *c = '\r', true;
    case 't': return *c = '\t', true;
    case 'x': return bp_reader_hex(&g->in, 2, c);
    case 'u': return bp_reader_hex(&g->in, 4, c) && bp_reader_scalar(&g->in, begin, *c);
    case 'U': return bp_reader_hex(&g->in, 8, c) && bp_reader_scalar(&g->in, begin, *c);
    default: break;
    }
    if (*c > ' ' && *c < 0x7F && !is_name(*c)) return true; /* punctuation stands for itself */
    if (*c == '-' || *c == '_') return true;
    return bp_reader_fail(&g->in, begin,
                          "unknown escape \\%c: try \\n \\r \\t \\\\ \\\" \\[ \\] \\xNN \\uNNNN \\UNNNNNNNN",
                          *c < 0x7F && *c > ' ' ? (int)*c : '?'),
           false;
}

static uint32_t literal(gbnf *g) {
    size_t begin = g->in.at++;
    bp_text bytes = { 0 };
    uint32_t c;
    for (;;) {
        if (bp_reader_done(&g->in)) {
            bp_reader_fail(&g->in, begin, "this \" is never closed");
            break;
        }
        if (bp_reader_peek(&g->in) == '"') break;
        if (!character(g, &c)) break;
        bp_text_code_point(&bytes, c);
    }
    g->in.at++;
    uint32_t made = bp_expr_literal(g->r, bp_text_get(&bytes), bytes.size);
    bp_text_free(&bytes);
    return made;
}

/* What is between [ and ], without the ^; false after an error. */
static bool class_ranges(gbnf *g, size_t begin, bp_range *ranges, size_t *n) {
    while (!bp_reader_done(&g->in) && bp_reader_peek(&g->in) != ']') {
        size_t at = g->in.at;
        bp_range range;
        if (!character(g, &range.first)) return false;
        range.last = range.first;
        bool more = g->in.n - g->in.at >= 2 && g->in.text[g->in.at] == '-' && g->in.text[g->in.at + 1] != ']';
        if (more) g->in.at++;
        if (more && !character(g, &range.last)) return false;
        if (range.last < range.first) return bp_reader_fail(&g->in, at, "this range is the wrong way round"), false;
        if (*n >= MAX_CLASS) return bp_reader_fail(&g->in, begin, "more than %d ranges in a class", MAX_CLASS), false;
        ranges[(*n)++] = range;
    }
    if (bp_reader_done(&g->in)) return bp_reader_fail(&g->in, begin, "this [ is never closed"), false;
    g->in.at++;
    return true;
}

static uint32_t class(gbnf *g) {
    size_t begin = g->in.at++, n = 0;
    bool negated = bp_reader_peek(&g->in) == '^';
    if (negated) g->in.at++;
    bp_range *ranges = bp_new_array(MAX_CLASS, sizeof *ranges);
    if (!ranges) return bp_rules_fail(g->r, BP_E_NO_MEMORY, "grammar: out of memory");
    uint32_t made = 0;
    if (class_ranges(g, begin, ranges, &n)) {
        if (!n && !negated) bp_reader_fail(&g->in, begin, "an empty class [] fits no character");
        made = bp_expr_class(g->r, ranges, n, negated);
    }
    free(ranges);
    return made;
}

static uint32_t group(gbnf *g) {
    size_t begin = g->in.at++;
    if (++g->depth > MAX_GROUPS)
        return bp_reader_fail(&g->in, begin, "more than %d parentheses within each other", MAX_GROUPS);
    uint32_t made = alternatives(g, true);
    g->depth--;
    if (g->r->status) return 0;
    if (bp_reader_peek(&g->in) != ')') return bp_reader_fail(&g->in, begin, "this ( is never closed");
    g->in.at++;
    return made;
}

/* <name>, <[id]>, and both after a !. */
static uint32_t token(gbnf *g) {
    size_t begin = g->in.at;
    bool negated = bp_reader_peek(&g->in) == '!';
    if (negated) g->in.at++;
    if (bp_reader_peek(&g->in) != '<') return bp_reader_fail(&g->in, begin, "after ! comes a token, as in !<[7]>");
    if (!g->vocab) return bp_reader_fail(&g->in, begin, "tokens can be named only with a vocabulary");
    const char *text = g->in.text + g->in.at, *close = memchr(text, '>', g->in.n - g->in.at);
    if (!close) return bp_reader_fail(&g->in, begin, "this < is never closed");
    size_t n = (size_t)(close - text) + 1;
    g->in.at += n;
    int64_t id = 0;
    if (n > 4 && text[1] == '[') {
        size_t i = 2;
        while (i < n - 2 && text[i] >= '0' && text[i] <= '9' && id < INT32_MAX) id = id * 10 + text[i++] - '0';
        if (i != n - 2 || text[i] != ']') return bp_reader_fail(&g->in, begin, "a token's id is a number, as in <[7]>");
    } else {
        id = bp_grammar_vocab_find(g->vocab, text, n);
        if (id < 0)
            return bp_reader_fail(&g->in, begin, "the vocabulary has no token %.*s", (int)BP_MIN(n, (size_t)40), text);
    }
    if (id >= g->vocab->n_tokens)
        return bp_reader_fail(&g->in, begin, "the vocabulary has %d tokens", g->vocab->n_tokens);
    return bp_expr_token(g->r, (uint32_t)id, negated);
}

/* 0 without an error where no item begins here. */
static uint32_t item(gbnf *g) {
    int c = bp_reader_peek(&g->in);
    if (c == '"') return literal(g);
    if (c == '[') return class(g);
    if (c == '(') return group(g);
    if (c == '<' || c == '!') return token(g);
    if (c == '.') return g->in.at++, bp_expr_class(g->r, NULL, 0, true);
    size_t n = name_length(g);
    if (n && !at_definition(g)) return bp_expr_rule(g->r, rule_here(g, n));
    return 0;
}

/* {m}, {m,} or {m,n}. */
static bool bounds(gbnf *g, uint32_t *least, uint32_t *most) {
    size_t begin = g->in.at++;
    skip_space(g);
    bool good = bp_reader_number(&g->in, least);
    *most = *least;
    skip_space(g);
    if (good && bp_reader_peek(&g->in) == ',') {
        g->in.at++;
        skip_space(g);
        if (bp_reader_peek(&g->in) == '}') *most = BP_REPEAT_NO_END;
        else good = bp_reader_number(&g->in, most);
        skip_space(g);
    }
    if (!good || bp_reader_peek(&g->in) != '}')
        return bp_reader_fail(&g->in, begin, "a repetition is {m}, {m,} or {m,n}, below %u", BP_READER_MAX_NUMBER),
               false;
    if (*most < *least) return bp_reader_fail(&g->in, begin, "at least %u and at most %u times", *least, *most), false;
    g->in.at++;
    return true;
}

static uint32_t repeated(gbnf *g, uint32_t part) {
    while (!g->r->status) {
        skip_space(g);
        uint32_t least = 0, most = BP_REPEAT_NO_END;
        switch (bp_reader_peek(&g->in)) {
        case '*': g->in.at++; break;
        case '+': g->in.at++, least = 1; break;
        case '?': g->in.at++, most = 1; break;
        case '{':
            if (!bounds(g, &least, &most)) return 0;
            break;
        default: return part;
        }
        part = bp_expr_repeat(g->r, part, least, most);
    }
    return 0;
}

static uint32_t sequence(gbnf *g) {
    uint32_t whole = bp_expr_new(g->r, BP_X_SEQUENCE);
    for (;;) {
        skip_space(g);
        uint32_t part = item(g);
        if (!part || g->r->status) return whole;
        bp_expr_add(g->r, whole, repeated(g, part));
    }
}

static uint32_t alternatives(gbnf *g, bool grouped) {
    uint32_t whole = bp_expr_new(g->r, BP_X_CHOICE);
    do {
        bp_expr_add(g->r, whole, sequence(g));
        skip_space(g);
    } while (!g->r->status && bp_reader_peek(&g->in) == '|' && ++g->in.at);
    if (g->r->status || bp_reader_done(&g->in) || (grouped && bp_reader_peek(&g->in) == ')') || at_definition(g))
        return whole;
    int c = bp_reader_peek(&g->in);
    if (c == ')') return bp_reader_fail(&g->in, g->in.at, "this ) closes nothing");
    return bp_reader_fail(&g->in, g->in.at, "unexpected '%c'", c > ' ' && c < 0x7F ? c : '?');
}

static void definition(gbnf *g) {
    size_t begin = g->in.at, n = name_length(g);
    if (!n || !at_definition(g)) {
        bp_reader_fail(&g->in, begin, "here should be a rule, as in: name ::= \"text\"");
        return;
    }
    uint32_t rule = rule_here(g, n);
    skip_space(g);
    g->in.at += 3;
    if (!g->r->status && g->r->rules[rule].expr) {
        bp_reader_fail(&g->in, begin, "the rule '%.60s' is there already", g->r->rules[rule].name);
        return;
    }
    uint32_t expr = alternatives(g, false);
    if (!g->r->status) g->r->rules[rule].expr = expr;
}

bp_status bp_grammar_gbnf(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out,
                          bp_error *error) {
    bp_rules rules = { 0 };
    gbnf g = { .r = &rules, .in = { .rules = &rules, .text = text, .n = n }, .vocab = vocab };
    if (n > BP_GRAMMAR_MAX_TEXT)
        bp_rules_fail(&rules, BP_E_REFUSED, "a grammar of more than %d bytes", BP_GRAMMAR_MAX_TEXT);
    uint32_t root = bp_rule_named(&rules, "root", 4);
    for (skip_space(&g); !rules.status && !bp_reader_done(&g.in); skip_space(&g)) definition(&g);
    if (!rules.status && !rules.rules[root].expr)
        bp_rules_fail(&rules, BP_E_INVALID,
                      "the grammar has no rule 'root': it is the whole, as in: root ::= \"yes\" | \"no\"");
    return bp_grammar_from_rules(&rules, root, vocab, out, error);
}
