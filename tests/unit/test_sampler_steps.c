/* The steps of sampling: against a restatement in numpy (tests/fixtures/samplers.txt), and by hand-worked cases. */
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
#include "core/run/sampler_state.h"
#include "tests/support/sampler_help.h"

static void give(bp_sampler_settings *s, const char *name, const char *value) {
#define SET_INT(field) s->field = strtoll(value, NULL, 10)
#define SET_FLOAT(field) s->field = strtod(value, NULL)
#define SET_TEXT(field) s->field = value
#define BP_SAMPLING(kind, its_name, id, flag, its_value, least, most, help) \
    if (!strcmp(name, #its_name)) {                                         \
        SET_##kind(its_name);                                               \
        return;                                                             \
    }
#include "core/config/sampling.def"
#undef BP_SAMPLING
    fail_msg("no setting is called %s", name);
}

/* "top_k=5 top_p=0.5" */
static bp_sampler_settings settings_of(char *words) {
    bp_sampler_settings s = plain();
    for (char *next, *word = words; word && *word; word = next) {
        next = strchr(word, ' ');
        if (next) *next++ = 0;
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = 0;
        give(&s, word, equals + 1);
    }
    return s;
}

enum { FIXTURE_MOST = 128 };

static size_t numbers_of(const char *words, double *out) {
    size_t n = 0;
    for (char *end; *words && n < FIXTURE_MOST; words = end) out[n++] = strtod(words, &end);
    return n;
}

static int by_candidate_id(const void *a, const void *b) {
    return ((const bp_candidate *)a)->id - ((const bp_candidate *)b)->id;
}

static void run_step(const char *name, bp_sampler *sampler, bp_candidates *c) {
#define BP_SAMPLER(its_name, also, cuts, active) \
    if (!strcmp(name, #its_name)) {              \
        bp_step_##its_name(sampler, c);          \
        return;                                  \
    }
#include "core/run/samplers.def"
#undef BP_SAMPLER
    fail_msg("no step is called %s", name);
}

/* fields: step NAME, settings, history, logits, ids, logits. */
static void check_step(char **fields) {
    double history[FIXTURE_MOST], given[FIXTURE_MOST], ids[FIXTURE_MOST], wanted[FIXTURE_MOST];
    size_t n_history = numbers_of(fields[2], history), n = numbers_of(fields[3], given);
    size_t n_ids = numbers_of(fields[4], ids), n_wanted = numbers_of(fields[5], wanted);
    float logits[FIXTURE_MOST];
    int32_t id;
    assert_int_equal(n_ids, n_wanted);
    for (size_t i = 0; i < n; i++) logits[i] = (float)given[i];
    bp_sampler_settings s = settings_of(fields[1]);
    s.samplers = ";";
    bp_sampler *sampler = make(s);
    for (size_t i = 0; i < n_history; i++) assert_int_equal(bp_sampler_accept(sampler, (int32_t)history[i]), BP_OK);
    assert_int_equal(bp_sampler_next(sampler, logits, (int32_t)n, &id, NULL), BP_OK); /* makes its memory */
    bp_candidate items[FIXTURE_MOST];
    bp_candidates c = { items, n };
    for (size_t i = 0; i < n; i++) items[i] = (bp_candidate){ (int32_t)i, logits[i] };
    run_step(fields[0] + 5, sampler, &c);
    assert_int_equal(c.n, n_ids);
    qsort(c.items, c.n, sizeof *c.items, by_candidate_id);
    for (size_t i = 0; i < c.n; i++) {
        assert_int_equal(c.items[i].id, (int32_t)ids[i]);
        assert_true(fabs(c.items[i].logit - wanted[i]) <= 1e-5 * (1 + fabs(wanted[i])));
    }
    bp_sampler_free(sampler);
}

/* fields: "draws", settings, logits, ids. */
static void check_draws(char **fields) {
    double given[FIXTURE_MOST], ids[FIXTURE_MOST];
    size_t n = numbers_of(fields[2], given), n_ids = numbers_of(fields[3], ids);
    float logits[FIXTURE_MOST];
    for (size_t i = 0; i < n; i++) logits[i] = (float)given[i];
    bp_sampler *sampler = make(settings_of(fields[1]));
    for (size_t i = 0; i < n_ids; i++) assert_int_equal(next(sampler, logits, (int32_t)n), (int32_t)ids[i]);
    bp_sampler_free(sampler);
}

static void steps_equal_their_restatement_in_numpy(void **state) {
    (void)state;
    FILE *file = fopen(BP_FIXTURES "/samplers.txt", "r");
    char line[8192];
    int steps = 0, draws = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *fields[6] = { line };
        size_t n = 1;
        line[strcspn(line, "\n")] = 0;
        for (char *bar; n < 6 && (bar = strchr(fields[n - 1], '|')); n++) *bar = 0, fields[n] = bar + 1;
        if (!strncmp(line, "step ", 5) && n == 6) check_step(fields), steps++;
        else if (!strcmp(line, "draws") && n == 4) check_draws(fields), draws++;
        else fail_msg("a line that is neither: %s", line);
    }
    fclose(file);
    assert_true(steps >= 30 && draws >= 6);
}

static void xtc_comes_as_often_as_said(void **state) {
    (void)state;
    float logits[5];
    log_all(P, logits, 5);
    bp_sampler_settings s = plain();
    s.xtc_probability = 0.25;
    s.xtc_threshold = 0.12; /* of 0.4, 0.3 and 0.15 the last stays */
    double shares[5], rest = 0.1 + 0.05 + 0.15;
    for (int i = 0; i < 5; i++) shares[i] = 0.75 * P[i] + (i == 1 || i == 3 ? 0 : 0.25 * P[i] / rest);
    expect_shares(make(s), logits, 5, shares);
}

static void mirostat_holds_the_surprise(void **state) {
    (void)state;
    enum { N = 400 };
    float logits[N];
    for (int i = 0; i < N; i++) logits[i] = (float)(-1.1 * log(i + 1)); /* Zipf's law */
    for (int version = 1; version <= 2; version++) {
        bp_sampler_settings s = plain();
        s.mirostat = version;
        s.mirostat_tau = 3;
        s.top_k = 1; /* left out with mirostat */
        bp_sampler *sampler = make(s);
        double sum = 0;
        for (int i = 0; i < 4000; i++) {
            double before = sampler->mu;
            next(sampler, logits, N);
            sum += 3 - (sampler->mu - before) / 0.1;
        }
        assert_true(fabs(sum / 4000 - 3) < 0.05);
        bp_sampler_free(sampler);
    }
}

struct words { bp_gguf *file; bp_tokenizer *t; };

static struct words open_words(void) {
    struct words w = { 0 };
    bp_error error = BP_ERROR_INIT;
    if (bp_gguf_open(BP_FIXTURES "/vocab/gpt-2.gguf", &w.file, &error) || bp_tokenizer_new(w.file, &w.t, &error))
        fail_msg("%s", error.message);
    return w;
}

static void close_words(struct words w) {
    bp_tokenizer_free(w.t);
    bp_gguf_close(w.file);
}

static bp_sampler *make_with(bp_sampler_settings s, const bp_tokenizer *t) {
    bp_sampler *sampler = NULL;
    bp_error error = BP_ERROR_INIT;
    if (bp_sampler_new(&s, t, &sampler, &error)) fail_msg("%s", error.message);
    return sampler;
}

static void accept_text(bp_sampler *sampler, const bp_tokenizer *t, const char *text) {
    bp_tokens tokens = { 0 };
    assert_int_equal(bp_tokenize(t, text, strlen(text), 0, &tokens, NULL), BP_OK);
    for (size_t i = 0; i < tokens.count; i++) assert_int_equal(bp_sampler_accept(sampler, tokens.ids[i]), BP_OK);
    free(tokens.ids);
}

/* How far DRY lowers " d" after a text in which it would continue the repetition " a b c". */
static double dry_lowers(const char *breakers, const char *text) {
    struct words w = open_words();
    bp_sampler_settings s = plain();
    s.dry_multiplier = 1;
    s.dry_base = 2;
    s.dry_allowed_length = 1;
    s.dry_breakers = breakers;
    bp_sampler *sampler = make_with(s, w.t);
    accept_text(sampler, w.t, text);
    int32_t n = bp_vocab_size(w.t), d = bp_token_find(w.t, "\304\240d"), id;
    float *logits = calloc((size_t)n, sizeof *logits);
    assert_non_null(logits);
    assert_int_equal(bp_sampler_next(sampler, logits, n, &id, NULL), BP_OK);
    double lowered = 0;
    for (int32_t i = 0; i < n; i++)
        if (sampler->items[i].id == d) lowered = -sampler->items[i].logit;
    free(logits);
    bp_sampler_free(sampler);
    close_words(w);
    return lowered;
}

static void dry_stops_at_breakers(void **state) {
    (void)state;
    const char *text = " a b c d x a b c";
    assert_true(fabs(dry_lowers("none", text) - 4) < 1e-6); /* three tokens repeat: 2 ^ (3 - 1) */
    assert_true(fabs(dry_lowers(NULL, text) - 4) < 1e-6);
    assert_true(fabs(dry_lowers("\"a\"", text) - 2) < 1e-6);        /* " b c" */
    assert_true(fabs(dry_lowers("\"a b\", \"q\"", text) - 1) < 1e-6); /* a breaker of two tokens: " c" */
    assert_true(dry_lowers("\"\\n\";\" c\"", text) == 0);
    assert_true(dry_lowers("none", " a b c d x y z") == 0);
}

static void biases_are_by_id_and_by_text(void **state) {
    (void)state;
    struct words w = open_words();
    int32_t n = bp_vocab_size(w.t), hello = bp_token_find(w.t, "\304\240Hello"), id;
    float *logits = calloc((size_t)n, sizeof *logits);
    assert_non_null(logits);
    logits[7] = 3;
    bp_sampler_settings s = plain();
    s.temperature = 0;
    static const char *const forms[] = { "\" Hello\"=4", "7=-inf, \" Hello\" = 1", "7-3.5;\" Hello\"+1;9=0.5",
                                         "7=false,\" Hello\"=2.5,\" Hello\"=2", "7=-1,7=-2,7=-1,\" Hello\"=0.1" };
    for (size_t i = 0; i < BP_COUNT(forms); i++) {
        s.logit_bias = forms[i];
        bp_sampler *sampler = make_with(s, w.t);
        assert_int_equal(bp_sampler_next(sampler, logits, n, &id, NULL), BP_OK);
        assert_int_equal(id, hello);
        bp_sampler_free(sampler);
    }
    static const char *const wrong[] = { "Hello=1", "7", "7=", "7=x", "\"a=1", "7=1 8=2", "50257=1", "-1=2", "7=nan",
                                         "\"\\q\"=1", "99999999999999999999=1" };
    for (size_t i = 0; i < BP_COUNT(wrong); i++) {
        bp_sampler *sampler = NULL;
        bp_error error = BP_ERROR_INIT;
        s.logit_bias = wrong[i];
        assert_int_equal(bp_sampler_new(&s, w.t, &sampler, &error), BP_E_INVALID);
        assert_non_null(strstr(error.message, "logit_bias"));
    }
    free(logits);
    close_words(w);
}

static double order_share(const char *order) {
    const float logits[3] = { 2, 1, 0 };
    bp_sampler_settings s = plain();
    s.temperature = 4;
    s.min_p = 0.5; /* exp(-1) is below, exp(-1/4) above */
    s.samplers = order;
    bp_sampler *sampler = make(s);
    int second = 0;
    for (int i = 0; i < 200; i++) second += next(sampler, logits, 3) > 0;
    bp_sampler_free(sampler);
    return second;
}

static void steps_run_in_the_order_given(void **state) {
    (void)state;
    assert_true(order_share("min_p;temperature") == 0);
    assert_true(order_share("temperature; min-p") > 0);
    assert_true(order_share("temp,min_p") > 0);
    assert_true(order_share(NULL) == 0);
    static const char *const wrong[] = { "top_k;nosuch", "top_k;top_k", "infill" };
    for (size_t i = 0; i < BP_COUNT(wrong); i++) {
        bp_sampler *sampler = NULL;
        bp_error error = BP_ERROR_INIT;
        bp_sampler_settings s = plain();
        s.samplers = wrong[i];
        assert_int_equal(bp_sampler_new(&s, NULL, &sampler, &error), BP_E_INVALID);
        assert_non_null(strstr(error.message, "samplers: "));
    }
}

/* The default in sampling.def and the order of samplers.def are one. */
static void default_order_is_that_of_the_list(void **state) {
    (void)state;
    bp_config *config = NULL;
    assert_int_equal(bp_config_new(&config, NULL), BP_OK);
    bp_sampler_settings s = bp_sampler_settings_from(config), listed = plain();
    bp_sampler *a = make(s), *b = make(listed);
    assert_int_equal(a->n_order, b->n_order);
    assert_memory_equal(a->order, b->order, a->n_order * sizeof *a->order);
    assert_int_equal(a->n_breakers, 0); /* no tokenizer */
    bp_sampler_free(a);
    bp_sampler_free(b);
    struct words w = open_words();
    a = make_with(s, w.t);
    assert_int_equal(a->n_breakers, 4);
    assert_string_equal(a->breakers[0], "\n");
    assert_string_equal(a->breakers[2], "\"");
    bp_sampler_free(a);
    close_words(w);
    bp_config_free(config);
}

/* Over gpt-2's vocabulary: probabilities of a few tokens, worked by hand. */
static void expect_infill(const double *p, const char *const *words, size_t n, const char *const *left, size_t n_left) {
    struct words w = open_words();
    bp_sampler_settings s = plain();
    s.samplers = "infill";
    bp_sampler *sampler = make_with(s, w.t);
    bp_candidate items[8];
    bp_candidates c = { items, n };
    for (size_t i = 0; i < n; i++) items[i] = (bp_candidate){ bp_token_find(w.t, words[i]), (float)log(p[i]) };
    bp_step_infill(sampler, &c);
    assert_int_equal(c.n, n_left);
    for (size_t i = 0; i < n_left; i++) assert_int_equal(c.items[i].id, bp_token_find(w.t, left[i]));
    bp_sampler_free(sampler);
    close_words(w);
}

#define EXPECT_INFILL(p, words, left) expect_infill(p, words, BP_COUNT(p), left, BP_COUNT(left))

static void infill_prefers_ends_and_joins_prefixes(void **state) {
    (void)state;
    const char *const words[] = { "in", "int", "x", "<|endoftext|>" };
    const char *const end[] = { "<|endoftext|>" }, *const joined[] = { "int", "<|endoftext|>" };
    EXPECT_INFILL(((double[]){ 0.3, 0.35, 0.25, 0.1 }), words, end);     /* 3 * 0.1 * 4 > 0.9 */
    EXPECT_INFILL(((double[]){ 0.3, 0.45, 0.2, 0.05 }), words, joined);  /* int: 0.75 of 1; x: 0.2 < 1/3 */
    const char *const many[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    EXPECT_INFILL(((double[]){ .125, .125, .125, .125, .125, .125, .125, .125 }), many, end); /* none reaches 0.2 */
}

static void top_logprobs_are_sorted(void **state) {
    (void)state;
    const float logits[] = { 1, NAN, 3, -INFINITY, 3, 2 };
    bp_logprob top[10];
    double total = log(exp(1) + 2 * exp(3) + exp(2));
    static const int32_t ids[] = { 2, 4, 5, 0 };
    static const double values[] = { 3, 3, 2, 1 };
    for (uint32_t n = 0; n < 10; n++) {
        uint32_t count = bp_logprobs_top(logits, 6, top, n);
        assert_int_equal(count, BP_MIN(n, 4u));
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(top[i].id, ids[i]);
            assert_true(fabs(top[i].logprob - (values[i] - total)) < 1e-6);
        }
    }
    assert_int_equal(bp_logprobs_top(logits + 1, 1, top, 5), 0);
}

static void history_keeps_the_window_alone(void **state) {
    (void)state;
    bp_sampler_settings s = plain();
    s.presence_penalty = 1;
    s.penalty_last = 10;
    bp_sampler *sampler = make(s);
    for (int i = 0; i < 1000; i++) assert_int_equal(bp_sampler_accept(sampler, i), BP_OK);
    assert_true(sampler->n_history >= 10 && sampler->n_history <= 20);
    for (int i = 0; i < 10; i++) assert_int_equal(sampler->history[sampler->n_history - 1 - (size_t)i], 999 - i);
    bp_sampler_free(sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_their_restatement_in_numpy),
        cmocka_unit_test(xtc_comes_as_often_as_said),
        cmocka_unit_test(mirostat_holds_the_surprise),
        cmocka_unit_test(dry_stops_at_breakers),
        cmocka_unit_test(biases_are_by_id_and_by_text),
        cmocka_unit_test(steps_run_in_the_order_given),
        cmocka_unit_test(default_order_is_that_of_the_list),
        cmocka_unit_test(infill_prefers_ends_and_joins_prefixes),
        cmocka_unit_test(top_logprobs_are_sorted),
        cmocka_unit_test(history_keeps_the_window_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
