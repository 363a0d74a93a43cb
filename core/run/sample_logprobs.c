#include "core/run/sample_logprobs.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/run/sample_candidates.h"
#include "core/run/sampler.h"

int32_t bp_greatest_logit(const float *logits, int32_t n_vocab) {
    int32_t best = -1;
    float greatest = -INFINITY;
    for (int32_t i = 0; i < n_vocab; i++) {
        if (!(logits[i] > greatest)) continue;
        greatest = logits[i];
        best = i;
    }
    return best;
}

static double log_total(const float *logits, int32_t n_vocab, double greatest) {
    double total = 0;
    for (int32_t i = 0; i < n_vocab; i++)
        if (!isnan(logits[i])) total += bp_weight(logits[i], greatest);
    return log(total);
}

static float logprob(double logit, double greatest, double log_total) {
    return (float)((logit == greatest ? 0 : logit - greatest) - log_total);
}

float bp_logprob_of(const float *logits, int32_t n_vocab, int32_t id) {
    double greatest = logits[bp_greatest_logit(logits, n_vocab)];
    return logprob(logits[id], greatest, log_total(logits, n_vocab, greatest));
}

/* Put a token into a list of the n greatest, whose last falls out where it is full. */
static void insert(bp_logprob *list, uint32_t *count, uint32_t n, bp_logprob token) {
    uint32_t at = *count;
    while (at && list[at - 1].logprob < token.logprob) at--;
    if (at == n) return;
    uint32_t moved = BP_MIN(*count, n - 1) - at;
    memmove(list + at + 1, list + at, moved * sizeof *list);
    list[at] = token;
    if (*count < n) ++*count;
}

uint32_t bp_logprobs_top(const float *logits, int32_t n_vocab, bp_logprob *out, uint32_t n) {
    uint32_t count = 0;
    n = BP_MIN(n, (uint32_t)BP_MAX_TOP_LOGPROBS);
    for (int32_t i = 0; n && i < n_vocab; i++) {
        if (!(logits[i] > -INFINITY) || (count == n && logits[i] <= out[n - 1].logprob)) continue;
        insert(out, &count, n, (bp_logprob){ i, logits[i] });
    }
    if (!count) return 0;
    double greatest = out[0].logprob, total = log_total(logits, n_vocab, greatest);
    for (uint32_t i = 0; i < count; i++) out[i].logprob = logprob(out[i].logprob, greatest, total);
    return count;
}
