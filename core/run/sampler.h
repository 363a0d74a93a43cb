/* Choosing the next token: a chain of small samplers (samplers.def) narrows the candidates, then one is drawn. */
#ifndef BP_RUN_SAMPLER_H
#define BP_RUN_SAMPLER_H

#include <stdint.h>

#include "backplane/status.h"
#include "core/config/config.h"

/* What the values mean: core/config/options.def. temperature <= 0: always the likeliest token after the penalties, the
 * lowest id where several are. */
typedef struct bp_sampler_settings {
#define BP_SAMPLER_SETTING(type, name, option, least, most) type name;
#include "core/run/samplers.def"
#undef BP_SAMPLER_SETTING
} bp_sampler_settings;

bp_sampler_settings bp_sampler_settings_from(const bp_config *config);

/* One thread at a time. Same settings (seed not 0), logits and accepted tokens: same choices. */
typedef struct bp_sampler bp_sampler;

/* Settings out of range are BP_E_INVALID; they are copied. Free with bp_sampler_free. */
bp_status bp_sampler_new(const bp_sampler_settings *settings, bp_sampler **out, bp_error *error);
void bp_sampler_free(bp_sampler *sampler);
/* The seed in use: that of the settings, or the one taken from the clock. */
uint64_t bp_sampler_seed(const bp_sampler *sampler);

/* Choose from logits [n_vocab]. NaN and -infinity are never chosen; BP_E_INVALID where nothing else is there.
 * *logprob (may be NULL): the natural logarithm of the token's probability in the softmax of the logits as given.
 * The choice is not accepted by itself: call bp_sampler_accept. */
bp_status bp_sampler_next(bp_sampler *sampler, const float *logits, int32_t n_vocab, int32_t *id, float *logprob);
/* Put a token, of the prompt or chosen, into the history that the penalties look at. */
void bp_sampler_accept(bp_sampler *sampler, int32_t id);
/* Forget the history and begin the random numbers anew: as after bp_sampler_new with the same seed. */
void bp_sampler_reset(bp_sampler *sampler);

#endif
