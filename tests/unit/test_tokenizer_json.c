/* tokenizer.json: small files, worked by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/onig.h"
#include "core/text/split.h"
#include "core/text/tokenizer.h"

#define NORMALIZER_NONE "\"normalizer\":null,"
#define LLAMA3                                                                                                        \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"       \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+" \
    "[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},"         \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},"
#define BPE(merges)                                                                                     \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3,\"\\u0120a\":4,\"c\":5}," \
    "\"merges\":[" merges "]}}"

static bp_tokenizer *read_json(const char *text) {
    bp_tokenizer *t;
    bp_error error = BP_ERROR_INIT;
    if (bp_tokenizer_parse_json(text, strlen(text), "test.json", &t, &error)) fail_msg("%s", error.message);
    return t;
}

static void check_ids(const char *json, const char *text, uint32_t flags, const char *ids) {
    bp_tokenizer *t = read_json(json);
    bp_tokens tokens = { 0 };
    bp_text got = { 0 };
    assert_int_equal(bp_tokenize(t, text, strlen(text), flags, &tokens, NULL), BP_OK);
    for (size_t i = 0; i < tokens.count; i++) bp_text_format(&got, i ? " %d" : "%d", tokens.ids[i]);
    assert_string_equal(bp_text_get(&got), ids);
    bp_text_free(&got);
    free(tokens.ids);
    bp_tokenizer_free(t);
}

static void merges_have_two_forms(void **state) {
    (void)state;
    check_ids("{" BPE("\"a b\""), "abc", 0, "2 5");
    check_ids("{" BPE("[\"a\",\"b\"]"), "abc", 0, "2 5");
    check_ids("{" LLAMA3 BPE("\"\\u0120 a\",[\"a\",\"b\"]"), "ab a", 0, "2 4");
}

static void known_pretokenizers_have_names(void **state) {
    (void)state;
    bp_tokenizer *t = read_json("{" LLAMA3 BPE(""));
    assert_string_equal(bp_tokenizer_pre(t), "dbrx"); /* the same patterns, without ignore_merges */
    bp_tokenizer_free(t);
    t = read_json("{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"  BPE(""));
    assert_null(bp_tokenizer_pre(t)); /* a space comes first */
    bp_tokenizer_free(t);
    t = read_json("{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}," BPE(""));
    assert_string_equal(bp_tokenizer_pre(t), "gpt-2");
    bp_tokenizer_free(t);
}

#define ADDED(id, text, more) "{\"id\":" #id ",\"content\":\"" text "\"" more "}"

/* White space beside a token, words around it, and control tokens only where asked. */
static void added_tokens_have_flags(void **state) {
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[" ADDED(6, "<m>", ",\"special\":true,\"lstrip\":true") ","
        ADDED(7, "<r>", ",\"special\":false,\"rstrip\":true,\"normalized\":false") ","
        ADDED(8, "b", ",\"single_word\":true,\"normalized\":false") "]," BPE("\"a b\"");
    check_ids(json, "a \xE2\x80\x83<m>c", BP_TOKENIZE_SPECIAL, "0 6 5");
    check_ids(json, "a<r> \n c", BP_TOKENIZE_SPECIAL, "0 7 5");
    check_ids(json, "a<r> c", 0, "0 7 5");
    check_ids(json, "c<m>c", 0, "5 5"); /* bytes that are no tokens are nothing */
    check_ids(json, "b ab b", BP_TOKENIZE_SPECIAL, "8 2 8");
}

static void templates_surround_texts(void **state) {
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[" ADDED(6, "<s>", ",\"special\":true") "],\"post_processor\":{\"type\":"
        "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
        "{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"<s>\"}}],"
        "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[6],\"tokens\":[\"<s>\"]}}}," BPE("");
    check_ids(json, "a", 0, "6 0 6");
    check_ids(json, "a", BP_TOKENIZE_NO_BOS, "0");
}

static void check_wrong(const char *json, const char *word, const char *other) {
    bp_tokenizer *t;
    bp_error error = BP_ERROR_INIT;
    assert_int_not_equal(bp_tokenizer_parse_json(json, strlen(json), "test.json", &t, &error), BP_OK);
    assert_null(t);
    assert_non_null(strstr(error.message, "test.json: "));
    if (!strstr(error.message, word) || !strstr(error.message, other)) fail_msg("%s", error.message);
}

static void wrong_files_are_refused_in_words(void **state) {
    (void)state;
    check_wrong("{", "line 1", "column");
    check_wrong("[]", "model", "tokenizer.json");
    check_wrong("{\"model\":{\"type\":\"WordLevel\"}}", "WordLevel", "BPE");
    check_wrong("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1000000},\"merges\":[]}}", "1000000", "vocab");
    check_wrong("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "two tokens", "0");
    check_wrong("{" BPE("\"ab\""), "merges[0]", "two texts");
    check_wrong("{\"normalizer\":{\"type\":\"Odd\"},\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}," BPE(""), "Odd",
                "UnicodeScripts");
    check_wrong("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{InGreek}\"},\"behavior\":"
                "\"Isolated\"}," BPE(""), "InGreek", "block");
    check_wrong("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "vocab[0]", "score");
    check_wrong("{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"////\"}," BPE(""), "charsmap", "");
}

/* The pieces that a pattern cuts a text into, joined by bars. */
static void check_pattern(const char *pattern, bp_cut cut, const char *text, const char *joined) {
    bp_text translated = { 0 }, got = { 0 };
    bp_error error = BP_ERROR_INIT;
    bp_split *split = bp_split_empty();
    bp_scratch s = { 0 };
    size_t n, start = 0;
    if (bp_onig_translate(pattern, strlen(pattern), &translated, &error) ||
        bp_split_add(split, bp_text_get(&translated), cut, &error))
        fail_msg("%s", error.message);
    assert_int_equal(bp_split_text(split, &s, text, strlen(text), &n, NULL), BP_OK);
    for (size_t i = 0; i < n; i++) {
        size_t end = s.ends[i] & ~BP_PIECE_DROPPED;
        if (end == s.ends[i]) bp_text_format(&got, "%s%.*s", got.size ? "|" : "", (int)(end - start), text + start);
        start = end;
    }
    assert_string_equal(bp_text_get(&got), joined);
    bp_text_free(&got);
    bp_text_free(&translated);
    bp_scratch_free(&s);
    bp_split_free(split);
}

static void patterns_mean_what_oniguruma_means(void **state) {
    (void)state;
    check_pattern("[a-z&&[^aeiou]]+", BP_CUT_ISOLATED, "aboutbc", "a|b|ou|tbc");
    check_pattern("[x[0-9]]", BP_CUT_ISOLATED, "a1x", "a|1|x");
    check_pattern("[^[a-f]g]", BP_CUT_ISOLATED, "agzb", "ag|z|b");
    check_pattern("[^\\S\\n]+", BP_CUT_ISOLATED, "a \n b", "a| |\n| |b");
    check_pattern("^.", BP_CUT_ISOLATED, "ab\ncd", "a|b\n|c|d");
    check_pattern("a{,2}b", BP_CUT_ISOLATED, "aaabc", "a|aab|c");
    check_pattern("\\h+", BP_CUT_ISOLATED, "xfFx", "x|fF|x");
    check_pattern("\\w", BP_CUT_REMOVED, "a\xC2\xB2-b", "-");
    check_pattern("[\\w]", BP_CUT_REMOVED, "a\xC2\xB2-b", "\xC2\xB2-");
    check_pattern("(?i:'S)", BP_CUT_ISOLATED, "it's", "it|'s");
    check_pattern("\\b", BP_CUT_ISOLATED, "ab cd", "ab| |cd");
}

static void matches_are_cut_in_five_ways(void **state) {
    (void)state;
    check_pattern("-", BP_CUT_ISOLATED, "a--b-", "a|-|-|b|-");
    check_pattern("-", BP_CUT_REMOVED, "a--b-", "a|b");
    check_pattern("-", BP_CUT_KEPT, "a--b-", "-|-|-");
    check_pattern("-", BP_CUT_PREVIOUS, "a--b-", "a-|-|b-");
    check_pattern("-", BP_CUT_NEXT, "a--b-", "a|-|-b|-");
    check_pattern("(?=(\\d{3})+(?!\\d))", BP_CUT_PREVIOUS, "1234567", "1|234|567");
}

/* A pattern that needs exponential time is given up. */
static void hostile_patterns_end(void **state) {
    (void)state;
    static const char json[] = "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:(?:a|a)+)+[b-d]\"},"
                               "\"behavior\":\"Isolated\"}," BPE("");
    bp_tokenizer *t = read_json(json);
    bp_tokens tokens = { 0 };
    bp_error error = BP_ERROR_INIT;
    char text[65];
    memset(text, 'a', sizeof text);
    assert_int_equal(bp_tokenize(t, text, sizeof text, 0, &tokens, &error), BP_E_REFUSED);
    assert_non_null(strstr(error.message, "too many steps"));
    free(tokens.ids);
    bp_tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_have_two_forms),
        cmocka_unit_test(known_pretokenizers_have_names),
        cmocka_unit_test(added_tokens_have_flags),
        cmocka_unit_test(templates_surround_texts),
        cmocka_unit_test(wrong_files_are_refused_in_words),
        cmocka_unit_test(patterns_mean_what_oniguruma_means),
        cmocka_unit_test(matches_are_cut_in_five_ways),
        cmocka_unit_test(hostile_patterns_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
