/* Calls whose name stands before their arguments: NAME, some separator, {…}. */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/size.h"
#include "core/text/answer_internal.h"

static bp_call_fn read_header, arguments, after;

static bool one_word(bp_piece p) {
    for (size_t i = 0; i < p.n; i++)
        if (bp_answer_is_space(p.s[i]) || strchr("<>[]{}\"", p.s[i])) return false;
    return p.n;
}

static bool deepseek_name(bp_piece p, bp_piece *name) {
    bp_piece left, right;
    if (!bp_piece_cut(p, "<｜tool▁sep｜>", &left, &right)) return false;
    right = bp_piece_trimmed(right);
    *name = right.n ? right : left;
    bp_piece behind;
    return !right.n || bp_piece_cut(right, "```json", name, &behind);
}

static bool kimi_name(bp_piece p, bp_piece *name) {
    bp_piece behind;
    if (!bp_piece_cut(p, "<|tool_call_argument_begin|>", name, &behind)) return false;
    *name = bp_piece_trimmed(*name);
    size_t skip = strlen("functions.");
    if (bp_piece_begins(*name, "functions.")) *name = (bp_piece){ name->s + skip, name->n - skip };
    const char *colon = name->n ? memrchr(name->s, ':', name->n) : NULL;
    if (colon) name->n = (size_t)(colon - name->s);
    return true;
}

static bool solar_name(bp_piece p, bp_piece *name) {
    bp_piece id, behind;
    return bp_piece_cut(p, "<|tool_call:name|>", &id, name) && bp_piece_cut(*name, "<|tool_call:args|>", name, &behind);
}

static bool name_of(int form, bp_piece p, bp_piece *name) {
    bp_piece behind;
    *name = p;
    if (form == BP_CALL_DEEPSEEK) return deepseek_name(p, name);
    if (form == BP_CALL_KIMI) return kimi_name(p, name);
    if (form == BP_CALL_SOLAR) return solar_name(p, name);
    if (form == BP_CALL_MISTRAL) {
        bp_piece_cut(p, "[ARGS]", name, &behind);
        bp_piece_cut(*name, "[CALL_ID]", name, &behind);
    }
    return true;
}

int bp_call_header(bp_answer *a) {
    if (!bp_call_skip(a, " \t\r\n")) return BP_STEP_MORE;
    char first = bp_answer_rest(a).s[0];
    return bp_call_go(a, first == '[' || first == '{' ? bp_call_json : read_header);
}

static int read_header(bp_answer *a) {
    bp_piece rest = bp_call_short(a), name;
    const char *brace = memchr(rest.s, '{', rest.n), *end = NULL;
    if (a->call.end) end = memmem(rest.s, brace ? (size_t)(brace - rest.s) : rest.n, a->call.end, strlen(a->call.end));
    if (!brace && !end) return bp_call_wait(a);
    size_t n = (size_t)((end ? end : brace) - rest.s);
    if (!name_of(a->call.form, (bp_piece){ rest.s, n }, &name)) return BP_STEP_BROKEN;
    name = bp_piece_trimmed(name);
    if (!one_word(name) || !bp_call_set_name(a, name)) return BP_STEP_BROKEN;
    bp_answer_take(a, n);
    bp_call_commit(a);
    if (!end) return bp_call_go(a, arguments);
    bp_call_done(a);
    return bp_call_go(a, after);
}

static int arguments(bp_answer *a) {
    bool done;
    bp_call_raw_arguments(a, &done);
    if (!done) return BP_STEP_MORE;
    bp_call_done(a);
    return bp_call_go(a, after);
}

static int after(bp_answer *a) {
    if (!a->call.end) return BP_STEP_END;
    int got = bp_call_between(a, " \t\r\n`");
    return got == BP_STEP_ON ? BP_STEP_BROKEN : got;
}

/* functionary: >>>all and content, or >>>NAME and arguments. */
static int recipient_arguments(bp_answer *a) {
    if (!bp_call_skip(a, " \t\r\n")) return BP_STEP_MORE;
    if (bp_answer_rest(a).s[0] != '{') return BP_STEP_BROKEN;
    bp_call_commit(a);
    return bp_call_go(a, arguments);
}

int bp_call_recipient(bp_answer *a) {
    bp_piece rest = bp_call_short(a);
    const char *line = memchr(rest.s, '\n', rest.n);
    if (!line) return bp_call_wait(a);
    bp_piece name = { rest.s, (size_t)(line - rest.s) };
    bool all = name.n == 3 && !memcmp(name.s, "all", 3);
    if (!all && (!one_word(name) || !bp_call_set_name(a, name))) return BP_STEP_BROKEN;
    bp_answer_take(a, name.n + 1);
    return all ? BP_STEP_END : bp_call_go(a, recipient_arguments);
}
