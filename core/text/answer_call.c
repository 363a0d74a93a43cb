#define _GNU_SOURCE
#include "core/text/answer_call.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

typedef struct piece { const char *s; size_t n; } piece;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static piece trimmed(piece p) {
    while (p.n && is_space(p.s[0])) p.s++, p.n--;
    while (p.n && is_space(p.s[p.n - 1])) p.n--;
    return p;
}

static bool begins(piece p, const char *words) {
    size_t n = strlen(words);
    return p.n >= n && !memcmp(p.s, words, n);
}

static piece after(piece p, size_t n) { return (piece){ p.s + n, p.n - n }; }

/* Split at the first `mark`: what is before it; *rest is behind it. false: it is not there. */
static bool cut(piece p, const char *mark, piece *before, piece *rest) {
    size_t n = strlen(mark);
    const char *found = p.n ? memmem(p.s, p.n, mark, n) : NULL;
    if (!found) return false;
    *before = (piece){ p.s, (size_t)(found - p.s) };
    *rest = after(p, before->n + n);
    return true;
}

static bool is_json(piece p) {
    json_t *json = json_loadb(p.s, p.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    json_decref(json);
    return json;
}

static bool is_json_object(piece p) { return p.n && p.s[0] == '{' && is_json(p); }

bool bp_calls_add(bp_call_list *list, const char *name, size_t n_name, const char *arguments, size_t n_arguments) {
    piece args = trimmed((piece){ arguments, n_arguments }), word = trimmed((piece){ name, n_name });
    if (!args.n) args = (piece){ "{}", 2 };
    if (!word.n || memchr(word.s, '\n', word.n) || !is_json_object(args)) return false;
    if (!bp_grow((void **)&list->calls, &list->capacity, list->count + 1, sizeof *list->calls)) return false;
    bp_call_text *call = &list->calls[list->count++];
    *call = (bp_call_text){ 0 };
    bp_text_add(&call->name, word.s, word.n);
    bp_text_add(&call->arguments, args.s, args.n);
    return !call->name.failed && !call->arguments.failed;
}

void bp_calls_free(bp_call_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        bp_text_free(&list->calls[i].name);
        bp_text_free(&list->calls[i].arguments);
    }
    free(list->calls);
    *list = (bp_call_list){ 0 };
}

/* The end of the JSON value at the beginning of p (which is valid JSON, or at least balanced); 0: none. */
static size_t value_end(piece p) {
    size_t depth = 0;
    for (size_t i = 0; i < p.n; i++) {
        char c = p.s[i];
        if (c == '"') {
            for (i++; i < p.n && p.s[i] != '"'; i++) i += p.s[i] == '\\';
            if (i >= p.n) return 0;
        } else if (c == '{' || c == '[') {
            depth++;
            continue;
        } else if (c == '}' || c == ']') {
            if (!depth) return i;
            depth--;
        } else if (!depth && (c == ',' || c == ':')) {
            return i;
        } else {
            continue;
        }
        if (!depth) return i + 1;
    }
    return depth ? 0 : p.n;
}

/* The value of a key of the object p, as it is written; false: the key is not there. */
static bool member(piece p, const char *key, piece *value) {
    p = trimmed(after(p, 1));
    while (p.n && p.s[0] == '"') {
        size_t end = value_end(p);
        piece name = { p.s + 1, end > 2 ? end - 2 : 0 };
        p = trimmed(after(p, end));
        if (!end || !p.n || p.s[0] != ':') return false;
        p = trimmed(after(p, 1));
        size_t n = value_end(p);
        if (!n) return false;
        if (name.n == strlen(key) && !memcmp(name.s, key, name.n)) return *value = trimmed((piece){ p.s, n }), true;
        p = trimmed(after(p, n));
        if (p.n && p.s[0] == ',') p = trimmed(after(p, 1));
    }
    return false;
}

static bool text_member(piece p, const char *const *keys, bp_text *out) {
    piece value;
    for (; *keys; keys++) {
        if (!member(p, *keys, &value)) continue;
        json_t *json = json_loadb(value.s, value.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        bool good = json_is_string(json);
        if (good) bp_text_add(out, json_string_value(json), json_string_length(json));
        json_decref(json);
        return good;
    }
    return false;
}

static bool read_object(piece p, bp_call_list *out) {
    static const char *const names[] = { "name", "tool_name", "function", NULL };
    static const char *const arguments[] = { "arguments", "parameters", NULL };
    piece inner, args = { "{}", 2 };
    if (!is_json_object(p)) return false;
    if (member(p, "function", &inner) && inner.n && inner.s[0] == '{') p = inner;
    bp_text name = { 0 }, text = { 0 };
    bool good = text_member(p, names, &name);
    bool given = member(p, "arguments", &args) || member(p, "parameters", &args);
    if (good && given && args.n && args.s[0] == '"') { /* the arguments are a text that holds JSON */
        good = text_member(p, arguments, &text);
        args = (piece){ bp_text_get(&text), text.size };
    }
    good = good && bp_calls_add(out, bp_text_get(&name), name.size, args.s, args.n);
    bp_text_free(&name);
    bp_text_free(&text);
    return good;
}

/* Objects, side by side or in a list. */
static bool read_json(piece p, bp_call_list *out) {
    p = trimmed(p);
    if (begins(p, "[") && p.s[p.n - 1] == ']') p = trimmed((piece){ p.s + 1, p.n - 2 });
    if (!p.n) return false;
    while (p.n) {
        size_t n = p.s[0] == '{' ? value_end(p) : 0;
        if (!n || !read_object((piece){ p.s, n }, out)) return false;
        p = trimmed(after(p, n));
        if (p.n && (p.s[0] == ',' || p.s[0] == ';')) p = trimmed(after(p, 1));
    }
    return true;
}

/* A value that is JSON but no string stays what it is; all else is a text. */
static void add_value(bp_text *json, piece value) {
    piece bare = trimmed(value);
    if (bare.n && bare.s[0] != '"' && is_json(bare)) {
        bp_text_add(json, bare.s, bare.n);
        return;
    }
    bp_text_adds(json, "\"");
    bp_text_json(json, value.s, value.n);
    bp_text_adds(json, "\"");
}

static void add_key(bp_text *json, piece key) {
    bp_text_adds(json, json->size > 1 ? ", \"" : "\"");
    bp_text_json(json, key.s, key.n);
    bp_text_adds(json, "\": ");
}

static bool finish_arguments(bp_call_list *out, piece name, bp_text *json, bool good) {
    bp_text_adds(json, "}");
    good = good && !json->failed && bp_calls_add(out, name.s, name.n, json->data, json->size);
    bp_text_free(json);
    return good;
}

/* One newline at each end belongs to the tags. */
static piece unframed(piece p) {
    if (p.n && p.s[0] == '\n') p = after(p, 1);
    if (p.n && p.s[p.n - 1] == '\n') p.n--;
    return p;
}

/* <function=NAME> <parameter=KEY>VALUE</parameter>… </function> */
static bool read_function(piece p, bp_call_list *out) {
    piece name, key = { "", 0 }, value, rest;
    bp_text json = { 0 };
    if (!cut(after(p, strlen("<function=")), ">", &name, &p)) return false;
    bp_text_adds(&json, "{");
    bool good = true;
    for (p = trimmed(p); good && begins(p, "<parameter="); p = trimmed(rest)) {
        good = cut(after(p, strlen("<parameter=")), ">", &key, &rest) && cut(rest, "</parameter>", &value, &rest);
        if (!good) break;
        add_key(&json, trimmed(key));
        add_value(&json, unframed(value));
    }
    good = good && begins(p, "</function>") && p.n == strlen("</function>");
    return finish_arguments(out, trimmed(name), &json, good);
}

/* NAME <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value>… */
static bool read_arg_keys(piece p, bp_call_list *out) {
    piece name = p, key = { "", 0 }, value, rest = { p.s + p.n, 0 };
    bp_text json = { 0 };
    const char *first = memmem(p.s, p.n, "<arg_key>", 9);
    if (first)
        name = trimmed((piece){ p.s, (size_t)(first - p.s) }), rest = (piece){ first, p.n - (size_t)(first - p.s) };
    bp_text_adds(&json, "{");
    bool good = !memchr(name.s, '<', name.n) && !memchr(name.s, '{', name.n) && !memchr(name.s, ' ', name.n);
    for (rest = trimmed(rest); good && rest.n; rest = trimmed(rest)) {
        good = begins(rest, "<arg_key>") && cut(after(rest, 9), "</arg_key>", &key, &rest);
        rest = trimmed(rest);
        good = good && begins(rest, "<arg_value>") && cut(after(rest, 11), "</arg_value>", &value, &rest);
        if (!good) break;
        add_key(&json, trimmed(key));
        add_value(&json, value);
    }
    return finish_arguments(out, name, &json, good);
}

static bool read_tagged(piece p, bp_call_list *out) {
    p = trimmed(p);
    if (begins(p, "<function=")) return read_function(p, out);
    if (begins(p, "{") || begins(p, "[")) return read_json(p, out);
    return read_arg_keys(p, out);
}

/* brave_search.call(query="…"), else code for the interpreter. */
static bool read_python(piece p, bp_call_list *out) {
    p = trimmed(p);
    piece name, rest, key = { "", 0 };
    bp_text json = { 0 };
    if (begins(p, "{") || begins(p, "[")) return read_json(p, out);
    bp_text_adds(&json, "{");
    if (cut(p, ".call(", &name, &rest) && rest.n && rest.s[rest.n - 1] == ')' && !memchr(name.s, '\n', name.n)) {
        rest = trimmed((piece){ rest.s, rest.n - 1 });
        bool good = true;
        while (good && rest.n) {
            good = cut(rest, "=", &key, &rest);
            size_t n = good ? value_end(rest) : 0;
            good = n && is_json((piece){ rest.s, n });
            if (!good) break;
            add_key(&json, trimmed(key));
            bp_text_add(&json, rest.s, n);
            rest = trimmed(after(rest, n));
            if (rest.n && rest.s[0] == ',') rest = trimmed(after(rest, 1));
        }
        if (good) return finish_arguments(out, name, &json, true);
        bp_text_clear(&json);
        bp_text_adds(&json, "{");
    }
    add_key(&json, (piece){ "code", 4 });
    bp_text_adds(&json, "\"");
    bp_text_json(&json, p.s, p.n);
    bp_text_adds(&json, "\"");
    return finish_arguments(out, (piece){ "code_interpreter", 16 }, &json, p.n);
}

static bool read_mistral(piece p, bp_call_list *out) {
    piece name, rest, id;
    p = trimmed(p);
    if (begins(p, "[") || begins(p, "{")) return read_json(p, out);
    if (!cut(p, "[ARGS]", &name, &rest)) { /* NAME{…} */
        const char *brace = p.n ? memchr(p.s, '{', p.n) : NULL;
        if (!brace) return false;
        name = (piece){ p.s, (size_t)(brace - p.s) };
        rest = after(p, name.n);
    }
    cut(name, "[CALL_ID]", &name, &id);
    return bp_calls_add(out, name.s, name.n, rest.s, rest.n);
}

static bool read_deepseek(piece p, bp_call_list *out) {
    piece left, right, name, code;
    if (!cut(p, "<｜tool▁sep｜>", &left, &right)) return false;
    if (!cut(right, "```json", &name, &code)) return bp_calls_add(out, left.s, left.n, right.s, right.n);
    code = trimmed(code);
    if (code.n < 3 || memcmp(code.s + code.n - 3, "```", 3)) return false;
    return bp_calls_add(out, name.s, name.n, code.s, code.n - 3);
}

static bool read_kimi(piece p, bp_call_list *out) {
    piece name, rest;
    if (!cut(p, "<|tool_call_argument_begin|>", &name, &rest)) return false;
    name = trimmed(name);
    if (begins(name, "functions.")) name = after(name, strlen("functions."));
    const char *colon = name.n ? memrchr(name.s, ':', name.n) : NULL;
    if (colon) name.n = (size_t)(colon - name.s);
    return bp_calls_add(out, name.s, name.n, rest.s, rest.n);
}

bool bp_calls_read(int form, const char *text, size_t n, bp_call_list *out) {
    static bool (*const readers[])(piece, bp_call_list *) = {
        [BP_CALL_JSON] = read_json, [BP_CALL_TAGGED] = read_tagged, [BP_CALL_PYTHON] = read_python,
        [BP_CALL_MISTRAL] = read_mistral, [BP_CALL_DEEPSEEK] = read_deepseek, [BP_CALL_KIMI] = read_kimi,
    };
    bool good = n && readers[form]((piece){ text, n }, out) && out->count;
    if (!good) bp_calls_free(out);
    return good;
}
