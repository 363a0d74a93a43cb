/* Calls as JSON objects: {"name": …, "arguments": {…}} with the members in any order, side by side or in a list. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

static bp_call_fn item, key, colon, value, arguments, text_arguments, skip_value;

static const char space[] = " \t\r\n";
static const char *const names[] = { "name", "tool_name", "function" };
static const char *const bodies[] = { "arguments", "parameters" };
static const char *const others[] = { "id", "type", "tool_call_id" };

static bool is_one(const bp_text *key, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(bp_text_get(key), words[i])) return true;
    return false;
}
#define IS_ONE(key, words) is_one(key, words, BP_COUNT(words))

/* Bytes of the string that p begins with; 0: it is not whole. */
static size_t string_size(bp_piece p) {
    bool done;
    bp_json_scan scan = { 0 };
    size_t n = bp_json_scan_on(&scan, p, &done);
    return done ? n : 0;
}

/* The text that a JSON string means; false: it is no valid one. */
static bool decode(const char *s, size_t n, bp_text *out) {
    json_t *json = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (json) bp_text_add(out, json_string_value(json), json_string_length(json));
    json_decref(json);
    return json;
}

int bp_call_json(bp_answer *a) { return item(a); }

int bp_call_fenced(bp_answer *a) {
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    int at = bp_call_at(a, "```json");
    if (at <= 0) return at < 0 ? BP_STEP_MORE : BP_STEP_BROKEN;
    bp_answer_take(a, strlen("```json"));
    return bp_call_go(a, item);
}

static int item(bp_answer *a) {
    int got = bp_call_between(a, " \t\r\n,;[]");
    if (got != BP_STEP_ON) return got;
    return bp_answer_rest(a).s[0] == '{' ? bp_call_go(a, bp_call_json_object) : bp_call_none(a);
}

int bp_call_json_object(bp_answer *a) {
    bp_answer_take(a, 1);
    a->call.level = 1;
    return bp_call_go(a, key);
}

static int object_end(bp_answer *a) {
    bp_answer_take(a, 1);
    if (--a->call.level) return BP_STEP_ON;
    bool bare = a->call.form == BP_CALL_BARE; /* then it may as well be an answer in JSON */
    if (!a->call.name.size || (bare && !a->call.began)) return BP_STEP_BROKEN;
    bp_call_done(a);
    return bp_call_go(a, item);
}

static int key(bp_answer *a) {
    if (!bp_call_skip(a, " \t\r\n,")) return BP_STEP_MORE;
    bp_piece rest = bp_call_short(a);
    if (rest.s[0] == '}') return object_end(a);
    size_t n = rest.s[0] == '"' ? string_size(rest) : 0;
    if (!n) return rest.s[0] == '"' ? bp_call_wait(a) : BP_STEP_BROKEN;
    bp_text_clear(&a->call.key);
    if (!decode(rest.s, n, &a->call.key)) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    return bp_call_go(a, colon);
}

static int colon(bp_answer *a) {
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    if (bp_answer_rest(a).s[0] != ':') return BP_STEP_BROKEN;
    bp_answer_take(a, 1);
    return bp_call_go(a, value);
}

static int name_value(bp_answer *a) {
    bp_piece rest = bp_call_short(a);
    bp_text name = { 0 };
    size_t n = string_size(rest);
    if (!n) return bp_call_wait(a);
    bool good = decode(rest.s, n, &name) && bp_call_set_name(a, (bp_piece){ bp_text_get(&name), name.size });
    bp_text_free(&name);
    if (!good || (a->call.form == BP_CALL_BARE && !bp_call_may_be(a))) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    return bp_call_go(a, key);
}

static int body_value(bp_answer *a, char first) {
    if (first != '{' && first != '"') return first == 'n' ? bp_call_go(a, skip_value) : BP_STEP_BROKEN;
    if (a->call.began) return bp_call_go(a, skip_value); /* the first ones count */
    if (a->call.name.size) bp_call_commit(a);
    if (first == '{') return bp_call_go(a, arguments);
    bp_answer_take(a, 1);
    return bp_call_go(a, text_arguments);
}

static int value(bp_answer *a) {
    bp_call_reader *c = &a->call;
    if (!bp_call_skip(a, space)) return BP_STEP_MORE;
    char first = bp_answer_rest(a).s[0];
    c->scan = (bp_json_scan){ 0 };
    bool is_name = IS_ONE(&c->key, names), is_body = IS_ONE(&c->key, bodies);
    if (is_body) return body_value(a, first);
    if (is_name && first == '"') return name_value(a);
    if (!strcmp(bp_text_get(&c->key), "function") && first == '{') {
        bp_answer_take(a, 1);
        c->level++;
        return bp_call_go(a, key);
    }
    bool keyed = c->form == BP_CALL_KEYED && first == '{';
    if (keyed && bp_call_set_name(a, (bp_piece){ bp_text_get(&c->key), c->key.size })) return body_value(a, first);
    if (is_name || (c->form == BP_CALL_BARE && !IS_ONE(&c->key, others))) return BP_STEP_BROKEN;
    return bp_call_go(a, skip_value);
}

static int skip_value(bp_answer *a) {
    bool done;
    bp_answer_take(a, bp_json_scan_on(&a->call.scan, bp_answer_rest(a), &done));
    return done ? bp_call_go(a, key) : BP_STEP_MORE;
}

static int arguments(bp_answer *a) {
    bool done;
    bp_call_raw_arguments(a, &done);
    return done ? bp_call_go(a, key) : BP_STEP_MORE;
}

/* Bytes of the escape that p begins with, 0 where they are not all there. */
static size_t escape_size(bp_piece p) {
    if (p.n < 2) return 0;
    size_t n = p.s[1] == 'u' ? 6 : 2;
    if (n == 6 && p.n >= 4 && (p.s[2] | 0x20) == 'd' && strchr("89abAB", p.s[3])) n = 12; /* two surrogates */
    return p.n < n ? 0 : n;
}

/* The arguments are a text that holds JSON. */
static int text_arguments(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = 0;
    while (n < rest.n && rest.s[n] != '"' && rest.s[n] != '\\') n++;
    bp_call_add(a, rest.s, n);
    bp_answer_take(a, n);
    rest = bp_answer_rest(a);
    if (!rest.n) return BP_STEP_MORE;
    if (rest.s[0] == '"') {
        bp_answer_take(a, 1);
        return bp_call_go(a, key);
    }
    n = escape_size(rest);
    if (!n) return BP_STEP_MORE;
    char quoted[16] = "\"";
    memcpy(quoted + 1, rest.s, n);
    quoted[n + 1] = '"';
    if (!decode(quoted, n + 2, &a->call.arguments)) bp_call_adds(a, "\xEF\xBF\xBD");
    a->call.began = true;
    bp_answer_take(a, n);
    return BP_STEP_ON;
}
