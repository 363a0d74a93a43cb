/* Running a model on a device: weights, paged KV cache, compiled programs, sequences. One thread at a time. */
#ifndef BP_RUN_H
#define BP_RUN_H

#include "core/device/plugin.h"
#include "core/model/model.h"

typedef struct bp_run bp_run;

typedef struct bp_run_settings {
    int64_t context;        /* tokens a sequence may have; 0: the model's own, at most 8192 */
    uint32_t cache_type;    /* BP_TYPE_F16, F32 or Q8_0 */
    int64_t batch;          /* tokens computed at once at most; 0: 512 */
    uint32_t threads;       /* for packing */
} bp_run_settings;

/* From the configuration: context, cache_type, batch, threads. */
bp_status bp_run_settings_from(const bp_config *config, bp_run_settings *out, bp_error *error);

/* Model and device outlive the run. */
bp_status bp_run_new(const bp_model *model, const bp_open_device *device, const bp_run_settings *settings, bp_run **out, bp_error *error);
void bp_run_free(bp_run *run);

/* Append tokens to the sequence and compute them. *logits: [n_vocab] of the last token, or with `all` [n_vocab, n] of each;
 * valid until the next call. Ids outside the vocabulary and texts longer than the context are BP_E_INVALID. */
bp_status bp_run_feed(bp_run *run, const int32_t *tokens, int64_t n, bool all, const float **logits, bp_error *error);

int64_t bp_run_length(const bp_run *run);
int64_t bp_run_context(const bp_run *run);
/* Forget all tokens from position n on. */
void bp_run_truncate(bp_run *run, int64_t n);

/* A line a node group: what it is and what it cost since the programs were compiled; for --profile. */
bp_status bp_run_profile(bp_run *run, bool on, bp_error *error);
void bp_run_profile_print(bp_run *run, FILE *to);
/* The plan in words: device, weights, cache, nodes and their verdicts. */
void bp_run_explain(const bp_run *run, FILE *to);

#endif
