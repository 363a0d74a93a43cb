#include "core/text/pipeline.h"

#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"

void bp_pipeline_free(bp_pipeline *p) {
    if (!p) return;
    for (size_t i = 0; i < p->n_texts; i++) bp_split_free(p->texts[i].pattern);
    for (size_t i = 0; i < p->n_cuts; i++) bp_split_free(p->cuts[i].split);
    bp_prefixes_free(&p->normalized);
    free(p);
}

static bp_status no_memory(bp_error *e) { return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory"); }

/* Bytes that are no UTF-8 become U+FFFD. */
static void add_valid(const char *text, size_t n, bp_text *out) {
    for (size_t at = 0, end; at < n; at = end) {
        for (end = at; end < n;) {
            int size = bp_utf8_length(text + end, n - end);
            if (size <= 0) break;
            end += (size_t)size;
        }
        bp_text_add(out, text + at, end - at);
        if (end < n) bp_text_add(out, "\xEF\xBF\xBD", 3);
        if (end < n) end++;
    }
}

static bool is_valid(const char *text, size_t n) {
    size_t at = 0;
    for (int size; at < n; at += (size_t)size) {
        size = text[at] & 0x80 ? bp_utf8_length(text + at, n - at) : 1;
        if (size <= 0) return false;
    }
    return true;
}

/* The stage that is free, emptied. */
static bp_text *other_stage(bp_text stages[2], const char *text) {
    bp_text *stage = &stages[stages[0].data && text == stages[0].data];
    bp_text_clear(stage);
    return stage;
}

bp_status bp_pipeline_normalize(const bp_tokenizer *t, bp_scratch *s, const char **text, size_t *n, bp_error *e) {
    const bp_pipeline *p = t->pipeline;
    if (p->changes && !is_valid(*text, *n)) {
        bp_text *out = other_stage(s->stages, *text);
        add_valid(*text, *n, out);
        if (out->failed) return no_memory(e);
        *text = bp_text_get(out), *n = out->size;
    }
    for (size_t i = 0; i < p->n_texts; i++) {
        const bp_text_step *step = &p->texts[i];
        if (step->kind == BP_STEP_FORM && step->form == BP_NFC && bp_is_plainly_nfc(*text, *n)) continue;
        bp_text *out = other_stage(s->stages, *text);
        bp_status status = bp_text_step_run(t, step, s, *text, *n, out, e);
        if (status != BP_OK) return status;
        if (out->failed || out->size > BP_MERGE_MAX_TEXT) return no_memory(e);
        *text = bp_text_get(out), *n = out->size;
    }
    return BP_OK;
}

static bool add_end(bp_scratch *s, size_t *n_ends, size_t end) {
    void *ends = s->next_ends;
    bool done = bp_grow(&ends, &s->next_end_room, *n_ends + 1, sizeof *s->next_ends);
    s->next_ends = ends;
    if (done) s->next_ends[(*n_ends)++] = (uint32_t)end;
    return done;
}

static bool starts_with(const char *text, size_t n, bp_gguf_string word) {
    return n >= word.size && !memcmp(text, word.data, word.size);
}

/* Spaces become marks, and with `cuts` each mark begins a piece. */
static bool add_marks(bp_scratch *s, const bp_cut_step *step, const char *text, size_t n, bool first, bp_text *out,
                      size_t *n_ends) {
    size_t begin = out->size;
    bool ok = true, prepend = step->prepend == BP_PREPEND_ALWAYS || (step->prepend == BP_PREPEND_FIRST && first);
    if (prepend && n && *text != ' ' && !starts_with(text, n, step->mark))
        bp_text_add(out, step->mark.data, step->mark.size);
    for (size_t at = 0; ok && at < n;) {
        bool space = text[at] == ' ', mark = space || starts_with(text + at, n - at, step->mark);
        if (mark && step->cuts && out->size > begin) ok = add_end(s, n_ends, out->size), begin = out->size;
        if (mark) bp_text_add(out, step->mark.data, step->mark.size);
        else bp_text_add(out, text + at, 1);
        at += mark && !space ? step->mark.size : 1;
    }
    return ok && (out->size == begin || add_end(s, n_ends, out->size));
}

static bool rewrite_piece(bp_scratch *s, const bp_cut_step *step, const char *text, size_t n, bool first, bp_text *out,
                          size_t *n_ends) {
    if (step->kind == BP_STEP_METASPACE) return add_marks(s, step, text, n, first, out, n_ends);
    if (step->kind == BP_STEP_PIECE_BYTES) {
        bp_add_byte_characters(text, n, out);
    } else {
        if (*text != ' ') bp_text_add(out, " ", 1);
        bp_text_add(out, text, n);
    }
    return add_end(s, n_ends, out->size);
}

/* A step that changes the pieces' texts: they move to another buffer, and those that were dropped are no more. */
static bp_status rewrite(bp_scratch *s, const bp_cut_step *step, bool at_start, const char **text, size_t *n_pieces,
                         bp_error *e) {
    bp_text *out = other_stage(s->steps, *text);
    size_t start = 0, n_ends = 0;
    for (size_t i = 0; i < *n_pieces; i++) {
        size_t end = s->ends[i] & ~BP_PIECE_DROPPED;
        bool kept = end == s->ends[i] && end > start;
        if (kept && !rewrite_piece(s, step, *text + start, end - start, at_start && !start, out, &n_ends))
            return no_memory(e);
        if (out->failed || out->size > BP_MERGE_MAX_TEXT) return no_memory(e);
        start = end;
    }
    uint32_t *ends = s->ends;
    size_t room = s->end_room;
    s->ends = s->next_ends, s->end_room = s->next_end_room;
    s->next_ends = ends, s->next_end_room = room;
    *n_pieces = n_ends;
    *text = bp_text_get(out);
    return BP_OK;
}

struct between {
    const bp_tokenizer *t;
    bp_scratch *s;
    bp_tokens *out;
    bool at_start;
};

/* Cut a normalised text and encode its pieces. */
static bp_status encode_text(void *self, const char *text, size_t n, bool at_start, bp_error *e) {
    struct between *b = self;
    const bp_pipeline *p = b->t->pipeline;
    bp_scratch *s = b->s;
    size_t n_pieces, start = 0;
    bp_status status = bp_split_runs(s, text, n, &n_pieces, e);
    for (size_t i = 0; status == BP_OK && i < p->n_cuts; i++) {
        if (p->cuts[i].kind == BP_STEP_SPLIT) status = bp_split_pieces(p->cuts[i].split, s, text, &n_pieces, e);
        else status = rewrite(s, &p->cuts[i], at_start && b->at_start, &text, &n_pieces, e);
    }
    for (size_t i = 0; status == BP_OK && i < n_pieces; i++) {
        size_t end = s->ends[i] & ~BP_PIECE_DROPPED;
        if (end == s->ends[i] && end > start) status = p->piece(b->t, s, text + start, end - start, b->out, e);
        start = end;
    }
    return status;
}

bp_status bp_pipeline_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                             bp_error *e) {
    if (t->pipeline->bert) return bp_kind_wpm.encode(t, s, text, n, out, e);
    struct between b = { t, s, out, s->at_start };
    bp_status status = bp_pipeline_normalize(t, s, &text, &n, e);
    if (status != BP_OK) return status;
    if (!t->pipeline->normalized.n) return n ? encode_text(&b, text, n, true, e) : BP_OK;
    return bp_specials_encode(t, &t->pipeline->normalized, text, n, s->control, out, encode_text, &b, e);
}
