/* What goes wrong on a card leaves the engine usable: on the emulated card, whose faults the environment switches on. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/run/session.h"

enum { N_PROMPT = 3 };
static const int32_t prompt[N_PROMPT] = { 1, 20, 33 };
static char folder[] = "/tmp/backplane-cuda-errors-XXXXXX";

typedef struct fixture {
    bp_config *config;
    bp_session session;
    bp_error error;
} fixture;

static bp_status open_fixture(fixture *f, const char *kernels) {
    char ini[256], text[1024];
    snprintf(ini, sizeof ini, "%s/gpu.ini", folder);
    FILE *file = fopen(ini, "w");
    assert_non_null(file);
    snprintf(text, sizeof text, "[engine]\nbackend = %s\n[model]\ncache_type = f32\n[backend.cuda]\nlibraries = %s\ncache_dir = %s/%s\n",
             BP_BUILD "/backends/cuda.so", BP_BUILD "/emulator", folder, kernels);
    fputs(text, file);
    fclose(file);
    char *argv[] = { "test", "--config", ini, "-m", BP_FIXTURES "/golden/llama.gguf", "--context", "4096" };
    f->error = (bp_error)BP_ERROR_INIT;
    assert_int_equal(bp_config_new(&f->config, &f->error), BP_OK);
    assert_int_equal(bp_config_arguments(f->config, sizeof argv / sizeof *argv, argv, NULL, 0, &f->error), BP_OK);
    return bp_session_open(f->config, false, &f->session, &f->error);
}

static void close_fixture(fixture *f) {
    bp_session_close(&f->session);
    bp_config_free(f->config);
}

static bp_status feed(fixture *f, int32_t *likeliest) {
    f->error = (bp_error)BP_ERROR_INIT;
    return bp_run_next(f->session.run, BP_SEQUENCE_MAIN, prompt, N_PROMPT, likeliest, &f->error);
}

static void assert_says(const fixture *f, const char *words) {
    if (!strstr(f->error.message, words)) fail_msg("'%s' does not say '%s'", f->error.message, words);
}

/* The sequence is as before a failed call: the same call then succeeds, and counts from 0. */
static void assert_works(fixture *f, int32_t wanted) {
    int32_t id = -1;
    assert_int_equal(bp_run_length(f->session.run, BP_SEQUENCE_MAIN), 0);
    if (feed(f, &id)) fail_msg("%s", f->error.message);
    assert_int_equal(bp_run_length(f->session.run, BP_SEQUENCE_MAIN), N_PROMPT);
    if (wanted >= 0) assert_int_equal(id, wanted);
}

static int32_t right_answer(void) {
    fixture f;
    int32_t id = -1;
    if (open_fixture(&f, "kernels") || feed(&f, &id)) fail_msg("%s", f.error.message);
    close_fixture(&f);
    return id;
}

static void a_kernel_that_does_not_compile_can_be_tried_again(void **state) {
    (void)state;
    fixture f;
    int32_t id;
    const int32_t wanted = right_answer();
    assert_int_equal(open_fixture(&f, "none"), BP_OK); /* an empty cache of kernels */
    setenv("EMULATED_NVRTC_FAIL", "embed.cu", 1);
    assert_int_not_equal(feed(&f, &id), BP_OK);
    assert_says(&f, "embed.cu");
    assert_says(&f, "does not compile");
    assert_says(&f, "an error made by the test");
    unsetenv("EMULATED_NVRTC_FAIL");
    assert_works(&f, wanted);
    close_fixture(&f);
}

static void memory_that_is_not_there_can_be_asked_for_again(void **state) {
    (void)state;
    fixture f;
    int32_t id;
    const int32_t wanted = right_answer();
    assert_int_equal(open_fixture(&f, "kernels"), BP_OK);
    setenv("EMULATED_CUDA_MEMORY", "1", 1); /* less than is in use already */
    assert_int_equal(feed(&f, &id), BP_E_NO_MEMORY);
    assert_says(&f, "out of memory");
    unsetenv("EMULATED_CUDA_MEMORY");
    assert_works(&f, wanted);
    close_fixture(&f);
}

static void a_lost_device_is_closed_and_opened_again(void **state) {
    (void)state;
    fixture f;
    int32_t id;
    const int32_t wanted = right_answer();
    assert_int_equal(open_fixture(&f, "kernels"), BP_OK);
    setenv("EMULATED_CUDA_LOSE", "0", 1);
    assert_int_equal(feed(&f, &id), BP_E_DEVICE_LOST);
    assert_says(&f, "the device has to be closed");
    unsetenv("EMULATED_CUDA_LOSE");
    assert_int_equal(feed(&f, &id), BP_E_DEVICE_LOST);
    assert_says(&f, "was lost by an earlier error");
    close_fixture(&f);
    assert_int_equal(open_fixture(&f, "kernels"), BP_OK);
    assert_works(&f, wanted);
    close_fixture(&f);
}

static int clear(void **state) {
    (void)state;
    unsetenv("EMULATED_NVRTC_FAIL"), unsetenv("EMULATED_CUDA_MEMORY"), unsetenv("EMULATED_CUDA_LOSE");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_kernel_that_does_not_compile_can_be_tried_again, clear),
        cmocka_unit_test_teardown(memory_that_is_not_there_can_be_asked_for_again, clear),
        cmocka_unit_test_teardown(a_lost_device_is_closed_and_opened_again, clear),
    };
    if (access(BP_BUILD "/emulator/libcuda.so.1", R_OK) || access(BP_BUILD "/backends/cuda.so", R_OK) || system("g++ --version >/dev/null 2>&1")) {
        puts("skipped: no cuda.so or no g++ here");
        return 0;
    }
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char remove[128];
    snprintf(remove, sizeof remove, "rm -rf '%s'", folder);
    return system(remove) || failed;
}
