/* gpt-oss's Harmony: messages of a header up to <|message|> and a body up to one of the other marks. */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

static const char message_mark[] = "<|message|>";
static const char *const ends[] = { "<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>" };

/* "assistant to=functions.f<|channel|>commentary json": channel and recipient. */
static void read_header(bp_answer *a, bp_piece header) {
    bp_piece before, name;
    bool to = bp_piece_cut(header, "to=", &before, &name);
    size_t skip = strlen("functions."), n = 0;
    bp_call_begin(a, BP_CALL_JSON, NULL);
    if (to && name.n > skip && bp_piece_begins(name, "functions.")) name = (bp_piece){ name.s + skip, name.n - skip };
    while (to && n < name.n && !bp_answer_is_space(name.s[n]) && name.s[n] != '<') n++;
    bool call = n && bp_call_set_name(a, (bp_piece){ name.s, n });
    bool analysis = header.n && memmem(header.s, header.n, "analysis", 8);
    a->kind = analysis ? BP_ANSWER_REASONING : BP_ANSWER_CONTENT;
    a->state = call ? BP_ANSWER_CALL_BODY : BP_ANSWER_BODY;
    a->trim = true;
}

static bool header(bp_answer *a) {
    bp_piece before, rest = bp_call_short(a), after;
    if (!bp_piece_cut(rest, message_mark, &before, &after)) {
        if (rest.n < BP_CALL_MAX_NAME) return false;
        a->kind = BP_ANSWER_CONTENT; /* no header */
        a->state = BP_ANSWER_BODY;
        return true;
    }
    read_header(a, before);
    bp_answer_take(a, before.n + sizeof message_mark - 1);
    return true;
}

/* How much of rest is the body; *mark: the one behind it, NULL: it goes on. */
static size_t body_size(const bp_answer *a, const char **mark) {
    bp_piece rest = bp_answer_rest(a);
    size_t n = rest.n;
    for (size_t i = 0; i < n; i++) {
        if (rest.s[i] != '<') continue;
        for (size_t k = 0; k < BP_COUNT(ends) && i < n; k++) {
            size_t size = strlen(ends[k]), there = BP_MIN(size, rest.n - i);
            if (memcmp(rest.s + i, ends[k], there)) continue;
            *mark = there == size ? ends[k] : *mark;
            n = i;
        }
    }
    return n;
}

/* n bytes of the body. A call's begins with '{', or it is none. */
static void body_text(bp_answer *a, size_t n) {
    bp_piece p = { bp_answer_rest(a).s, n };
    while (a->state == BP_ANSWER_CALL_BODY && !a->call.named && p.n && bp_answer_is_space(p.s[0])) p.s++, p.n--;
    if (a->state == BP_ANSWER_CALL_BODY && p.n && !a->call.named) {
        if (p.s[0] == '{') bp_call_commit(a);
        else a->state = BP_ANSWER_BODY;
    }
    if (a->state == BP_ANSWER_BODY) {
        bp_answer_hand_on(a, p.s, p.n);
    } else if (p.n && (!a->call.began || a->call.scan.depth)) {
        bool done;
        bp_call_add(a, p.s, bp_json_scan_on(&a->call.scan, p, &done));
    }
    bp_answer_take(a, n);
}

static void body_end(bp_answer *a) {
    if (a->state == BP_ANSWER_CALL_BODY) bp_call_done(a);
    if (a->kind == BP_ANSWER_REASONING) bp_text_clear(&a->space);
}

static bool body(bp_answer *a) {
    const char *mark = NULL;
    body_text(a, body_size(a, &mark));
    if (!mark) return false;
    body_end(a);
    bp_answer_take(a, strlen(mark));
    a->state = BP_ANSWER_HEADER;
    return true;
}

bool bp_harmony_step(bp_answer *a) { return a->state == BP_ANSWER_HEADER ? header(a) : body(a); }

void bp_harmony_end(bp_answer *a) {
    bp_piece rest = bp_answer_rest(a);
    if (a->state != BP_ANSWER_HEADER) {
        body_text(a, rest.n);
        if (a->state == BP_ANSWER_BODY || a->call.named) body_end(a);
        return;
    }
    a->kind = BP_ANSWER_CONTENT;
    bool cut_header = rest.n && memmem(rest.s, rest.n, "<|", 2);
    if (!cut_header) bp_answer_hand_on(a, rest.s, rest.n);
}
