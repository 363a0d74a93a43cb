#define _GNU_SOURCE
#include "core/text/answer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/answer_call.h"

enum { OPEN_REASONING, CLOSE_REASONING, CALL, DROP };

typedef struct marker {
    const char *text;
    int action, form;
    const char *end, *needs;
} marker;

static const marker markers[] = {
#define BP_ANSWER_MARKER(text, action, form, end, needs) { text, action, BP_CALL_##form, end, needs },
#include "core/text/answer_markers.def"
#undef BP_ANSWER_MARKER
};
enum { N_MARKERS = BP_COUNT(markers) };

/* Harmony's marks: a header up to <|message|>, then a body up to one of the others. */
static const char message_mark[] = "<|message|>";
static const char *const harmony_ends[] = { "<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>" };

enum state {
    BEGIN,     /* nothing but white space came: a JSON object may be a call */
    TEXT,      /* content or reasoning */
    IN_CALL,   /* between a call's markers */
    BARE_CALL, /* the answer began with '{' */
    HEADER, BODY, CALL_BODY, /* Harmony */
};

struct bp_answer {
    bp_answer_sink sink;
    void *user;
    bool active[N_MARKERS];
    bool harmony, bare_json;
    int state, kind; /* kind: CONTENT or REASONING */
    bool trim;       /* drop white space until text comes */
    const marker *call;
    bp_text pending; /* not handed on yet */
    size_t searched; /* bytes of pending that hold no end of a call */
    bp_text space;   /* white space held back until text follows */
    bp_text name;    /* Harmony: the recipient */
    uint32_t n_calls;
};

static bool contains(const char *text, const char *part) { return text && strstr(text, part); }

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Does the prompt's end, but for white space, open the reasoning? */
static bool opens_reasoning(const bp_answer *a, const char *prompt, size_t n) {
    while (n && is_space(prompt[n - 1])) n--;
    for (size_t i = 0; i < N_MARKERS; i++) {
        size_t size = strlen(markers[i].text);
        if (!a->active[i] || markers[i].action != OPEN_REASONING || size > n) continue;
        if (!memcmp(prompt + n - size, markers[i].text, size)) return true;
    }
    return false;
}

bp_status bp_answer_new(const char *template_text, const char *prompt, size_t n, bp_answer_sink sink, void *user,
                        bp_answer **out, bp_error *error) {
    bp_answer *a = *out = calloc(1, sizeof *a);
    if (!a) return bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
    a->sink = sink;
    a->user = user;
    for (size_t i = 0; i < N_MARKERS; i++) a->active[i] = contains(template_text, markers[i].needs);
    a->harmony = contains(template_text, "<|channel|>") && contains(template_text, message_mark);
    a->bare_json = contains(template_text, "\"parameters\":") && contains(template_text, "<|start_header_id|>");
    a->state = a->harmony ? HEADER : a->bare_json ? BEGIN : TEXT;
    if (!a->harmony && opens_reasoning(a, prompt, prompt ? n : 0)) {
        a->kind = BP_ANSWER_REASONING;
        a->state = TEXT;
        a->trim = true;
    }
    return BP_OK;
}

void bp_answer_free(bp_answer *a) {
    if (!a) return;
    bp_text_free(&a->pending);
    bp_text_free(&a->space);
    bp_text_free(&a->name);
    free(a);
}

static void release_space(bp_answer *a) {
    if (a->space.size) a->sink(a->user, a->kind, 0, a->space.data, a->space.size);
    bp_text_clear(&a->space);
}

/* Hand on text of the current kind, but keep the white space at its end for now. */
static void hand_on(bp_answer *a, const char *s, size_t n) {
    while (a->trim && n && is_space(s[0])) s++, n--;
    if (!n) return;
    a->trim = false;
    size_t solid = n;
    while (solid && is_space(s[solid - 1])) solid--;
    if (solid) {
        release_space(a);
        a->sink(a->user, a->kind, 0, s, solid);
    }
    bp_text_add(&a->space, s + solid, n - solid);
}

static void drop(bp_answer *a, size_t n) {
    memmove(a->pending.data, a->pending.data + n, a->pending.size - n);
    a->pending.size -= n;
    a->pending.data[a->pending.size] = '\0';
    a->searched = 0;
}

static void hand_on_calls(bp_answer *a, const bp_call_list *list) {
    bp_text_clear(&a->space);
    for (size_t i = 0; i < list->count; i++) {
        const bp_call_text *c = &list->calls[i];
        a->sink(a->user, BP_ANSWER_CALL, a->n_calls, c->name.data, c->name.size);
        a->sink(a->user, BP_ANSWER_ARGUMENTS, a->n_calls++, c->arguments.data, c->arguments.size);
    }
    a->trim = true;
}

/* Where the first n bytes of pending can begin with part of mark at their end: how many bytes that is. */
static size_t partial(const char *s, size_t n, const char *mark) {
    size_t size = strlen(mark);
    for (size_t k = BP_MIN(n, size - 1); k; k--)
        if (!memcmp(s + n - k, mark, k)) return k;
    return 0;
}

/* ---- plain text with markers ---- */

static bool counts_now(const bp_answer *a, size_t i) {
    if (!a->active[i]) return false;
    int action = markers[i].action;
    if (a->kind == BP_ANSWER_REASONING) return action == CLOSE_REASONING;
    return action != CLOSE_REASONING;
}

/* The first marker in pending, and how many bytes may be the beginning of one at the end. */
static const marker *find_marker(const bp_answer *a, size_t *at, size_t *held) {
    const marker *first = NULL;
    *held = 0;
    for (size_t i = 0; i < N_MARKERS; i++) {
        if (!counts_now(a, i)) continue;
        const char *s = a->pending.data, *found = memmem(s, a->pending.size, markers[i].text, strlen(markers[i].text));
        if (found && (!first || (size_t)(found - s) < *at)) first = &markers[i], *at = (size_t)(found - s);
        *held = BP_MAX(*held, partial(s, a->pending.size, markers[i].text));
    }
    return first;
}

static void pass_marker(bp_answer *a, const marker *m) {
    if (m->action == OPEN_REASONING) {
        release_space(a);
        a->kind = BP_ANSWER_REASONING;
    } else if (m->action == CLOSE_REASONING) {
        bp_text_clear(&a->space);
        a->kind = BP_ANSWER_CONTENT;
        if (a->bare_json) a->state = BEGIN;
    } else if (m->action == CALL) {
        a->call = m;
        a->state = IN_CALL;
        return;
    } else {
        bp_text_clear(&a->space);
    }
    a->trim = true;
}

static bool step_text(bp_answer *a) {
    size_t at, held;
    const marker *m = find_marker(a, &at, &held);
    size_t n = m ? at : a->pending.size - held;
    hand_on(a, a->pending.data, n);
    drop(a, m ? n + strlen(m->text) : n);
    if (m) pass_marker(a, m);
    return m;
}

static bool step_begin(bp_answer *a) {
    size_t n = 0;
    while (n < a->pending.size && is_space(a->pending.data[n])) n++;
    if (n == a->pending.size) return false;
    a->state = a->pending.data[n] == '{' ? BARE_CALL : TEXT;
    return a->state == TEXT;
}

/* What was taken for a call is content. */
static void give_back(bp_answer *a, size_t n, const char *end) {
    a->kind = BP_ANSWER_CONTENT;
    if (a->call) hand_on(a, a->call->text, strlen(a->call->text));
    hand_on(a, a->pending.data, n);
    if (end) hand_on(a, end, strlen(end));
}

static void finish_call(bp_answer *a, size_t n, const char *end) {
    bp_call_list list = { 0 };
    int form = a->call ? a->call->form : BP_CALL_JSON;
    if (bp_calls_read(form, bp_text_get(&a->pending), n, &list)) hand_on_calls(a, &list);
    else give_back(a, n, end);
    bp_calls_free(&list);
    drop(a, n + (end ? strlen(end) : 0));
    a->call = NULL;
    a->state = TEXT;
}

static bool step_call(bp_answer *a) {
    const char *end = a->call->end ? a->call->end : a->call->text;
    size_t size = strlen(end), from = a->searched > size ? a->searched - size : 0;
    const char *found = memmem(a->pending.data + from, a->pending.size - from, end, size);
    if (found) {
        finish_call(a, (size_t)(found - a->pending.data), a->call->end);
        return true;
    }
    a->searched = a->pending.size;
    if (a->pending.size <= BP_ANSWER_MAX_CALL) return false;
    give_back(a, a->pending.size, NULL);
    drop(a, a->pending.size);
    a->call = NULL;
    a->state = TEXT;
    return false;
}

/* ---- Harmony ---- */

/* "assistant to=functions.f<|channel|>commentary json": channel and recipient. */
static void read_header(bp_answer *a, const char *s, size_t n) {
    bp_text_clear(&a->name);
    const char *to = memmem(s, n, "to=", 3);
    if (to) {
        const char *name = to + 3, *end = name;
        while (end < s + n && !is_space(*end) && *end != '<') end++;
        size_t skip = end - name > 10 && !memcmp(name, "functions.", 10) ? 10 : 0;
        bp_text_add(&a->name, name + skip, (size_t)(end - name) - skip);
    }
    a->kind = memmem(s, n, "analysis", 8) ? BP_ANSWER_REASONING : BP_ANSWER_CONTENT;
    a->state = a->name.size ? CALL_BODY : BODY;
    a->trim = true;
}

static bool step_header(bp_answer *a) {
    const char *found = memmem(a->pending.data, a->pending.size, message_mark, sizeof message_mark - 1);
    if (!found) return false;
    size_t n = (size_t)(found - a->pending.data);
    read_header(a, a->pending.data, n);
    drop(a, n + sizeof message_mark - 1);
    return true;
}

static void finish_body(bp_answer *a, size_t n) {
    bp_call_list list = { 0 };
    if (a->state == BODY) hand_on(a, a->pending.data, n);
    else if (bp_calls_add(&list, a->name.data, a->name.size, a->pending.data, n)) hand_on_calls(a, &list);
    else hand_on(a, a->pending.data, n);
    if (a->kind == BP_ANSWER_REASONING) bp_text_clear(&a->space);
    bp_calls_free(&list);
}

static bool step_body(bp_answer *a) {
    const char *first = NULL, *s = a->pending.data;
    size_t size = 0, held = 0, from = a->state == CALL_BODY && a->searched > 16 ? a->searched - 16 : 0;
    for (size_t i = 0; i < BP_COUNT(harmony_ends); i++) {
        const char *found = memmem(s + from, a->pending.size - from, harmony_ends[i], strlen(harmony_ends[i]));
        if (found && (!first || found < first)) first = found, size = strlen(harmony_ends[i]);
        held = BP_MAX(held, partial(s, a->pending.size, harmony_ends[i]));
    }
    if (!first && a->state == CALL_BODY && a->pending.size <= BP_ANSWER_MAX_CALL) {
        a->searched = a->pending.size;
        return false;
    }
    size_t n = first ? (size_t)(first - s) : a->pending.size - held;
    if (!first) {
        if (a->state == CALL_BODY) a->state = BODY;
        hand_on(a, s, n);
        drop(a, n);
        return false;
    }
    finish_body(a, n);
    drop(a, n + size);
    a->state = HEADER;
    return true;
}

/* One step; false where more text is needed. */
static bool step(bp_answer *a) {
    if (!a->pending.size) return false;
    switch (a->state) {
    case BEGIN: return step_begin(a);
    case TEXT: return step_text(a);
    case IN_CALL: return step_call(a);
    case HEADER: return step_header(a);
    case BODY: case CALL_BODY: return step_body(a);
    default: break;
    }
    if (a->pending.size <= BP_ANSWER_MAX_CALL) return false;
    a->state = TEXT; /* too long for a call */
    return true;
}

static bp_status check(const bp_answer *a, bp_error *error) {
    if (!a->pending.failed && !a->space.failed && !a->name.failed) return BP_OK;
    return bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
}

bp_status bp_answer_feed(bp_answer *a, const char *data, size_t n, bp_error *error) {
    bp_text_add(&a->pending, data, n);
    bp_status status = check(a, error);
    while (!status && step(a)) status = check(a, error);
    return status ? status : check(a, error);
}

bp_status bp_answer_end(bp_answer *a, bp_error *error) {
    size_t n = a->pending.size;
    const char *s = bp_text_get(&a->pending);
    if (a->state == IN_CALL || a->state == BARE_CALL) {
        finish_call(a, n, NULL);
        if (a->pending.data) a->pending.size = 0;
    } else if (a->state == CALL_BODY || a->state == BODY) {
        finish_body(a, n);
    } else if (a->state == HEADER) {
        a->kind = BP_ANSWER_CONTENT;
        if (!memmem(s, n, "<|", 2)) hand_on(a, s, n); /* a header that was cut off is no content */
    } else {
        hand_on(a, s, n);
    }
    bp_text_clear(&a->pending);
    if (a->kind == BP_ANSWER_CONTENT) release_space(a);
    return check(a, error);
}

/* ---- whole messages ---- */

typedef struct collected {
    bp_text content, reasoning;
    json_t *calls;
} collected;

static json_t *text_of(const char *s, size_t n) {
    json_t *text = json_stringn(s, n);
    if (text) return text;
    bp_text clean = { 0 }; /* invalid UTF-8 */
    for (size_t at = 0; at < n;) {
        int size = bp_utf8_length(s + at, n - at);
        if (size > 0) bp_text_add(&clean, s + at, (size_t)size);
        else bp_text_adds(&clean, "\xEF\xBF\xBD");
        at += size > 0 ? (size_t)size : 1;
    }
    text = json_stringn(bp_text_get(&clean), clean.size);
    bp_text_free(&clean);
    return text;
}

static void collect(void *user, int kind, uint32_t call, const char *text, size_t n) {
    collected *c = user;
    if (kind == BP_ANSWER_CONTENT) bp_text_add(&c->content, text, n);
    else if (kind == BP_ANSWER_REASONING) bp_text_add(&c->reasoning, text, n);
    else if (kind == BP_ANSWER_CALL) {
        json_t *id = json_sprintf("call_%u", call);
        json_array_append_new(c->calls, json_pack("{s:o, s:s, s:{s:o, s:s}}", "id", id, "type", "function", "function",
                                                  "name", text_of(text, n), "arguments", ""));
    } else {
        json_t *function = json_object_get(json_array_get(c->calls, call), "function");
        json_object_set_new(function, "arguments", text_of(text, n));
    }
}

bp_status bp_answer_message(const char *template_text, const char *prompt, size_t n_prompt, const char *text, size_t n,
                            json_t **out, bp_error *error) {
    collected c = { .calls = json_array() };
    bp_answer *a = NULL;
    bp_status status = bp_answer_new(template_text, prompt, n_prompt, collect, &c, &a, error);
    if (!status) status = bp_answer_feed(a, text, n, error);
    if (!status) status = bp_answer_end(a, error);
    *out = status ? NULL
                  : json_pack("{s:s, s:o}", "role", "assistant", "content",
                              text_of(bp_text_get(&c.content), c.content.size));
    if (*out && c.reasoning.size)
        json_object_set_new(*out, "reasoning_content", text_of(c.reasoning.data, c.reasoning.size));
    if (*out && json_array_size(c.calls)) json_object_set(*out, "tool_calls", c.calls);
    if (!status && !*out) status = bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
    bp_text_free(&c.content);
    bp_text_free(&c.reasoning);
    json_decref(c.calls);
    bp_answer_free(a);
    return status;
}
