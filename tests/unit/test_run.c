/* Sequences of a run: computed together, forked, set back, they give what each gives alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/run/session.h"

enum { N_PROMPT = 40, N_MORE = 5 };
static const int32_t more_a[N_MORE] = { 5, 6, 7, 8, 9 }, more_b[N_MORE] = { 100, 3, 100, 3, 101 };

typedef struct fixture {
    bp_config *config;
    bp_session session;
    int32_t prompt[N_PROMPT];
} fixture;

static void open_fixture(fixture *f) {
    char *argv[] = { "test", "-m", BP_FIXTURES "/golden/llama.gguf", "--backend", BP_BUILD "/backends/cpu.so", "--cache-type", "f32",
                     "--sequences", "4", "--batch", "16", "--context", "128" };
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_config_new(&f->config, &error), BP_OK);
    assert_int_equal(bp_config_arguments(f->config, sizeof argv / sizeof *argv, argv, NULL, 0, &error), BP_OK);
    if (bp_session_open(f->config, false, &f->session, &error)) fail_msg("%s", error.message);
    for (int i = 0; i < N_PROMPT; i++) f->prompt[i] = (i * 37 + 11) % (int)f->session.model->hp.n_vocab;
}

static void close_fixture(fixture *f) {
    bp_session_close(&f->session);
    bp_config_free(f->config);
}

static int64_t vocab(const fixture *f) { return f->session.model->hp.n_vocab; }

/* The logits after the prompt and n more tokens, computed alone in sequence 0. */
static float *alone(fixture *f, const int32_t *more, int64_t n) {
    const float *logits;
    float *copy = malloc((size_t)vocab(f) * sizeof *copy);
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_run_truncate(f->session.run, BP_SEQUENCE_MAIN, 0, &error), BP_OK);
    assert_int_equal(bp_run_feed(f->session.run, BP_SEQUENCE_MAIN, f->prompt, N_PROMPT, false, &logits, &error), BP_OK);
    for (int64_t i = 0; i < n; i++) assert_int_equal(bp_run_feed(f->session.run, BP_SEQUENCE_MAIN, more + i, 1, false, &logits, &error), BP_OK);
    memcpy(copy, logits, (size_t)vocab(f) * sizeof *copy);
    return copy;
}

/* Rounding differs with the shape of the batch, no more. */
static void assert_near(const fixture *f, const float *a, const float *b) {
    for (int64_t i = 0; i < vocab(f); i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-2F * (1 + fabsf(b[i])))) fail_msg("logit %d: %g against %g", (int)i, (double)a[i], (double)b[i]);
}

static void sequences_computed_together_are_as_alone(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    bp_run *run = f.session.run;
    bp_error error = BP_ERROR_INIT;
    const float *logits;
    float *a = alone(&f, more_a, N_MORE), *b = alone(&f, more_b, N_MORE);
    int32_t first = bp_run_open(run), second = bp_run_open(run);
    assert_int_equal(bp_run_feed(run, first, f.prompt, N_PROMPT, false, &logits, &error), BP_OK);
    assert_int_equal(bp_run_feed(run, second, f.prompt, N_PROMPT, false, &logits, &error), BP_OK);
    for (int i = 0; i < N_MORE; i++) {
        const bp_batch_entry both[2] = { { second, more_b + i, 1, false }, { first, more_a + i, 1, false } };
        assert_int_equal(bp_run_batch(run, both, 2, &logits, &error), BP_OK);
    }
    assert_near(&f, logits, b);
    assert_near(&f, logits + vocab(&f), a);
    free(a);
    free(b);
    close_fixture(&f);
}

static void a_fork_goes_its_own_way(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    bp_run *run = f.session.run;
    bp_error error = BP_ERROR_INIT;
    const float *logits;
    float *a = alone(&f, more_a, N_MORE), *b = alone(&f, more_b, N_MORE);
    int32_t fork;
    assert_int_equal(bp_run_truncate(run, BP_SEQUENCE_MAIN, N_PROMPT, &error), BP_OK);
    assert_int_equal(bp_run_fork(run, BP_SEQUENCE_MAIN, &fork, &error), BP_OK);
    assert_int_equal(bp_run_feed(run, fork, more_a, N_MORE, false, &logits, &error), BP_OK);
    assert_near(&f, logits, a);
    assert_int_equal(bp_run_feed(run, BP_SEQUENCE_MAIN, more_b, N_MORE, false, &logits, &error), BP_OK);
    assert_near(&f, logits, b);
    assert_int_equal(bp_run_length(run, fork), N_PROMPT + N_MORE);
    free(a);
    free(b);
    close_fixture(&f);
}

static void what_does_not_fit_changes_nothing(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    bp_run *run = f.session.run;
    bp_error error = BP_ERROR_INIT;
    const float *logits;
    const int32_t bad = (int32_t)vocab(&f), good = 1;
    float *a = alone(&f, more_a, N_MORE);
    assert_int_equal(bp_run_feed(run, BP_SEQUENCE_MAIN, &bad, 1, false, &logits, &error), BP_E_INVALID);
    const bp_batch_entry twice[2] = { { 0, &good, 1, false }, { 0, &good, 1, false } };
    assert_int_equal(bp_run_batch(run, twice, 2, &logits, &error), BP_E_INVALID);
    const bp_batch_entry closed = { 3, &good, 1, false };
    assert_int_equal(bp_run_batch(run, &closed, 1, &logits, &error), BP_E_INVALID);
    int32_t *much = calloc(200, sizeof *much);
    assert_int_equal(bp_run_feed(run, BP_SEQUENCE_MAIN, much, 200, false, &logits, &error), BP_E_INVALID);
    free(much);
    assert_int_equal(bp_run_length(run, BP_SEQUENCE_MAIN), N_PROMPT + N_MORE);
    assert_int_equal(bp_run_truncate(run, BP_SEQUENCE_MAIN, N_PROMPT, &error), BP_OK);
    assert_int_equal(bp_run_feed(run, BP_SEQUENCE_MAIN, more_a, N_MORE, false, &logits, &error), BP_OK);
    assert_near(&f, logits, a);
    free(a);
    close_fixture(&f);
}

static void the_device_finds_the_likeliest_token(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    bp_run *run = f.session.run;
    bp_error error = BP_ERROR_INIT;
    float *logits = alone(&f, more_a, N_MORE);
    int32_t likeliest, best = 0;
    for (int32_t i = 1; i < (int32_t)vocab(&f); i++)
        if (logits[i] > logits[best]) best = i;
    assert_int_equal(bp_run_truncate(run, BP_SEQUENCE_MAIN, 0, &error), BP_OK);
    assert_int_equal(bp_run_next(run, BP_SEQUENCE_MAIN, f.prompt, N_PROMPT, &likeliest, &error), BP_OK);
    for (int i = 0; i < N_MORE; i++) assert_int_equal(bp_run_next(run, BP_SEQUENCE_MAIN, more_a + i, 1, &likeliest, &error), BP_OK);
    assert_int_equal(likeliest, best);
    free(logits);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_computed_together_are_as_alone),
        cmocka_unit_test(a_fork_goes_its_own_way),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(the_device_finds_the_likeliest_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
