/* Embeddings of texts, several in a batch. One thread at a time. */
#ifndef BP_RUN_EMBED_H
#define BP_RUN_EMBED_H

#include "core/run/run.h"
#include "core/text/tokenizer.h"

enum { BP_TEXTS_AT_ONCE = 8 };

/* Set settings->output: embeddings, pooled as `pooling` names it (none, mean, cls, last; NULL: what the model says). */
bp_status bp_embed_output(const bp_model *model, const char *pooling, bp_run_settings *settings, bp_error *error);
/* Set the other settings so that these texts fit: the longest decides the context, and the batch, in which a text must be whole.
 * What the model cannot hold, and an empty text, are BP_E_INVALID. The cache lives for a batch alone, so it is exact. */
bp_status bp_embed_fit(const bp_model *model, const bp_tokens *texts, size_t n, bp_run_settings *settings, bp_error *error);

/* Takes the rows of a text, n_rows of bp_run_width values; they are valid during the call. An error ends the work. */
typedef bp_status bp_embed_sink(void *self, size_t text, const float *rows, size_t n_rows, bp_error *error);
/* Embed texts in order, in a run whose settings have that output; its sequences are free again afterwards. */
bp_status bp_embed_texts(bp_run *run, const bp_run_settings *settings, const bp_tokens *texts, size_t n, bp_embed_sink *sink, void *self,
                         bp_error *error);
/* A row divided by its length, or with as_is as it is; false where it is not of finite numbers. */
bool bp_embed_row(const float *row, int64_t n, bool as_is, double *out);

#endif
