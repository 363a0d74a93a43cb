/* What the fuzzers of grammars share: a small vocabulary, and a short walk through whatever was made. */
#ifndef BP_FUZZ_GRAMMAR_INPUT_H
#define BP_FUZZ_GRAMMAR_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/text/grammar.h"

static inline const bp_grammar_vocab *fuzz_vocab(void) {
    static bp_grammar_vocab *vocab; /* made once */
    static char bytes[256];
    static const char *const words[] = { "true", "{\"", "\":", "\",\"", "ab", "]}", "\xC3\xA9", "\"}", "12" };
    enum { N = sizeof words / sizeof *words };
    if (vocab) return vocab;
    bp_log_set_level(BP_LOG_ERROR);
    bp_grammar_token tokens[257 + N] = { { "", 0, true } };
    for (int i = 0; i < 256; i++) bytes[i] = (char)i, tokens[1 + i] = (bp_grammar_token){ &bytes[i], 1, false };
    for (int i = 0; i < N; i++) tokens[257 + i] = (bp_grammar_token){ words[i], (uint32_t)strlen(words[i]), false };
    if (bp_grammar_vocab_of(tokens, 257 + N, &vocab, NULL)) abort();
    return vocab;
}

/* Some tokens, each of which the mask allows and the matcher has to take; then the grammar is freed. */
static inline void fuzz_walk(bp_grammar *grammar, uint32_t seed) {
    bp_grammar_matcher *m;
    bp_text forced = { 0 };
    if (bp_grammar_matcher_new(grammar, &m, NULL)) abort();
    for (int step = 0; step < 24 && !bp_grammar_matcher_ended(m); step++) {
        const uint64_t *mask;
        if (bp_grammar_matcher_mask(m, &mask, NULL)) break;
        int32_t ids[320], n = 0;
        for (int32_t id = 0; id < 266; id++)
            if (mask[id / 64] >> (id % 64) & 1) ids[n++] = id;
        if (!n) break;
        seed = seed * 1664525u + 1013904223u;
        bp_error error = BP_ERROR_INIT;
        bp_status status = bp_grammar_matcher_accept(m, ids[(seed >> 8) % (uint32_t)n], &error);
        if (status && status != BP_E_REFUSED) abort();
        bp_grammar_matcher_forced(m, &forced);
        if (status || forced.size > 4096) break;
    }
    bp_grammar_matcher_rollback(m, 3);
    bp_text_free(&forced);
    bp_grammar_matcher_free(m);
    bp_grammar_free(grammar);
}

#endif
