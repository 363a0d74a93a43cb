/* Any tokenizer.json: where it can be read, texts can be encoded and decoded with it. A first byte of 255: the rest is a
 * pattern, which is translated, and cuts a text where PCRE2 takes it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/onig.h"
#include "core/text/split.h"
#include "core/text/tokenizer.h"

static const char text[] = "The caf\xC3\xA9's  1234 <s>ab aab\n\n  \xE4\xBD\xA0\xFF\xE2\x96\x81 a e\xCC\x81\xC2\xA0x";

static void use(const bp_tokenizer *t) {
    bp_tokens tokens = { 0 };
    bp_text back = { 0 };
    bp_error error = BP_ERROR_INIT;
    bp_status status = bp_tokenize(t, text, sizeof text - 1, BP_TOKENIZE_SPECIAL, &tokens, &error);
    if (status && !error.message[0]) abort();
    for (size_t i = 0; i < tokens.count; i++)
        if (tokens.ids[i] < 0 || tokens.ids[i] >= bp_vocab_size(t)) abort();
    if (!status && bp_detokenize(t, tokens.ids, tokens.count, true, &back, NULL)) abort();
    free(tokens.ids);
    bp_text_free(&back);
}

static void cut(const char *pattern, size_t n) {
    bp_text translated = { 0 };
    bp_error error = BP_ERROR_INIT;
    bp_split *split = bp_split_empty();
    bp_scratch s = { 0 };
    size_t n_pieces = 0;
    if (!split) abort();
    if (!bp_onig_translate(pattern, n, &translated, &error) &&
        !bp_split_add(split, bp_text_get(&translated), BP_CUT_ISOLATED, &error) &&
        !bp_split_text(split, &s, text, sizeof text - 1, &n_pieces, &error)) {
        if (!n_pieces || s.ends[n_pieces - 1] != sizeof text - 1) abort();
        for (size_t i = 1; i < n_pieces; i++)
            if (s.ends[i] <= s.ends[i - 1]) abort();
    } else if (!error.message[0]) {
        abort();
    }
    bp_scratch_free(&s);
    bp_split_free(split);
    bp_text_free(&translated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bp_tokenizer *t;
    bp_error error = BP_ERROR_INIT;
    if (size && data[0] == 255) {
        cut((const char *)data + 1, size - 1);
    } else if (!bp_tokenizer_parse_json((const char *)data, size, "fuzz", &t, &error)) {
        use(t);
        bp_tokenizer_free(t);
    } else if (!error.message[0]) {
        abort();
    }
    return 0;
}
