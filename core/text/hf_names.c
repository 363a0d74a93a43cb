/* Which of pretokenizers.def does what a tokenizer.json's pre-tokenizer does? Patterns are compared as PCRE2 gets them. */
#include <string.h>

#include "core/base/size.h"
#include "core/text/hf.h"
#include "core/text/onig.h"

enum { MOST_PATTERNS = 8 };

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define DIGITS "\\p{N}"
#define PUNCTUATIONS "(?:[\\p{P}!-/:-@\\[-`{-~])+"
#define PREVIOUS "\1" /* matches end the piece before */
#define BYTES "\2"    /* from here on bytes are written as characters */
#define THREES PREVIOUS "(?=(\\d{3})+(?!\\d))"

static const struct known {
    const char *name, *patterns[MOST_PATTERNS];
} known[] = {
#define BP_HF_STEPS(name, ...) { name, { __VA_ARGS__ } },
#include "core/text/hf_pretokenizers.def"
#undef BP_HF_STEPS
};

static bool is_same(const struct known *k, const char *steps) {
    bp_text text = { 0 };
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < MOST_PATTERNS && k->patterns[i]; i++) {
        const char *pattern = k->patterns[i];
        if (*pattern == BYTES[0]) {
            bp_text_adds(&text, "bytes\n");
            continue;
        }
        bool previous = *pattern == PREVIOUS[0];
        if (previous) bp_text_adds(&text, "previous ");
        pattern += previous;
        status = bp_onig_translate(pattern, strlen(pattern), &text, NULL);
        bp_text_adds(&text, "\n");
    }
    bool same = status == BP_OK && !text.failed && !strcmp(bp_text_get(&text), steps);
    bp_text_free(&text);
    return same;
}

const char *bp_hf_pretokenizer_name(const char *steps, bool nfc, bool whole) {
    uint32_t mask = BP_SPLIT_NFC | BP_SPLIT_WHOLE, flags = (nfc ? BP_SPLIT_NFC : 0) | (whole ? BP_SPLIT_WHOLE : 0);
    for (size_t i = 0; i < BP_COUNT(known); i++)
        if (is_same(&known[i], steps)) return bp_split_variant(known[i].name, strlen(known[i].name), mask, flags);
    return NULL;
}
