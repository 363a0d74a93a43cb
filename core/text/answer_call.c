#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

bp_piece bp_piece_trimmed(bp_piece p) {
    while (p.n && bp_answer_is_space(p.s[0])) p.s++, p.n--;
    while (p.n && bp_answer_is_space(p.s[p.n - 1])) p.n--;
    return p;
}

bool bp_piece_begins(bp_piece p, const char *words) {
    size_t n = strlen(words);
    return p.n >= n && !memcmp(p.s, words, n);
}

bool bp_piece_cut(bp_piece p, const char *mark, bp_piece *before, bp_piece *after) {
    size_t n = strlen(mark);
    const char *found = p.n ? memmem(p.s, p.n, mark, n) : NULL;
    if (!found) return false;
    size_t size = (size_t)(found - p.s);
    *before = (bp_piece){ p.s, size };
    *after = (bp_piece){ found + n, p.n - size - n };
    return true;
}

bool bp_piece_is_json(bp_piece p) {
    if (!p.n) return false;
    json_t *json = json_loadb(p.s, p.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    json_decref(json);
    return json;
}

int bp_call_go(bp_answer *a, bp_call_fn *next) {
    a->call.next = next;
    a->call.searched = 0;
    return BP_STEP_ON;
}

bp_piece bp_call_short(const bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    return (bp_piece){ rest.s, BP_MIN(rest.n, (size_t)BP_CALL_MAX_NAME) };
}

int bp_call_wait(const bp_answer *a) {
    return bp_answer_rest(a).n >= BP_CALL_MAX_NAME ? BP_STEP_BROKEN : BP_STEP_MORE;
}

bool bp_call_skip(bp_answer *a, const char *characters) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = 0;
    while (n < rest.n && rest.s[n] && strchr(characters, rest.s[n])) n++;
    if (n) bp_answer_take(a, n);
    return n < rest.n;
}

int bp_call_at(const bp_answer *a, const char *text) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = strlen(text);
    if (rest.n >= n) return !memcmp(rest.s, text, n);
    return rest.n && memcmp(rest.s, text, rest.n) ? 0 : -1;
}

int bp_call_between(bp_answer *a, const char *separators) {
    bp_call_reader *c = &a->call;
    if (!bp_call_skip(a, separators)) return BP_STEP_MORE;
    int at = c->end ? bp_call_at(a, c->end) : 0;
    if (at < 0) return BP_STEP_MORE;
    if (!at) return BP_STEP_ON;
    bp_answer_take(a, strlen(c->end));
    return BP_STEP_END;
}

int bp_call_none(const bp_answer *a) {
    return a->n_calls > a->call.n_before && !a->call.end ? BP_STEP_END : BP_STEP_BROKEN;
}

void bp_call_add(bp_answer *a, const char *s, size_t n) {
    bp_text_add(&a->call.arguments, s, n);
    a->call.began = a->call.began || n;
}

void bp_call_adds(bp_answer *a, const char *s) { bp_call_add(a, s, strlen(s)); }

void bp_call_add_key(bp_answer *a, bp_piece key) {
    bp_call_adds(a, a->call.began ? ", \"" : "{\"");
    bp_text_json(&a->call.arguments, key.s, key.n);
    bp_call_adds(a, "\": ");
}

bool bp_call_set_name(bp_answer *a, bp_piece name) {
    name = bp_piece_trimmed(name);
    if (!name.n || memchr(name.s, '\n', name.n)) return false;
    if (a->call.named) return true; /* the first one counts */
    bp_text_clear(&a->call.name);
    bp_text_add(&a->call.name, name.s, name.n);
    return true;
}

/* The function of the call's name; NULL: the tools hold none. */
static const json_t *function_of(const bp_answer *a) {
    const bp_text *name = &a->call.name;
    size_t i;
    const json_t *tool;
    json_array_foreach(a->tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        if (!function) function = tool;
        const json_t *its = json_object_get(function, "name");
        if (json_string_length(its) != name->size || memcmp(json_string_value(its), name->data, name->size)) continue;
        return function;
    }
    return NULL;
}

bool bp_call_may_be(const bp_answer *a) { return !a->tools || function_of(a); }

void bp_call_commit(bp_answer *a) {
    bp_call_reader *c = &a->call;
    if (c->named) return;
    c->named = true;
    c->parameters = json_object_get(json_object_get(function_of(a), "parameters"), "properties");
    bp_text_clear(&c->raw);
    bp_text_clear(&a->space);
    a->sink(a->user, BP_ANSWER_CALL, a->n_calls, c->name.data, c->name.size);
}

void bp_call_flush(bp_answer *a) {
    bp_call_reader *c = &a->call;
    if (!c->named || !c->arguments.size) return;
    a->sink(a->user, BP_ANSWER_ARGUMENTS, a->n_calls, c->arguments.data, c->arguments.size);
    bp_text_clear(&c->arguments);
}

static void reset(bp_call_reader *c) {
    bp_text_clear(&c->raw);
    bp_text_clear(&c->name);
    bp_text_clear(&c->key);
    bp_text_clear(&c->arguments);
    c->named = c->began = c->comma = c->is_text = false;
    c->parameters = c->schema = NULL;
    c->scan = (bp_json_scan){ 0 };
    c->level = c->depth = 0;
    c->lists = 0;
    c->searched = 0;
}

void bp_call_done(bp_answer *a) {
    bp_call_commit(a);
    if (!a->call.began) bp_call_adds(a, "{}");
    bp_call_flush(a);
    a->n_calls++;
    a->trim = true;
    reset(&a->call);
}

void bp_call_forget(bp_answer *a) { reset(&a->call); }

void bp_call_free(bp_call_reader *c) {
    bp_text_free(&c->raw);
    bp_text_free(&c->name);
    bp_text_free(&c->key);
    bp_text_free(&c->arguments);
}

size_t bp_json_scan_on(bp_json_scan *j, bp_piece p, bool *done) {
    size_t i = 0;
    for (*done = false; i < p.n && !*done; i++) {
        char c = p.s[i];
        if (j->escaped) {
            j->escaped = false;
        } else if (j->in_string) {
            if (c == '\\') j->escaped = true;
            if (c == '"') j->in_string = false, *done = !j->depth;
        } else if (c == '"') {
            j->in_string = true;
        } else if (c == '{' || c == '[') {
            j->depth++;
        } else if (!j->depth && (c == ',' || c == '}' || c == ']')) {
            *done = true; /* behind a number or a word */
            break;
        } else if (c == '}' || c == ']') {
            *done = !--j->depth;
        }
    }
    return i;
}

void bp_call_raw_arguments(bp_answer *a, bool *done) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = bp_json_scan_on(&a->call.scan, rest, done);
    bp_call_add(a, rest.s, n);
    bp_answer_take(a, n);
}

void bp_call_begin(bp_answer *a, int form, const char *end) {
    static bp_call_fn *const readers[] = {
        [BP_CALL_JSON] = bp_call_json,         [BP_CALL_BARE] = bp_call_json,     [BP_CALL_KEYED] = bp_call_json,
        [BP_CALL_FENCED] = bp_call_fenced,     [BP_CALL_TAGGED] = bp_call_tagged, [BP_CALL_FUNCTION] = bp_call_function,
        [BP_CALL_INVOKE] = bp_call_function,   [BP_CALL_DSML] = bp_call_function, [BP_CALL_CODE] = bp_call_code,
        [BP_CALL_PYTHON] = bp_call_python,     [BP_CALL_GEMMA] = bp_call_python,  [BP_CALL_MISTRAL] = bp_call_header,
        [BP_CALL_DEEPSEEK] = bp_call_header,   [BP_CALL_KIMI] = bp_call_header,   [BP_CALL_SOLAR] = bp_call_header,
        [BP_CALL_RECIPIENT] = bp_call_recipient,
    };
    reset(&a->call);
    a->call.form = form;
    a->call.end = end;
    a->call.n_before = a->n_calls;
    a->call.next = readers[form];
}

bool bp_call_cut(bp_answer *a) {
    if (!bp_call_python_cut(a) && !bp_call_tags_cut(a) && !a->call.named) return a->n_calls > a->call.n_before;
    if (a->call.named) bp_call_done(a);
    return true;
}
