#include "core/text/grammar_regex.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_internal.h"
#include "core/text/grammar_read.h"
#include "core/text/grammar_regex_class.h"

enum { MAX_GROUPS = 200 /* parentheses within each other */ };

typedef struct regex {
    bp_rules *r;
    bp_reader in;
    uint32_t flags;
    int depth;
} regex;

/* What ends of an alternative are ends of the text: ^ and $ may stand there. */
typedef struct edges {
    bool begin, end;
} edges;

typedef struct piece {
    uint32_t expr, least, most;
    bool unit; /* one character, or one character repeated: expr is the REPEAT */
} piece;

static bp_regex disjunction(regex *g, edges at);

static uint32_t add_lengths(uint32_t a, uint32_t b) {
    return a > BP_REPEAT_NO_END - 1 - BP_MIN(b, BP_REPEAT_NO_END - 1) ? BP_REPEAT_NO_END : a + b;
}

static uint32_t multiply_lengths(uint32_t a, uint32_t b) {
    uint64_t product = (uint64_t)a * b;
    return product >= BP_REPEAT_NO_END ? (a && b ? BP_REPEAT_NO_END : 0) : (uint32_t)product;
}

/* Where the group that begins at `at` ends: the index after its ')'. */
static size_t after_group(const regex *g, size_t at) {
    int depth = 0;
    bool in_class = false;
    for (; at < g->in.n; at++) {
        char c = g->in.text[at];
        if (c == '\\') at++;
        else if (in_class) in_class = c != ']';
        else if (c == '[') in_class = true;
        else if (c == '(') depth++;
        else if (c == ')' && !--depth) return at + 1;
    }
    return g->in.n;
}

static bool ends_alternative(int c) { return c < 0 || c == '|' || c == ')'; }

/* {m}, {m,}, {m,n}; anything else after { is text, as browsers take it. */
static bool braces(regex *g, uint32_t *least, uint32_t *most) {
    bp_reader saved = g->in;
    g->in.at++;
    bool good = bp_reader_number(&g->in, least);
    *most = *least;
    if (good && bp_reader_peek(&g->in) == ',') {
        g->in.at++;
        if (bp_reader_peek(&g->in) == '}') *most = BP_REPEAT_NO_END;
        else good = bp_reader_number(&g->in, most);
    }
    good = good && bp_reader_peek(&g->in) == '}';
    if (good) g->in.at++;
    else g->in = saved;
    return good;
}

static bool quantifier(regex *g, uint32_t *least, uint32_t *most) {
    int c = bp_reader_peek(&g->in);
    *least = c == '+';
    *most = c == '?' ? 1 : BP_REPEAT_NO_END;
    if (c == '*' || c == '+' || c == '?') g->in.at++;
    else if (c != '{' || !braces(g, least, most)) return false;
    if (bp_reader_peek(&g->in) == '?') g->in.at++; /* lazy: which way to go first, the texts are the same */
    return true;
}

static bool at_quantifier(const regex *g, size_t at) {
    regex ahead = *g;
    uint32_t least, most;
    ahead.in.at = at;
    return quantifier(&ahead, &least, &most);
}

static piece quantified(regex *g, piece part) {
    size_t begin = g->in.at;
    uint32_t least, most;
    if (g->r->status || !quantifier(g, &least, &most)) return part;
    if (most < least) return bp_reader_fail(&g->in, begin, "at least %u and at most %u times", least, most), part;
    uint32_t again_least, again_most;
    if (quantifier(g, &again_least, &again_most)) return bp_reader_fail(&g->in, begin, "nothing to repeat"), part;
    bool unit = part.unit && part.least == 1 && part.most == 1;
    return (piece){ bp_expr_repeat(g->r, part.expr, least, most), multiply_lengths(part.least, least),
                    multiply_lengths(part.most, most), unit };
}

static uint32_t one_of(regex *g, const bp_ranges *set) {
    if (g->flags & BP_REGEX_JSON) return bp_json_class(g->r, set->items, set->n, set->negated);
    return bp_expr_class(g->r, set->items, set->n, set->negated);
}

static piece any_text(regex *g) {
    bp_ranges all = { .negated = true };
    uint32_t rule = bp_rule_named(g->r, "any character", 13);
    if (!g->r->status && !g->r->rules[rule].expr) g->r->rules[rule].expr = one_of(g, &all);
    return (piece){ bp_expr_repeat(g->r, bp_expr_rule(g->r, rule), 0, BP_REPEAT_NO_END), 0, BP_REPEAT_NO_END, true };
}

static void refuse_group(regex *g, size_t begin) {
    int c = bp_reader_peek_at(&g->in, 1), d = bp_reader_peek_at(&g->in, 2);
    if (c == '=' || c == '!') bp_reader_fail(&g->in, begin, "lookahead (?%c is not supported", c);
    else if (c == '<' && (d == '=' || d == '!')) bp_reader_fail(&g->in, begin, "lookbehind (?<%c is not supported", d);
    else bp_reader_fail(&g->in, begin, "groups of the kind (?%c are not supported", c > ' ' && c < 0x7F ? c : '?');
}

/* Past "(", "(?:" or "(?<name>". */
static bool open_group(regex *g) {
    size_t begin = g->in.at++;
    if (bp_reader_peek(&g->in) != '?') return true;
    int c = bp_reader_peek_at(&g->in, 1), d = bp_reader_peek_at(&g->in, 2);
    if (c == ':') return g->in.at += 2, true;
    if (c != '<' || d == '=' || d == '!') return refuse_group(g, begin), false;
    while (!bp_reader_done(&g->in) && bp_reader_peek(&g->in) != '>') g->in.at++;
    if (bp_reader_done(&g->in)) return bp_reader_fail(&g->in, begin, "this group's name has no end"), false;
    return g->in.at++, true;
}

static piece group(regex *g, edges at) {
    size_t begin = g->in.at;
    piece none = { 0 };
    if (++g->depth > MAX_GROUPS)
        return bp_reader_fail(&g->in, begin, "more than %d parentheses within each other", MAX_GROUPS), none;
    if (!open_group(g)) return none;
    bp_regex inside = disjunction(g, at);
    g->depth--;
    if (!g->r->status && bp_reader_peek(&g->in) != ')')
        return bp_reader_fail(&g->in, begin, "this ( is never closed"), none;
    g->in.at++;
    return (piece){ inside.expr, inside.least, inside.most, false };
}

static piece class_piece(regex *g) {
    bp_ranges set = { 0 };
    piece made = { 0, 1, 1, true };
    if (bp_regex_class(&g->in, &set)) made.expr = one_of(g, &set);
    free(set.items);
    return made;
}

static piece escape_piece(regex *g) {
    bp_ranges set = { 0 };
    piece made = { 0, 1, 1, true };
    if (bp_regex_escape(&g->in, &set, false)) made.expr = one_of(g, &set);
    free(set.items);
    return made;
}

static piece dot(regex *g) {
    bp_range ends[] = { { '\n', '\n' }, { '\r', '\r' }, { 0x2028, 0x2029 } };
    bp_ranges set = { .items = ends, .n = BP_COUNT(ends), .negated = true };
    g->in.at++;
    return (piece){ one_of(g, &set), 1, 1, true };
}

/* Characters that stand for themselves, up to one that is repeated. */
static piece plain(regex *g) {
    bp_text text = { 0 };
    piece made = { 0 };
    for (;;) {
        size_t begin = g->in.at;
        uint32_t c;
        int byte = bp_reader_peek(&g->in);
        if (byte < 0 || (strchr("\\^$.*+?()[|", byte) && byte)) break;
        if (byte == '{' && at_quantifier(g, g->in.at)) break;
        if (!bp_reader_character(&g->in, &c)) {
            bp_reader_fail(&g->in, begin, "no valid UTF-8 here");
            break;
        }
        if (made.least && at_quantifier(g, g->in.at)) {
            g->in.at = begin;
            break;
        }
        bp_text_code_point(&text, c);
        made.least = ++made.most;
    }
    made.unit = made.least == 1;
    if (g->flags & BP_REGEX_JSON) made.expr = bp_json_literal(g->r, bp_text_get(&text), text.size);
    else made.expr = bp_expr_literal(g->r, bp_text_get(&text), text.size);
    bp_text_free(&text);
    return made;
}

static piece atom(regex *g, edges at) {
    int c = bp_reader_peek(&g->in);
    switch (c) {
    case '(': return group(g, at);
    case '[': return class_piece(g);
    case '\\': return escape_piece(g);
    case '.': return dot(g);
    case '*':
    case '+':
    case '?': return bp_reader_fail(&g->in, g->in.at, "nothing to repeat before %c", c), (piece){ 0 };
    default: break;
    }
    if (c == '{' && at_quantifier(g, g->in.at))
        return bp_reader_fail(&g->in, g->in.at, "nothing to repeat before {"), (piece){ 0 };
    return plain(g);
}

/* The sequence so far, and which part of it has no fixed length. */
typedef struct row {
    bp_regex sum;
    unsigned n_variable;
} row;

static void add_piece(regex *g, row *to, piece part) {
    bp_expr_add(g->r, to->sum.expr, part.expr);
    to->sum.least = add_lengths(to->sum.least, part.least);
    to->sum.most = add_lengths(to->sum.most, part.most);
    if (part.least == part.most) {
        to->sum.fixed = add_lengths(to->sum.fixed, part.least);
        return;
    }
    to->n_variable++;
    to->sum.variable = to->n_variable == 1 && part.unit ? part.expr : 0;
}

/* Where an atom's edges are edges of the text. */
static edges edges_here(const regex *g, edges at, bool first) {
    if (bp_reader_peek(&g->in) != '(' || (!at.begin && !at.end)) return (edges){ false, false };
    size_t after = after_group(g, g->in.at);
    bool last = after >= g->in.n || ends_alternative((uint8_t)g->in.text[after]);
    bool repeated = at_quantifier(g, after);
    return (edges){ at.begin && first && !repeated, at.end && last && !repeated };
}

static void refuse_anchor(regex *g, int c) {
    bp_reader_fail(&g->in, g->in.at, "%c can stand at the %s of the pattern or of its alternatives only", c,
                   c == '^' ? "beginning" : "end");
}

static bp_regex alternative(regex *g, edges at) {
    row made = { .sum = { .expr = bp_expr_new(g->r, BP_X_SEQUENCE) } };
    bool open = !(g->flags & BP_REGEX_WHOLE), first = true;
    if (at.begin && bp_reader_peek(&g->in) == '^') g->in.at++, at.begin = false;
    while (!g->r->status && !ends_alternative(bp_reader_peek(&g->in))) {
        int c = bp_reader_peek(&g->in);
        if (c == '$' && at.end && ends_alternative(bp_reader_peek_at(&g->in, 1))) {
            g->in.at++;
            at.end = false;
            break;
        }
        if (c == '^' || c == '$') return refuse_anchor(g, c), made.sum;
        edges inside = edges_here(g, at, first);
        if (first && open && at.begin && !inside.begin) add_piece(g, &made, any_text(g));
        if (first) at.begin = false;
        first = false;
        if (inside.end) at.end = false;
        add_piece(g, &made, quantified(g, atom(g, inside)));
    }
    if (open && (at.end || at.begin)) add_piece(g, &made, any_text(g));
    if (made.n_variable != 1) made.sum.variable = 0;
    return made.sum;
}

static bp_regex disjunction(regex *g, edges at) {
    bp_regex made = alternative(g, at);
    if (bp_reader_peek(&g->in) != '|') return made;
    uint32_t whole = BP_CHOICE(g->r, made.expr);
    made.variable = 0;
    while (!g->r->status && bp_reader_peek(&g->in) == '|') {
        g->in.at++;
        bp_regex other = alternative(g, at);
        bp_expr_add(g->r, whole, other.expr);
        made.least = BP_MIN(made.least, other.least);
        made.most = BP_MAX(made.most, other.most);
    }
    made.expr = whole;
    return made;
}

bp_regex bp_regex_read(bp_rules *r, const char *text, size_t n, uint32_t flags, const char *what) {
    regex g = { .r = r, .in = { .rules = r, .text = text, .n = n, .what = what }, .flags = flags };
    bp_regex made = disjunction(&g, (edges){ true, true });
    if (!r->status && !bp_reader_done(&g.in)) bp_reader_fail(&g.in, g.in.at, "this ) closes nothing");
    if (r->status) made.expr = 0;
    return made;
}

bool bp_regex_bound(bp_rules *r, const bp_regex *regex, uint32_t least, uint32_t most) {
    if (r->status || (regex->least >= least && regex->most <= most)) return true;
    if (!regex->variable || regex->fixed > most) return false;
    bp_expr *part = &r->exprs[regex->variable];
    part->at_least = BP_MAX(part->at_least, least > regex->fixed ? least - regex->fixed : 0);
    if (most != BP_REPEAT_NO_END) part->at_most = BP_MIN(part->at_most, most - regex->fixed);
    return part->at_least <= part->at_most;
}

bp_status bp_grammar_regex(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out,
                           bp_error *error) {
    bp_rules rules = { 0 };
    if (n > BP_GRAMMAR_MAX_TEXT)
        bp_rules_fail(&rules, BP_E_REFUSED, "a regular expression of more than %d bytes", BP_GRAMMAR_MAX_TEXT);
    uint32_t root = bp_rule_new(&rules, "the regular expression");
    bp_regex regex = bp_regex_read(&rules, text, n, BP_REGEX_WHOLE, "regular expression");
    if (!rules.status) rules.rules[root].expr = regex.expr;
    return bp_grammar_from_rules(&rules, root, vocab, out, error);
}
