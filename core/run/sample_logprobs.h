/* Log-probabilities of tokens in the softmax of a model's logits. */
#ifndef BP_RUN_SAMPLE_LOGPROBS_H
#define BP_RUN_SAMPLE_LOGPROBS_H

#include <stdint.h>

/* The index of the greatest logit, the lowest among equals; -1 where all are NaN or -infinity. */
int32_t bp_greatest_logit(const float *logits, int32_t n_vocab);
/* The natural logarithm of a token's probability; some logit is neither NaN nor -infinity. */
float bp_logprob_of(const float *logits, int32_t n_vocab, int32_t id);

#endif
