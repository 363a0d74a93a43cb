/* Reading a tokenizer.json: the parts of it. Private to core/text. */
#ifndef BP_TEXT_HF_H
#define BP_TEXT_HF_H

#include <jansson.h>

#include "core/text/pipeline.h"

typedef struct bp_hf {
    bp_tokenizer *t;
    bp_pipeline *p;
    const char *path;
    const json_t *root, *model;
    bp_error *error;
    bp_status status;
    bp_text missing;      /* what is not supported, and where: "a; b" */
    bp_text steps;        /* the pre-tokenizer's steps in words, for bp_hf_pretokenizer_name */
    uint32_t n_vocab;     /* ids below are the model's */
    unsigned n_pretokenizers;
    bool byte_level;      /* BPE on bytes */
    bool byte_pieces;     /* which are written as characters before the model sees them */
    bool bert_normalizer; /* as published */
} bp_hf;

/* The file is wrong: BP_E_INVALID with path and words. */
void bp_hf_wrong(bp_hf *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A part that is not supported is noted. */
void bp_hf_missing(bp_hf *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bp_hf_no_memory(bp_hf *h);

/* Members; "" and defaults where they are not there. */
const char *bp_hf_text(const json_t *object, const char *key);
bool bp_hf_yes(const json_t *object, const char *key, bool otherwise);
/* A text that lives as long as the tokenizer. */
bp_gguf_string bp_hf_keep(bp_hf *h, const char *text, size_t n);
/* The id of a token, -1: none. */
int32_t bp_hf_id(const bp_hf *h, const char *text);

/* The parts, in this order; each does nothing after a failure. */
void bp_hf_read_tokens(bp_hf *h);       /* vocabulary and added tokens: texts, types, scores */
void bp_hf_read_normalizer(bp_hf *h);   /* the pipeline's texts */
void bp_hf_read_pretokenizer(bp_hf *h); /* the pipeline's cuts */
void bp_hf_read_model(bp_hf *h);        /* merges, indices, flags */
void bp_hf_read_ends(bp_hf *h);         /* what is put before and after a text */
void bp_hf_read_added(bp_hf *h);        /* how added tokens are matched: with the pipeline, where nothing is missing */

/* The pre-tokenizer (tokenizer.ggml.pre) that does these steps, NULL where none is known. */
const char *bp_hf_pretokenizer_name(const char *steps, bool nfc, bool whole);

#endif
