/* Choosing from the likeliest tokens alone: the same as from all logits, or the sampler says that they are not enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/run/sample_random.h"
#include "tests/support/sampler_help.h"

enum { VOCAB = 700, ROUNDS = 300, STEPS = 12, TOP_REACH = BP_SAMPLER_REACH };

static uint64_t random_state;
static int64_t below(int64_t n) { return (int64_t)(bp_random_bits(77, random_state++) % (uint64_t)n); }

/* On a coarse grid, so that there are ties; some NaN and -infinity. */
static void make_logits(float *logits) {
    for (int i = 0; i < VOCAB; i++) {
        const int64_t kind = below(60);
        logits[i] = kind == 0 ? NAN : kind == 1 ? -INFINITY : (float)(below(200) - 150) / 8;
    }
}

/* The n likeliest as a device gives them: NaN as -infinity. */
static void likeliest(const float *logits, int32_t n, int32_t *ids, float *values) {
    static bool taken[VOCAB];
    memset(taken, 0, sizeof taken);
    for (int32_t k = 0; k < n; k++) {
        int32_t best = -1;
        float most = -INFINITY;
        for (int32_t i = 0; i < VOCAB; i++) {
            const float v = isnan(logits[i]) ? -INFINITY : logits[i];
            if (taken[i] || (best >= 0 && v <= most)) continue;
            best = i, most = v;
        }
        taken[best] = true, ids[k] = best, values[k] = most;
    }
}

static bp_sampler_settings some_settings(void) {
    static const char *const orders[] = { NULL, "dry;penalties;top_k;top_p;temperature", "top_k;penalties;temperature;min_p", "top_k;typical;xtc;temperature" };
    bp_sampler_settings s = plain();
    s.samplers = orders[below(4)];
    s.temperature = below(4) ? 0.9 : 0;
    s.top_k = (const int[]){ 1, 5, 40, 200 }[below(4)];
    s.top_p = below(2) ? 0.9 : 1;
    s.min_p = below(2) ? 0.02 : 0;
    s.xtc_probability = below(3) ? 0 : 0.5;
    s.typical = below(3) ? 1 : 0.8;
    s.dynatemp_range = below(3) ? 0 : 0.5;
    s.repeat_penalty = below(2) ? 1.3 : 1;
    s.presence_penalty = below(3) ? 0 : 0.7;
    s.penalty_last = below(2) ? 8 : -1;
    s.dry_multiplier = below(2) ? 0 : 0.8;
    s.logit_bias = below(3) ? NULL : "3=-2, 17=-inf, 40=-0.5";
    s.seed = 1 + below(1000);
    return s;
}

static void few_choose_as_all_do(void **state) {
    (void)state;
    static float logits[VOCAB], values[TOP_REACH];
    static int32_t ids[TOP_REACH];
    int decided = 0, asked = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const bp_sampler_settings s = some_settings();
        bp_sampler *few = make(s), *all = make(s);
        const int32_t n = (int32_t)bp_sampler_reach(few);
        assert_in_range(n, 1, TOP_REACH);
        for (int step = 0; step < STEPS; step++) {
            int32_t id = -1;
            bool enough;
            if (step % 3 == 0) make_logits(logits); /* else as before: repetitions */
            likeliest(logits, n, ids, values);
            assert_int_equal(bp_sampler_next_few(few, ids, values, n, VOCAB, &id, &enough), BP_OK);
            decided += enough, asked++;
            if (!enough) id = next(few, logits, VOCAB);
            assert_int_equal(id, next(all, logits, VOCAB));
            bp_sampler_accept(few, id), bp_sampler_accept(all, id);
        }
        bp_sampler_free(few);
        bp_sampler_free(all);
    }
    assert_true(decided > asked * 9 / 10);
}

static void what_may_need_all_logits_asks_for_them(void **state) {
    (void)state;
    enum { KINDS = 8 };
    for (int kind = 0; kind < KINDS; kind++) {
        bp_sampler_settings s = plain();
        s.top_k = 40;
        bp_sampler *sampler = make(s);
        assert_int_equal(bp_sampler_reach(sampler), 40);
        bp_sampler_free(sampler);
        if (kind == 0) s.mirostat = 2;
        if (kind == 1) s.top_k = 0;
        if (kind == 2) s.top_k = TOP_REACH + 1;
        if (kind == 3) s.logit_bias = "5=1";
        if (kind == 4) s.repeat_penalty = 0.9;
        if (kind == 5) s.presence_penalty = -1;
        if (kind == 6) s.samplers = "temperature;top_k";
        if (kind == 7) s.top_n_sigma = 1;
        sampler = make(s);
        assert_int_equal(bp_sampler_reach(sampler), 0);
        bp_sampler_free(sampler);
    }
}

/* All of the given are penalised: any other token may now be the likeliest. */
static void changed_tokens_are_not_enough(void **state) {
    (void)state;
    static float logits[VOCAB];
    int32_t ids[TOP_REACH], id = -1;
    float values[TOP_REACH];
    bool enough = true;
    bp_sampler_settings s = plain();
    s.temperature = 0;
    s.presence_penalty = 100;
    s.penalty_last = -1;
    bp_sampler *sampler = make(s);
    for (int i = 0; i < VOCAB; i++) logits[i] = (float)(VOCAB - i) / 64;
    likeliest(logits, TOP_REACH, ids, values);
    assert_int_equal(bp_sampler_next_few(sampler, ids, values, TOP_REACH, VOCAB, &id, &enough), BP_OK);
    assert_true(enough);
    assert_int_equal(id, 0);
    for (int i = 0; i < TOP_REACH; i++) bp_sampler_accept(sampler, ids[i]);
    assert_int_equal(bp_sampler_next_few(sampler, ids, values, TOP_REACH, VOCAB, &id, &enough), BP_OK);
    assert_false(enough);
    assert_int_equal(next(sampler, logits, VOCAB), TOP_REACH);
    bp_sampler_free(sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_choose_as_all_do),
        cmocka_unit_test(what_may_need_all_logits_asks_for_them),
        cmocka_unit_test(changed_tokens_are_not_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
