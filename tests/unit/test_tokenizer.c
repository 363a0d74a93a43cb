/* The tokenizers against published ids (tests/fixtures/vocab). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/file.h"
#include "core/text/split.h"
#include "core/text/tokenizer.h"
#include "tests/support/vocab_image.h"

struct model { bp_gguf *file; bp_tokenizer *t; };

static struct model open_model(const char *name) {
    char path[512];
    bp_error error = BP_ERROR_INIT;
    struct model m = { 0 };
    snprintf(path, sizeof path, "%s/vocab/%s.gguf", BP_FIXTURES, name);
    if (bp_gguf_open(path, &m.file, &error) || bp_tokenizer_new(m.file, &m.t, &error)) fail_msg("%s", error.message);
    return m;
}

static void close_model(struct model m) {
    bp_tokenizer_free(m.t);
    bp_gguf_close(m.file);
}

static char *read_all(const char *name, const char *ending) {
    char path[512];
    bp_text text = { 0 };
    snprintf(path, sizeof path, "%s/vocab/%s.%s", BP_FIXTURES, name, ending);
    assert_int_equal(bp_file_read(path, 1 << 20, &text, NULL), BP_OK);
    return text.data;
}

static void check_round_trip(const struct model *m, const char *text, size_t n, const bp_tokens *tokens) {
    bp_text back = { 0 };
    assert_int_equal(bp_detokenize(m->t, tokens->ids, tokens->count, false, &back, NULL), BP_OK);
    assert_int_equal(back.size, n);
    if (n) assert_memory_equal(back.data, text, n);
    bp_text_free(&back);
}

static void check_text(const struct model *m, const char *text, size_t n, const char *line, bool comes_back) {
    bp_tokens tokens = { 0 };
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_tokenize(m->t, text, n, BP_TOKENIZE_NO_BOS, &tokens, &error), BP_OK);
    char *end = (char *)line;
    for (size_t i = 0; i < tokens.count; i++) assert_int_equal(tokens.ids[i], strtol(end, &end, 10));
    assert_int_equal(*(end + strspn(end, " ")), '\n');
    if (comes_back) check_round_trip(m, text, n, &tokens);
    free(tokens.ids);
}

static void check_vocabulary(const char *name, bool comes_back) {
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct model m = open_model(name);
    char *texts = read_all(name, "inp"), *lines = read_all(name, "out"), *line = lines;
    unsigned count = 0;
    for (char *text = texts, *next; text && *line; text = next, count++) {
        next = strstr(text, separator);
        if (!next) break;
        check_text(&m, text, (size_t)(next - text), line, comes_back);
        line = strchr(line, '\n') + 1;
        next += strlen(separator);
    }
    assert_true(count > 40);
    free(texts);
    free(lines);
    close_model(m);
}

static void test_gpt2(void **state) { (void)state; check_vocabulary("gpt-2", true); }
static void test_deepseek_coder(void **state) { (void)state; check_vocabulary("deepseek-coder", true); }
static void test_llama_spm(void **state) { (void)state; check_vocabulary("llama-spm", true); }

/* Small letters alone: texts do not come back. */
static void test_bert(void **state) { (void)state; check_vocabulary("bert-bge", false); }

static void test_special(void **state) {
    (void)state;
    struct model m = open_model("gpt-2");
    const char *text = "a<|endoftext|>b";
    int32_t end = bp_token_find(m.t, "<|endoftext|>");
    bp_tokens with = { 0 }, without = { 0 };
    assert_int_equal(end, 50256);
    assert_true(bp_token_is_special(m.t, end) && bp_token_ends(m.t, end) && !bp_token_ends(m.t, 0));
    assert_int_equal(bp_tokenize(m.t, text, strlen(text), BP_TOKENIZE_SPECIAL, &with, NULL), BP_OK);
    assert_int_equal(bp_tokenize(m.t, text, strlen(text), 0, &without, NULL), BP_OK);
    assert_int_equal(with.count, 3);
    assert_int_equal(with.ids[1], end);
    for (size_t i = 0; i < without.count; i++) assert_int_not_equal(without.ids[i], end);
    bp_text back = { 0 };
    assert_int_equal(bp_detokenize(m.t, with.ids, 3, false, &back, NULL), BP_OK);
    assert_string_equal(back.data, "ab");
    bp_text_clear(&back);
    assert_int_equal(bp_detokenize(m.t, with.ids, 3, true, &back, NULL), BP_OK);
    assert_string_equal(back.data, text);
    bp_text_free(&back);
    free(with.ids);
    free(without.ids);
    close_model(m);
}

static void test_begin_and_bounds(void **state) {
    (void)state;
    struct model m = open_model("llama-spm");
    bp_tokens tokens = { 0 };
    bp_text text = { 0 };
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_tokenize(m.t, "<s>Hello</s> you", 16, BP_TOKENIZE_SPECIAL, &tokens, NULL), BP_OK);
    assert_int_equal(tokens.ids[0], 1);
    assert_int_equal(tokens.ids[1], 1);
    assert_int_equal(bp_detokenize(m.t, tokens.ids + 1, tokens.count - 1, true, &text, NULL), BP_OK);
    assert_string_equal(text.data, "<s>Hello</s> you");
    assert_int_equal(bp_token_bytes(m.t, -1, true, &text, &error), BP_E_INVALID);
    assert_int_equal(bp_token_bytes(m.t, bp_vocab_size(m.t), true, &text, &error), BP_E_INVALID);
    bp_text_free(&text);
    free(tokens.ids);
    close_model(m);
}

static void check_bytes(const char *name, const char *text, size_t n) {
    struct model m = open_model(name);
    bp_tokens tokens = { 0 };
    assert_int_equal(bp_tokenize(m.t, text, n, BP_TOKENIZE_NO_BOS, &tokens, NULL), BP_OK);
    check_round_trip(&m, text, n, &tokens);
    free(tokens.ids);
    close_model(m);
}

static void test_any_bytes(void **state) {
    (void)state;
    char all[2048];
    for (unsigned i = 0; i < sizeof all; i++) all[i] = (char)(i < 1024 ? i : i * i * 7 >> 3);
    check_bytes("gpt-2", all, sizeof all);
    check_bytes("llama-spm", all, sizeof all);
}

/* Long words and long runs of spaces must not take quadratic time. */
static void test_long(void **state) {
    (void)state;
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) text[i] = (char)(i < n / 2 ? 'a' + i * i % 23 : i < n - 9 ? ' ' : 'b');
    check_bytes("gpt-2", text, n);
    check_bytes("llama-spm", text, n);
    check_bytes("deepseek-coder", text, n);
    free(text);
}

/* CPU seconds for n bytes of a piece said again and again, then one letter. */
static double seconds_for(const bp_tokenizer *t, const char *piece, size_t n) {
    char *text = malloc(n + 1);
    bp_tokens tokens = { 0 };
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) text[i] = piece[i % strlen(piece)];
    text[n] = 'x';
    clock_t begin = clock();
    assert_int_equal(bp_tokenize(t, text, n + 1, 0, &tokens, NULL), BP_OK);
    clock_t end = clock();
    free(tokens.ids);
    free(text);
    return (double)(end - begin) / CLOCKS_PER_SEC;
}

/* 16 times the text may take 64 times the time (n log n is 20, quadratic would be 256), below 20 ms anything. */
static void check_time(const char *name, bp_text image) {
    static const char *const pieces[] = { "a", "A", " ", " \n", "7", "'", "\xE4\xBD\xA0", "e\xCC\x81", "<", "\xFF" };
    struct model m = { 0 };
    assert_int_equal(bp_gguf_parse(image.data, image.size, name, &m.file, NULL), BP_OK);
    assert_int_equal(bp_tokenizer_new(m.file, &m.t, NULL), BP_OK);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        double less = seconds_for(m.t, pieces[i], 1 << 14), more = seconds_for(m.t, pieces[i], 1 << 18);
        if (more > 0.02 && more > 64 * less) fail_msg("%s, '%s': %g s, then %g s", name, pieces[i], less, more);
    }
    close_model(m);
    bp_text_free(&image);
}

static void test_time_grows_with_length_alone(void **state) {
    (void)state;
    static const char *const names[] = { "gpt-2", "llama-bpe", "jais-2", "kimi-k2", "exaone-moe", "tiny_aya", "superbpe",
                                         "deepseek-llm", "deepseek-v3", "bloom", "chameleon" };
    static const char *const kinds[] = { "llama", "t5", "bert", "gemma4" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_time(names[i], image_bpe(names[i]));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) check_time(kinds[i], image_marked(kinds[i], 1));
    check_time("rwkv", image_rwkv());
    check_time("plamo2", image_plamo2());
    check_time("rwkv", image_rwkv());
    check_time("plamo2", image_plamo2());
}

static void check_split(const char *name, const char *text, const char *joined) {
    bp_split *split;
    bp_scratch s = { 0 };
    bp_text got = { 0 };
    size_t n, start = 0;
    assert_int_equal(bp_split_new(name, strlen(name), &split, NULL), BP_OK);
    assert_int_equal(bp_split_text(split, &s, text, strlen(text), &n, NULL), BP_OK);
    for (size_t i = 0; i < n; start = s.ends[i++]) {
        if (i) bp_text_adds(&got, "|");
        bp_text_add(&got, text + start, s.ends[i] - start);
    }
    assert_string_equal(bp_text_get(&got), joined);
    bp_text_free(&got);
    bp_scratch_free(&s);
    bp_split_free(split);
}

static void test_splits(void **state) {
    (void)state;
    check_split("gpt-2", "I'm 1234  ok!", "I|'m| 1234| | ok|!");
    check_split("smollm", "x 1234", "x| |1|2|3|4");
    check_split("llama-bpe", "HE'LL 12345\n\n x", "HE|'LL| |123|45|\n\n| x");
    check_split("qwen2", "a12 b", "a|1|2| b");
    check_split("tekken", "HelloWorld 12", "Hello|World| |1|2");
    check_split("gpt-4o", "HelloWorld's 1234", "Hello|World's| |123|4");
    check_split("deepseek-llm", "Hi there, 123\n", "Hi| there|,| |123|\n");
    check_split("deepseek-v3", "Hi 1234 \xE4\xBD\xA0!", "Hi| |123|4| |\xE4\xBD\xA0|!");
    check_split("default", "a 1234!", "a| |123|4|!");
    check_split("superbpe", "12345678 1234", "12|345|678| |1|234");
    check_split("afmoe", "12345 ab", "12|345| ab");
    check_split("tiny_aya", "1234567 12345x", "1|234|567| |123|45|x");
    check_split("kimi-k2", "\xE4\xBD\xA0\xE5\xA5\xBDHello'S a/\n", "\xE4\xBD\xA0\xE5\xA5\xBD|Hello'S| a|/\n");
    check_split("exaone-moe", "ab cd  e!\n\n", "ab cd| | e|!\n|\n");
    check_split("seed-coder", "a!\n\nb", "a|!|\n\n|b");
    check_split("gemma4", "a b\n\nc", "a b|\n\n|c");
    check_split("jais-2", "a       b", "a|    |  | b");
    check_split("chameleon", "a<sentinel:12>b  IMGIMGABZ!", "a|<|sentinel|:|1|2|>|b|  |IMGIMGABZ|!");
    check_split("ufakzeka", "ab'de", "ab|'de");
    check_split("qwen35", "e\xCC\x81x 1", "e\xCC\x81x| |1");
    check_split("minicpm5", "a 12345", "a| |123|45");
    check_split("laguna", "a\n\n b", "a|\n\n| b");
    check_split("spark2_5", "a!\n\n12", "a|!|\n|\n|1|2");
    check_split("k2-horizon", "a\xE2\x80\x8D\x62 1", "a\xE2\x80\x8D\x62| |1");
    static const char *const others[] = { "falcon", "starcoder", "mpt", "olmo", "command-r", "chatglm-bpe", "bloom",
                                          "viking" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) check_split(others[i], "word", "word");
}

/* A text of pieces that patterns part at, from a counter. */
static size_t make_text(uint64_t seed, char *out, size_t room) {
    static const char *const pieces[] = {
        " ", "  ", "\n", "\r\n", "\t", "a", "Z", "word", "Word", "WORD", "wORd", "'s", "'RE", "'", "1", "23", "4567", ".",
        "!?", "(", "_", "\xC3\xA9", "\xCC\x81", "\xE4\xBD\xA0", "\xE3\x81\x82", "\xD0\x96", "\xC7\x85", "\xC2\xA0",
        "\xE1\xA0\x8E", "\xF0\x9F\x9A\x80", "\xC2\xBD", "\xFF", "\xE2\x96\x81", "/",
    };
    size_t n = 0;
    for (uint64_t i = 0, x = seed * 2862933555777941757u + 3037000493u; i < 1 + seed % 24; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        const char *piece = pieces[(x >> 33) % (sizeof pieces / sizeof *pieces)];
        if (n + strlen(piece) > room) break;
        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

static void check_known_matches(const char *name, const char *text, size_t n, const bp_split *fast,
                                const bp_split *slow, bp_scratch *a, bp_scratch *b) {
    size_t n_fast, n_slow;
    assert_int_equal(bp_split_text(fast, a, text, n, &n_fast, NULL), BP_OK);
    assert_int_equal(bp_split_text(slow, b, text, n, &n_slow, NULL), BP_OK);
    bool same = n_fast == n_slow && !memcmp(a->ends, b->ends, n_fast * sizeof *a->ends);
    if (!same) fail_msg("%s: %.*s", name, (int)n, text);
}

/* Words that are known without matching are those that the pattern gives; and every pattern compiles. */
static void test_known_matches_equal_patterns(void **state) {
    (void)state;
    bp_scratch a = { 0 }, b = { 0 };
    char text[256];
    for (size_t i = 0; bp_split_name(i); i++) {
        const char *name = bp_split_name(i);
        bp_split *fast, *slow;
        bp_error error = BP_ERROR_INIT;
        if (bp_split_new(name, strlen(name), &fast, &error)) fail_msg("%s: %s", name, error.message);
        assert_int_equal(bp_split_new(name, strlen(name), &slow, NULL), BP_OK);
        bp_split_match_all(slow);
        for (uint64_t seed = 0; seed < 1500; seed++)
            check_known_matches(name, text, make_text(seed, text, sizeof text), fast, slow, &a, &b);
        bp_split_free(fast);
        bp_split_free(slow);
    }
    bp_scratch_free(&a);
    bp_scratch_free(&b);
}

static void check_image(bp_text image, const char *text, const char *pieces, bool comes_back) {
    struct model m = { 0 };
    bp_tokens tokens = { 0 };
    bp_text got = { 0 };
    bp_error error = BP_ERROR_INIT;
    if (bp_gguf_parse(image.data, image.size, "image", &m.file, &error) || bp_tokenizer_new(m.file, &m.t, &error))
        fail_msg("%s", error.message);
    assert_int_equal(bp_tokenize(m.t, text, strlen(text), BP_TOKENIZE_SPECIAL, &tokens, NULL), BP_OK);
    for (size_t i = 0; i < tokens.count; i++) {
        if (i) bp_text_adds(&got, "|");
        assert_int_equal(bp_token_bytes(m.t, tokens.ids[i], true, &got, NULL), BP_OK);
    }
    assert_string_equal(bp_text_get(&got), pieces);
    if (comes_back) check_round_trip(&m, text, strlen(text), &tokens);
    bp_text_free(&got);
    free(tokens.ids);
    close_model(m);
    bp_text_free(&image);
}

/* Small vocabularies, worked by hand. */
static void test_kinds(void **state) {
    (void)state;
    check_image(image_rwkv(), "the the\n\na\\bx\xE4\xBD\xA0'\t\t", "the| the|\n\n|a\\b|x|\xE4\xBD\xA0|'|\t\t", true);
    check_image(image_marked("llama", 1), "ab the", "<s>| ab| the", true);
    check_image(image_marked("llama", 0), "ab \xC3\xB6", "<s>| ab| |<unk>", false);
    check_image(image_marked("bert", 0), "The ab.", "<s>| the| ab|<unk>|</s>", false);
    check_image(image_marked("bert", 0), "abca xyz", "<s>| ab|c|a|<unk>|</s>", false);
    check_image(image_marked("gemma4", 1), " ab  th\n\n\xC3\xA9", "<s>| ab|  |th|\n\n|\xC3|\xA9", true);
    /* Scores fall from token to token: few tokens win; unknown characters beside each other are one. */
    check_image(image_marked("t5", 0), "ab<user>xyab", "ab|<user>|<unk>|ab|</s>", false);
    check_image(image_marked("t5", 1), "\xC3\xB6", "\xC3|\xB6|</s>", false);
    /* aba: "aba" costs 8, "ab" and "a" 8 as well: the longer first. abab: "ab" "ab" costs 10. */
    check_image(image_plamo2(), "aba abab", "aba| |ab|ab", true);
    check_image(image_plamo2(), "the the\xE4\xBD\xA0\xC3\xA9", "the| the|\xE4\xBD\xA0|\xC3|\xA9", true);
    check_image(image_bpe("gpt-2"), "abc the<|end|>", "abc| |the|<|end|>", false);
}

/* U+0085 is no space in a word's middle; words longer than 100 characters are unknown. */
static void test_bert_words(void **state) {
    (void)state;
    char word[102];
    memset(word, 'a', sizeof word);
    word[101] = 0;
    check_image(image_marked("bert", 0), word, "<s>|<unk>|</s>", false);
    check_image(image_marked("bert", 0), "a\xC2\x85" "b \xC3\x81 a\xCC\x81 \xE4\xBD\xA0\xE4\xBD\xA0",
                "<s>| ab| a| a|<unk>|<unk>|</s>", false);
}

/* A double array of one key: "A" becomes "the". */
static void test_charsmap(void **state) {
    (void)state;
    enum { UNITS = 256 };
    uint32_t units[UNITS] = { 0 };
    units[0] = 1u << 10;                    /* the root's children begin at 1 */
    units[1 ^ 'A'] = 'A' | 1u << 8 | 3u << 10; /* has a value, at its place ^ 3 */
    units[1 ^ 'A' ^ 3] = 1u << 31 | 5;      /* the value: byte 5 of the texts */
    bp_text map = { 0 };
    image_number(&map, sizeof units, 4);
    for (int i = 0; i < UNITS; i++) image_number(&map, units[i], 4);
    bp_text_add(&map, "zzzz\0the", 9);
    image m = { 0 };
    image_text_key(&m, "tokenizer.ggml.model", "t5");
    image_int_key(&m, "tokenizer.ggml.unknown_token_id", 0);
    image_array_key(&m, "tokenizer.ggml.precompiled_charsmap", BP_GGUF_U8, (uint32_t)map.size, &map);
    image_token(&m, "<unk>", 2);
    image_token(&m, "</s>", 3);
    image_words(&m);
    check_image(image_finish(&m), "aAa", "a|the|a|</s>", false);
    bp_text_free(&map);
}

static void test_unknown_split(void **state) {
    (void)state;
    bp_split *split;
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_split_new("no-such", 7, &split, &error), BP_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "no-such"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2), cmocka_unit_test(test_deepseek_coder), cmocka_unit_test(test_llama_spm),
        cmocka_unit_test(test_bert), cmocka_unit_test(test_known_matches_equal_patterns),
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_bert_words), cmocka_unit_test(test_charsmap),
        cmocka_unit_test(test_time_grows_with_length_alone),
        cmocka_unit_test(test_special), cmocka_unit_test(test_begin_and_bounds), cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_long), cmocka_unit_test(test_splits), cmocka_unit_test(test_unknown_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
