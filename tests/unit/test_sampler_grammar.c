/* The sampler held to a grammar: whatever the logits say, what it chooses fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/gguf/gguf.h"
#include "core/run/sampler.h"
#include "core/text/grammar.h"

static bp_gguf *file;
static bp_tokenizer *tokenizer;

static int open_vocabulary(void **state) {
    (void)state;
    return bp_gguf_open(BP_FIXTURES "/vocab/gpt-2.gguf", &file, NULL) || bp_tokenizer_new(file, &tokenizer, NULL);
}

static int close_vocabulary(void **state) {
    (void)state;
    bp_tokenizer_free(tokenizer);
    bp_gguf_close(file);
    return 0;
}

static bp_sampler_settings settings_of(double temperature) {
    bp_config *config;
    assert_int_equal(bp_config_new(&config, NULL), BP_OK);
    bp_sampler_settings s = bp_sampler_settings_from(config);
    bp_config_free(config);
    s.samplers = s.dry_breakers = s.logit_bias = NULL; /* were the configuration's */
    s.temperature = temperature;
    s.seed = 7;
    return s;
}

/* Choose until the text ends; the logits prefer `wanted` and else what has a high number. */
static void generate(bp_sampler *sampler, int32_t wanted, bp_text *text) {
    int32_t n = bp_vocab_size(tokenizer), id = -1;
    float *logits = calloc((size_t)n + 9, sizeof *logits);
    assert_non_null(logits);
    for (int32_t i = 0; i < n + 9; i++) logits[i] = (float)i / (float)n; /* a model may have more rows than tokens */
    logits[wanted] = 9;
    bp_text_clear(text);
    for (int step = 0; step < 50; step++) {
        assert_int_equal(bp_sampler_next(sampler, logits, n + 9, &id, NULL), BP_OK);
        assert_true(id < n);
        if (bp_token_ends(tokenizer, id)) break;
        assert_int_equal(bp_sampler_accept(sampler, id), BP_OK);
        assert_int_equal(bp_token_bytes(tokenizer, id, false, text, NULL), BP_OK);
    }
    free(logits);
    assert_true(bp_token_ends(tokenizer, id));
}

static void check_held(double temperature) {
    bp_sampler_settings s = settings_of(temperature);
    bp_sampler *sampler;
    bp_text text = { 0 };
    int32_t prompt = bp_token_find(tokenizer, "hello"), no = bp_token_find(tokenizer, "no");
    assert_true(prompt > 0 && no > 0);
    s.grammar = "root ::= (\"yes\" | \"no\") \" it is\"";
    assert_int_equal(bp_sampler_new(&s, tokenizer, &sampler, NULL), BP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bp_sampler_accept_prompt(sampler, prompt), BP_OK);
        assert_int_equal(bp_sampler_accept(sampler, prompt), BP_E_INVALID);
        generate(sampler, no, &text);
        if (temperature <= 0) assert_string_equal(bp_text_get(&text), "no it is");
        else assert_true(!strcmp(bp_text_get(&text), "no it is") || !strcmp(bp_text_get(&text), "yes it is"));
        bp_sampler_reset(sampler);
    }
    bp_text_free(&text);
    bp_sampler_free(sampler);
}

static void greedy_choices_fit(void **state) {
    (void)state;
    check_held(0);
}

static void random_choices_fit(void **state) {
    (void)state;
    check_held(1);
}

static void refused(bp_sampler_settings s, const bp_tokenizer *t, const char *words) {
    bp_sampler *sampler;
    bp_error error = BP_ERROR_INIT;
    assert_int_not_equal(bp_sampler_new(&s, t, &sampler, &error), BP_OK);
    if (!strstr(error.message, words)) fail_msg("%s", error.message);
}

static void wrong_settings_are_refused(void **state) {
    (void)state;
    bp_sampler_settings s = settings_of(0);
    s.regex = "a(";
    refused(s, tokenizer, "regex: regular expression, position 2");
    refused(s, NULL, "regex needs a tokenizer");
    s.json_schema = "{}";
    refused(s, tokenizer, "json_schema and regex");
    s = settings_of(0);
    s.grammar_file = "/nowhere/x.gbnf";
    refused(s, tokenizer, "/nowhere/x.gbnf");
}

static void *get_trie(void *out) {
    return bp_grammar_vocab_shared(tokenizer, out, NULL) ? "failed" : NULL;
}

/* One trie for all grammars of a tokenizer, also where threads ask for it at once. */
static void tries_are_shared(void **state) {
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    const bp_grammar_vocab *tries[THREADS] = { NULL };
    void *failed;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, get_trie, &tries[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_non_null(tries[0]);
    for (int i = 1; i < THREADS; i++) assert_ptr_equal(tries[i], tries[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_are_shared),
        cmocka_unit_test(greedy_choices_fit),
        cmocka_unit_test(random_choices_fit),
        cmocka_unit_test(wrong_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, open_vocabulary, close_vocabulary);
}
