/* Inside of a run. Private to run*.c. */
#ifndef BP_RUN_INTERNAL_H
#define BP_RUN_INTERNAL_H

#include "core/run/executor.h"
#include "core/run/kv_cache.h"
#include "core/run/run.h"

/* What each step is told: the graph's inputs by name. */
enum { IN_TOKENS, IN_POSITIONS, IN_SEQUENCES, IN_SLOTS, IN_BLOCK_TABLE, IN_KV_LEN, IN_OUTPUT_ROWS, IN_STATE_SLOTS, N_INPUTS };

struct bp_run {
    const bp_model *model;
    bp_devices *devices;
    bp_builder *builder;
    bp_graph *graph;
    uint32_t n_split; /* coarse nodes that were taken apart for the first device */
    bp_placement placement;
    bp_partition *partition;
    bp_executor **executors; /* one a part */
    uint32_t n_executors;
    bp_cache_shape cache;
    bp_run_limits limits;
    bp_kv_cache *kv;
    uint32_t input[N_INPUTS]; /* indices in the graph, BP_NONE where it has none */
    uint32_t output;                      /* logits or embeddings */
    uint32_t likeliest, likeliest_logits; /* tokens of each row, likeliest first (BP_NONE: not there) */
    int64_t width; /* of a row of logits */
    int32_t *told[N_INPUTS]; /* contents of the inputs of a step */
    int64_t *symbols;
    float *logits; /* rows of more than one step */
    size_t logits_capacity;
};

/* True where a state is a paged cache; others hold one entry a sequence. */
bool bp_run_state_is_paged(const bp_value *state);

#endif
