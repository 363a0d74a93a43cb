/* Calls as Python writes them: [name(key='value', n=[1, None])], Llama's tool.call(query="…") or code, and Gemma's
 * call:NAME{key:<|"|>value<|"|>}. Literals become JSON. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

static bp_call_fn item, gemma_item, argument, value, text, gemma_text, code;

static const char space[] = " \t\r\n", gemma_quote[] = "<|\"|>";

static bool is_word(char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
    return letter || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static size_t word_size(bp_piece p) {
    size_t n = 0;
    while (n < p.n && is_word(p.s[n])) n++;
    return n;
}

static size_t space_size(bp_piece p) {
    size_t n = 0;
    while (n < p.n && bp_answer_is_space(p.s[n])) n++;
    return n;
}

static bp_piece behind(bp_piece p, size_t n) { return (bp_piece){ p.s + n, p.n - n }; }

/* Some put the calls into a fence. */
int bp_call_python(bp_answer *a) {
    static const char fence[] = "```python";
    if (a->call.form == BP_CALL_GEMMA) return bp_call_go(a, gemma_item);
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    int at = bp_call_at(a, fence);
    if (at < 0) return BP_STEP_MORE;
    if (at) bp_answer_take(a, sizeof fence - 1);
    return bp_call_go(a, item);
}

/* name( and then ) or key=: 1 where that is so, 0 where it is not, -1 where it is not to be said yet. */
static int begins_call(bp_piece p, size_t *name) {
    size_t n = *name = word_size(p);
    if (n == p.n) return -1;
    if (!n || p.s[n] != '(') return 0;
    p = behind(p, n + 1);
    p = behind(p, space_size(p));
    if (!p.n) return -1;
    if (p.s[0] == ')') return 1;
    n = word_size(p);
    if (!n) return 0;
    p = behind(p, n);
    p = behind(p, space_size(p));
    return p.n ? p.s[0] == '=' : -1;
}

static int item(bp_answer *a) {
    int got = bp_call_between(a, " \t\r\n,;[]`");
    if (got != BP_STEP_ON) return got;
    bp_piece rest = bp_call_short(a);
    if (rest.s[0] == '{') return bp_call_go(a, bp_call_json);
    size_t n;
    got = begins_call(rest, &n);
    if (got <= 0) return got < 0 ? bp_call_wait(a) : bp_call_none(a);
    size_t call = strlen(".call");
    bool dotted = a->call.form == BP_CALL_CODE && n > call && !memcmp(rest.s + n - call, ".call", call);
    if (!bp_call_set_name(a, (bp_piece){ rest.s, dotted ? n - call : n })) return BP_STEP_BROKEN;
    if (a->call.form == BP_CALL_PYTHON && !a->call.end && !bp_call_may_be(a)) return bp_call_none(a);
    bp_answer_take(a, n + 1);
    bp_call_commit(a);
    return bp_call_go(a, argument);
}

static int gemma_item(bp_answer *a) {
    int got = bp_call_between(a, " \t\r\n,;");
    if (got != BP_STEP_ON) return got;
    int at = bp_call_at(a, "call:");
    if (at <= 0) return at < 0 ? BP_STEP_MORE : BP_STEP_BROKEN;
    bp_piece rest = bp_call_short(a), name = behind(rest, strlen("call:"));
    name.n = word_size(name);
    size_t n = strlen("call:") + name.n;
    if (n == rest.n) return bp_call_wait(a);
    if (rest.s[n] != '{' || !bp_call_set_name(a, name)) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    bp_call_commit(a);
    return bp_call_go(a, value);
}

static int argument(bp_answer *a) {
    if (!bp_call_skip(a, " \t\r\n,")) return BP_STEP_MORE;
    bp_piece rest = bp_call_short(a);
    if (rest.s[0] == ')') {
        bp_answer_take(a, 1);
        if (a->call.began) bp_call_adds(a, "}");
        bp_call_done(a);
        return bp_call_go(a, item);
    }
    size_t name = word_size(rest), n = name + space_size(behind(rest, name));
    if (n == rest.n) return bp_call_wait(a);
    if (!name || rest.s[n] != '=') return BP_STEP_BROKEN;
    bp_call_add_key(a, (bp_piece){ rest.s, name });
    bp_answer_take(a, n + 1);
    return bp_call_go(a, value);
}

/* A value was read; at depth 0 it was the whole one. */
static int value_done(bp_answer *a) {
    if (a->call.depth) return bp_call_go(a, value);
    if (a->call.form != BP_CALL_GEMMA) return bp_call_go(a, argument);
    bp_call_done(a);
    return bp_call_go(a, gemma_item);
}

static void add_comma(bp_answer *a) {
    if (a->call.comma) bp_call_adds(a, ", ");
    a->call.comma = false;
}

static int open_bracket(bp_answer *a, bool list) {
    bp_call_reader *c = &a->call;
    if (c->depth == 64) return BP_STEP_BROKEN;
    add_comma(a);
    bp_call_adds(a, list ? "[" : "{");
    uint64_t bit = UINT64_C(1) << c->depth++;
    c->lists = list ? c->lists | bit : c->lists & ~bit;
    bp_answer_take(a, 1);
    return BP_STEP_ON;
}

static int close_bracket(bp_answer *a) {
    bp_call_reader *c = &a->call;
    c->comma = false;
    c->depth--;
    bp_call_adds(a, c->lists >> c->depth & 1 ? "]" : "}");
    bp_answer_take(a, 1);
    return value_done(a);
}

static void add_quoted(bp_answer *a, bp_piece p) {
    bp_call_adds(a, "\"");
    bp_text_json(&a->call.arguments, p.s, p.n);
    bp_call_adds(a, "\"");
}

static void add_word(bp_answer *a, bp_piece p) {
    static const char *const words[][2] = { { "True", "true" }, { "False", "false" }, { "None", "null" } };
    for (size_t i = 0; i < BP_COUNT(words); i++)
        if (strlen(words[i][0]) == p.n && bp_piece_begins(p, words[i][0])) {
            bp_call_adds(a, words[i][1]);
            return;
        }
    if (bp_piece_is_json(p)) bp_call_add(a, p.s, p.n);
    else add_quoted(a, p);
}

/* A number, a word, or a key without quotes. */
static int word(bp_answer *a) {
    bp_piece rest = bp_call_short(a);
    size_t sign = rest.s[0] == '+', n = sign + word_size(behind(rest, sign)), then = n + space_size(behind(rest, n));
    if (then == rest.n) return bp_call_wait(a);
    if (n == sign) return BP_STEP_BROKEN;
    bp_piece p = { rest.s + sign, n - sign };
    add_comma(a);
    if (rest.s[then] == ':') add_quoted(a, p);
    else add_word(a, p);
    bp_answer_take(a, n);
    return value_done(a);
}

static int begin_text(bp_answer *a, size_t quote, bp_call_fn *reader) {
    a->call.quote = bp_answer_rest(a).s[0];
    add_comma(a);
    bp_call_adds(a, "\"");
    bp_answer_take(a, quote);
    return bp_call_go(a, reader);
}

static int value(bp_answer *a) {
    bp_call_reader *c = &a->call;
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    char first = bp_answer_rest(a).s[0];
    if (first == '\'' || first == '"') return begin_text(a, 1, text);
    if (first == '[' || first == '(' || first == '{') return open_bracket(a, first != '{');
    if (c->depth && (first == ']' || first == ')' || first == '}')) return close_bracket(a);
    if (c->depth && (first == ',' || first == ':')) {
        c->comma = first == ',';
        if (first == ':') bp_call_adds(a, ": ");
        bp_answer_take(a, 1);
        return BP_STEP_ON;
    }
    int at = bp_call_at(a, gemma_quote);
    if (at > 0) return begin_text(a, strlen(gemma_quote), gemma_text);
    return at < 0 ? BP_STEP_MORE : word(a);
}

static void add_inside(bp_answer *a, const char *s, size_t n) {
    bp_text_json(&a->call.arguments, s, n);
    bp_answer_take(a, n);
}

/* \xHH, \uHHHH: that character. */
static int coded(bp_answer *a, size_t digits) {
    bp_piece rest = bp_answer_rest(a);
    char quoted[] = "\"\\u0000\"";
    if (rest.n < 2 + digits) return BP_STEP_MORE;
    memcpy(quoted + 7 - digits, rest.s + 2, digits);
    if (bp_piece_is_json((bp_piece){ quoted, 8 })) bp_call_add(a, quoted + 1, 6);
    else bp_text_json(&a->call.arguments, rest.s, 2 + digits);
    bp_answer_take(a, 2 + digits);
    return BP_STEP_ON;
}

static int escape(bp_answer *a) {
    static const char from[] = "ntrbf\\'\"\n", to[] = "\n\t\r\b\f\\'\"";
    bp_piece rest = bp_answer_rest(a);
    if (rest.n < 2) return BP_STEP_MORE;
    if (rest.s[1] == 'x' || rest.s[1] == 'u') return coded(a, rest.s[1] == 'x' ? 2 : 4);
    const char *found = rest.s[1] ? strchr(from, rest.s[1]) : NULL;
    if (!found) add_inside(a, rest.s, 1); /* Python keeps it */
    else if (*found != '\n') bp_text_json(&a->call.arguments, &to[found - from], 1);
    if (found) bp_answer_take(a, 2);
    return BP_STEP_ON;
}

static int text(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = 0;
    while (n < rest.n && rest.s[n] != '\\' && rest.s[n] != a->call.quote) n++;
    add_inside(a, rest.s, n);
    if (n == rest.n) return BP_STEP_MORE;
    if (rest.s[n] == '\\') return escape(a);
    bp_call_adds(a, "\"");
    bp_answer_take(a, 1);
    return value_done(a);
}

static int gemma_text(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a), inside, after;
    bool ended = bp_piece_cut(rest, gemma_quote, &inside, &after);
    size_t n = ended ? inside.n : rest.n - bp_answer_partial(rest.s, rest.n, gemma_quote);
    add_inside(a, rest.s, n);
    if (!ended) return BP_STEP_MORE;
    bp_call_adds(a, "\"");
    bp_answer_take(a, strlen(gemma_quote));
    return value_done(a);
}

bool bp_python_literal(bp_piece p, bp_text *out) {
    bp_answer a = { .pending = { .data = (char *)p.s, .size = p.n }, .size = p.n };
    bp_call_begin(&a, BP_CALL_PYTHON, NULL);
    bp_call_go(&a, value);
    int step = BP_STEP_ON;
    while (step == BP_STEP_ON && a.at < a.size && a.call.next != argument) step = a.call.next(&a);
    bool good = step == BP_STEP_ON && a.at == a.size && a.call.next == argument;
    if (good) bp_text_add(out, bp_text_get(&a.call.arguments), a.call.arguments.size);
    bp_call_free(&a.call);
    return good;
}

/* ---- <|python_tag|> ---- */

int bp_call_code(bp_answer *a) {
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    bp_piece rest = bp_call_short(a);
    if (rest.s[0] == '{' || rest.s[0] == '[') return bp_call_go(a, bp_call_json);
    size_t n = word_size(rest), call = strlen(".call");
    if (n == rest.n && n < BP_CALL_MAX_NAME) return BP_STEP_MORE;
    if (n > call && n < rest.n && rest.s[n] == '(' && !memcmp(rest.s + n - call, ".call", call)) {
        int got = begins_call(rest, &n);
        if (got) return got < 0 ? bp_call_wait(a) : bp_call_go(a, item);
    }
    bp_call_set_name(a, (bp_piece){ "code_interpreter", 16 });
    bp_call_commit(a);
    bp_call_add_key(a, (bp_piece){ "code", 4 });
    bp_call_adds(a, "\"");
    return bp_call_go(a, code);
}

/* All that comes, but for white space at its end. */
static int code(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    while (rest.n && bp_answer_is_space(rest.s[rest.n - 1])) rest.n--;
    add_inside(a, rest.s, rest.n);
    return BP_STEP_MORE;
}

bool bp_call_python_cut(bp_answer *a) {
    bp_call_fn *next = a->call.next;
    if (next == bp_call_code && bp_answer_rest(a).n) {
        bp_call_set_name(a, (bp_piece){ "code_interpreter", 16 });
        bp_call_commit(a);
        bp_call_add_key(a, (bp_piece){ "code", 4 });
        bp_call_adds(a, "\"");
        next = code;
    }
    if (next == code) {
        code(a);
        bp_call_adds(a, "\"}");
    } else if (next == gemma_text) {
        bp_piece rest = bp_answer_rest(a);
        add_inside(a, rest.s, rest.n);
    } else {
        return false;
    }
    return true;
}
