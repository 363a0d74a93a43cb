/* Choosing the next token: a chain of small steps (samplers.def) narrows and weighs the candidates, then one is drawn.
 */
#ifndef BP_RUN_SAMPLER_H
#define BP_RUN_SAMPLER_H

#include <stdint.h>

#include "backplane/status.h"
#include "core/config/config.h"
#include "core/text/tokenizer.h"

/* What the values mean: core/config/sampling.def. temperature <= 0: always the likeliest token after biases, penalties
 * and DRY, the lowest id where several are. Texts that are NULL: samplers in their default order, no breakers, no bias, no
 * grammar. With a grammar only tokens that it allows are candidates. */
typedef struct bp_sampler_settings {
#define BP_SAMPLING_INT int64_t
#define BP_SAMPLING_FLOAT double
#define BP_SAMPLING_TEXT const char *
#define BP_SAMPLING(kind, name, id, flag, value, least, most, help) BP_SAMPLING_##kind name;
#include "core/config/sampling.def"
#undef BP_SAMPLING
} bp_sampler_settings;

/* The texts are the configuration's. */
bp_sampler_settings bp_sampler_settings_from(const bp_config *config);

/* One thread at a time. Same settings (seed not 0), logits and accepted tokens: same choices. */
typedef struct bp_sampler bp_sampler;

/* Settings out of range are BP_E_INVALID; they are copied, texts as well. The tokenizer outlives the sampler; it may be
 * NULL where no bias is given as text, and neither DRY's breakers nor infill nor a grammar are wanted. Free with bp_sampler_free. */
bp_status bp_sampler_new(const bp_sampler_settings *settings, const bp_tokenizer *tokenizer, bp_sampler **out,
                         bp_error *error);
void bp_sampler_free(bp_sampler *sampler);
/* The seed in use: that of the settings, or the one taken from the clock. */
uint64_t bp_sampler_seed(const bp_sampler *sampler);

/* Choose from logits [n_vocab]. NaN and -infinity are never chosen; BP_E_INVALID where nothing else is there, or
 * nothing else that the grammar allows.
 * *logprob (may be NULL): the natural logarithm of the token's probability in the softmax of the logits as given.
 * The choice is not accepted by itself: call bp_sampler_accept. */
bp_status bp_sampler_next(bp_sampler *sampler, const float *logits, int32_t n_vocab, int32_t *id, float *logprob);
/* True where every choice is the likeliest token, whatever was chosen before: then the device may choose. */
bool bp_sampler_is_greedy(const bp_sampler *sampler);
/* The choice from the likeliest tokens alone, so that the other logits may stay on the device. BP_SAMPLER_REACH: most that
 * are ever asked for. */
enum { BP_SAMPLER_REACH = 256 };
/* How many of the likeliest tokens decide most choices; 0: nothing less than all logits does. */
uint32_t bp_sampler_reach(const bp_sampler *sampler);
/* As bp_sampler_next, of the n likeliest tokens with their logits, likeliest first, lower ids first among equals. *enough
 * false: a token that is not among them might be chosen as well; the sampler is as before, call bp_sampler_next. */
bp_status bp_sampler_next_few(bp_sampler *sampler, const int32_t *ids, const float *logits, int32_t n, int32_t n_vocab, int32_t *id,
                              bool *enough);
/* Put a chosen token into the history that penalties and DRY look at, and move the grammar by it, where there is one:
 * BP_E_INVALID where the grammar does not allow it. */
bp_status bp_sampler_accept(bp_sampler *sampler, int32_t id);
/* Put a token of the prompt into the history; the grammar speaks of what is chosen only. */
bp_status bp_sampler_accept_prompt(bp_sampler *sampler, int32_t id);
/* Forget the history and begin the random numbers anew: as after bp_sampler_new with the same seed. */
void bp_sampler_reset(bp_sampler *sampler);

typedef struct bp_logprob {
    int32_t id;
    float logprob; /* natural logarithm of the probability in the softmax of the logits as given */
} bp_logprob;

enum { BP_MAX_TOP_LOGPROBS = 1000 };

/* The n (at most BP_MAX_TOP_LOGPROBS) likeliest tokens, likeliest first, lower ids first among equals; returns how many
 * there are: fewer where fewer logits are neither NaN nor -infinity. */
uint32_t bp_logprobs_top(const float *logits, int32_t n_vocab, bp_logprob *out, uint32_t n);

#endif
