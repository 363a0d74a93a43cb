/* Sequences of models with recurrent state: mixed in one batch, forked and begun anew, each gives what it gives alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/run/session.h"

enum { N_TEXT = 24, N_MORE = 6, N_TEXTS = 2, MAX_VOCAB = 512 };
static const char *const models[] = { "mamba", "mamba2", "jamba", "falcon_h1", "granite_hybrid", "lfm2", "qwen3next" };
static const char *const backends[] = { BP_BUILD "/backends/cpu.so", BP_BUILD "/backends/reference.so" };
enum { N_MODELS = sizeof models / sizeof *models };

typedef struct fixture {
    bp_config *config;
    bp_session session;
    bp_run *run;
    int64_t n_vocab;
    int32_t text[N_TEXTS][N_TEXT];
    float alone[N_TEXTS][MAX_VOCAB]; /* logits after each whole text */
} fixture;

static void feed(fixture *f, int32_t sequence, const int32_t *tokens, int64_t n, const float **logits) {
    bp_error error = BP_ERROR_INIT;
    if (bp_run_feed(f->run, sequence, tokens, n, false, logits, &error)) fail_msg("%s", error.message);
}

static void set_back(fixture *f, int32_t sequence) {
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_run_truncate(f->run, sequence, 0, &error), BP_OK);
}

static void open_fixture(fixture *f, const char *model, const char *backend) {
    char path[256];
    snprintf(path, sizeof path, BP_FIXTURES "/recurrent/%s.gguf", model);
    char *argv[] = { "test", "-m", path, "--backend", (char *)backend, "--cache-type", "f32", "--sequences", "4", "--batch", "16", "--context", "64",
                     "--threads", "2" };
    bp_error error = BP_ERROR_INIT;
    const float *logits;
    assert_int_equal(bp_config_new(&f->config, &error), BP_OK);
    assert_int_equal(bp_config_arguments(f->config, sizeof argv / sizeof *argv, argv, NULL, 0, &error), BP_OK);
    if (bp_session_open(f->config, false, &f->session, &error)) fail_msg("%s", error.message);
    f->run = f->session.run;
    f->n_vocab = f->session.model->hp.n_vocab;
    assert_true(f->n_vocab <= MAX_VOCAB);
    for (int q = 0; q < N_TEXTS; q++) {
        for (int i = 0; i < N_TEXT; i++) f->text[q][i] = (int32_t)((i * (37 + 6 * q) + 11 + q) % f->n_vocab);
        set_back(f, BP_SEQUENCE_MAIN);
        feed(f, BP_SEQUENCE_MAIN, f->text[q], N_TEXT, &logits);
        memcpy(f->alone[q], logits, (size_t)f->n_vocab * sizeof *logits);
    }
    set_back(f, BP_SEQUENCE_MAIN);
}

static void close_fixture(fixture *f) {
    bp_session_close(&f->session);
    bp_config_free(f->config);
}

static void assert_alone(const fixture *f, int q, const float *logits) {
    double sum = 0, square = 0, worst = 0;
    for (int64_t i = 0; i < f->n_vocab; i++) {
        sum += f->alone[q][i];
        square += (double)f->alone[q][i] * f->alone[q][i];
        worst = fmax(worst, fabs((double)logits[i] - f->alone[q][i]));
    }
    double deviation = sqrt(square / (double)f->n_vocab - sum / (double)f->n_vocab * (sum / (double)f->n_vocab));
    if (!(worst <= 1e-4 * deviation)) fail_msg("text %d: off by %g of the deviation", q, worst / deviation);
}

/* Two texts in one batch, in pieces of unlike length; the second in a slot that another text had before. */
static void mixed(fixture *f) {
    const float *logits;
    bp_error error = BP_ERROR_INIT;
    int32_t used = bp_run_open(f->run);
    feed(f, used, f->text[0], 7, &logits);
    bp_run_close(f->run, used);
    int32_t second = bp_run_open(f->run);
    assert_int_equal(second, used);
    int at[N_TEXTS] = { 0, 0 };
    while (at[0] < N_TEXT && at[1] < N_TEXT) {
        const bool last = at[0] >= N_TEXT - 6;
        const bp_batch_entry both[2] = { { second, f->text[1] + at[1], last ? N_TEXT - at[1] : 3, false },
                                         { BP_SEQUENCE_MAIN, f->text[0] + at[0], last ? N_TEXT - at[0] : 5, false } };
        if (bp_run_batch(f->run, both, 2, &logits, &error)) fail_msg("%s", error.message);
        at[1] += (int)both[0].n;
        at[0] += (int)both[1].n;
    }
    assert_int_equal(at[0] + at[1], 2 * N_TEXT);
    assert_alone(f, 1, logits);
    assert_alone(f, 0, logits + f->n_vocab);
    bp_run_close(f->run, second);
    set_back(f, BP_SEQUENCE_MAIN);
}

/* A fork goes its own way from where it was made, and so does what it was made of. */
static void forked(fixture *f) {
    const float *logits;
    bp_error error = BP_ERROR_INIT;
    int32_t fork;
    feed(f, BP_SEQUENCE_MAIN, f->text[0], N_TEXT - N_MORE, &logits);
    assert_int_equal(bp_run_fork(f->run, BP_SEQUENCE_MAIN, &fork, &error), BP_OK);
    feed(f, BP_SEQUENCE_MAIN, f->text[1], N_MORE, &logits);
    feed(f, fork, f->text[0] + N_TEXT - N_MORE, N_MORE, &logits);
    assert_alone(f, 0, logits);
    bp_run_close(f->run, fork);
}

/* The state cannot go back but to the start. */
static void set_back_to_the_start_alone(fixture *f) {
    const float *logits;
    bp_error error = BP_ERROR_INIT;
    int64_t n = bp_run_length(f->run, BP_SEQUENCE_MAIN);
    assert_int_equal(bp_run_truncate(f->run, BP_SEQUENCE_MAIN, n - 1, &error), BP_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "recurrent state"));
    assert_int_equal(bp_run_length(f->run, BP_SEQUENCE_MAIN), n);
    set_back(f, BP_SEQUENCE_MAIN);
    feed(f, BP_SEQUENCE_MAIN, f->text[1], N_TEXT, &logits);
    assert_alone(f, 1, logits);
}

static void states_are_a_sequences_own(void **state) {
    (void)state;
    for (int i = 0; i < 2 * N_MODELS; i++) {
        fixture *f = calloc(1, sizeof *f);
        assert_non_null(f);
        open_fixture(f, models[i / 2], backends[i % 2]);
        mixed(f);
        forked(f);
        set_back_to_the_start_alone(f);
        close_fixture(f);
        free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(states_are_a_sequences_own) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
