#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/config/config.h"

static bp_config *new_config(void) {
    bp_config *c = NULL;
    assert_int_equal(bp_config_new(&c, NULL), BP_OK);
    return c;
}

/* Load text as a file; the path ends in ".ini". */
static bp_status load(bp_config *c, const char *text, bp_error *error) {
    char path[] = "/tmp/bp-config-XXXXXX.ini";
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    bp_status status = bp_config_load(c, path, error);
    unlink(path);
    return status;
}

static void refused(const char *text, const char *words) {
    bp_config *c = new_config();
    bp_error error = BP_ERROR_INIT;
    assert_int_not_equal(load(c, text, &error), BP_OK);
    if (!strstr(error.message, words)) fail_msg("'%s' lacks '%s'", error.message, words);
    bp_config_free(c);
}

static bp_status parse(bp_config *c, bp_own_flag *own, uint32_t n_own, bp_error *error, int argc, ...) {
    char *argv[16] = { (char *)"llm-run" };
    va_list list;
    va_start(list, argc);
    for (int i = 1; i <= argc; i++) argv[i] = va_arg(list, char *);
    va_end(list);
    return bp_config_arguments(c, argc + 1, argv, own, n_own, error);
}

static void defaults_are_those_of_the_list(void **state) {
    (void)state;
    bp_config *c = new_config();
    assert_string_equal(bp_config_text(c, BP_OPT_BACKEND), "auto");
    assert_null(bp_config_text(c, BP_OPT_MODEL));
    assert_int_equal(bp_config_int(c, BP_OPT_TOP_K), 40);
    assert_true(bp_config_float(c, BP_OPT_TOP_P) == 0.95);
    assert_false(bp_config_bool(c, BP_OPT_VERBOSE));
    bp_config_free(c);
}

static void file_sets_values_and_comments_are_dropped(void **state) {
    (void)state;
    bp_config *c = new_config();
    const char *text = "\xef\xbb\xbf; first\n[engine]\r\n  backend = cpu ; here\r\n  verbose = ON\n# more\n"
                       "[sampling]\ntemperature: 0.5\nseed = -3\n";
    assert_int_equal(load(c, text, NULL), BP_OK);
    assert_string_equal(bp_config_text(c, BP_OPT_BACKEND), "cpu");
    assert_true(bp_config_bool(c, BP_OPT_VERBOSE));
    assert_true(bp_config_float(c, BP_OPT_TEMPERATURE) == 0.5);
    assert_int_equal(bp_config_int(c, BP_OPT_SEED), -3);
    bp_config_free(c);
}

static void file_errors_name_line_key_and_remedy(void **state) {
    (void)state;
    refused("[sampling]\n\ntop_k = many\n", ".ini:3: 'many' is no value for 'top_k'; give a whole number");
    refused("[sampling]\ntop_k = 99999999999999999999\n", ".ini:2: ");
    refused("[sampling]\ntemperature = nan\n", ".ini:2: 'nan'");
    refused("[engine]\nverbose = maybe\n", "give yes or no");
    refused("[sampling]\ntemprature = 1\n", "did you mean 'temperature'?");
    refused("[engine]\ntemperature = 1\n", "belongs in [sampling]");
    refused("[engin]\nfoo = 1\n", ".ini:2: unknown section [engin]");
    refused("[engine]\nnonsense\n", ".ini:2: write [section] or key = value");
    refused("backend = cpu\n", "belongs in [engine]");
    refused("[backend.]\nx = 1\n", "write [backend.NAME]");
}

static void long_lines_are_refused_not_cut(void **state) {
    (void)state;
    char text[1000];
    memset(text, 'a', sizeof text);
    memcpy(text, "[model]\npath = ", 15);
    text[sizeof text - 1] = 0;
    refused(text, ".ini:2: the line has");
    memcpy(text, ";", 1);
    memset(text + 1, 'x', 500);
    memcpy(text + 501, "\n[engine]\nthreads = 3\n", 23);
    bp_config *c = new_config();
    assert_int_equal(load(c, text, NULL), BP_OK);
    assert_int_equal(bp_config_int(c, BP_OPT_THREADS), 3);
    bp_config_free(c);
}

static void a_missing_file_is_an_error_that_names_it(void **state) {
    (void)state;
    bp_config *c = new_config();
    bp_error error = BP_ERROR_INIT;
    assert_int_not_equal(bp_config_load(c, "no-such.ini", &error), BP_OK);
    assert_non_null(strstr(error.message, "no-such.ini"));
    bp_config_free(c);
}

static void flag_beats_environment_beats_file_beats_default(void **state) {
    (void)state;
    setenv("LLM_TOP_K", "7", 1);
    setenv("LLM_BATCH", "", 1);
    bp_config *c = new_config();
    assert_int_equal(bp_config_int(c, BP_OPT_TOP_K), 7);
    assert_int_equal(bp_config_int(c, BP_OPT_BATCH), 512);
    assert_int_equal(load(c, "[sampling]\ntop_k = 5\nmin_p = 0.25\n", NULL), BP_OK);
    assert_int_equal(bp_config_int(c, BP_OPT_TOP_K), 7);
    assert_true(bp_config_float(c, BP_OPT_MIN_P) == 0.25);
    assert_int_equal(parse(c, NULL, 0, NULL, 1, "--top-k=9"), BP_OK);
    assert_int_equal(bp_config_int(c, BP_OPT_TOP_K), 9);
    bp_config_free(c);
    setenv("LLM_TOP_K", "x", 1);
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_config_new(&c, &error), BP_E_INVALID);
    assert_non_null(strstr(error.message, "LLM_TOP_K"));
    unsetenv("LLM_TOP_K");
    unsetenv("LLM_BATCH");
}

static void flags_are_read_in_every_spelling(void **state) {
    (void)state;
    bp_own_flag own[] = {
        { "-p,--prompt", true, "text", NULL }, { "--json", false, "json", NULL }, { "-n", true, "n", NULL }
    };
    bp_config *c = new_config();
    bp_status status =
        parse(c, own, 3, NULL, 8, "-m", "a.gguf", "--temperature=-1", "-v", "--prompt", "--json", "-c", "12");
    assert_int_equal(status, BP_OK);
    assert_string_equal(bp_config_text(c, BP_OPT_MODEL), "a.gguf");
    assert_true(bp_config_float(c, BP_OPT_TEMPERATURE) == -1);
    assert_true(bp_config_bool(c, BP_OPT_VERBOSE));
    assert_string_equal(own[0].value, "--json");
    assert_null(own[1].value);
    assert_int_equal(bp_config_int(c, BP_OPT_CONTEXT), 12);
    assert_int_equal(parse(c, own, 3, NULL, 4, "--no-verbose", "--json", "-n", "3"), BP_OK);
    assert_false(bp_config_bool(c, BP_OPT_VERBOSE));
    assert_string_equal(own[1].value, "");
    assert_string_equal(own[2].value, "3");
    assert_null(own[0].value);
    bp_config_free(c);
}

static void wrong_flags_are_told(void **state) {
    (void)state;
    static const struct {
        const char *flag, *words;
    } cases[] = {
        { "--temprature", "did you mean '--temperature'" }, { "--model", "needs a value" },
        { "word", "follows no flag" },
        { "--verbose=yes", "takes no value" }, { "-Q", "unknown flag '-Q'" }, { "--batch=x", "--batch: 'x'" },
        { "--", "unknown flag" }, { "--config=no-such.ini", "no-such.ini" }, { "-", "follows no flag" },
        { "--no-batch", "unknown flag" },
    };
    bp_config *c = new_config();
    for (size_t i = 0; i < BP_COUNT(cases); i++) {
        bp_error error = BP_ERROR_INIT;
        assert_int_not_equal(parse(c, NULL, 0, &error, 1, cases[i].flag), BP_OK);
        if (!strstr(error.message, cases[i].words)) fail_msg("'%s' lacks '%s'", error.message, cases[i].words);
    }
    bp_config_free(c);
}

static void help_and_print_are_remembered(void **state) {
    (void)state;
    bp_config *c = new_config();
    assert_int_equal(parse(c, NULL, 0, NULL, 1, "--print-config"), BP_OK);
    assert_true(bp_config_wants_print(c));
    assert_false(bp_config_wants_help(c));
    assert_int_equal(parse(c, NULL, 0, NULL, 2, "-h", "--nonsense"), BP_OK);
    assert_true(bp_config_wants_help(c));
    bp_config_free(c);
}

static void config_flag_is_loaded_before_other_flags(void **state) {
    (void)state;
    char path[] = "/tmp/bp-config-XXXXXX.ini";
    int file = mkstemps(path, 4);
    assert_int_equal(write(file, "[model]\nbatch = 4\ncontext = 5\n", 30), 30);
    close(file);
    bp_config *c = new_config();
    assert_int_equal(parse(c, NULL, 0, NULL, 4, "-b", "6", "--config", path), BP_OK);
    assert_int_equal(bp_config_int(c, BP_OPT_BATCH), 6);
    assert_int_equal(bp_config_int(c, BP_OPT_CONTEXT), 5);
    unlink(path);
    bp_config_free(c);
}

static void backend_sections_are_open_and_unread_keys_are_found(void **state) {
    (void)state;
    bp_config *c = new_config();
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(load(c, "[backend.gpu]\ndevice = 1\ndevice = 2\n[backend.cpu]\nodd = x\n", NULL), BP_OK);
    assert_int_equal(bp_config_backend_unread(c, "gpu", &error), BP_E_INVALID);
    assert_string_equal(bp_config_backend(c, "gpu", "device"), "2");
    assert_null(bp_config_backend(c, "gpu", "odd"));
    assert_int_equal(bp_config_backend_unread(c, "gpu", NULL), BP_OK);
    assert_int_equal(bp_config_backend_unread(c, "cpu", &error), BP_E_INVALID);
    assert_non_null(strstr(error.message, ".ini:5: "));
    assert_non_null(strstr(error.message, "'odd'"));
    bp_config_free(c);
}

static void printed_settings_load_again(void **state) {
    (void)state;
    bp_config *c = new_config(), *again = new_config();
    assert_int_equal(parse(c, NULL, 0, NULL, 2, "--top-k=3", "-v"), BP_OK);
    assert_int_equal(load(c, "[backend.gpu]\ndevice = 1\n", NULL), BP_OK);
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bp_config_print(c, to);
    fclose(to);
    assert_non_null(strstr(text, "top_k = 3 ; --top-k\n"));
    assert_non_null(strstr(text, "backend = auto ; default\n"));
    bp_error error = BP_ERROR_INIT;
    if (load(again, text, &error)) fail_msg("%s", error.message);
    assert_int_equal(bp_config_int(again, BP_OPT_TOP_K), 3);
    assert_string_equal(bp_config_backend(again, "gpu", "device"), "1");
    free(text);
    bp_config_free(c);
    bp_config_free(again);
}

static void help_names_every_flag(void **state) {
    (void)state;
    static const char *const flags[] = {
#define BP_OPTION(id, section, key, flag, kind, value, help) flag,
#include "core/config/options.def"
#undef BP_OPTION
        "--config", "--help", "-p,--prompt",
    };
    bp_own_flag own[] = { { "-p,--prompt", true, "the text", NULL } };
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bp_config_help(to, "llm-run", "Generate text.", own, 1);
    fclose(to);
    for (size_t i = 0; i < BP_COUNT(flags); i++) assert_non_null(strstr(text, strstr(flags[i], "--")));
    assert_non_null(strstr(text, "Generate text."));
    free(text);
}

static void shipped_files_load(void **state) {
    (void)state;
    DIR *folder = opendir(BP_FIXTURES "/../../configs");
    assert_non_null(folder);
    int loaded = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".ini")) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/../../configs/%s", BP_FIXTURES, entry->d_name);
        bp_config *c = new_config();
        bp_error error = BP_ERROR_INIT;
        if (bp_config_load(c, path, &error)) fail_msg("%s", error.message);
        bp_config_free(c);
        loaded++;
    }
    closedir(folder);
    assert_true(loaded >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_list),
        cmocka_unit_test(file_sets_values_and_comments_are_dropped),
        cmocka_unit_test(file_errors_name_line_key_and_remedy),
        cmocka_unit_test(long_lines_are_refused_not_cut),
        cmocka_unit_test(a_missing_file_is_an_error_that_names_it),
        cmocka_unit_test(flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(flags_are_read_in_every_spelling),
        cmocka_unit_test(wrong_flags_are_told),
        cmocka_unit_test(help_and_print_are_remembered),
        cmocka_unit_test(config_flag_is_loaded_before_other_flags),
        cmocka_unit_test(backend_sections_are_open_and_unread_keys_are_found),
        cmocka_unit_test(printed_settings_load_again),
        cmocka_unit_test(help_names_every_flag),
        cmocka_unit_test(shipped_files_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
