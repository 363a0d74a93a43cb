#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/split.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/base/text.h"

enum { MAX_STEPS = 6 };

struct bp_split {
    const struct scheme *scheme;
    pcre2_code *codes[MAX_STEPS];
    size_t n_codes;
};

/* Each step cuts the pieces of the step before at its matches. */
struct scheme {
    const char *steps[MAX_STEPS];
    bool adds_bos, whole_words;
};

#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define WORDS(digits) CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail, digits)                                                                                  \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" tail "|" \
    digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define OLD_CJK "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"
/* The cased letters, as the published pattern lists them. */
#define DEEPSEEK_LETTERS                                                                                       \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"             \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}"      \
    "\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"             \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}"           \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}"           \
    "\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}"   \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}"  \
    "\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"            \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}"             \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}"             \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}"            \
    "\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}"           \
    "\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"         \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}" \
    "\\x{1e900}-\\x{1e943}"
#define DEEPSEEK_MARKS \
    "[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]"
#define DEEPSEEK3_WORDS                                                                                       \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"        \
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES

static const struct scheme gpt2 = { .steps = { GPT2 } };
static const struct scheme fallback = {
    .steps = { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" }
};
static const struct scheme falcon = { .steps = { "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]" } };
static const struct scheme single_digits = { .steps = { "\\p{N}", GPT2 } };
static const struct scheme llama3 = { .steps = { WORDS("\\p{N}{1,3}") }, .adds_bos = true, .whole_words = true };
static const struct scheme glm4 = { .steps = { WORDS("\\p{N}{1,3}") } };
static const struct scheme qwen2 = { .steps = { WORDS("\\p{N}") } };
static const struct scheme tekken = { .steps = { CASED("", "\\p{N}") }, .adds_bos = true, .whole_words = true };
static const struct scheme gpt4o = { .steps = { CASED(CONTRACTIONS "?", "\\p{N}{1,3}") } };
static const struct scheme bloom = { .steps = { BLOOM } };
static const struct scheme viking = { .steps = { BLOOM, "\\p{N}" } };
static const struct scheme deepseek_llm = { .steps = {
    "[\\r\\n]", "\\s?[" DEEPSEEK_LETTERS "]+", "\\s?" DEEPSEEK_MARKS "+", "(?<!\\s)\\s++$", OLD_CJK, "\\p{N}+"
} };
static const struct scheme deepseek_coder = {
    .steps = { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", OLD_CJK, "\\p{N}" }
};
static const struct scheme deepseek3 = {
    .steps = { "\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+", DEEPSEEK3_WORDS }
};

static const struct named_scheme {
    const char *name;
    const struct scheme *scheme;
} names[] = {
    { "default", &fallback }, { "gpt-2", &gpt2 }, { "mpt", &gpt2 }, { "olmo", &gpt2 }, { "jais", &gpt2 },
    { "phi-2", &gpt2 }, { "jina-es", &gpt2 }, { "jina-de", &gpt2 }, { "jina-v1-en", &gpt2 }, { "jina-v2-es", &gpt2 },
    { "jina-v2-de", &gpt2 }, { "jina-v2-code", &gpt2 }, { "roberta-bpe", &gpt2 }, { "gigachat", &gpt2 },
    { "trillion", &gpt2 }, { "granite-docling", &gpt2 }, { "exaone4", &gpt2 }, { "modern-bert", &gpt2 },
    { "smollm", &single_digits }, { "starcoder", &single_digits }, { "refact", &single_digits },
    { "command-r", &single_digits }, { "codeshell", &single_digits }, { "exaone", &single_digits },
    { "minerva-7b", &single_digits }, { "falcon", &falcon }, { "llama3", &llama3 }, { "llama-v3", &llama3 },
    { "llama-bpe", &llama3 }, { "falcon3", &llama3 }, { "falcon-h1", &llama3 }, { "pixtral", &llama3 },
    { "midm-2.0", &llama3 }, { "lfm2", &llama3 }, { "dbrx", &glm4 }, { "smaug-bpe", &glm4 },
    { "chatglm-bpe", &glm4 }, { "glm4", &glm4 }, { "qwen2", &qwen2 }, { "stablelm2", &qwen2 },
    { "deepseek-r1-qwen", &qwen2 }, { "megrez", &qwen2 }, { "tekken", &tekken }, { "gpt-4o", &gpt4o },
    { "llama4", &gpt4o }, { "bloom", &bloom }, { "gpt3-finnish", &bloom }, { "poro-chat", &bloom },
    { "viking", &viking }, { "deepseek-llm", &deepseek_llm }, { "deepseek-coder", &deepseek_coder },
    { "deepseek-v3", &deepseek3 },
};

static const struct scheme *find_scheme(const char *name, size_t n) {
    for (size_t i = 0; i < BP_COUNT(names); i++)
        if (strlen(names[i].name) == n && !memcmp(names[i].name, name, n)) return names[i].scheme;
    return NULL;
}

static bp_status compile(bp_split *split, const char *pattern, bp_error *error) {
    int code;
    PCRE2_SIZE at;
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (!made) return bp_fail(error, BP_E_INTERNAL, "pre-tokenizer pattern: PCRE2 error %d at %zu", code, (size_t)at);
    pcre2_jit_compile(made, PCRE2_JIT_COMPLETE); /* where there is no JIT, matching is slower */
    split->codes[split->n_codes++] = made;
    return BP_OK;
}

bp_status bp_split_new(const char *name, size_t n, bp_split **out, bp_error *error) {
    *out = NULL;
    const struct scheme *scheme = find_scheme(name, n);
    if (!scheme)
        return bp_fail(error, BP_E_UNSUPPORTED, "tokenizer.ggml.pre: unknown pre-tokenizer \"%.*s\"",
                       (int)BP_MIN(n, 64), name);
    bp_split *split = calloc(1, sizeof *split);
    if (!split) return bp_fail(error, BP_E_NO_MEMORY, "pre-tokenizer: out of memory");
    split->scheme = scheme;
    bp_status status = BP_OK;
    for (size_t i = 0; status == BP_OK && i < MAX_STEPS && scheme->steps[i]; i++)
        status = compile(split, scheme->steps[i], error);
    if (status == BP_OK) *out = split;
    else bp_split_free(split);
    return status;
}

void bp_split_free(bp_split *split) {
    if (!split) return;
    for (size_t i = 0; i < split->n_codes; i++) pcre2_code_free(split->codes[i]);
    free(split);
}

bool bp_split_adds_bos(const bp_split *split) { return split->scheme->adds_bos; }
bool bp_split_whole_words(const bp_split *split) { return split->scheme->whole_words; }

struct cutter {
    bp_scratch *s;
    size_t n; /* of s->next_ends */
    pcre2_match_data *match;
    pcre2_match_context *context;
};

static bool add_end(struct cutter *c, size_t end) {
    if (!bp_grow((void **)&c->s->next_ends, &c->s->next_end_room, c->n + 1, sizeof(uint32_t))) return false;
    c->s->next_ends[c->n++] = (uint32_t)end;
    return true;
}

static bp_status no_memory(bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "tokenizing: out of memory");
}

/* Cut one piece of valid UTF-8, text[start, end), at the matches of a pattern. */
static bp_status cut_piece(struct cutter *c, const pcre2_code *code, const char *text, size_t start, size_t end,
                           bp_error *e) {
    for (size_t at = start; at < end;) {
        int found = pcre2_match(code, (PCRE2_SPTR)text + start, end - start, at - start,
                                PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, c->match, c->context);
        if (found == PCRE2_ERROR_NOMATCH) return add_end(c, end) ? BP_OK : no_memory(e);
        if (found < 0) return bp_fail(e, BP_E_REFUSED, "tokenizing: pre-tokenizer pattern: PCRE2 error %d", found);
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(c->match);
        if (start + span[0] > at && !add_end(c, start + span[0])) return no_memory(e);
        at = start + span[1];
        if (!add_end(c, at)) return no_memory(e);
    }
    return BP_OK;
}

static size_t run_end(const char *text, size_t at, size_t n, bool *valid) {
    *valid = bp_utf8_length(text + at, n - at) > 0;
    while (at < n) {
        int length = bp_utf8_length(text + at, n - at);
        if ((length > 0) != *valid) break;
        at += length > 0 ? (size_t)length : 1;
    }
    return at;
}

static void swap_ends(struct cutter *c, size_t *n_words) {
    bp_scratch *s = c->s;
    uint32_t *ends = s->ends;
    size_t room = s->end_room;
    s->ends = s->next_ends, s->end_room = s->next_end_room;
    s->next_ends = ends, s->next_end_room = room;
    *n_words = c->n;
    c->n = 0;
}

static bp_status cut_runs(struct cutter *c, const char *text, size_t n, size_t *n_words, bp_error *e) {
    bool valid;
    for (size_t at = 0; at < n;) {
        at = run_end(text, at, n, &valid);
        if (!add_end(c, at)) return no_memory(e);
    }
    swap_ends(c, n_words);
    return BP_OK;
}

static bp_status cut_step(struct cutter *c, const pcre2_code *code, const char *text, size_t *n_words, bp_error *e) {
    size_t start = 0;
    for (size_t i = 0; i < *n_words; i++) {
        size_t end = c->s->ends[i];
        bool valid = bp_utf8_length(text + start, end - start) > 0;
        bp_status status = BP_OK;
        if (valid) status = cut_piece(c, code, text, start, end, e);
        else if (!add_end(c, end)) status = no_memory(e);
        if (status != BP_OK) return status;
        start = end;
    }
    swap_ends(c, n_words);
    return BP_OK;
}

bp_status bp_split_text(const bp_split *split, bp_scratch *s, const char *text, size_t n, size_t *n_words,
                        bp_error *e) {
    struct cutter c = { .s = s };
    c.match = pcre2_match_data_create(1, NULL);
    c.context = pcre2_match_context_create(NULL);
    *n_words = 0;
    bp_status status = c.match && c.context ? BP_OK : no_memory(e);
    if (status == BP_OK) {
        pcre2_set_match_limit(c.context, UINT32_MAX); /* the patterns take linear time */
        status = cut_runs(&c, text, n, n_words, e);
    }
    for (size_t i = 0; status == BP_OK && i < split->n_codes; i++)
        status = cut_step(&c, split->codes[i], text, n_words, e);
    pcre2_match_context_free(c.context);
    pcre2_match_data_free(c.match);
    return status;
}
