/* Calls in tags, whose arguments are no JSON: <function=NAME><parameter=KEY>VALUE</parameter>…</function>, the same with
 * <invoke name="NAME"> and DeepSeek's tags, and NAME <arg_key>KEY</arg_key><arg_value>VALUE</arg_value>…. A parameter
 * whose schema says string is a text; one that reads as JSON and is no string keeps its type; where the schema says so,
 * Python's words and lists are taken as well; all others are texts. */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

struct bp_call_tags {
    const char *open, *key_end, *value_open, *close;
    const char *end; /* of the function; NULL: the end of the call */
    bool framed;     /* one new line at each end of a value belongs to the tags */
};

static const bp_call_tags functions = { "<parameter=", ">", NULL, "</parameter>", "</function>", true };
static const bp_call_tags invokes = { "<parameter name=\"", ">", NULL, "</parameter>", "</invoke>", true };
static const bp_call_tags dsml = {
    "<｜DSML｜parameter name=\"", ">", NULL, "</｜DSML｜parameter>", "</｜DSML｜invoke>", false
};
static const bp_call_tags arg_keys = { "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", NULL, false };

static bp_call_fn begin, plain_name, function_name, next, key, value_open, value, text_value, other_value,
    json_arguments, after;

static const char space[] = " \t\r\n";

int bp_call_tagged(bp_answer *a) {
    a->call.tags = &functions;
    return begin(a);
}

int bp_call_function(bp_answer *a) {
    a->call.tags = a->call.form == BP_CALL_DSML ? &dsml : a->call.form == BP_CALL_INVOKE ? &invokes : &functions;
    a->call.end = NULL;
    return bp_call_go(a, function_name);
}

static int begin(bp_answer *a) {
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    char first = bp_answer_rest(a).s[0];
    if (first == '{' || first == '[') return bp_call_go(a, bp_call_json);
    if (first != '<') return bp_call_go(a, plain_name);
    int at = bp_call_at(a, "<function=");
    if (at <= 0) return at < 0 ? BP_STEP_MORE : BP_STEP_BROKEN;
    bp_answer_take(a, strlen("<function="));
    return bp_call_go(a, function_name);
}

/* NAME of <arg_key>s, or of {…} */
static int plain_name(bp_answer *a) {
    bp_piece rest = bp_call_short(a);
    size_t n = 0;
    while (n < rest.n && !strchr("<{ ", rest.s[n])) n++;
    if (n == rest.n) return bp_call_wait(a);
    if (!bp_call_set_name(a, (bp_piece){ rest.s, n })) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    a->call.tags = &arg_keys;
    return bp_call_go(a, next);
}

static int function_name(bp_answer *a) {
    bp_piece rest = bp_call_short(a), name, behind;
    if (!bp_piece_cut(rest, ">", &name, &behind)) return bp_call_wait(a);
    size_t n = name.n + 1;
    bp_piece_cut(name, "\"", &name, &behind);
    if (!bp_call_set_name(a, name)) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    return bp_call_go(a, next);
}

static int tags_end(bp_answer *a, const char *end) {
    bp_answer_take(a, strlen(end));
    if (a->call.began) bp_call_adds(a, "}");
    bool own = a->call.tags->end;
    bp_call_done(a);
    if (!own) return BP_STEP_END;
    return a->call.end ? bp_call_go(a, after) : BP_STEP_END;
}

static int next(bp_answer *a) {
    bp_call_reader *c = &a->call;
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    const char *end = c->tags->end ? c->tags->end : c->end;
    int at_end = end ? bp_call_at(a, end) : 0, at_open = bp_call_at(a, c->tags->open);
    if (at_end > 0) return tags_end(a, end);
    if (at_open > 0) {
        bp_call_commit(a);
        bp_answer_take(a, strlen(c->tags->open));
        return bp_call_go(a, key);
    }
    if (!c->began && bp_answer_rest(a).s[0] == '{') {
        bp_call_commit(a);
        return bp_call_go(a, json_arguments);
    }
    return at_end < 0 || at_open < 0 ? BP_STEP_MORE : BP_STEP_BROKEN;
}

static int json_arguments(bp_answer *a) {
    bool done;
    bp_call_raw_arguments(a, &done);
    if (!done) return BP_STEP_MORE;
    const char *end = a->call.tags->end;
    bp_call_done(a);
    if (!end) return bp_call_go(a, after);
    if (!a->call.end) a->call.end = end;
    return bp_call_go(a, after);
}

/* Behind </function>: the end of the call, or another function. */
static int after(bp_answer *a) {
    int got = bp_call_between(a, space);
    if (got != BP_STEP_ON) return got;
    int at = bp_call_at(a, "</function>");
    if (at > 0) bp_answer_take(a, strlen("</function>"));
    if (at) return at < 0 ? BP_STEP_MORE : BP_STEP_ON;
    return bp_answer_rest(a).s[0] == '<' ? bp_call_go(a, begin) : BP_STEP_BROKEN;
}

static bool has_type(const json_t *schema, const char *type) {
    const json_t *types = json_object_get(schema, "type"), *one;
    size_t i;
    if (json_is_string(types)) return !strcmp(json_string_value(types), type);
    json_array_foreach(types, i, one)
        if (json_is_string(one) && !strcmp(json_string_value(one), type)) return true;
    return false;
}

static const json_t *schema_of(const bp_answer *a, bp_piece name) {
    const char *key;
    const json_t *schema;
    json_object_foreach((json_t *)a->call.parameters, key, schema)
        if (strlen(key) == name.n && !memcmp(key, name.s, name.n)) return schema;
    return NULL;
}

static bool only_text(const json_t *schema) {
    static const char *const others[] = { "null", "boolean", "integer", "number", "object", "array" };
    for (size_t i = 0; i < BP_COUNT(others); i++)
        if (has_type(schema, others[i])) return false;
    return has_type(schema, "string");
}

static int key(bp_answer *a) {
    bp_call_reader *c = &a->call;
    bp_piece rest = bp_call_short(a), name, behind, flags = { "", 0 };
    if (!bp_piece_cut(rest, c->tags->key_end, &name, &behind)) return bp_call_wait(a);
    size_t n = name.n + strlen(c->tags->key_end);
    if (c->tags->open[strlen(c->tags->open) - 1] == '"') bp_piece_cut(name, "\"", &name, &flags);
    name = bp_piece_trimmed(name);
    c->schema = schema_of(a, name);
    c->is_text = only_text(c->schema) || bp_piece_cut(flags, "string=\"true\"", &flags, &behind);
    bp_call_add_key(a, name);
    bp_answer_take(a, n);
    return bp_call_go(a, c->tags->value_open ? value_open : value);
}

static int value_open(bp_answer *a) {
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    int at = bp_call_at(a, a->call.tags->value_open);
    if (at <= 0) return at < 0 ? BP_STEP_MORE : BP_STEP_BROKEN;
    bp_answer_take(a, strlen(a->call.tags->value_open));
    return bp_call_go(a, value);
}

/* What ends a value: its tag; models forget it, then the next tag. */
static size_t ends_of(const bp_call_tags *tags, const char *ends[3]) {
    ends[0] = tags->close;
    ends[1] = tags->open;
    ends[2] = tags->end;
    return tags->framed ? 3 : 1;
}

/* Where the value ends in rest; false: it goes on, and *at is how much of it is sure. */
static bool value_end(const bp_answer *a, size_t *at) {
    const char *ends[3];
    bp_piece rest = bp_answer_rest(a);
    size_t n = ends_of(a->call.tags, ends), held = 0, longest = strlen(a->call.tags->open) + 16;
    size_t from = a->call.searched > longest ? a->call.searched - longest : 0;
    const char *first = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *found = memmem(rest.s + from, rest.n - from, ends[i], strlen(ends[i]));
        if (found && (!first || found < first)) first = found;
        held = BP_MAX(held, bp_answer_partial(rest.s, rest.n, ends[i]));
    }
    *at = first ? (size_t)(first - rest.s) : rest.n - held;
    return first;
}

static bool looks_text(const bp_answer *a, bp_piece p) {
    static const char digits[] = "0123456789+-.eE \t\r\n", words[] = "truefalsn TFN\t\r\n";
    if (a->call.is_text) return true;
    bp_piece bare = bp_piece_trimmed(p);
    if (!bare.n || strchr("{[", bare.s[0])) return false;
    const char *set = strchr("-0123456789", bare.s[0]) ? digits : strchr("tfnTFN", bare.s[0]) ? words : "";
    for (size_t i = 0; i < bare.n; i++)
        if (!bare.s[i] || !strchr(set, bare.s[i])) return true;
    return false;
}

static int value(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    if (a->call.tags->framed && rest.s[0] == '\n') bp_answer_take(a, 1);
    return bp_call_go(a, other_value);
}

static void add_text(bp_answer *a, bp_piece p) {
    bp_call_adds(a, "");
    bp_text_json(&a->call.arguments, p.s, p.n);
}

static void take_end(bp_answer *a) {
    if (bp_call_at(a, a->call.tags->close) > 0) bp_answer_take(a, strlen(a->call.tags->close));
}

static bp_piece unframed(const bp_answer *a, bp_piece p) {
    if (a->call.tags->framed && p.n && p.s[p.n - 1] == '\n') p.n--;
    return p;
}

static int text_value(bp_answer *a) {
    size_t n;
    bool ended = value_end(a, &n);
    bp_piece p = unframed(a, (bp_piece){ bp_answer_rest(a).s, n });
    add_text(a, p);
    bp_answer_take(a, ended ? n : p.n);
    if (!ended) return BP_STEP_MORE;
    bp_call_adds(a, "\"");
    take_end(a);
    return bp_call_go(a, next);
}

static const char *python_word(const bp_answer *a, bp_piece p) {
    bool boolean = has_type(a->call.schema, "boolean");
    if (boolean && p.n == 4 && !memcmp(p.s, "True", 4)) return "true";
    if (boolean && p.n == 5 && !memcmp(p.s, "False", 5)) return "false";
    return has_type(a->call.schema, "null") && p.n == 4 && !memcmp(p.s, "None", 4) ? "null" : NULL;
}

static bool add_literal(bp_answer *a, bp_piece bare) {
    bp_text json = { 0 };
    bool good = (has_type(a->call.schema, "array") || has_type(a->call.schema, "object")) &&
                bp_python_literal(bare, &json) && bp_piece_is_json((bp_piece){ bp_text_get(&json), json.size });
    if (good) bp_call_add(a, json.data, json.size);
    bp_text_free(&json);
    return good;
}

static void add_value(bp_answer *a, bp_piece p) {
    bp_piece bare = bp_piece_trimmed(p);
    const char *word = python_word(a, bare);
    if (word) {
        bp_call_adds(a, word);
    } else if (!a->call.is_text && bare.n && bare.s[0] != '"' && bp_piece_is_json(bare)) {
        bp_call_add(a, bare.s, bare.n);
    } else if (a->call.is_text || !add_literal(a, bare)) {
        bp_call_adds(a, "\"");
        add_text(a, p);
        bp_call_adds(a, "\"");
    }
}

/* A value that may be other than a text is held until it is whole. */
static int other_value(bp_answer *a) {
    size_t n;
    bool ended = value_end(a, &n);
    bp_piece p = unframed(a, (bp_piece){ bp_answer_rest(a).s, n });
    if (looks_text(a, p)) {
        bp_call_adds(a, "\"");
        return bp_call_go(a, text_value);
    }
    a->call.searched = bp_answer_rest(a).n;
    if (!ended) return BP_STEP_MORE;
    add_value(a, p);
    bp_answer_take(a, n);
    take_end(a);
    return bp_call_go(a, next);
}

bool bp_call_tags_cut(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    if (a->call.next == text_value) add_text(a, rest);
    else if (a->call.next == other_value) add_value(a, unframed(a, rest));
    else return false;
    bp_answer_take(a, rest.n);
    return true;
}
