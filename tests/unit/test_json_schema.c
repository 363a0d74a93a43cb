/* JSON schemas and regular expressions: what they accept, what is refused and where, and that no input takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/text/grammar.h"

typedef bp_status make_fn(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out, bp_error *error);

static bp_status compact(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out, bp_error *error) {
    return bp_grammar_json_schema(text, n, false, vocab, out, error);
}

static bp_status spaced(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out, bp_error *error) {
    return bp_grammar_json_schema(text, n, true, vocab, out, error);
}

/* Texts apart by '\1'. */
static void check_all(bp_grammar *grammar, const char *of, const char *texts, bool wanted) {
    bp_grammar_matcher *m;
    assert_int_equal(bp_grammar_matcher_new(grammar, &m, NULL), BP_OK);
    for (const char *text = texts; text; text = strchr(text, '\1')) {
        text += *text == '\1';
        size_t n = strcspn(text, "\1");
        bp_grammar_matcher_reset(m);
        bool fits = !bp_grammar_matcher_accept_bytes(m, text, n, NULL) && bp_grammar_matcher_may_end(m);
        if (fits != wanted) fail_msg("%s %s: %.*s", of, wanted ? "refuses" : "accepts", (int)n, text);
        if (!text[n]) break;
    }
    bp_grammar_matcher_free(m);
}

static void check(make_fn *make, const char *text, const char *yes, const char *no) {
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    if (make(text, strlen(text), NULL, &grammar, &error)) fail_msg("%s: %s", text, error.message);
    check_all(grammar, text, yes, true);
    check_all(grammar, text, no, false);
    bp_grammar_free(grammar);
}

static void refused(make_fn *make, const char *text, const char *words) {
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    if (make(text, strlen(text), NULL, &grammar, &error) == BP_OK) fail_msg("accepted: %s", text);
    if (!strstr(error.message, words)) fail_msg("%s: %s", text, error.message);
}

static void test_numbers(void **state) {
    (void)state;
    check(compact, "{\"type\":\"integer\",\"minimum\":-12,\"maximum\":105}",
          "-12\1-1\1"
          "0\1"
          "9\1"
          "99\1"
          "105",
          "-13\1"
          "106\1"
          "007\1"
          "1.0\1-0\1"
          "1e1\1");
    check(compact, "{\"type\":\"number\",\"minimum\":1.5,\"exclusiveMaximum\":20}",
          "1.5\1"
          "1.50\1"
          "2\1"
          "19.999\1"
          "19",
          "1.49\1"
          "20\1"
          "20.0\1"
          "02\1"
          "2.");
    check(compact, "{\"type\":\"number\",\"exclusiveMinimum\":0}", "0.001\1""1\1""100.0", "0\1""0.0\1-1\1-0");
    check(compact, "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":10}", "14\1""70000007", "7\1""15\1""0");
    check(compact, "{\"type\":\"number\",\"multipleOf\":0.25}", "0\1""0.25\1-1.75\1""3", "1.3\1""0.251\1""1.2");
    check(compact, "{\"type\":\"number\",\"maximum\":-0.5}", "-0.5\1-1\1-100.25", "-0.4\1""0\1""1");
    check(compact, "{\"type\":\"integer\",\"minimum\":3,\"exclusiveMinimum\":true}", "4\1""30", "3\1""2");
    check(compact, "{\"type\":\"number\"}", "-0\1""1e5\1""1.5E-3\1""12", "01\1.5\1""1.\1+1\1""1e");
}

static void test_strings(void **state) {
    (void)state;
    check(compact, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":2}",
          "\"a\"\1\"\xE6\x97\xA5\\n\"\1\"\\ud83d\\ude00x\"", "\"\"\1\"abc\"\1\"\n\"\1\"\\ud83d\"\1a");
    check(compact, "{\"type\":\"string\",\"pattern\":\"^a{1,2}\\\"?$\"}", "\"a\"\1\"aa\\\"\"",
          "\"\"\1\"aaa\"\1\"a\"\"");
    check(compact, "{\"type\":\"string\",\"pattern\":\"b.d\"}", "\"b.d\"\1\"xxbcdyy\"", "\"bd\"\1\"b\\nd\"");
    check(compact, "{\"type\":\"string\",\"pattern\":\"^[a-z]+$\",\"maxLength\":3}", "\"abc\"", "\"abcd\"\1\"\"");
    check(compact, "{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-29\"\1\"2000-02-29\"\1\"9999-12-31\"",
          "\"2023-02-29\"\1\"1900-02-29\"\1\"2023-04-31\"\1\"0000-01-01\"");
    check(compact, "{\"type\":\"string\",\"format\":\"ipv6\"}",
          "\"::\"\1\"1::2\"\1\"::ffff:1.2.3.4\"\1\"1:2:3:4:5:6:7:8\"", "\"1:2:3:4:5:6:7:8:9\"\1\"12345::\"\1\":\"");
}

static void test_structures(void **state) {
    (void)state;
    check(compact,
          "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"},\"c\":{"
          "\"type\":\"null\"}},\"required\":[\"b\"]}",
          "{\"b\":\"\"}\1{\"a\":1,\"b\":\"x\"}\1{\"a\":1,\"b\":\"\",\"c\":null}",
          "{\"a\":1}\1{\"b\":\"\",\"a\":1}\1{\"b\":\"\",}\1{\"b\":\"\",\"d\":1}\1{}");
    check(compact,
          "{\"properties\":{\"a\":{\"type\":\"integer\"},\"ab\":{\"type\":\"string\"}},\"additionalProperties\":{"
          "\"type\":\"boolean\"},\"minProperties\":1,\"maxProperties\":2}",
          "{\"a\":1}\1{\"b\":true}\1{\"a\":1,\"ab\":\"s\"}\1{\"abc\":true,\"\":false}",
          "{}\1{\"a\":true}\1{\"ab\":true}\1{\"a\":1,\"x\":true,\"y\":true}");
    check(compact, "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
          "[1,2]\1[1,2,3]", "[]\1[1]\1[1,2,3,4]\1[1,]");
    check(compact,
          "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":{\"const\":0},\"minItems\":1}",
          "[1]\1[1,\"a\"]\1[1,\"a\",0,0]", "[]\1[\"a\"]\1[1,\"a\",1]");
    check(compact,
          "{\"$ref\":\"#/$defs/"
          "n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{},\"c\":{\"items\":{\"$ref\":\"#/$defs/"
          "n\"}}},\"required\":[\"v\"]}}}",
          "{\"v\":1}\1{\"v\":[{}],\"c\":[{\"v\":2,\"c\":[]},{\"v\":3}]}", "{\"v\":1,\"c\":[{}]}\1{}");
    check(compact,
          "{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3}},\"required\":["
          "\"a\"]},{\"properties\":{\"a\":{\"maximum\":5},\"b\":{\"const\":\"x\"}}}]}",
          "{\"a\":4}\1{\"a\":3,\"b\":\"x\"}", "{\"a\":6}\1{\"a\":2}\1{\"a\":3,\"b\":\"y\"}\1{}");
    check(compact, "{\"enum\":[1,\"a\",null,{\"x\":[1]}],\"type\":[\"string\",\"object\"]}", "\"a\"\1{\"x\":[1]}",
          "1\1null");
    check(compact, "{\"type\":\"string\",\"nullable\":true,\"maxLength\":0}", "null\1\"\"", "\"a\"\1""1");
    check(compact, "{\"patternProperties\":{\"^x-\":{\"type\":\"null\"}}}", "{}\1{\"x-\":null,\"x-y\":null}",
          "{\"y\":null}\1{\"x-\":1}");
    check(spaced, "{\"properties\":{\"a\":{\"items\":{\"type\":\"null\"}}}}",
          "{}\1 { \"a\" : [ null , null ] }\n\1{\"a\":[]}", "{ \"a\" [] }\1{\"a\":[null null]}");
    check(compact, "true", "[{\"a\":[1,2,{\"b\":null}]},true,\"\"]\1{}", "[1,]\1{\"a\"}\1tru");
}

static void test_refused(void **state) {
    (void)state;
    refused(compact, "{\"properties\":{\"a/b\":{\"not\":{\"pattern\":\"a\"}}}}", "#/properties/a~1b/not");
    refused(compact, "{\"type\":\"array\",\"uniqueItems\":true}", "#/uniqueItems");
    refused(compact, "{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "#/oneOf: a value of branch 0");
    refused(compact, "{\"$ref\":\"http://x\"}", "outside this schema");
    refused(compact, "{\"$ref\":\"#\"}", "left recursion");
    refused(compact, "{\"type\":\"string\",\"pattern\":\"(?=x)\"}", "#/pattern, position 1: lookahead");
    refused(compact, "{\"type\":", "line 1, column 8");
    refused(compact, "{\"type\":\"strin\"}", "#/type");
    refused(bp_grammar_regex, "a(b", "position 2: this ( is never closed");
    refused(bp_grammar_regex, "a**", "nothing to repeat");
    refused(bp_grammar_regex, "(a)\\1", "references to groups");
    refused(bp_grammar_regex, "a\\b", "word boundaries");
    refused(bp_grammar_regex, "a$b", "$ can stand at the end");
    refused(bp_grammar_regex, "[b-a]", "wrong way round");
    refused(bp_grammar_regex, "(?<!a)b", "lookbehind");
}

static void test_regex(void **state) {
    (void)state;
    check(bp_grammar_regex, "a|bc{2,3}?|\\d+(?:x|\\.)", "a\1""bcc\1""bccc\1""12x\1""3.", "b\1""bc\1""bcccc\1x\1");
    check(bp_grammar_regex, "^[^\\W\\d]\\s\\S{0,2}$", "a \1_\t..\1""b\n\xC3\xA9", "1 \1a\1""a ...");
    check(bp_grammar_regex, "\\u00e9\\u{1F642}\\x41\\ud83d\\ude42[\\]\\-a-c]",
          "\xC3\xA9\xF0\x9F\x99\x82"
          "A\xF0\x9F\x99\x82]\1\xC3\xA9\xF0\x9F\x99\x82"
          "A\xF0\x9F\x99\x82-",
          "A");
    check(bp_grammar_regex, "a{,2}|{x}|a{0}", "a{,2}\1{x}\1", "aa\1""a");
    check(bp_grammar_regex, ".{2}", "ab\1\xF0\x9F\x99\x82-", "a\1""a\n\1""abc");
}

/* Repeat a text up to 64 KB between two others; whatever comes of it comes soon. */
static void check_time(make_fn *make, const char *begin, const char *part, const char *end) {
    bp_text text = { 0 };
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    bp_text_adds(&text, begin);
    while (text.size + strlen(part) + strlen(end) < 65536) bp_text_adds(&text, part);
    bp_text_adds(&text, end);
    clock_t start = clock();
    bp_status status = make(text.data, text.size, NULL, &grammar, &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 5) fail_msg("%s%s...%s: %.1f s", begin, part, end, seconds); /* a second, but for sanitizers */
    assert_true(status == BP_OK || error.message[0]);
    bp_grammar_free(grammar);
    bp_text_free(&text);
}

static void test_time(void **state) {
    (void)state;
    check_time(bp_grammar_regex, "", "a?", "");
    check_time(bp_grammar_regex, "", "(a|b){0,99}", "");
    check_time(bp_grammar_regex, "", "(", "");
    check_time(bp_grammar_regex, "", "[^\\d\\s]*", "");
    check_time(bp_grammar_gbnf, "root ::= ", "(\"a\"{0,1000}){0,1000} ", "");
    check_time(bp_grammar_gbnf, "root ::= ", "a | ", "a\na ::= \"x\" a?");
    check_time(compact, "{\"anyOf\":[", "{\"type\":\"number\",\"minimum\":-1e300,\"maximum\":1e300},", "{}]}");
    check_time(compact, "{\"anyOf\":[", "{\"type\":\"integer\",\"multipleOf\":3989,\"minimum\":7},", "{}]}");
    check_time(compact, "{\"allOf\":[", "{\"anyOf\":[{\"minimum\":1},{\"maximum\":2}]},", "{}]}");
    check_time(compact, "{\"oneOf\":[", "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1}}},", "{}]}");
    check_time(compact, "{\"enum\":[", "1,", "2]}");
    check_time(compact, "", "{\"items\":", "");
    check_time(compact, "{\"$defs\":{\"a\":{\"allOf\":[", "{\"$ref\":\"#/$defs/a\"},", "{}]}},\"$ref\":\"#/$defs/a\"}");
    check_time(compact, "{\"type\":\"array\",\"prefixItems\":[", "{\"type\":\"string\",\"format\":\"email\"},", "{}]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_strings), cmocka_unit_test(test_structures),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_regex), cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
