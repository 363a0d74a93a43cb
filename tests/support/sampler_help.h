/* What the tests of the sampler share. Include cmocka and its headers first. */
#ifndef TESTS_SAMPLER_HELP_H
#define TESTS_SAMPLER_HELP_H

#include <math.h>

#include "core/base/size.h"
#include "core/run/sampler_state.h"

/* All links off: a plain draw at temperature 1. */
static inline bp_sampler_settings plain(void) {
    return (bp_sampler_settings){ .temperature = 1, .top_p = 1, .typical = 1, .repeat_penalty = 1, .penalty_last = 8,
                                  .dry_base = 1.75, .dry_last = -1, .xtc_threshold = 0.1, .mirostat_tau = 5,
                                  .mirostat_eta = 0.1, .dynatemp_exponent = 1, .seed = 42 };
}

static inline bp_sampler *make(bp_sampler_settings settings) {
    bp_sampler *sampler = NULL;
    assert_int_equal(bp_sampler_new(&settings, NULL, &sampler, NULL), BP_OK);
    return sampler;
}

static inline int32_t next(bp_sampler *sampler, const float *logits, int32_t n) {
    int32_t id = -1;
    assert_int_equal(bp_sampler_next(sampler, logits, n, &id, NULL), BP_OK);
    assert_in_range(id, 0, n - 1);
    return id;
}

enum { DRAWS = 20000, MOST = 16 };

/* Draw often and compare with the expected shares: none where 0, else Pearson's chi-squared. The limit is the 99.99 %
 * quantile of at most 15 degrees of freedom. */
static inline void expect_shares(bp_sampler *sampler, const float *logits, int32_t n, const double *shares) {
    uint32_t count[MOST] = { 0 };
    double chi = 0;
    for (int i = 0; i < DRAWS; i++) count[next(sampler, logits, n)]++;
    for (int32_t i = 0; i < n; i++) {
        double expected = shares[i] * DRAWS, off = count[i] - expected;
        if (shares[i] == 0) assert_int_equal(count[i], 0);
        else chi += off * off / expected;
    }
    if (chi > 44.3) fail_msg("chi-squared is %g", chi);
    bp_sampler_free(sampler);
}

static const double P[5] = { 0.1, 0.4, 0.05, 0.3, 0.15 };

static inline void log_all(const double *p, float *logits, size_t n) {
    for (size_t i = 0; i < n; i++) logits[i] = (float)(log(p[i]) + 3);
}

#endif
