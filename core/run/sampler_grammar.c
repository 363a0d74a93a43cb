/* Holding the choices to the grammar that the settings name. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/run/sampler_state.h"

enum { MAX_GRAMMAR_BYTES = 1 << 20 };

enum language { GBNF, SCHEMA, REGEX };

typedef struct source {
    const char *name, *value;
    bool is_file;
    enum language language;
} source;

static bp_status make(bp_sampler *sampler, const source *from, const char *text, size_t n, bp_error *error) {
    if (from->language == GBNF) return bp_grammar_gbnf(text, n, sampler->vocab, &sampler->grammar, error);
    if (from->language == REGEX) return bp_grammar_regex(text, n, sampler->vocab, &sampler->grammar, error);
    bool whitespace = sampler->settings.json_whitespace != 0;
    return bp_grammar_json_schema(text, n, whitespace, sampler->vocab, &sampler->grammar, error);
}

static bp_status make_from(bp_sampler *sampler, const source *from, bp_error *error) {
    bp_text text = { 0 };
    bp_status status = BP_OK;
    if (!sampler->tokenizer) return bp_fail(error, BP_E_INVALID, "%s needs a tokenizer", from->name);
    if (from->is_file) status = bp_file_read(from->value, MAX_GRAMMAR_BYTES, &text, error);
    else bp_text_adds(&text, from->value);
    if (!status) status = bp_grammar_vocab_shared(sampler->tokenizer, &sampler->vocab, error);
    if (!status) {
        status = make(sampler, from, bp_text_get(&text), text.size, error);
        if (status) bp_fail_in(error, "%s: ", from->is_file ? from->value : from->name);
    }
    bp_text_free(&text);
    return status ? status : bp_grammar_matcher_new(sampler->grammar, &sampler->matcher, error);
}

bp_status bp_sampler_read_grammar(bp_sampler *sampler, const bp_sampler_settings *s, bp_error *error) {
    const source sources[] = {
        { "grammar", s->grammar, false, GBNF }, { "grammar_file", s->grammar_file, true, GBNF },
        { "json_schema", s->json_schema, false, SCHEMA }, { "json_schema_file", s->json_schema_file, true, SCHEMA },
        { "regex", s->regex, false, REGEX },
    };
    const source *found = NULL;
    for (size_t i = 0; i < BP_COUNT(sources); i++) {
        if (!sources[i].value) continue;
        if (found)
            return bp_fail(error, BP_E_INVALID, "%s and %s: output is held to one of them", found->name,
                           sources[i].name);
        found = &sources[i];
    }
    return found ? make_from(sampler, found, error) : BP_OK;
}

void bp_sampler_free_grammar(bp_sampler *sampler) {
    bp_grammar_matcher_free(sampler->matcher);
    bp_grammar_free(sampler->grammar);
}

bool bp_sampler_keep_allowed(bp_sampler *sampler, bp_candidates *c) {
    const uint64_t *mask;
    int32_t n_tokens = bp_vocab_size(sampler->tokenizer);
    size_t kept = 0;
    if (bp_grammar_matcher_mask(sampler->matcher, &mask, NULL)) return false;
    for (size_t i = 0; i < c->n; i++) {
        int32_t id = c->items[i].id;
        if (id < n_tokens && mask[id / 64] >> (id % 64) & 1) c->items[kept++] = c->items[i];
    }
    c->n = kept;
    return true;
}
