#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/run/sample_candidates.h"
#include "core/run/sample_random.h"
#include "core/run/sampler_state.h"
#include "tests/support/sampler_help.h"

/* The known answers that the authors publish with Random123 (kat_vectors). */
static void random_numbers_are_philoxs(void **state) {
    (void)state;
    static const uint32_t known[][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
          0x24126ea1 },
    };
    for (size_t i = 0; i < BP_COUNT(known); i++) {
        uint32_t block[4];
        memcpy(block, known[i], sizeof block);
        bp_philox(block, known[i][4], known[i][5]);
        assert_memory_equal(block, known[i] + 6, sizeof block);
    }
    assert_true(bp_random_bits(0, 0) == UINT64_C(0xe169c58d6627e8d5));
    for (uint64_t i = 0; i < 1000; i++) assert_true(bp_random_unit(1, i) >= 0 && bp_random_unit(1, i) < 1);
}

static void greedy_takes_the_lowest_of_the_likeliest(void **state) {
    (void)state;
    const float logits[] = { NAN, 1, 5, -2, 5, NAN };
    bp_sampler_settings s = plain();
    s.temperature = 0;
    s.top_k = 3;
    bp_sampler *sampler = make(s);
    assert_int_equal(next(sampler, logits, 6), 2);
    bp_sampler_free(sampler);
    s.presence_penalty = 1;
    sampler = make(s);
    bp_sampler_accept(sampler, 1);
    assert_int_equal(next(sampler, logits, 6), 2);
    bp_sampler_accept(sampler, 2);
    assert_int_equal(next(sampler, logits, 6), 4);
    bp_sampler_free(sampler);
}

static void draws_follow_the_softmax(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    expect_shares(make(plain()), logits, 5, P);
}

static void temperature_sharpens(void **state) {
    (void)state;
    float logits[5];
    double shares[5], total = 0;
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.temperature = 0.5;
    for (int i = 0; i < 5; i++) total += shares[i] = P[i] * P[i];
    for (int i = 0; i < 5; i++) shares[i] /= total;
    expect_shares(make(s), logits, 5, shares);
    s.temperature = 1e-300;
    expect_shares(make(s), logits, 5, (double[]){ 0, 1, 0, 0, 0 });
}

static void top_k_keeps_k(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.top_k = 2;
    expect_shares(make(s), logits, 5, (double[]){ 0, 4. / 7, 0, 3. / 7, 0 });
    s.top_k = 100;
    expect_shares(make(s), logits, 5, P);
}

static void top_p_keeps_the_shortest_run_that_reaches_p(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.top_p = 0.75;
    expect_shares(make(s), logits, 5, (double[]){ 0, 40. / 85, 0, 30. / 85, 15. / 85 });
    s.top_p = 0.65;
    expect_shares(make(s), logits, 5, (double[]){ 0, 4. / 7, 0, 3. / 7, 0 });
    s.top_p = 0;
    expect_shares(make(s), logits, 5, (double[]){ 0, 1, 0, 0, 0 });
}

static void top_p_counts_what_top_k_left(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.top_k = 2;
    s.top_p = 0.5; /* of 4/7 and 3/7 the first suffices; of all five it would not */
    expect_shares(make(s), logits, 5, (double[]){ 0, 1, 0, 0, 0 });
}

static void top_p_sorts_as_far_as_a_flat_distribution_needs(void **state) {
    (void)state;
    enum { N = 1000 };
    float logits[N] = { 0 };
    bp_sampler_settings s = plain();
    s.top_p = 0.4995;
    bp_sampler *sampler = make(s);
    int32_t greatest = 0;
    for (int i = 0; i < DRAWS; i++) {
        int32_t id = next(sampler, logits, N);
        greatest = BP_MAX(greatest, id);
    }
    assert_int_equal(greatest, 499); /* equal logits: lower ids first */
    bp_sampler_free(sampler);
}

static void min_p_drops_small_shares_of_the_likeliest(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.min_p = 0.3; /* of 0.4: 0.12 */
    expect_shares(make(s), logits, 5, (double[]){ 0, 40. / 85, 0, 30. / 85, 15. / 85 });
    s.min_p = 1;
    expect_shares(make(s), logits, 5, (double[]){ 0, 1, 0, 0, 0 });
}

static void penalties_divide_multiply_and_subtract(void **state) {
    (void)state;
    const float logits[4] = { 2, -1, 1, 0.5f };
    bp_sampler_settings s = plain();
    s.repeat_penalty = 2;
    s.frequency_penalty = 0.25;
    s.presence_penalty = 0.125;
    bp_sampler *sampler = make(s);
    const int32_t seen[] = { 0, 1, 0, 99, -5 };
    for (size_t i = 0; i < BP_COUNT(seen); i++) bp_sampler_accept(sampler, seen[i]);
    double e[4] = { exp(1 - 0.5 - 0.125), exp(-2 - 0.25 - 0.125), exp(1), exp(0.5) };
    double total = e[0] + e[1] + e[2] + e[3];
    for (int i = 0; i < 4; i++) e[i] /= total;
    expect_shares(sampler, logits, 4, e);
}

static void penalties_forget_tokens_out_of_the_window(void **state) {
    (void)state;
    const float logits[3] = { 3, 2, 1 };
    bp_sampler_settings s = plain();
    s.temperature = 0;
    s.presence_penalty = 100;
    s.penalty_last = 2;
    bp_sampler *sampler = make(s);
    for (int i = 0; i < 9; i++) {
        int32_t id = next(sampler, logits, 3);
        assert_int_equal(id, i % 3);
        bp_sampler_accept(sampler, id);
    }
    bp_sampler_reset(sampler);
    assert_int_equal(next(sampler, logits, 3), 0);
    bp_sampler_free(sampler);
    s.penalty_last = 0;
    sampler = make(s);
    bp_sampler_accept(sampler, 0);
    assert_int_equal(next(sampler, logits, 3), 0);
    bp_sampler_free(sampler);
}

static void logprob_is_that_of_the_logits_as_given(void **state) {
    (void)state;
    float logits[5], logprob;
    int32_t id;
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.top_k = 2;
    bp_sampler *sampler = make(s);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(bp_sampler_next(sampler, logits, 5, &id, &logprob), BP_OK);
        assert_true(fabs(logprob - log(P[id])) < 1e-6);
    }
    bp_sampler_free(sampler);
}

static void odd_logits_are_never_chosen(void **state) {
    (void)state;
    const float masked[] = { NAN, -INFINITY, 1, -NAN, -INFINITY, 1, -2000 };
    expect_shares(make(plain()), masked, 7, (double[]){ 0, 0, 0.5, 0, 0, 0.5, 0 });
    const float endless[] = { 1, INFINITY, NAN, INFINITY };
    bp_sampler_settings s = plain();
    s.top_k = 3;
    s.top_p = 0.9;
    s.min_p = 0.1;
    s.temperature = 0.7;
    expect_shares(make(s), endless, 4, (double[]){ 0, 0.5, 0, 0.5 });
    const float none[] = { NAN, -INFINITY };
    for (int greedy = 0; greedy < 2; greedy++) {
        s.temperature = 1 - greedy;
        bp_sampler *sampler = make(s);
        int32_t id = 77;
        assert_int_equal(bp_sampler_next(sampler, none, 2, &id, NULL), BP_E_INVALID);
        assert_int_equal(bp_sampler_next(sampler, none, 0, &id, NULL), BP_E_INVALID);
        assert_int_equal(id, 77);
        bp_sampler_free(sampler);
    }
}

static void same_seed_same_tokens(void **state) {
    (void)state;
    float logits[64];
    int32_t first[50];
    for (int i = 0; i < 64; i++) logits[i] = (float)bp_random_unit(5, (uint64_t)i);
    bp_sampler_settings s = plain();
    bp_sampler *a = make(s), *b = make(s);
    s.seed = 43;
    bp_sampler *c = make(s);
    int differ = 0;
    for (int i = 0; i < 50; i++) {
        first[i] = next(a, logits, 64);
        assert_int_equal(first[i], next(b, logits, 64));
        differ += first[i] != next(c, logits, 64);
    }
    assert_true(differ > 25);
    bp_sampler_reset(a);
    for (int i = 0; i < 50; i++) assert_int_equal(next(a, logits, 64), first[i]);
    bp_sampler_free(a);
    bp_sampler_free(b);
    bp_sampler_free(c);
}

static void seed_zero_is_from_the_clock(void **state) {
    (void)state;
    bp_sampler_settings s = plain();
    bp_sampler *given = make(s);
    assert_true(bp_sampler_seed(given) == 42);
    bp_sampler_free(given);
    s.seed = 0;
    bp_sampler *a = make(s), *b = make(s);
    assert_true(bp_sampler_seed(a) != bp_sampler_seed(b));
    bp_sampler_free(a);
    bp_sampler_free(b);
}

static void settings_out_of_range_are_named(void **state) {
    (void)state;
    bp_error error = BP_ERROR_INIT;
    bp_sampler *sampler = NULL;
    bp_sampler_settings s = plain();
    s.top_p = 1.5;
    assert_int_equal(bp_sampler_new(&s, NULL, &sampler, &error), BP_E_INVALID);
    assert_non_null(strstr(error.message, "top_p is 1.5"));
    s = plain();
    s.repeat_penalty = 0;
    assert_int_equal(bp_sampler_new(&s, NULL, &sampler, &error), BP_E_INVALID);
    s = plain();
    s.temperature = NAN;
    assert_int_equal(bp_sampler_new(&s, NULL, &sampler, &error), BP_E_INVALID);
    s = plain();
    s.penalty_last = -2;
    assert_int_equal(bp_sampler_new(&s, NULL, &sampler, &error), BP_E_INVALID);
    assert_null(sampler);
}

static void settings_come_from_the_configuration(void **state) {
    (void)state;
    bp_config *config = NULL;
    char *argv[] = { (char *)"x", (char *)"--top-k=3", (char *)"--temperature=0.5", (char *)"--seed=9" };
    assert_int_equal(bp_config_new(&config, NULL), BP_OK);
    assert_int_equal(bp_config_arguments(config, 4, argv, NULL, 0, NULL), BP_OK);
    bp_sampler_settings s = bp_sampler_settings_from(config);
    assert_true(s.top_k == 3 && s.temperature == 0.5 && s.seed == 9 && s.penalty_last == 64 && s.min_p == 0.05);
    bp_config_free(config);
}

static int by_logit(const void *a, const void *b) {
    const bp_candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static void sorting_a_part_equals_sorting_all(void **state) {
    (void)state;
    enum { N = 300 };
    static const size_t counts[] = { 0, 1, 2, 7, 64, 299, 300, 1000 };
    for (size_t round = 0; round < BP_COUNT(counts) * 5; round++) {
        bp_candidate part[N], all[N];
        for (int32_t i = 0; i < N; i++) all[i] = (bp_candidate){ i, (float)(bp_random_bits(round, (uint64_t)i) % 50) };
        memcpy(part, all, sizeof all);
        qsort(all, N, sizeof *all, by_logit);
        size_t count = counts[round % BP_COUNT(counts)];
        bp_candidates c = { part, N };
        bp_candidates_sort(&c, count);
        for (size_t i = 0; i < BP_MIN(count, (size_t)N); i++) assert_int_equal(part[i].id, all[i].id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers_are_philoxs),
        cmocka_unit_test(greedy_takes_the_lowest_of_the_likeliest),
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(temperature_sharpens),
        cmocka_unit_test(top_k_keeps_k),
        cmocka_unit_test(top_p_keeps_the_shortest_run_that_reaches_p),
        cmocka_unit_test(top_p_counts_what_top_k_left),
        cmocka_unit_test(top_p_sorts_as_far_as_a_flat_distribution_needs),
        cmocka_unit_test(min_p_drops_small_shares_of_the_likeliest),
        cmocka_unit_test(penalties_divide_multiply_and_subtract),
        cmocka_unit_test(penalties_forget_tokens_out_of_the_window),
        cmocka_unit_test(logprob_is_that_of_the_logits_as_given),
        cmocka_unit_test(odd_logits_are_never_chosen),
        cmocka_unit_test(same_seed_same_tokens),
        cmocka_unit_test(seed_zero_is_from_the_clock),
        cmocka_unit_test(settings_out_of_range_are_named),
        cmocka_unit_test(settings_come_from_the_configuration),
        cmocka_unit_test(sorting_a_part_equals_sorting_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
