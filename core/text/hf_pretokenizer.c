/* The pre-tokenizer of a tokenizer.json: steps for PCRE2, or the pre-tokenizer of pretokenizers.def that does the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/hf.h"
#include "core/text/onig.h"

enum { DEEPEST = 8, LONGEST_PIECE = 60000 };

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* \w+|[^\w\s]+ as Rust's regular expressions have it, written for PCRE2. */
#define RUST_WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}"
#define WORDS "[" RUST_WORD "]+|[^" RUST_WORD "\\t-\\r\\x{85}\\p{Z}]+"
#define PUNCTUATION "[\\p{P}!-/:-@\\[-`{-~]"

static bp_cut_step *add_step(bp_hf *h, bp_cut_step_kind kind) {
    if (h->p->n_cuts == BP_PIPELINE_MAX_STEPS) {
        bp_hf_missing(h, "pre_tokenizer: more than %d steps", BP_PIPELINE_MAX_STEPS);
        return NULL;
    }
    bp_cut_step *step = &h->p->cuts[h->p->n_cuts++];
    *step = (bp_cut_step){ .kind = kind };
    return step;
}

static void note_step(bp_hf *h, bp_cut cut, const char *pattern) {
    static const char *const words[] = { "", "removed ", "kept ", "previous ", "next " };
    bp_text_format(&h->steps, "%s%s\n", words[cut], pattern);
}

/* Cut at the matches of a pattern that is written for PCRE2. */
static void add_pattern(bp_hf *h, const char *pattern, bp_cut cut) {
    bp_cut_step *last = h->p->n_cuts ? &h->p->cuts[h->p->n_cuts - 1] : NULL;
    bp_error error = BP_ERROR_INIT;
    note_step(h, cut, pattern);
    if (!last || last->kind != BP_STEP_SPLIT) last = add_step(h, BP_STEP_SPLIT);
    if (last && !last->split) last->split = bp_split_empty();
    if (last && !last->split) bp_hf_no_memory(h);
    else if (last && bp_split_add(last->split, pattern, cut, &error) != BP_OK)
        bp_hf_missing(h, "pre_tokenizer: %s", error.message);
}

static void add_regex(bp_hf *h, const char *regex, size_t n, bool runs, bp_cut cut) {
    bp_text pattern = { 0 };
    bp_error error = BP_ERROR_INIT;
    if (runs) bp_text_adds(&pattern, "(?:");
    bp_status status = bp_onig_translate(regex, n, &pattern, &error);
    if (runs) bp_text_adds(&pattern, ")+");
    if (status != BP_OK) bp_hf_missing(h, "pre_tokenizer: %s", error.message);
    else if (pattern.failed) bp_hf_no_memory(h);
    else add_pattern(h, bp_text_get(&pattern), cut);
    bp_text_free(&pattern);
}

static void add_own(bp_hf *h, const char *regex, bool runs, bp_cut cut) { add_regex(h, regex, strlen(regex), runs, cut); }

/* What becomes of matches; runs: matches beside each other are one. */
static bool find_behavior(bp_hf *h, const json_t *p, bool *runs, bp_cut *cut) {
    static const struct { const char *name; bool runs; bp_cut cut, inverted; } known[] = {
        { "Isolated", false, BP_CUT_ISOLATED, BP_CUT_ISOLATED }, { "Removed", false, BP_CUT_REMOVED, BP_CUT_KEPT },
        { "MergedWithPrevious", false, BP_CUT_PREVIOUS, BP_CUT_PREVIOUS },
        { "MergedWithNext", false, BP_CUT_NEXT, BP_CUT_NEXT }, { "Contiguous", true, BP_CUT_ISOLATED, BP_CUT_ISOLATED },
    };
    const char *name = json_object_get(p, "behavior") ? bp_hf_text(p, "behavior") : "Isolated";
    bool invert = bp_hf_yes(p, "invert", false);
    for (size_t i = 0; i < BP_COUNT(known); i++) {
        bool same = !strcmp(name, known[i].name), merged = i == 2 || i == 3;
        if (!same || (invert && merged)) continue;
        *runs = known[i].runs;
        *cut = invert ? known[i].inverted : known[i].cut;
        return true;
    }
    bp_hf_missing(h, "pre_tokenizer: behavior \"%.40s\"%s", name, invert ? " inverted" : "");
    return false;
}

static void read_split(bp_hf *h, const json_t *p) {
    const json_t *pattern = json_object_get(p, "pattern"), *regex = json_object_get(pattern, "Regex");
    const json_t *string = json_object_get(pattern, "String");
    bool runs;
    bp_cut cut;
    if (!find_behavior(h, p, &runs, &cut)) return;
    if (json_is_string(regex)) {
        add_regex(h, json_string_value(regex), json_string_length(regex), runs, cut);
    } else if (json_string_length(string)) {
        bp_text literal = { 0 };
        if (runs) bp_text_adds(&literal, "(?:");
        bp_onig_literal(json_string_value(string), json_string_length(string), &literal);
        if (runs) bp_text_adds(&literal, ")+");
        if (literal.failed) bp_hf_no_memory(h);
        else add_pattern(h, bp_text_get(&literal), cut);
        bp_text_free(&literal);
    } else {
        bp_hf_missing(h, "pre_tokenizer: Split without pattern");
    }
}

static void read_byte_level(bp_hf *h, const json_t *p) {
    if (bp_hf_yes(p, "add_prefix_space", true)) {
        add_step(h, BP_STEP_SPACE);
        bp_text_adds(&h->steps, "space\n");
    }
    if (bp_hf_yes(p, "use_regex", true)) add_own(h, GPT2, false, BP_CUT_ISOLATED);
    h->byte_level = true;
}

static void read_metaspace(bp_hf *h, const json_t *p) {
    bp_cut_step *step = add_step(h, BP_STEP_METASPACE);
    const char *scheme = bp_hf_text(p, "prepend_scheme"), *mark = bp_hf_text(p, "replacement");
    if (!step) return;
    step->mark = bp_hf_keep(h, mark, strlen(mark));
    step->cuts = bp_hf_yes(p, "split", true);
    if (!strcmp(scheme, "first")) step->prepend = BP_PREPEND_FIRST;
    else if (*scheme) step->prepend = strcmp(scheme, "never") ? BP_PREPEND_ALWAYS : BP_PREPEND_NEVER;
    else step->prepend = bp_hf_yes(p, "add_prefix_space", true) ? BP_PREPEND_ALWAYS : BP_PREPEND_NEVER;
    h->t->space_prefix = step->prepend != BP_PREPEND_NEVER;
    bp_text_adds(&h->steps, "metaspace\n");
    if (!*mark) bp_hf_missing(h, "pre_tokenizer: Metaspace without replacement");
}

static void read_delimiter(bp_hf *h, const json_t *p) {
    const char *delimiter = bp_hf_text(p, "delimiter");
    bp_text literal = { 0 };
    bp_onig_literal(delimiter, strlen(delimiter), &literal);
    if (literal.failed) bp_hf_no_memory(h);
    else if (!literal.size) bp_hf_missing(h, "pre_tokenizer: CharDelimiterSplit without delimiter");
    else add_pattern(h, bp_text_get(&literal), BP_CUT_REMOVED);
    bp_text_free(&literal);
}

static void read_fixed_length(bp_hf *h, const json_t *p) {
    json_int_t n = json_integer_value(json_object_get(p, "length"));
    char pattern[48];
    snprintf(pattern, sizeof pattern, "(?s:.{1,%d})", (int)n);
    if (n < 1 || n > LONGEST_PIECE) bp_hf_missing(h, "pre_tokenizer: FixedLength of %lld", (long long)n);
    else add_pattern(h, pattern, BP_CUT_ISOLATED);
}

static void read_bert(bp_hf *h) {
    h->p->bert = h->bert_normalizer && !h->n_pretokenizers;
    add_own(h, "\\s", false, BP_CUT_REMOVED);
    add_own(h, PUNCTUATION, false, BP_CUT_ISOLATED);
}

static void read_one(bp_hf *h, const json_t *p, unsigned depth) {
    const char *type = bp_hf_text(p, "type");
    const json_t *item;
    size_t i;
    bool runs = true;
    bp_cut cut = BP_CUT_ISOLATED;
    bool sequence = !strcmp(type, "Sequence");
    if (!sequence && h->byte_level && !h->byte_pieces) { /* what comes after sees the bytes' characters */
        add_step(h, BP_STEP_PIECE_BYTES);
        bp_text_adds(&h->steps, "bytes\n");
        h->byte_pieces = true;
    }
    if (!sequence && h->n_pretokenizers) h->p->bert = false;
    if (depth > DEEPEST) bp_hf_wrong(h, "pre_tokenizer: a Sequence so deep within others");
    else if (sequence) json_array_foreach(json_object_get(p, "pretokenizers"), i, item)
        read_one(h, item, depth + 1);
    else if (!strcmp(type, "Split")) read_split(h, p);
    else if (!strcmp(type, "ByteLevel")) read_byte_level(h, p);
    else if (!strcmp(type, "Metaspace")) read_metaspace(h, p);
    else if (!strcmp(type, "Digits")) add_own(h, "\\p{N}", !bp_hf_yes(p, "individual_digits", false), BP_CUT_ISOLATED);
    else if (!strcmp(type, "WhitespaceSplit")) add_own(h, "\\s", false, BP_CUT_REMOVED);
    else if (!strcmp(type, "Whitespace")) add_pattern(h, WORDS, BP_CUT_KEPT);
    else if (!strcmp(type, "CharDelimiterSplit")) read_delimiter(h, p);
    else if (!strcmp(type, "BertPreTokenizer")) read_bert(h);
    else if (!strcmp(type, "FixedLength")) read_fixed_length(h, p);
    else if (!strcmp(type, "Punctuation")) {
        if (find_behavior(h, p, &runs, &cut)) add_own(h, PUNCTUATION, runs, cut);
    } else bp_hf_missing(h, "pre_tokenizer of type \"%.40s\"", type);
    h->n_pretokenizers += !sequence;
}

/* All steps at once, where pretokenizers.def has them. */
static void use_known(bp_hf *h) {
    bp_pipeline *p = h->p;
    bool nfc = p->n_texts == 1 && p->texts[0].kind == BP_STEP_FORM && p->texts[0].form == BP_NFC;
    const char *name = bp_hf_pretokenizer_name(bp_text_get(&h->steps), nfc, bp_hf_yes(h->model, "ignore_merges", false));
    if (!name || !h->byte_level) return;
    for (size_t i = 0; i < p->n_cuts; i++) bp_split_free(p->cuts[i].split);
    p->cuts[0] = (bp_cut_step){ .kind = BP_STEP_SPLIT };
    p->n_cuts = 1;
    h->byte_pieces = false;
    h->status = bp_split_new(name, strlen(name), &p->cuts[0].split, h->error);
    if (!p->n_texts || nfc) h->t->pre = name;
}

void bp_hf_read_pretokenizer(bp_hf *h) {
    const json_t *pretokenizer = json_object_get(h->root, "pre_tokenizer");
    if (json_is_object(pretokenizer)) read_one(h, pretokenizer, 0);
    if (h->status == BP_OK && !h->missing.size && h->p->n_cuts) use_known(h);
    bool rewrites = false;
    for (size_t i = 0; i < h->p->n_cuts; i++) rewrites = rewrites || h->p->cuts[i].kind != BP_STEP_SPLIT;
    h->p->changes = rewrites || h->p->n_texts;
}
