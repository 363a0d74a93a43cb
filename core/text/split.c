#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/split.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/text/split_patterns.h"

enum { MAX_STEPS = 16, OWN_STEPS = 6 };
enum { FOREIGN_LIMIT = 10000000 }; /* steps of one match of a pattern from a file */

/* Each step cuts the pieces of the step before at its matches. */
struct step {
    pcre2_code *code;
    char mark; /* of split_patterns.h; 0: none */
    bp_cut cut;
    bool jit, foreign, may_be_empty;
};

struct bp_split {
    struct step steps[MAX_STEPS];
    size_t n_steps;
    uint32_t flags;
};

enum {
    BOS = BP_SPLIT_BOS,
    WHOLE = BP_SPLIT_WHOLE,
    NFC = BP_SPLIT_NFC,
    RAW = BP_SPLIT_RAW,
    NEWLINES = BP_SPLIT_NEWLINES
};

struct scheme {
    uint32_t flags;
    const char *steps[OWN_STEPS + 1];
};

#define BP_PRETOKENIZER(its_name, flags, ...) \
    static const struct scheme scheme_##its_name = { flags, { __VA_ARGS__ } };
#include "core/text/pretokenizers.def"
#undef BP_PRETOKENIZER

static const struct named_scheme {
    const char *name;
    const struct scheme *scheme;
    uint32_t flags;
} names[] = {
#define BP_PRETOKENIZER_NAME(name, scheme, flags) { name, &scheme_##scheme, flags },
#include "core/text/pretokenizers.def"
#undef BP_PRETOKENIZER_NAME
};

static const struct named_scheme *find_scheme(const char *name, size_t n) {
    for (size_t i = 0; i < BP_COUNT(names); i++)
        if (strlen(names[i].name) == n && !memcmp(names[i].name, name, n)) return &names[i];
    return NULL;
}

const char *bp_split_variant(const char *name, size_t n, uint32_t mask, uint32_t flags) {
    const struct named_scheme *like = find_scheme(name, n);
    if (!like) return NULL;
    if ((like->flags & mask) == flags) return like->name;
    for (size_t i = 0; i < BP_COUNT(names); i++)
        if (names[i].scheme == like->scheme && (names[i].flags & mask) == flags) return names[i].name;
    return like->name;
}

const char *bp_split_name(size_t index) { return index < BP_COUNT(names) ? names[index].name : NULL; }

static bp_status compile(bp_split *split, const char *pattern, bp_cut cut, bp_error *error) {
    int code;
    PCRE2_SIZE at;
    struct step step = { .mark = *pattern < ' ' ? *pattern : 0, .cut = cut };
    if (split->n_steps == MAX_STEPS)
        return bp_fail(error, BP_E_UNSUPPORTED, "pre-tokenizer: more than %d patterns", MAX_STEPS);
    if (step.mark) pattern++;
    step.code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                              PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (!step.code) {
        PCRE2_UCHAR words[128] = "";
        pcre2_get_error_message(code, words, sizeof words);
        return bp_fail(error, BP_E_UNSUPPORTED, "pattern %.200s: %s (at %zu)", pattern, (char *)words, (size_t)at);
    }
    step.jit = !pcre2_jit_compile(step.code, PCRE2_JIT_COMPLETE); /* where there is no JIT, matching is slower */
    split->steps[split->n_steps++] = step;
    return BP_OK;
}

bp_split *bp_split_empty(void) { return calloc(1, sizeof(bp_split)); }

bp_status bp_split_add(bp_split *split, const char *pattern, bp_cut cut, bp_error *error) {
    uint32_t empty = 0;
    bp_status status = compile(split, pattern, cut, error);
    if (status != BP_OK) return status;
    struct step *step = &split->steps[split->n_steps - 1];
    step->foreign = true;
    step->may_be_empty = !pcre2_pattern_info(step->code, PCRE2_INFO_MATCHEMPTY, &empty) && empty;
    return BP_OK;
}

static bp_status unknown(const char *name, size_t n, bp_error *error) {
    bp_text all = { 0 };
    for (size_t i = 0; i < BP_COUNT(names); i++) bp_text_format(&all, "%s%s", i ? ", " : "", names[i].name);
    bp_status status = bp_fail(error, BP_E_UNSUPPORTED, "tokenizer.ggml.pre: unknown pre-tokenizer \"%.*s\"; known: %s",
                               (int)BP_MIN(n, 64), name, bp_text_get(&all));
    bp_text_free(&all);
    return status;
}

bp_status bp_split_new(const char *name, size_t n, bp_split **out, bp_error *error) {
    *out = NULL;
    const struct named_scheme *found = find_scheme(name, n);
    if (!found) return unknown(name, n, error);
    bp_split *split = calloc(1, sizeof *split);
    if (!split) return bp_fail(error, BP_E_NO_MEMORY, "pre-tokenizer: out of memory");
    split->flags = found->flags | found->scheme->flags;
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && found->scheme->steps[i]; i++)
        status = compile(split, found->scheme->steps[i], BP_CUT_ISOLATED, error);
    if (status == BP_OK) *out = split;
    else bp_split_free(split);
    return status;
}

void bp_split_free(bp_split *split) {
    if (!split) return;
    for (size_t i = 0; i < split->n_steps; i++) pcre2_code_free(split->steps[i].code);
    free(split);
}

uint32_t bp_split_flags(const bp_split *split) { return split->flags; }

void bp_split_match_all(bp_split *split) {
    for (size_t i = 0; i < split->n_steps; i++)
        if (split->steps[i].mark != THREES[0]) split->steps[i].mark = 0;
}

struct cutter {
    bp_scratch *s;
    size_t n; /* of s->next_ends */
    pcre2_match_data *match;
    pcre2_match_context *context;
    bp_error *error;
};

static bp_status no_memory(bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

static bool grow_ends(struct cutter *c) {
    void *ends = c->s->next_ends;
    bool done = bp_grow(&ends, &c->s->next_end_room, c->n + 1, sizeof(uint32_t));
    c->s->next_ends = ends;
    return done;
}

static inline bool add_end(struct cutter *c, size_t end) {
    if (c->n == c->s->next_end_room && !grow_ends(c)) return false;
    c->s->next_ends[c->n++] = (uint32_t)end;
    return true;
}

static inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

/* Where the match at `at` ends, if it is one space or none and ASCII letters, which other letters, marks (and with
 * cases an apostrophe) do not follow; 0 where that is not so. */
static size_t known_end(const char *text, size_t at, size_t end, char mark) {
    size_t p = at + (text[at] == ' '), begin = p;
    if (mark == LETTERS[0]) {
        while (p < end && (is_upper(text[p]) || is_lower(text[p]))) p++;
    } else {
        while (p < end && is_upper(text[p])) p++;
        while (p < end && is_lower(text[p])) p++;
        if (p < end && text[p] == '\'') return 0;
    }
    return p == begin || (p < end && (text[p] & 0x80)) ? 0 : p;
}

/* The next match in text[start, end) from `at` on. False: none, or *status says what failed. */
static bool next_match(struct cutter *c, const struct step *step, const char *text, size_t start, size_t end, size_t at,
                       size_t *from, size_t *to, bp_status *status) {
    PCRE2_SPTR subject = (PCRE2_SPTR)text + start;
    uint32_t options = step->may_be_empty ? 0 : PCRE2_NOTEMPTY;
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (step->jit)
        found = pcre2_jit_match(step->code, subject, end - start, at - start, options, c->match, c->context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(step->code, subject, end - start, at - start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT | options,
                            c->match, c->context);
    if (found == PCRE2_ERROR_MATCHLIMIT && step->foreign)
        *status = bp_fail(c->error, BP_E_REFUSED, "tokenizing: the tokenizer's pattern takes too many steps on this text");
    else if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        *status = bp_fail(c->error, BP_E_REFUSED, "tokenizing: pre-tokenizer pattern: PCRE2 error %d", found);
    if (found < 0) return false;
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(c->match);
    *from = start + span[0];
    *to = start + span[1];
    return true;
}

static size_t count_characters(const char *text, size_t from, size_t to) {
    size_t n = 0;
    for (size_t i = from; i < to; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* Threes from the right: the first group takes what is left over. */
static bool add_threes(struct cutter *c, const char *text, size_t from, size_t to) {
    size_t left = count_characters(text, from, to);
    for (size_t i = from; i < to; i++) {
        if (((unsigned char)text[i] & 0xC0) == 0x80) continue;
        if (i > from && left % 3 == 0 && !add_end(c, i)) return false;
        left--;
    }
    return add_end(c, to);
}

/* What a match text[from, to) makes of the piece that began at `begin`. */
static bool add_match(struct cutter *c, const struct step *step, const char *text, size_t begin, size_t from,
                      size_t to) {
    bool gap = from > begin;
    switch (step->cut) {
    case BP_CUT_REMOVED: return (!gap || add_end(c, from)) && add_end(c, to | BP_PIECE_DROPPED);
    case BP_CUT_KEPT: return (!gap || add_end(c, from | BP_PIECE_DROPPED)) && add_end(c, to);
    case BP_CUT_PREVIOUS: return add_end(c, to);
    case BP_CUT_NEXT: return !gap || add_end(c, from);
    default: break;
    }
    if (gap && !add_end(c, from)) return false;
    return step->mark == THREES[0] ? add_threes(c, text, from, to) : add_end(c, to);
}

static bool add_rest(struct cutter *c, const struct step *step, size_t begin, size_t end) {
    return begin == end || add_end(c, end | (step->cut == BP_CUT_KEPT ? BP_PIECE_DROPPED : 0));
}

/* Cut one piece of valid UTF-8, text[start, end), at the matches of a pattern. A match of nothing is a place to cut. */
static bp_status cut_piece(struct cutter *c, const struct step *step, const char *text, size_t start, size_t end) {
    bp_status status = BP_OK;
    size_t begin = start;
    for (size_t at = start, from, to; at < end;) {
        to = step->mark > THREES[0] ? known_end(text, at, end, step->mark) : 0;
        from = at;
        if (!to && !next_match(c, step, text, start, end, at, &from, &to, &status)) break;
        if (from == to) {
            if (from == end) break;
            if (!add_rest(c, step, begin, from)) return no_memory(c->error);
            at = from + (size_t)bp_utf8_length(text + from, end - from);
            begin = from;
            continue;
        }
        if (!add_match(c, step, text, begin, from, to)) return no_memory(c->error);
        begin = step->cut == BP_CUT_NEXT ? from : to;
        at = to;
    }
    if (status != BP_OK) return status;
    return add_rest(c, step, begin, end) ? BP_OK : no_memory(c->error);
}

static size_t run_end(const char *text, size_t at, size_t n, bool *valid) {
    *valid = bp_utf8_length(text + at, n - at) > 0;
    while (at < n) {
        if (*valid && !(text[at] & 0x80)) {
            at++;
            continue;
        }
        int length = bp_utf8_length(text + at, n - at);
        if ((length > 0) != *valid) break;
        at += length > 0 ? (size_t)length : 1;
    }
    return at;
}

static void swap_ends(struct cutter *c, size_t *n_words) {
    bp_scratch *s = c->s;
    uint32_t *ends = s->ends;
    size_t room = s->end_room;
    s->ends = s->next_ends, s->end_room = s->next_end_room;
    s->next_ends = ends, s->next_end_room = room;
    *n_words = c->n;
    c->n = 0;
}

static bp_status cut_runs(struct cutter *c, const char *text, size_t n, size_t *n_words) {
    bool valid;
    for (size_t at = 0; at < n;) {
        at = run_end(text, at, n, &valid);
        if (!add_end(c, at)) return no_memory(c->error);
    }
    swap_ends(c, n_words);
    return BP_OK;
}

static bp_status cut_step(struct cutter *c, const struct step *step, const char *text, size_t *n_words) {
    size_t start = 0;
    pcre2_set_match_limit(c->context, step->foreign ? FOREIGN_LIMIT : UINT32_MAX); /* ours take linear time */
    for (size_t i = 0; i < *n_words; i++) {
        size_t end = c->s->ends[i] & ~BP_PIECE_DROPPED;
        bool valid = end == c->s->ends[i] && bp_utf8_length(text + start, end - start) > 0;
        bp_status status = BP_OK;
        if (valid) status = cut_piece(c, step, text, start, end);
        else if (!add_end(c, c->s->ends[i])) status = no_memory(c->error);
        if (status != BP_OK) return status;
        start = end;
    }
    swap_ends(c, n_words);
    return BP_OK;
}

bp_status bp_split_pieces(const bp_split *split, bp_scratch *s, const char *text, size_t *n_words, bp_error *e) {
    struct cutter c = { .s = s, .error = e };
    c.match = pcre2_match_data_create(1, NULL);
    c.context = pcre2_match_context_create(NULL);
    bp_status status = c.match && c.context ? BP_OK : no_memory(e);
    for (size_t i = 0; status == BP_OK && i < split->n_steps; i++)
        status = cut_step(&c, &split->steps[i], text, n_words);
    pcre2_match_context_free(c.context);
    pcre2_match_data_free(c.match);
    return status;
}

bp_status bp_split_runs(bp_scratch *s, const char *text, size_t n, size_t *n_words, bp_error *e) {
    struct cutter c = { .s = s, .error = e };
    *n_words = 0;
    return cut_runs(&c, text, n, n_words);
}

bp_status bp_split_text(const bp_split *split, bp_scratch *s, const char *text, size_t n, size_t *n_words,
                        bp_error *e) {
    bp_status status = bp_split_runs(s, text, n, n_words, e);
    return status == BP_OK ? bp_split_pieces(split, s, text, n_words, e) : status;
}
