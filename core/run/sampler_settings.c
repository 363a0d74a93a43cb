/* Reading the texts of the settings: the order of the steps, biases, breakers. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/sampler_state.h"

enum { MAX_BIASES = 1 << 16, MAX_BREAKERS = 256, MAX_BREAKER_BYTES = 256 };

bp_sampler_settings bp_sampler_settings_from(const bp_config *config) {
    bp_sampler_settings s;
#define READ_FLOAT bp_config_float
#define READ_INT bp_config_int
#define READ_TEXT bp_config_text
#define BP_SAMPLING(kind, name, id, flag, value, least, most, help) s.name = READ_##kind(config, BP_OPT_##id);
#include "core/config/sampling.def"
#undef BP_SAMPLING
    return s;
}

#define CHECK_NUMBER(value, name, least, most)                                                                     \
    if (!((value) >= (least) && (value) <= (most)))                                                                \
        return bp_fail(error, BP_E_INVALID, "%s is %g, but must be from %g to %g", #name, (double)(value),         \
                       (double)(least), (double)(most));
#define CHECK_INT(value, name, least, most) CHECK_NUMBER(value, name, (int64_t)(least), (int64_t)(most))
#define CHECK_FLOAT(value, name, least, most) CHECK_NUMBER(value, name, (double)(least), (double)(most))
#define CHECK_TEXT(value, name, least, most)

static bp_status check_ranges(const bp_sampler_settings *s, bp_error *error) {
#define BP_SAMPLING(kind, name, id, flag, value, least, most, help) CHECK_##kind(s->name, name, least, most)
#include "core/config/sampling.def"
#undef BP_SAMPLING
    return BP_OK;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *at) {
    while (is_blank(*at)) at++;
    return at;
}

/* A text in double quotes, with \n, \t, \\ and \"; *at moves past it. False where no such text stands here. */
static bool read_quoted(const char **at, bp_text *out) {
    static const char letters[] = "nt\\\"", meant[] = "\n\t\\\"";
    const char *p = *at;
    bp_text_clear(out);
    if (*p++ != '"') return false;
    for (; *p && *p != '"'; p++) {
        char c = *p;
        if (c == '\\') {
            const char *known = p[1] ? strchr(letters, p[1]) : NULL;
            if (!known) return false;
            c = meant[known - letters];
            p++;
        }
        bp_text_add(out, &c, 1);
    }
    *at = p + 1;
    return *p == '"';
}

/* Between items: a comma or a semicolon, or the end. */
static bool read_separator(const char **at) {
    *at = skip_blanks(*at);
    if (!**at) return true;
    if (**at != ',' && **at != ';') return false;
    *at = skip_blanks(*at + 1);
    return true;
}

static const struct step_name { const char *name, *also; } step_names[BP_STEP_COUNT] = {
#define BP_SAMPLER(name, also, cuts, active) { #name, also },
#include "core/run/samplers.def"
#undef BP_SAMPLER
};

static bool is_word(const char *word, size_t n, const char *name) {
    return strlen(name) == n && !memcmp(word, name, n);
}

static bp_status add_step(bp_sampler *sampler, const char *word, size_t n, bp_error *error) {
    for (size_t i = 0; i < BP_STEP_COUNT; i++) {
        if (!is_word(word, n, step_names[i].name) && !is_word(word, n, step_names[i].also)) continue;
        for (size_t j = 0; j < sampler->n_order; j++)
            if (sampler->order[j] == i)
                return bp_fail(error, BP_E_INVALID, "samplers: %s stands there twice", step_names[i].name);
        if (i == BP_STEP_infill && !sampler->tokenizer)
            return bp_fail(error, BP_E_INVALID, "samplers: infill needs a tokenizer");
        sampler->order[sampler->n_order++] = (enum bp_sampler_step)i;
        return BP_OK;
    }
    bp_text names = { 0 };
    for (size_t i = 0; i < BP_STEP_COUNT; i++) bp_text_format(&names, "%s%s", i ? ", " : "", step_names[i].name);
    bp_status status = bp_fail(error, BP_E_INVALID, "samplers: no step is called '%.*s'; there are %s",
                               (int)BP_MIN(n, 64), word, bp_text_get(&names));
    bp_text_free(&names);
    return status;
}

static bp_status read_order(bp_sampler *sampler, const char *text, bp_error *error) {
    static const char separators[] = ";, \t";
    if (!text) { /* the list's own order */
        for (size_t i = 0; i < BP_STEP_COUNT; i++)
            if (i != BP_STEP_infill) sampler->order[sampler->n_order++] = (enum bp_sampler_step)i;
        return BP_OK;
    }
    for (const char *at = text + strspn(text, separators); *at; at += strspn(at, separators)) {
        size_t n = strcspn(at, separators);
        bp_status status = add_step(sampler, at, n, error);
        if (status) return status;
        at += n;
    }
    return BP_OK;
}

static bp_status no_memory(bp_error *error) { return bp_fail(error, BP_E_NO_MEMORY, "no memory for a sampler"); }

static bp_status add_bias(bp_sampler *sampler, size_t *room, int32_t id, float bias, bp_error *error) {
    void *biases = sampler->biases;
    if (sampler->n_biases == MAX_BIASES)
        return bp_fail(error, BP_E_REFUSED, "logit_bias: more than %d tokens", MAX_BIASES);
    bool done = bp_grow(&biases, room, sampler->n_biases + 1, sizeof *sampler->biases);
    sampler->biases = biases;
    if (!done) return no_memory(error);
    sampler->biases[sampler->n_biases++] = (bp_bias){ id, bias };
    return BP_OK;
}

/* "=1.5", "+1.5", "-1.5", "=-inf", "=false" (the last two: never). */
static bool read_bias(const char **at, float *bias) {
    const char *p = skip_blanks(*at);
    if (*p != '=' && *p != '+' && *p != '-') return false;
    if (*p == '=') p = skip_blanks(p + 1);
    char *end;
    if (!strncasecmp(p, "false", 5)) *bias = -INFINITY, end = (char *)p + 5;
    else *bias = strtof(p, &end);
    bool read = end != p && !isnan(*bias);
    *at = end;
    return read;
}

static bp_status add_text_bias(bp_sampler *sampler, size_t *room, const bp_text *text, float bias, bp_error *error) {
    bp_tokens tokens = { 0 };
    if (!sampler->tokenizer)
        return bp_fail(error, BP_E_INVALID, "logit_bias: \"%.64s\" needs a tokenizer", bp_text_get(text));
    bp_status status =
        bp_tokenize(sampler->tokenizer, bp_text_get(text), text->size, BP_TOKENIZE_NO_BOS, &tokens, error);
    for (size_t i = 0; !status && i < tokens.count; i++) status = add_bias(sampler, room, tokens.ids[i], bias, error);
    free(tokens.ids);
    return status;
}

static bp_status wrong_bias(const char *at, bp_error *error) {
    return bp_fail(error, BP_E_INVALID, "logit_bias: not understood at '%.32s'; write 15043=-1, \" Hello\"=2.5", at);
}

static bp_status read_one_bias(bp_sampler *sampler, size_t *room, const char **at, bp_text *text, bp_error *error) {
    const char *begin = *at;
    char *end;
    errno = 0;
    bool quoted = *begin == '"';
    long long id = quoted ? 0 : strtoll(begin, &end, 10);
    if (quoted && !read_quoted(at, text)) return wrong_bias(begin, error);
    if (!quoted) {
        if (*begin < '0' || *begin > '9' || errno || id > INT32_MAX) return wrong_bias(begin, error);
        *at = end;
    }
    float bias;
    if (!read_bias(at, &bias) || !read_separator(at)) return wrong_bias(begin, error);
    int32_t size = sampler->tokenizer ? bp_vocab_size(sampler->tokenizer) : INT32_MAX;
    if (!quoted && id >= size)
        return bp_fail(error, BP_E_INVALID, "logit_bias: token %lld: the vocabulary has tokens 0 to %d", id, size - 1);
    return quoted ? add_text_bias(sampler, room, text, bias, error) : add_bias(sampler, room, (int32_t)id, bias, error);
}

static int by_id(const void *a, const void *b) {
    const bp_bias *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Biases of one token add up. */
static void sort_biases(bp_sampler *sampler) {
    size_t kept = 0;
    if (!sampler->n_biases) return;
    qsort(sampler->biases, sampler->n_biases, sizeof *sampler->biases, by_id);
    for (size_t i = 1; i < sampler->n_biases; i++) {
        if (sampler->biases[i].id == sampler->biases[kept].id) sampler->biases[kept].bias += sampler->biases[i].bias;
        else sampler->biases[++kept] = sampler->biases[i];
    }
    sampler->n_biases = kept + 1;
}

static bp_status read_biases(bp_sampler *sampler, size_t *room, const char *at, bp_error *error) {
    bp_text text = { 0 };
    bp_status status = BP_OK;
    for (at = skip_blanks(at); !status && *at;) status = read_one_bias(sampler, room, &at, &text, error);
    if (!status && text.failed) status = no_memory(error);
    bp_text_free(&text);
    return status;
}

/* What the model's file suppresses: -infinity, whatever else biases it. */
static bp_status suppress(bp_sampler *sampler, size_t *room, const bp_tokens *tokens, bp_error *error) {
    void *biases = sampler->biases;
    bool done = bp_grow(&biases, room, sampler->n_biases + tokens->count, sizeof *sampler->biases);
    sampler->biases = biases;
    if (!done) return no_memory(error);
    for (size_t i = 0; i < tokens->count; i++)
        sampler->biases[sampler->n_biases++] = (bp_bias){ tokens->ids[i], -INFINITY };
    return BP_OK;
}

static bp_status add_breaker(bp_sampler *sampler, const bp_text *text, bp_error *error) {
    if (!text->size || text->size > MAX_BREAKER_BYTES || sampler->n_breakers == MAX_BREAKERS)
        return bp_fail(error, BP_E_INVALID, "dry_breakers: at most %d texts of 1 to %d bytes", MAX_BREAKERS,
                       MAX_BREAKER_BYTES);
    if (!sampler->breakers) sampler->breakers = bp_new_array(MAX_BREAKERS, sizeof *sampler->breakers);
    char *copy = sampler->breakers ? strdup(bp_text_get(text)) : NULL;
    if (!copy) return no_memory(error);
    sampler->breakers[sampler->n_breakers++] = copy;
    sampler->longest_breaker = BP_MAX(sampler->longest_breaker, text->size);
    return BP_OK;
}

static bp_status read_breakers(bp_sampler *sampler, const char *at, bp_error *error) {
    bp_text text = { 0 };
    bp_status status = BP_OK;
    at = skip_blanks(at);
    if (!strcmp(at, "none")) return BP_OK;
    while (!status && *at) {
        const char *begin = at;
        if (!read_quoted(&at, &text) || !read_separator(&at))
            status = bp_fail(error, BP_E_INVALID,
                             "dry_breakers: not understood at '%.32s'; write \"\\n\", \":\" or none", begin);
        else status = add_breaker(sampler, &text, error);
    }
    bp_text_free(&text);
    return status;
}

bp_status bp_sampler_read(bp_sampler *sampler, const bp_sampler_settings *s, bp_error *error) {
    bp_status status = check_ranges(s, error);
    if (!status) status = read_order(sampler, s->samplers, error);
    size_t room = 0;
    if (!status && s->logit_bias) status = read_biases(sampler, &room, s->logit_bias, error);
    if (!status && sampler->tokenizer)
        status = suppress(sampler, &room, bp_tokens_suppressed(sampler->tokenizer), error);
    sort_biases(sampler);
    if (!status && s->dry_breakers && sampler->tokenizer) status = read_breakers(sampler, s->dry_breakers, error);
    if (!status) status = bp_sampler_read_grammar(sampler, s, error);
    return status;
}
