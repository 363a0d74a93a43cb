/* Running a model: weights on one or more devices, a paged KV cache, compiled programs, sequences. One thread at a time. */
#ifndef BP_RUN_H
#define BP_RUN_H

#include <stdio.h>

#include "core/model/model.h"
#include "core/run/placement.h"

typedef struct bp_run bp_run;

typedef struct bp_run_settings {
    int64_t context;      /* tokens that a sequence may have; 0: the model's own, at most 8192 */
    uint32_t cache_type;  /* BP_TYPE_F16, F32 or Q8_0 */
    int64_t batch;        /* tokens computed at once at most; 0: 512 */
    int64_t sequences;    /* open at the same time at most; at least 1 */
    uint32_t threads;     /* for packing weights */
    bp_graph_output output; /* what a batch answers; zeros: logits */
} bp_run_settings;

/* From the configuration: context, cache_type, batch, sequences, threads. */
bp_status bp_run_settings_from(const bp_config *config, bp_run_settings *out, bp_error *error);

/* Model, configuration and devices outlive the run, which may open further devices (fallback, placement). */
bp_status bp_run_new(const bp_model *model, bp_config *config, bp_devices *devices, const bp_run_settings *settings, bp_run **out,
                     bp_error *error);
void bp_run_free(bp_run *run);

/* Sequences. Number 0 is open from the start. -1: all numbers are taken (settings.sequences). A fork shares the cache of
 * what it was forked from until either writes. */
enum { BP_SEQUENCE_MAIN = 0 };
int32_t bp_run_open(bp_run *run);
bp_status bp_run_fork(bp_run *run, int32_t from, int32_t *to, bp_error *error);
void bp_run_close(bp_run *run, int32_t sequence);
int64_t bp_run_length(const bp_run *run, int32_t sequence);
/* Forget all tokens from position n on. A model with recurrent state can only be set back to 0: BP_E_UNSUPPORTED else. */
bp_status bp_run_truncate(bp_run *run, int32_t sequence, int64_t n, bp_error *error);
int64_t bp_run_context(const bp_run *run);
int32_t bp_run_n_vocab(const bp_run *run); /* width of a row of logits */
/* Values in a row of what is computed. */
int64_t bp_run_width(const bp_run *run);
int64_t bp_run_batch_size(const bp_run *run);

/* What one call computes: the next n tokens of some sequences, each at most once. */
typedef struct bp_batch_entry {
    int32_t sequence;
    const int32_t *tokens;
    int64_t n;
    bool all; /* logits of each of its tokens, not of the last alone */
} bp_batch_entry;

/* Compute all entries together (tokens in all: at most the batch). *logits: [n_vocab] rows in the order of the entries and
 * their tokens (or embeddings: a row of bp_run_width an entry, without pooling a row a token); valid until the next call. Ids outside the vocabulary, texts longer than the context and a full cache are
 * errors that leave every sequence as it was. */
bp_status bp_run_batch(bp_run *run, const bp_batch_entry *entries, int64_t n, const float **logits, bp_error *error);

/* Append tokens to one sequence, in chunks of the batch. *logits: [n_vocab] of the last token, or with `all` [n_vocab, n]
 * of each. BP_E_CANCELLED between chunks when the user wants it (cancel.h). */
bp_status bp_run_feed(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, bool all, const float **logits, bp_error *error);

/* The same for one sequence, of which only the likeliest next token is wanted (the lowest id of several): the device finds
 * it, and logits stay there. */
bp_status bp_run_next(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, int32_t *likeliest, bp_error *error);

/* The same, of which the likeliest next tokens are wanted: as many as settings.output.likeliest says, and at least one.
 * Likeliest first, lower ids first among equals; logits that are NaN as -infinity. Valid until the next call but
 * bp_run_logits, which fetches the step's logits [n_vocab] after all. */
typedef struct bp_likeliest {
    const int32_t *ids;
    const float *logits; /* NULL where the settings ask for none */
    int64_t n;
} bp_likeliest;
bp_status bp_run_likeliest(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, bp_likeliest *out, bp_error *error);
bp_status bp_run_logits(bp_run *run, const float **logits, bp_error *error);

/* Time of each op since the programs were compiled; for --profile. */
bp_status bp_run_profile(bp_run *run, bool on, bp_error *error);
void bp_run_profile_print(bp_run *run, FILE *to);
/* The plan in words: devices, layers, weights, cache, nodes and their verdicts. */
void bp_run_explain(const bp_run *run, FILE *to);

#endif
