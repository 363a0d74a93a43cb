/* What a tokenizer.json says is done to a text between its added tokens: it is normalised, step by step, then cut into
 * pieces, step by step, and its model encodes each piece. Immutable once made: any thread. Private to core/text. */
#ifndef BP_TEXT_PIPELINE_H
#define BP_TEXT_PIPELINE_H

#include "core/text/normalize.h"
#include "core/text/vocab.h"

enum { BP_PIPELINE_MAX_STEPS = 32 };

typedef enum bp_text_step_kind {
    BP_STEP_FORM,    /* a normal form */
    BP_STEP_LOWER,   /* small letters */
    BP_STEP_MARKS,   /* marks vanish */
    BP_STEP_NONSPACING, /* nonspacing marks vanish */
    BP_STEP_STRIP,   /* white space at the ends vanishes */
    BP_STEP_REPLACE, /* what a pattern or `from` matches becomes `to` */
    BP_STEP_PREPEND, /* `to` comes first, where there is any text */
    BP_STEP_MAP,     /* the charsmap, as Hugging Face applies it */
    BP_STEP_NMT,     /* control characters vanish, other white space and invisible characters are spaces */
    BP_STEP_CLEAN,   /* BERT: control characters vanish, white space is spaces */
    BP_STEP_CJK,     /* BERT: spaces around CJK characters */
    BP_STEP_BYTES    /* each byte is written as GPT-2's character for it */
} bp_text_step_kind;

typedef struct bp_text_step {
    bp_text_step_kind kind;
    bp_normal_form form;
    bool left, right;  /* STRIP */
    bp_split *pattern; /* REPLACE: matches are its pieces; NULL: `from` */
    bp_gguf_string from, to;
} bp_text_step;

typedef enum bp_cut_step_kind {
    BP_STEP_SPLIT,     /* cut at matches */
    BP_STEP_METASPACE, /* spaces become `mark`, which may come first, and may begin pieces */
    BP_STEP_SPACE,     /* a space comes first */
    BP_STEP_PIECE_BYTES
} bp_cut_step_kind;

typedef enum bp_prepend { BP_PREPEND_NEVER, BP_PREPEND_FIRST, BP_PREPEND_ALWAYS } bp_prepend;

typedef struct bp_cut_step {
    bp_cut_step_kind kind;
    bp_split *split;
    bp_gguf_string mark;
    bp_prepend prepend; /* METASPACE: at the begin of the text, or of each piece */
    bool cuts;          /* METASPACE: pieces begin at marks */
} bp_cut_step;

typedef struct bp_pipeline {
    bp_text_step texts[BP_PIPELINE_MAX_STEPS];
    bp_cut_step cuts[BP_PIPELINE_MAX_STEPS];
    size_t n_texts, n_cuts;
    bool bert;              /* BERT's normalizer and pre-tokenizer as published: the kind's own way */
    bool changes;           /* texts change: bytes that are no UTF-8 become U+FFFD first */
    bp_prefixes normalized; /* added tokens that are matched in the normalised text */
    bp_word_fn *piece;
} bp_pipeline;

void bp_pipeline_free(bp_pipeline *pipeline);
/* The kinds' function `encode`. */
bp_status bp_pipeline_encode(const bp_tokenizer *t, bp_scratch *s, const char *text, size_t n, bp_tokens *out,
                             bp_error *e);
/* The text as the steps normalise it, in one of s->stages or as it is. */
bp_status bp_pipeline_normalize(const bp_tokenizer *t, bp_scratch *s, const char **text, size_t *n, bp_error *e);
/* Do one step of normalising: add to out. */
bp_status bp_text_step_run(const bp_tokenizer *t, const bp_text_step *step, bp_scratch *s, const char *text, size_t n,
                           bp_text *out, bp_error *e);
/* Add text with each byte as GPT-2's character. */
void bp_add_byte_characters(const char *text, size_t n, bp_text *out);

#endif
