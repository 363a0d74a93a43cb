/* Any file: where it holds a tokenizer, texts can be encoded and decoded with it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/text/tokenizer.h"

static void use(const bp_tokenizer *t) {
    static const char text[] = "The caf\xC3\xA9's 1234 <s>\n\n  \xE4\xBD\xA0\xFF\xE2\x96\x81 a";
    bp_tokens tokens = { 0 };
    bp_text back = { 0 };
    bp_status status = bp_tokenize(t, text, sizeof text - 1, BP_TOKENIZE_SPECIAL, &tokens, NULL);
    for (size_t i = 0; i < tokens.count; i++)
        if (tokens.ids[i] < 0 || tokens.ids[i] >= bp_vocab_size(t)) abort();
    if (!status && bp_detokenize(t, tokens.ids, tokens.count, true, &back, NULL)) abort();
    free(tokens.ids);
    bp_text_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bp_gguf *file;
    bp_tokenizer *t;
    bp_log_set_level(BP_LOG_ERROR);
    if (bp_gguf_parse(data, size, "fuzz", &file, NULL)) return 0;
    if (!bp_tokenizer_new(file, &t, NULL)) {
        use(t);
        bp_tokenizer_free(t);
    }
    bp_gguf_close(file);
    return 0;
}
