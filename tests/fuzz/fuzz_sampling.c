/* The texts of the sampler's settings: any text is read or refused. The first byte chooses which setting. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/sampler.h"
#include "tests/support/vocab_image.h"

static bp_tokenizer *tokenizer(void) {
    static bp_text file;
    static bp_gguf *parsed;
    static bp_tokenizer *made;
    if (made) return made;
    file = image_bpe("gpt-2");
    if (bp_gguf_parse(file.data, file.size, "vocabulary", &parsed, NULL)) abort();
    if (bp_tokenizer_new(parsed, &made, NULL)) abort();
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    char *text = calloc(size, 1);
    if (!text) return 0;
    memcpy(text, data + 1, size - 1);
    bp_sampler_settings s = { .temperature = 1, .top_p = 1, .typical = 1, .repeat_penalty = 1, .penalty_last = 8,
                              .dry_base = 2, .dry_multiplier = 1, .dry_last = -1, .seed = 1 };
    *(data[0] % 3 == 0 ? &s.samplers : data[0] % 3 == 1 ? &s.logit_bias : &s.dry_breakers) = text;
    bp_sampler *sampler;
    if (!bp_sampler_new(&s, tokenizer(), &sampler, NULL)) {
        float logits[300] = { 0 };
        int32_t id;
        for (int32_t i = 0; i < 20; i++) {
            if (bp_sampler_accept(sampler, i * 7 % 5 + 97)) abort();
            bp_status status = bp_sampler_next(sampler, logits, 271, &id, NULL);
            if (!status && (id < 0 || id >= 271)) abort();
        }
        bp_sampler_free(sampler);
    }
    free(text);
    return 0;
}
