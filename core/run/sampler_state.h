/* Inside of the sampler: what its steps share. Private to core/run. */
#ifndef BP_RUN_SAMPLER_STATE_H
#define BP_RUN_SAMPLER_STATE_H

#include <stdbool.h>

#include "core/run/sample_candidates.h"
#include "core/run/sampler.h"
#include "core/text/grammar.h"

enum bp_sampler_step {
#define BP_SAMPLER(name, also, cuts, active) BP_STEP_##name,
#include "core/run/samplers.def"
#undef BP_SAMPLER
    BP_STEP_COUNT
};

typedef struct bp_bias {
    int32_t id;
    float bias;
} bp_bias;

struct bp_sampler {
    bp_sampler_settings settings; /* its texts are not used: they were read into the fields below */
    const bp_tokenizer *tokenizer; /* may be NULL */
    enum bp_sampler_step order[BP_STEP_COUNT];
    size_t n_order;
    bp_bias *biases; /* by ascending id */
    size_t n_biases;
    char **breakers; /* DRY's */
    size_t n_breakers, longest_breaker;
    uint64_t seed, drawn; /* drawn: random numbers used so far */
    double mu;            /* mirostat: the greatest surprise wanted now, in bits */
    int32_t *history;     /* the tokens accepted, oldest first */
    bool *breaks;         /* beside each: a breaker ends in it */
    size_t n_history, history_room, breaks_room;
    bp_text tail, piece;  /* the last bytes of the history's text, for breakers */
    bp_candidate *items;  /* of capacity candidates */
    uint32_t *counts;     /* of counts_capacity tokens; zeros between steps */
    void *scratch;        /* of scratch_capacity elements of 16 bytes */
    size_t capacity, counts_capacity, scratch_capacity;
    const bp_grammar_vocab *vocab; /* the tokenizer's; these three: NULL without a grammar */
    bp_grammar *grammar;
    bp_grammar_matcher *matcher;
};

/* sampler_settings.c: read the texts of the settings into a new sampler. */
bp_status bp_sampler_read(bp_sampler *sampler, const bp_sampler_settings *settings, bp_error *error);

/* sampler_grammar.c: the grammar that the settings name, and the candidates that it allows (false: it failed). */
bp_status bp_sampler_read_grammar(bp_sampler *sampler, const bp_sampler_settings *settings, bp_error *error);
void bp_sampler_free_grammar(bp_sampler *sampler);
bool bp_sampler_keep_allowed(bp_sampler *sampler, bp_candidates *c);

/* The steps: sampler_cut.c, sampler_repeat.c, sampler_infill.c. */
#define BP_SAMPLER(name, also, cuts, active) void bp_step_##name(bp_sampler *sampler, bp_candidates *c);
#include "core/run/samplers.def"
#undef BP_SAMPLER

/* The last n tokens of the history (n < 0: all): where they begin. */
size_t bp_history_begin(const bp_sampler *sampler, int64_t n);
/* Accept a token's text for DRY: does a breaker end in it? */
bool bp_breaker_ends(bp_sampler *sampler, int32_t id);

/* sampler.c: whether a step does something with these settings; room for n tokens; the steps of the order from `first` to
 * before `last`. */
bool bp_sampler_step_active(const bp_sampler *sampler, enum bp_sampler_step step);
bool bp_sampler_make_room(bp_sampler *sampler, size_t n);
void bp_sampler_run_steps(bp_sampler *sampler, bp_candidates *c, size_t first, size_t last);

/* Draw one of the candidates by its weight, or take the likeliest at temperature 0; sampler_draw.c. */
int32_t bp_sampler_draw(bp_sampler *sampler, bp_candidates *c, int32_t n_vocab);

#endif
