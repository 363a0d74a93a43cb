/* Generating tokens one by one: the loop that every command and the engine API share. */
#ifndef BP_RUN_GENERATE_H
#define BP_RUN_GENERATE_H

#include "core/run/run.h"
#include "core/run/sampler.h"
#include "core/text/tokenizer.h"

typedef struct bp_generated {
    int32_t id;
    const char *bytes; /* of the token's text, n_bytes of them; may end within a UTF-8 character; valid during the call */
    size_t n_bytes;
    float logprob;        /* where settings ask for it */
    const float *logits;  /* [n_vocab] that it was chosen from, valid during the call; NULL where the device chose */
} bp_generated;

/* Called for each token; false ends the generation after it. */
typedef bool bp_generated_fn(void *self, const bp_generated *token);

typedef struct bp_generation {
    bp_run *run;
    const bp_tokenizer *tokenizer;
    bp_sampler *sampler;
    int32_t sequence;
    int64_t limit; /* tokens at most */
    bool logprobs; /* logits and log-probabilities are wanted */
    bp_generated_fn *each;
    void *self;
} bp_generation;

enum bp_generation_end {
    BP_END_LIMIT = 0,   /* as many tokens as were wanted */
    BP_END_TOKEN = 1,   /* the model ended its text */
    BP_END_CONTEXT = 2, /* the sequence has no room left */
    BP_END_CALLER = 3,  /* `each` said so, or the user did (cancel.h) */
};

typedef struct bp_generation_result {
    enum bp_generation_end end;
    int64_t n_prompt, n_made;
    double prompt_seconds, made_seconds;
} bp_generation_result;

/* Append the prompt (at least one token) to the sequence, then choose and append tokens. The token that ends the text is
 * neither given to `each` nor appended. *result is filled as far as it went, also on failure. */
bp_status bp_generate(const bp_generation *g, const int32_t *prompt, int64_t n, bp_generation_result *result, bp_error *error);

#endif
