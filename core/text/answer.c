#include "core/text/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/answer_internal.h"

enum { OPEN_REASONING, CLOSE_REASONING, CALL, DROP };
enum { ENOUGH = 1 << 16 }; /* bytes of arguments that are handed on before all of a long text is read */

static const bp_answer_marker markers[] = {
#define BP_ANSWER_MARKER(text, action, form, end, needs) { text, action, BP_CALL_##form, end, needs },
#include "core/text/answer_markers.def"
#undef BP_ANSWER_MARKER
};
enum { N_MARKERS = BP_COUNT(markers) };
static_assert(BP_COUNT(markers) <= BP_ANSWER_MOST_MARKERS, "more markers than bp_answer has room for");

bool bp_answer_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool contains(const char *text, const char *part) { return text && strstr(text, part); }

/* The marker of this kind that the prompt ends in, but for white space. */
static const bp_answer_marker *at_prompts_end(const bp_answer *a, const char *prompt, size_t n, int action, int form) {
    while (n && bp_answer_is_space(prompt[n - 1])) n--;
    for (size_t i = 0; i < N_MARKERS; i++) {
        const bp_answer_marker *m = &markers[i];
        size_t size = strlen(m->text);
        if (!a->active[i] || m->action != action || m->form != form || size > n) continue;
        if (!memcmp(prompt + n - size, m->text, size)) return m;
    }
    return NULL;
}

static int text_state(const bp_answer *a) {
    return a->bare_json || a->bare_list || a->bare_python ? BP_ANSWER_BEGIN : BP_ANSWER_TEXT;
}

static void begin_call(bp_answer *a, const bp_answer_marker *m, int form, bool from_prompt) {
    a->marker = m;
    a->from_prompt = from_prompt;
    a->state = BP_ANSWER_IN_CALL;
    bp_call_begin(a, form, m ? m->end : NULL);
}

/* What the prompt has opened already. */
static void begin_after(bp_answer *a, const char *prompt, size_t n) {
    if (at_prompts_end(a, prompt, n, OPEN_REASONING, BP_CALL_NONE)) {
        a->kind = BP_ANSWER_REASONING;
        a->state = BP_ANSWER_TEXT;
        a->trim = true;
    }
    const bp_answer_marker *recipient = at_prompts_end(a, prompt, n, CALL, BP_CALL_RECIPIENT);
    if (recipient) begin_call(a, recipient, recipient->form, true);
}

static void activate(bp_answer *a, const char *template_text) {
    for (size_t i = 0; i < N_MARKERS; i++) {
        a->active[i] = contains(template_text, markers[i].needs);
        if (a->active[i]) a->first[(unsigned char)markers[i].text[0]] = true;
    }
    a->harmony = contains(template_text, "<|channel|>") && contains(template_text, "<|message|>");
    bool llama = contains(template_text, "<|start_header_id|>") || contains(template_text, "<|header_start|>");
    a->bare_json = llama && contains(template_text, "\"parameters\":");
    a->bare_list = contains(template_text, "single JSON array") && contains(template_text, "\"arguments\":");
    a->bare_python = contains(template_text, "(params_name1");
}

bp_status bp_answer_new(const char *template_text, const char *prompt, size_t n, const json_t *tools,
                        bp_answer_sink sink, void *user, bp_answer **out, bp_error *error) {
    bp_answer *a = *out = calloc(1, sizeof *a);
    if (!a) return bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory");
    a->sink = sink;
    a->user = user;
    a->tools = json_incref((json_t *)tools);
    activate(a, template_text);
    a->state = a->harmony ? BP_ANSWER_HEADER : text_state(a);
    if (!a->harmony) begin_after(a, prompt, prompt ? n : 0);
    return BP_OK;
}

void bp_answer_free(bp_answer *a) {
    if (!a) return;
    bp_text_free(&a->pending);
    bp_text_free(&a->space);
    bp_call_free(&a->call);
    json_decref(a->tools);
    free(a);
}

bp_piece bp_answer_rest(const bp_answer *a) {
    return (bp_piece){ a->pending.data ? a->pending.data + a->at : "", a->size - a->at };
}

void bp_answer_take(bp_answer *a, size_t n) {
    if (a->state == BP_ANSWER_IN_CALL && !a->call.named) bp_text_add(&a->call.raw, a->pending.data + a->at, n);
    a->at += n;
}

static void release_space(bp_answer *a) {
    if (a->space.size) a->sink(a->user, a->kind, 0, a->space.data, a->space.size);
    bp_text_clear(&a->space);
}

/* The white space at the end is kept for now. */
void bp_answer_hand_on(bp_answer *a, const char *s, size_t n) {
    while (a->trim && n && bp_answer_is_space(s[0])) s++, n--;
    if (!n) return;
    a->trim = false;
    size_t solid = n;
    while (solid && bp_answer_is_space(s[solid - 1])) solid--;
    if (solid) {
        release_space(a);
        a->sink(a->user, a->kind, 0, s, solid);
    }
    bp_text_add(&a->space, s + solid, n - solid);
}

size_t bp_answer_partial(const char *s, size_t n, const char *mark) {
    size_t size = strlen(mark);
    for (size_t k = BP_MIN(n, size - 1); k; k--)
        if (!memcmp(s + n - k, mark, k)) return k;
    return 0;
}

/* ---- plain text with markers ---- */

static bool counts_now(const bp_answer *a, size_t i) {
    if (!a->active[i]) return false;
    bool closes = markers[i].action == CLOSE_REASONING;
    return closes == (a->kind == BP_ANSWER_REASONING);
}

/* Does p begin with the text (1), or with a part of it and no more (-1)? */
static int begins_with(bp_piece p, const char *text) {
    size_t n = strlen(text);
    if (p.n >= n) return !memcmp(p.s, text, n);
    return memcmp(p.s, text, p.n) ? 0 : -1;
}

/* The marker at p; *cut: one may begin there. */
static const bp_answer_marker *marker_at(const bp_answer *a, bp_piece p, bool *cut) {
    for (size_t i = 0; i < N_MARKERS; i++) {
        int begins = counts_now(a, i) ? begins_with(p, markers[i].text) : 0;
        if (begins > 0) return &markers[i];
        if (begins < 0) *cut = true;
    }
    return NULL;
}

/* How much of rest is plain text, and the marker behind it. */
static size_t find_marker(const bp_answer *a, const bp_answer_marker **marker, bool *at_dropped) {
    bp_piece rest = bp_answer_rest(a);
    bool cut = false;
    for (size_t i = 0; i < rest.n; i++) {
        bp_piece p = { rest.s + i, rest.n - i };
        int dropped = a->dropped ? begins_with(p, a->dropped) : 0;
        *at_dropped = dropped > 0;
        if (dropped) return i;
        if (!a->first[(unsigned char)p.s[0]]) continue;
        *marker = marker_at(a, p, &cut);
        if (*marker || cut) return i;
    }
    return rest.n;
}

static void pass_marker(bp_answer *a, const bp_answer_marker *m) {
    if (m->action == OPEN_REASONING) {
        release_space(a);
        a->kind = BP_ANSWER_REASONING;
    } else if (m->action == CLOSE_REASONING) {
        bp_text_clear(&a->space);
        a->kind = BP_ANSWER_CONTENT;
        a->state = text_state(a);
    } else if (m->action == CALL) {
        begin_call(a, m, m->form, false);
        return;
    } else {
        bp_text_clear(&a->space);
    }
    a->trim = true;
}

static bool step_text(bp_answer *a) {
    const bp_answer_marker *m = NULL;
    bool at_dropped = false;
    size_t n = find_marker(a, &m, &at_dropped);
    bp_answer_hand_on(a, bp_answer_rest(a).s, n);
    bp_answer_take(a, n);
    if (at_dropped) {
        bp_answer_take(a, strlen(a->dropped));
        a->dropped = NULL;
    } else if (m) {
        bp_answer_take(a, strlen(m->text));
        pass_marker(a, m);
    }
    return m || at_dropped;
}

static bool step_begin(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = 0;
    while (n < rest.n && bp_answer_is_space(rest.s[n])) n++;
    if (n == rest.n) return false;
    a->state = BP_ANSWER_TEXT;
    if (rest.s[n] == '[') begin_call(a, NULL, a->bare_python ? BP_CALL_PYTHON : BP_CALL_BARE, false);
    else if (rest.s[n] == '{' && a->bare_json) begin_call(a, NULL, BP_CALL_BARE, false);
    return true;
}

static void leave_call(bp_answer *a) {
    bp_call_forget(a);
    a->marker = NULL;
    a->state = BP_ANSWER_TEXT;
}

/* What was taken for a call is content; what was handed on already stays. */
static void break_call(bp_answer *a) {
    bool some = a->call.named || a->n_calls > a->call.n_before;
    bp_text raw = a->call.raw;
    a->kind = BP_ANSWER_CONTENT;
    if (a->call.named) bp_call_done(a);
    a->call.raw = (bp_text){ 0 };
    if (some) a->dropped = a->call.end;
    else if (a->marker && !a->from_prompt) bp_answer_hand_on(a, a->marker->text, strlen(a->marker->text));
    bp_answer_hand_on(a, bp_text_get(&raw), raw.size);
    bp_text_free(&raw);
    leave_call(a);
}

static bool step_call(bp_answer *a) {
    int step = a->call.next(a);
    if (a->call.arguments.size > ENOUGH) bp_call_flush(a);
    size_t held = a->call.raw.size + a->call.arguments.size + (step == BP_STEP_MORE ? bp_answer_rest(a).n : 0);
    if (held > BP_ANSWER_MAX_CALL) step = BP_STEP_BROKEN;
    if (step == BP_STEP_END) leave_call(a);
    if (step == BP_STEP_BROKEN) break_call(a);
    return step != BP_STEP_MORE;
}

/* One step; false where more text is needed. */
static bool step(bp_answer *a) {
    if (a->at == a->size) return false;
    switch (a->state) {
    case BP_ANSWER_BEGIN: return step_begin(a);
    case BP_ANSWER_TEXT: return step_text(a);
    case BP_ANSWER_IN_CALL: return step_call(a);
    default: return bp_harmony_step(a);
    }
}

static bp_status check(const bp_answer *a, bp_error *error) {
    const bp_call_reader *c = &a->call;
    bool failed = a->pending.failed || a->space.failed || c->raw.failed || c->name.failed || c->key.failed ||
                  c->arguments.failed;
    return failed ? bp_fail(error, BP_E_NO_MEMORY, "answer: out of memory") : BP_OK;
}

/* Bytes at the end that begin a character. */
static size_t cut_character(const char *s, size_t n) {
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        if (((unsigned char)s[n - k] & 0xC0) == 0x80) continue;
        return bp_utf8_length(s + n - k, k) < 0 ? k : 0;
    }
    return 0;
}

static bp_status go_on(bp_answer *a, bp_error *error) {
    bp_status status = check(a, error);
    while (!status && step(a)) status = check(a, error);
    if (!status) bp_call_flush(a);
    if (a->at) memmove(a->pending.data, a->pending.data + a->at, a->pending.size - a->at + 1);
    a->pending.size -= a->at;
    a->size -= a->at;
    a->at = 0;
    return status ? status : check(a, error);
}

bp_status bp_answer_feed(bp_answer *a, const char *data, size_t n, bp_error *error) {
    bp_text_add(&a->pending, data, n);
    a->size = a->pending.size - cut_character(bp_text_get(&a->pending), a->pending.size);
    return go_on(a, error);
}

bp_status bp_answer_end(bp_answer *a, bp_error *error) {
    a->size = a->pending.size;
    bp_status status = go_on(a, error);
    if (status) return status;
    if (a->state == BP_ANSWER_IN_CALL) {
        if (bp_call_cut(a)) a->at = a->size;
        else break_call(a);
    }
    if (a->state >= BP_ANSWER_HEADER) bp_harmony_end(a);
    else bp_answer_hand_on(a, bp_answer_rest(a).s, bp_answer_rest(a).n);
    if (a->kind == BP_ANSWER_CONTENT) release_space(a);
    a->at = a->size = 0;
    bp_text_clear(&a->pending);
    return check(a, error);
}
