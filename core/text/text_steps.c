/* The steps that normalise a text. */
#define _GNU_SOURCE
#include <string.h>
#include <utf8proc.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/charsmap.h"
#include "core/text/pipeline.h"

static void add_character(bp_text *out, int32_t c) {
    utf8proc_uint8_t bytes[4];
    bp_text_add(out, (const char *)bytes, (size_t)utf8proc_encode_char(c, bytes));
}

static void add_lower(bp_text *out, int32_t c) {
    add_character(out, c == 0x130 ? 'i' : utf8proc_tolower(c)); /* U+0130 becomes two: its only such mapping */
    if (c == 0x130) add_character(out, 0x307);
}

/* BERT's tabs and line ends are spaces, not control characters. */
static void add_clean(bp_text *out, int32_t c) {
    bool line = c == '\t' || c == '\n' || c == '\r';
    if (line || (bp_is_white(c) && !bp_is_bert_control(c))) bp_text_add(out, " ", 1);
    else if (!bp_is_bert_control(c)) add_character(out, c);
}

/* As Hugging Face's Nmt, after SentencePiece's rules of that name. */
static void add_nmt(bp_text *out, int32_t c) {
    bool vanishes = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    bool space = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    if (space) bp_text_add(out, " ", 1);
    else if (!vanishes) add_character(out, c);
}

static void add_apart(bp_text *out, int32_t c) {
    bool apart = bp_is_bert_cjk(c);
    if (apart) bp_text_add(out, " ", 1);
    add_character(out, c);
    if (apart) bp_text_add(out, " ", 1);
}

static bool vanishes(bp_text_step_kind kind, int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    bool other = category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
    return category == UTF8PROC_CATEGORY_MN || (other && kind == BP_STEP_MARKS);
}

/* Steps that look at each character alone. */
static void map_characters(bp_text_step_kind kind, const char *text, size_t n, bp_text *out) {
    for (size_t at = 0; at < n;) {
        utf8proc_int32_t c = 0xFFFD;
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                 (utf8proc_ssize_t)BP_MIN(n - at, 4), &c);
        at += size > 0 ? (size_t)size : 1;
        if (size <= 0) c = 0xFFFD;
        if (kind == BP_STEP_LOWER) add_lower(out, c);
        else if (kind == BP_STEP_CLEAN) add_clean(out, c);
        else if (kind == BP_STEP_NMT) add_nmt(out, c);
        else if (kind == BP_STEP_CJK) add_apart(out, c);
        else if (!vanishes(kind, c)) add_character(out, c);
    }
}

static void strip(const bp_text_step *step, const char *text, size_t n, bp_text *out) {
    size_t from = 0, to = 0; /* to: behind the last character that is no white space */
    bool begun = !step->left;
    for (size_t at = 0, size; at < n; at += size) {
        utf8proc_int32_t c = -1;
        utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                  (utf8proc_ssize_t)BP_MIN(n - at, 4), &c);
        size = taken > 0 ? (size_t)taken : 1;
        if (taken > 0 && bp_is_white(c)) continue;
        if (!begun) from = at;
        begun = true;
        to = at + size;
    }
    if (!begun) return;
    if (!step->right) to = n;
    if (to > from) bp_text_add(out, text + from, to - from);
}

static void replace_text(const bp_text_step *step, const char *text, size_t n, bp_text *out) {
    for (size_t at = 0, end; at < n; at = end) {
        const char *found = memmem(text + at, n - at, step->from.data, step->from.size);
        end = found ? (size_t)(found - text) : n;
        bp_text_add(out, text + at, end - at);
        if (found) bp_text_add(out, step->to.data, step->to.size);
        if (found) end += step->from.size;
    }
}

static bp_status replace_matches(const bp_text_step *step, bp_scratch *s, const char *text, size_t n, bp_text *out,
                                 bp_error *e) {
    size_t n_pieces, start = 0;
    bp_status status = bp_split_text(step->pattern, s, text, n, &n_pieces, e);
    for (size_t i = 0; status == BP_OK && i < n_pieces; i++) {
        size_t end = s->ends[i] & ~BP_PIECE_DROPPED;
        if (s->ends[i] & BP_PIECE_DROPPED) bp_text_add(out, text + start, end - start);
        else bp_text_add(out, step->to.data, step->to.size);
        start = end;
    }
    return status;
}

bp_status bp_text_step_run(const bp_tokenizer *t, const bp_text_step *step, bp_scratch *s, const char *text, size_t n,
                           bp_text *out, bp_error *e) {
    switch (step->kind) {
    case BP_STEP_FORM: bp_normalize_form(text, n, step->form, out); break;
    case BP_STEP_STRIP: strip(step, text, n, out); break;
    case BP_STEP_REPLACE:
        if (step->pattern) return replace_matches(step, s, text, n, out, e);
        replace_text(step, text, n, out);
        break;
    case BP_STEP_PREPEND:
        if (n) bp_text_add(out, step->to.data, step->to.size);
        bp_text_add(out, text, n);
        break;
    case BP_STEP_MAP: bp_charsmap_apply_graphemes(t, text, n, out); break;
    case BP_STEP_BYTES: bp_add_byte_characters(text, n, out); break;
    default: map_characters(step->kind, text, n, out); break;
    }
    return BP_OK;
}
