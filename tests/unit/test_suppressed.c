/* Tokens that a file lists in tokenizer.ggml.suppress_tokens: read, refused where wrong, never chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/sampler_help.h"
#include "tests/support/vocab_image.h"

enum { TOKENS = 5, LIKELIEST = 4, SECOND = 2 };

struct model { bp_gguf *file; bp_tokenizer *t; bp_text image; };

/* A vocabulary of TOKENS with this list; n < 0: no list. */
static bp_status open_list(struct model *m, uint32_t type, const uint32_t *ids, int n, int bytes, bp_error *error) {
    static const char *const words[TOKENS] = { "<unk>", "</s>", "a", "b", "c" };
    image made = { 0 };
    bp_text items = { 0 };
    *m = (struct model){ 0 };
    for (int i = 0; i < n; i++) image_number(&items, ids[i], bytes);
    image_text_key(&made, "tokenizer.ggml.model", "t5");
    image_int_key(&made, "tokenizer.ggml.unknown_token_id", 0);
    if (n >= 0) image_array_key(&made, "tokenizer.ggml.suppress_tokens", type, (uint32_t)n, &items);
    for (int i = 0; i < TOKENS; i++) image_token(&made, words[i], i == 0 ? 2 : i == 1 ? 3 : 1);
    m->image = image_finish(&made);
    bp_text_free(&items);
    assert_int_equal(bp_gguf_parse(m->image.data, m->image.size, "image", &m->file, NULL), BP_OK);
    return bp_tokenizer_new(m->file, &m->t, error);
}

static void close_list(struct model *m) {
    bp_tokenizer_free(m->t);
    bp_gguf_close(m->file);
    bp_text_free(&m->image);
}

static void lists_are_read(void **state) {
    (void)state;
    static const uint32_t types[] = { BP_GGUF_I32, BP_GGUF_U32 }, ids[] = { LIKELIEST, SECOND };
    for (int n = -1; n <= 2; n++)
        for (size_t i = 0; i < BP_COUNT(types); i++) {
            struct model m;
            assert_int_equal(open_list(&m, types[i], ids, n, 4, NULL), BP_OK);
            assert_int_equal(bp_tokens_suppressed(m.t)->count, n < 0 ? 0 : n);
            for (int k = 0; k < n; k++) assert_int_equal(bp_tokens_suppressed(m.t)->ids[k], ids[k]);
            close_list(&m);
        }
}

static void check_refused(uint32_t type, uint32_t id, int n, int bytes, const char *message) {
    const uint32_t ids[TOKENS + 1] = { id };
    struct model m;
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(open_list(&m, type, ids, n, bytes, &error), BP_E_INVALID);
    assert_string_equal(error.message, message);
    close_list(&m);
}

static void wrong_lists_are_refused(void **state) {
    (void)state;
#define NAME "image: tokenizer.ggml.suppress_tokens"
    check_refused(BP_GGUF_I32, TOKENS, 1, 4, NAME "[0]: token 5: the vocabulary has tokens 0 to 4");
    check_refused(BP_GGUF_I32, UINT32_MAX, 1, 4, NAME "[0]: token -1: the vocabulary has tokens 0 to 4");
    check_refused(BP_GGUF_U32, UINT32_MAX, 1, 4, NAME "[0]: token 4294967295: the vocabulary has tokens 0 to 4");
    check_refused(BP_GGUF_F32, 0, 1, 4, NAME ": not an array of int32 or uint32");
    check_refused(BP_GGUF_U8, 0, 1, 1, NAME ": not an array of int32 or uint32");
    check_refused(BP_GGUF_U32, 0, TOKENS + 1, 4, NAME ": more ids than the vocabulary has tokens");
#undef NAME
}

/* Of all logits, and of the likeliest two that a device gives. */
static void check_never(const bp_tokenizer *t, double temperature, const char *bias, bool suppressed) {
    static const float logits[TOKENS] = { 0, 1, 5, 2, 9 };
    static const int32_t likeliest[] = { LIKELIEST, SECOND };
    const float values[] = { logits[LIKELIEST], logits[SECOND] };
    bp_sampler_settings s = plain();
    bp_sampler *sampler;
    int32_t id;
    bool enough, chosen = false;
    s.temperature = temperature;
    s.top_k = 1;
    s.logit_bias = bias;
    assert_int_equal(bp_sampler_new(&s, t, &sampler, NULL), BP_OK);
    assert_int_equal(bp_sampler_is_greedy(sampler), temperature <= 0 && !suppressed && !bias);
    for (int i = 0; i < 100; i++) {
        id = next(sampler, logits, TOKENS);
        chosen = chosen || id == LIKELIEST;
        assert_int_equal(bp_sampler_next_few(sampler, likeliest, values, 2, TOKENS, &id, &enough), BP_OK);
        if (enough) chosen = chosen || id == LIKELIEST;
    }
    assert_int_equal(chosen, !suppressed);
    bp_sampler_free(sampler);
}

static void suppressed_tokens_are_never_chosen(void **state) {
    (void)state;
    static const char *const biases[] = { NULL, "4=50", "4=inf" };
    for (int n = 0; n <= 1; n++) {
        struct model m;
        assert_int_equal(open_list(&m, BP_GGUF_I32, (const uint32_t[]){ LIKELIEST }, n, 4, NULL), BP_OK);
        for (size_t i = 0; i < (n ? BP_COUNT(biases) : 2); i++)
            for (int hot = 0; hot <= 1; hot++) check_never(m.t, hot, biases[i], n);
        close_list(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(suppressed_tokens_are_never_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
