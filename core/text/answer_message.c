/* Answers in OpenAI's form: whole messages, and what streams as deltas. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/text/answer.h"

typedef struct call_text { bp_text name, arguments; } call_text;

typedef struct collected {
    bp_text content, reasoning;
    call_text *calls;
    size_t n_calls, capacity;
    bool failed; /* out of memory */
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

static json_t *call_of(uint32_t call, json_t *name, json_t *arguments) {
    return json_pack("{s:o, s:s, s:{s:o, s:o}}", "id", json_sprintf("call_%u", call), "type", "function", "function",
                     "name", name, "arguments", arguments);
}

static void add_call(collected *c, const char *name, size_t n) {
    c->failed = c->failed || !bp_grow((void **)&c->calls, &c->capacity, c->n_calls + 1, sizeof *c->calls);
    if (c->failed) return;
    c->calls[c->n_calls] = (call_text){ 0 };
    bp_text_add(&c->calls[c->n_calls++].name, name, n);
}

static void collect(void *user, int kind, uint32_t call, const char *text, size_t n) {
    collected *c = user;
    if (kind == BP_ANSWER_CALL) add_call(c, text, n);
    else if (kind == BP_ANSWER_REASONING) bp_text_add(&c->reasoning, text, n);
    else if (kind == BP_ANSWER_CONTENT) bp_text_add(&c->content, text, n);
    else if (call < c->n_calls) bp_text_add(&c->calls[call].arguments, text, n);
}

static json_t *calls_of(const collected *c) {
    json_t *calls = json_array();
    for (size_t i = 0; i < c->n_calls; i++) {
        const call_text *one = &c->calls[i];
        json_array_append_new(calls, call_of((uint32_t)i, text_of(bp_text_get(&one->name), one->name.size),
                                             text_of(bp_text_get(&one->arguments), one->arguments.size)));
    }
    return calls;
}

static json_t *message_of(const collected *c) {
    json_t *message = json_pack("{s:s, s:o}", "role", "assistant", "content",
                                text_of(bp_text_get(&c->content), c->content.size));
    if (message && c->reasoning.size)
        json_object_set_new(message, "reasoning_content", text_of(c->reasoning.data, c->reasoning.size));
    if (message && c->n_calls) json_object_set_new(message, "tool_calls", calls_of(c));
    return message;
}

json_t *bp_answer_delta(int kind, uint32_t call, const char *text, size_t n) {
    json_t *words = text_of(text, n);
    if (kind == BP_ANSWER_CONTENT) return json_pack("{s:o}", "content", words);
    if (kind == BP_ANSWER_REASONING) return json_pack("{s:o}", "reasoning_content", words);
    json_t *one = kind == BP_ANSWER_CALL ? call_of(call, words, json_string(""))
                                         : json_pack("{s:{s:o}}", "function", "arguments", words);
    if (one) json_object_set_new(one, "index", json_integer(call));
    return json_pack("{s:[o]}", "tool_calls", one);
}

bp_status bp_answer_message(const char *template_text, const char *prompt, size_t n_prompt, const json_t *tools,
                            const char *text, size_t n, json_t **out, bp_error *error) {
    collected c = { 0 };
    bp_answer *a = NULL;
    bp_status status = bp_answer_new(template_text, prompt, n_prompt, tools, collect, &c, &a, error);
    if (!status) status = bp_answer_feed(a, text, n, error);
    if (!status) status = bp_answer_end(a, error);
    if (!status && (c.failed || c.content.failed || c.reasoning.failed))
        status = bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
    *out = status ? NULL : message_of(&c);
    if (!status && !*out) status = bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
    bp_text_free(&c.content);
    bp_text_free(&c.reasoning);
    for (size_t i = 0; i < c.n_calls; i++) {
        bp_text_free(&c.calls[i].name);
        bp_text_free(&c.calls[i].arguments);
    }
    free(c.calls);
    bp_answer_free(a);
    return status;
}
