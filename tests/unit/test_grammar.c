/* Grammars in GBNF: what they accept, what they refuse to be, and the token masks against a walk by bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/text/grammar.h"

static bp_grammar *gbnf(const char *text) {
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    if (bp_grammar_gbnf(text, strlen(text), NULL, &grammar, &error)) fail_msg("%s", error.message);
    return grammar;
}

static bool fits(bp_grammar *grammar, const char *text, size_t n) {
    bp_grammar_matcher *m;
    assert_int_equal(bp_grammar_matcher_new(grammar, &m, NULL), BP_OK);
    bool all = !bp_grammar_matcher_accept_bytes(m, text, n, NULL) && bp_grammar_matcher_may_end(m);
    bp_grammar_matcher_free(m);
    return all;
}

/* yes and no: texts apart by '\1', which is in none of them. */
static void check_texts(bp_grammar *grammar, const char *texts, bool wanted) {
    for (const char *text = texts; text; text = strchr(text, '\1')) {
        if (*text == '\1') text++;
        size_t n = strcspn(text, "\1");
        if (fits(grammar, text, n) != wanted) fail_msg("%s: %.*s", wanted ? "not accepted" : "accepted", (int)n, text);
        if (!text[n]) break;
    }
}

static void check_gbnf(const char *text, const char *yes, const char *no) {
    bp_grammar *grammar = gbnf(text);
    if (yes) check_texts(grammar, yes, true);
    if (no) check_texts(grammar, no, false);
    bp_grammar_free(grammar);
}

static const char arithmetic[] =
    "# sums, products and powers\n"
    "root  ::= (expr \"=\" ws term \"\\n\")+\n"
    "expr  ::= term ([-+*/] term)*\n"
    "term  ::= ident | num | \"(\" ws expr \")\" ws\n"
    "ident ::= [a-z] [a-z0-9_]* ws\n"
    "num   ::= [0-9]+ ws\n"
    "ws    ::= [ \\t\\n]*\n";

static const char json[] =
    "root   ::= object\n"
    "value  ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
    "object ::=\n"
    "  \"{\" ws (\n"
    "    string \":\" ws value\n"
    "    (\",\" ws string \":\" ws value)*\n"
    "  )? \"}\" ws\n"
    "array  ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}) )* \"\\\"\" ws\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

static const char list[] = "root ::= item+\nitem ::= \"- \" [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ \"\\n\"\n";

static const char chess[] =
    "root    ::= \"1. \" move \" \" move \"\\n\" ([1-9] [0-9]? \". \" move \" \" move \"\\n\")+\n"
    "move    ::= (pawn | nonpawn | castle) [+#]?\n"
    "nonpawn ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\n"
    "pawn    ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBKQR])?\n"
    "castle  ::= \"O-O\" \"-O\"?\n";

static const char c_like[] =
    "root        ::= declaration*\n"
    "declaration ::= type name \"(\" parameter? \")\" \"{\" statement* \"}\"\n"
    "type        ::= \"int\" ws | \"float\" ws | \"char\" ws\n"
    "name        ::= [a-zA-Z_] [a-zA-Z_0-9]*\n"
    "parameter   ::= type name\n"
    "statement   ::=\n"
    "    ( type name ws \"=\" ws expression \";\" ) |\n"
    "    ( name ws \"=\" ws expression \";\" ) |\n"
    "    ( \"return\" ws expression \";\" ) |\n"
    "    ( \"while\" \"(\" condition \")\" \"{\" statement* \"}\" )\n"
    "    | ( \"if\" \"(\" condition \")\" \"{\" statement* \"}\" (\"else\" \"{\" statement* \"}\")? )\n"
    "condition   ::= expression (\"<\" | \"<=\" | \"==\" | \"!=\" | \">=\" | \">\") expression\n"
    "expression  ::= term ((\"+\" | \"-\") term)*\n"
    "term        ::= factor ((\"*\" | \"/\") factor)*\n"
    "factor      ::= name | number | \"-\" factor | \"(\" expression \")\"\n"
    "number      ::= [0-9]+\n"
    "ws          ::= ([ \\t\\n]+)\n";

static void test_examples(void **state) {
    (void)state;
    check_gbnf(arithmetic, "1+2=3\n\1a*(b -4)= x_1\n\1""1=1\n2=2\n\1((x))=1\n", "1+2=3\1=3\n\1(1=1\n\1""1++2=3\n\1");
    check_gbnf(json,
               "{}\1{\"a\":1}\1{\"a\": [1, -2.5e+1, {\"b\": null}], \"c\": \"\\u00e9\\n\xC3\xA9\"}\1{ \"\": "
               "[[[]]]}\1{\"a\":true}",
               "\1[]\1{\"a\"}\1{\"a\":01}\1{\"a\":1,}\1{\"a\":\"\n\"}\1{\"a\":\"\\x\"}\1{\"a\":1}}\1{\"a\":\"\xFF\"}\1{"
               "\"a\":\"\xC3\"}");
    check_gbnf(list, "- a\n\1- a\n- \xE2\x82\xAC \xF0\x9F\x99\x82\n", "\1- \n\1- a\1- a\xE2\x80\xA8\n\1a\n");
    check_gbnf(chess,
               "1. e4 e5\n2. Nf3 Nc6\n3. O-O-O Qxd8+\n\1"
               "1. e4 d5\n2. exd5 e8=Q#\n",
               "1. e4 e5\n\1"
               "1. e9 e5\n2. a1 a1\n");
    check_gbnf(c_like, "\1int f(){return 1;}\1float g(int a){if(a<1){b = a*(2+c);}else{return -a;}while(a>=2){}}"
                       "\1int f(){int x = 1;}", "int f(){\1int f(){return ;}\1f(){}\1int f(){x = 1}");
}

static void test_repetition(void **state) {
    (void)state;
    check_gbnf("root ::= \"ab\"{2}", "abab", "\1ab\1ababab\1aba");
    check_gbnf("root ::= [a-c]{2,}", "ab\1cccc", "\1a\1abd");
    check_gbnf("root ::= [a-c]{2,4} \"c\"?", "ab\1abc\1abcc\1abccc", "a\1abcccc");
    check_gbnf("root ::= \"a\"{0,0} \"b\"{0} \"c\"", "c", "ac\1bc\1");
    check_gbnf("root ::= (\"a\"? \"b\"?){0,3}", "\1ab\1ba\1bab\1ababab\1aab\1aaa\1bbb", "aaaa\1bababa\1abababa");
    check_gbnf("root ::= (\"a\"*){2,3} \"b\"", "b\1aaaaab", "a\1abb");
    check_gbnf("root ::= ((\"a\"{1,2} \"b\"){2} \"c\"){1,2}", "ababc\1aababcabaabc", "abc\1ababcababcababc\1ababcabc");
    check_gbnf("root ::= (\"a\" | \"aa\"){2,3} \"b\"", "aab\1aaaaaab", "ab\1aaaaaaab");
    check_gbnf("root ::= \"x\"{3,1000000000}", "xxx\1xxxxxxxxxxxxxxx", "xx\1");
    check_gbnf("root ::= ((\"x\"{0,1000000}){0,1000000} \"y\"?){7,1000000000}", "\1xxx\1xyxy", "z");
    check_gbnf("root ::= (\"x\"?)* (\"y\"*)+ ((\"z\"*)*)?", "\1x\1xxyyzz", "yx\1zy");
}

static void test_characters(void **state) {
    (void)state;
    check_gbnf("root ::= \"\\x41\\u00E9\\U0001F642\\n\\t\\\\\\\"\"", "A\xC3\xA9\xF0\x9F\x99\x82\n\t\\\"", "A");
    check_gbnf("root ::= [^a-y\\u0100-\\U0010FFFF]", "z\1\xC3\xBF\1\x7F",
               "a\1\xC4\x80\1\xED\xA0\x80\1\xC0\x80\1\xF5\x80\x80\x80");
    check_gbnf("root ::= [\xD0\xB0-\xD1\x8F]+ [\\u07FE-\\u0801] [\\uFFFE-\\U00010001]",
               "\xD0\xB6\xD1\x8F\xDF\xBF\xF0\x90\x80\x81\1\xD0\xB0\xE0\xA0\x80\xEF\xBF\xBE",
               "\xD1\x90\xDF\xBF\xEF\xBF\xBE\1\xD0\xB0\xE0\xA0\x82\xEF\xBF\xBE");
    check_gbnf("root ::= .", "\n\1\xF4\x8F\xBF\xBF\1\xED\x9F\xBF", "\1\xF4\x90\x80\x80\1\xED\xA0\x80\1" "ab");
    check_gbnf("root ::= [a\\]\\-^-] [-x] [^]", "]-\n\1-x]\1^-^", "bx\1");
    check_gbnf("root ::= a-b_1\na-b_1::=\"x\" # comment\n | \"y\" #", "x\1y", "\1z");
    check_gbnf("root::=x|y x::=\"1\" y::=\"2\"", "1\1""2", "12");
    check_gbnf("root ::= | \"a\" a\na ::=", "\1a", "aa");
    check_gbnf("root ::= \"abc\" | \"abd\" | \"ab\" | \"b\" [0-9] | \"\"", "abc\1abd\1ab\1b7\1", "a\1abcd\1b");
}

static void refused(const char *text, const char *words) {
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    if (bp_grammar_gbnf(text, strlen(text), NULL, &grammar, &error) == BP_OK) fail_msg("accepted: %s", text);
    if (!strstr(error.message, words)) fail_msg("%s: %s", text, error.message);
}

static void test_refused(void **state) {
    (void)state;
    refused("root ::= a \"x\"\na ::= b\nb ::= \"y\"? root", "line 1, column 1: left recursion: 'root'");
    refused("root ::= \"x\" | root \"y\"", "left recursion");
    refused("root ::= e* root | \"x\"\ne ::= \"y\"", "left recursion");
    refused("root ::= \"q\" z\nz ::= n{3} z \"b\" | \"c\"\nn ::= \"\" | \"m\"",
            "line 1, column 14: left recursion: 'z'");
    refused("root ::= \"x\"\n  y", "there is no rule 'y'");
    refused("root ::= \"x\"\n  y", "line 2, column 3");
    refused("roof ::= \"x\"", "no rule 'root'");
    refused("", "no rule 'root'");
    refused("root ::= \"x", "line 1, column 10: this \" is never closed");
    refused("root ::= (\"x\"", "line 1, column 10: this ( is never closed");
    refused("root ::= [a", "this [ is never closed");
    refused("root ::= []", "empty class");
    refused("root ::= [z-a]", "line 1, column 11: this range is the wrong way round");
    refused("root ::= \"\\q\"", "line 1, column 11: unknown escape \\q");
    refused("root ::= \"\\xZ1\"", "2 hexadecimal digits");
    refused("root ::= \"\\uD800\"", "no character");
    refused("root ::= \"a\"{3,2}", "at least 3 and at most 2");
    refused("root ::= \"a\"{99999999999}", "repetition");
    refused("root ::= \"a\"{", "repetition");
    refused("root ::= \"a\")", "closes nothing");
    refused("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: the rule 'root' is there already");
    refused("root ::= \"a\" $", "line 1, column 14: unexpected '$'");
    refused("root ::= \"x\" root", "no text that ends fits 'root'");
    refused("root ::= \"\xFF\"", "UTF-8");
    refused("root ::= <a>", "only with a vocabulary");
    refused("\"x\"", "here should be a rule");
}

static void refuse_nested(const char *open, const char *close, size_t n, bool wanted) {
    bp_text text = { 0 };
    bp_grammar *grammar = NULL;
    bp_text_adds(&text, "root ::= ");
    for (size_t i = 0; i < n; i++) bp_text_adds(&text, open);
    bp_text_adds(&text, "\"x\"");
    for (size_t i = 0; i < n; i++) bp_text_adds(&text, close);
    clock_t begin = clock();
    assert_int_equal(bp_grammar_gbnf(text.data, text.size, NULL, &grammar, NULL) == BP_OK, wanted);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    bp_grammar_free(grammar);
    bp_text_free(&text);
}

static void test_limits(void **state) {
    (void)state;
    refuse_nested("(", ")", 100, true);
    refuse_nested("(", ")", 30000, false);
    refuse_nested("", "*", 100, true);
    refuse_nested("", "*", 60000, false);
    refuse_nested("(\"a\"|", ")", 150, true);
    bp_text text = { 0 };
    bp_grammar *grammar = NULL;
    bp_error error = BP_ERROR_INIT;
    for (int i = 0; i < 40; i++) bp_text_format(&text, "a%d ::= a%d \"x\" | a%d \"y\"\n", i, i + 1, i + 1);
    bp_text_adds(&text, "a40 ::= \"z\" \"z\"+ \"z\"*\nroot ::= a0");
    assert_int_equal(bp_grammar_gbnf(text.data, text.size, NULL, &grammar, &error), BP_E_REFUSED);
    assert_non_null(strstr(error.message, "ambiguous"));
    bp_text_free(&text);
}

/* A byte-level vocabulary with some longer tokens. Id 0 ends, 1 is a control token, then 256 bytes. */
static const char *const words[] = {
    "{\"",      "\":",    "\", \"",   "true", "false",    "null", "ab",         "abc",    "abcd", " a",   "\xC3\xA9",
    "\xE2\x82", "\xA9\"", "}}",       "\"}",  "]}",       "12",   "345",        ", ",     "a\"b", "\\\"", "\\u00",
    "- ",       "\n- ",   "ab\n- cd", "=",    "x\"}]}\"", "\"}]", "aaaaaaaaaa", "\":{\"", "[[[",  "\",\""
};
enum { N_WORDS = sizeof words / sizeof *words, N_TOKENS = 258 + N_WORDS };

static bp_grammar_vocab *small_vocab(void) {
    static char bytes[256];
    bp_grammar_token tokens[N_TOKENS] = { [0] = { "</s>", 4, true }, [1] = { "", 0, false } };
    for (int i = 0; i < 256; i++) bytes[i] = (char)i, tokens[2 + i] = (bp_grammar_token){ &bytes[i], 1, false };
    for (int i = 0; i < N_WORDS; i++)
        tokens[258 + i] = (bp_grammar_token){ words[i], (uint32_t)strlen(words[i]), false };
    bp_grammar_vocab *vocab;
    assert_int_equal(bp_grammar_vocab_of(tokens, N_TOKENS, &vocab, NULL), BP_OK);
    return vocab;
}

static bool in_mask(const uint64_t *mask, int32_t id) { return mask[id / 64] >> (id % 64) & 1; }

/* Every token: the mask says what stepping by bytes says. */
static void check_mask(bp_grammar_matcher *m) {
    const uint64_t *mask;
    static char bytes[256];
    bool allowed[N_TOKENS];
    assert_int_equal(bp_grammar_matcher_mask(m, &mask, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS; id++) allowed[id] = in_mask(mask, id);
    assert_int_equal(allowed[0], bp_grammar_matcher_may_end(m));
    assert_false(allowed[1]);
    for (int32_t id = 2; id < N_TOKENS; id++) {
        if (id < 258) bytes[id - 2] = (char)(id - 2);
        const char *text = id < 258 ? &bytes[id - 2] : words[id - 258];
        bool goes = !bp_grammar_matcher_accept_bytes(m, text, id < 258 ? 1 : strlen(text), NULL);
        if (goes) bp_grammar_matcher_rollback(m, 1);
        if (goes != allowed[id]) fail_msg("token %d %s: mask %d, bytes %d", id, text, allowed[id], goes);
    }
}

static uint32_t next_random(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u, *seed >> 8; }

static int32_t pick(bp_grammar_matcher *m, uint32_t *seed) {
    const uint64_t *mask;
    int32_t ids[N_TOKENS], n = 0;
    assert_int_equal(bp_grammar_matcher_mask(m, &mask, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS; id++)
        if (in_mask(mask, id)) ids[n++] = id;
    assert_true(n > 0);
    return ids[next_random(seed) % (uint32_t)n];
}

static void walk(const char *text, uint32_t seed) {
    bp_grammar_vocab *vocab = small_vocab();
    bp_grammar *grammar;
    bp_grammar_matcher *m;
    assert_int_equal(bp_grammar_gbnf(text, strlen(text), vocab, &grammar, NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_new(grammar, &m, NULL), BP_OK);
    for (int step = 0; step < 60 && !bp_grammar_matcher_ended(m); step++) {
        check_mask(m);
        size_t steps = bp_grammar_matcher_steps(m);
        int32_t id = pick(m, &seed);
        assert_int_equal(bp_grammar_matcher_accept(m, id, NULL), BP_OK);
        bp_grammar_matcher_rollback(m, 1);
        assert_int_equal(bp_grammar_matcher_steps(m), steps);
        assert_int_equal(bp_grammar_matcher_accept(m, id, NULL), BP_OK);
    }
    bp_grammar_matcher_rollback(m, 1000);
    check_mask(m);
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
    bp_grammar_vocab_free(vocab);
}

static void test_masks(void **state) {
    (void)state;
    static const char *const grammars[] = {
        arithmetic, json, list, chess, c_like, "root ::= .{0,30}", "root ::= (\"a\" | \"ab\" | \"abc\")* \"d\"",
        "root ::= [^x]{3,7} (\"ab\"{1,3} \" \"){2,3}",
        "root ::= s (\",\" s){0,5}\ns ::= \"\\\"\" c{0,9} \"\\\"\"\nc ::= [^\"\\\\] | \"\\\\\" [\"\\\\]",
    };
    for (uint32_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
        for (uint32_t seed = 1; seed <= 12; seed++) walk(grammars[i], seed * 7919 + i);
}

static void test_tokens(void **state) {
    (void)state;
    bp_grammar_vocab *vocab = small_vocab();
    bp_grammar *grammar;
    bp_grammar_matcher *m;
    const uint64_t *mask;
    bp_error error = BP_ERROR_INIT;
    const char *text = "root ::= <[1]> \"ab\" !<[260]> | <[258]> <[0]>";
    assert_int_equal(bp_grammar_gbnf(text, strlen(text), vocab, &grammar, &error), BP_OK);
    assert_int_equal(bp_grammar_matcher_new(grammar, &m, NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_mask(m, &mask, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS; id++) assert_int_equal(in_mask(mask, id), id == 1 || id == 258);
    assert_int_equal(bp_grammar_matcher_accept(m, 2, &error), BP_E_INVALID);
    assert_int_equal(bp_grammar_matcher_accept(m, 1, NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_accept(m, 2 + 'a', NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_accept(m, 2 + 'b', NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_mask(m, &mask, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS; id++) assert_int_equal(in_mask(mask, id), id != 0 && id != 260);
    assert_int_equal(bp_grammar_matcher_accept(m, 1, NULL), BP_OK);
    assert_true(bp_grammar_matcher_may_end(m) && !bp_grammar_matcher_ended(m));
    assert_int_equal(bp_grammar_matcher_accept(m, 0, NULL), BP_OK);
    assert_true(bp_grammar_matcher_ended(m));
    assert_int_equal(bp_grammar_matcher_mask(m, &mask, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS; id++) assert_int_equal(in_mask(mask, id), id == 0);
    bp_grammar_matcher_reset(m);
    assert_int_equal(bp_grammar_matcher_accept(m, 258, NULL), BP_OK);
    float logits[N_TOKENS + 5] = { 0 };
    assert_int_equal(bp_grammar_matcher_apply(m, logits, N_TOKENS + 5, NULL), BP_OK);
    for (int32_t id = 0; id < N_TOKENS + 5; id++) assert_int_equal(logits[id] == 0, id == 0);
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
    refused("root ::= <[1", "vocabulary");
    assert_int_equal(bp_grammar_gbnf("root ::= <[999]>", 16, vocab, &grammar, &error), BP_E_INVALID);
    assert_int_equal(bp_grammar_gbnf("root ::= <think>", 16, vocab, &grammar, &error), BP_E_INVALID);
    assert_non_null(strstr(error.message, "no token <think>"));
    bp_grammar_vocab_free(vocab);
}

static void test_forced(void **state) {
    (void)state;
    bp_grammar *grammar = gbnf("root ::= \"{\\\"name\\\": \" (\"true\" | \"tree\") \"!\"?");
    bp_grammar_matcher *m;
    bp_text text = { 0 };
    assert_int_equal(bp_grammar_matcher_new(grammar, &m, NULL), BP_OK);
    bp_grammar_matcher_forced(m, &text);
    assert_string_equal(bp_text_get(&text), "{\"name\": tr");
    assert_int_equal(bp_grammar_matcher_accept_bytes(m, text.data, text.size, NULL), BP_OK);
    assert_int_equal(bp_grammar_matcher_accept_bytes(m, "u", 1, NULL), BP_OK);
    bp_text_clear(&text);
    bp_grammar_matcher_forced(m, &text);
    assert_string_equal(bp_text_get(&text), "e");
    assert_int_equal(bp_grammar_matcher_accept_bytes(m, "e", 1, NULL), BP_OK);
    bp_text_clear(&text);
    bp_grammar_matcher_forced(m, &text);
    assert_string_equal(bp_text_get(&text), "");
    assert_true(bp_grammar_matcher_may_end(m));
    assert_int_equal(bp_grammar_matcher_accept_bytes(m, "x", 1, NULL), BP_E_INVALID);
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
    bp_text_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples), cmocka_unit_test(test_repetition), cmocka_unit_test(test_characters),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
