/* The normalizer of a tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/charsmap.h"
#include "core/text/hf.h"
#include "core/text/onig.h"

enum { DEEPEST = 8 };

static bp_text_step *add_step(bp_hf *h, bp_text_step_kind kind) {
    if (h->p->n_texts == BP_PIPELINE_MAX_STEPS) {
        bp_hf_missing(h, "normalizer: more than %d steps", BP_PIPELINE_MAX_STEPS);
        return NULL;
    }
    bp_text_step *step = &h->p->texts[h->p->n_texts++];
    *step = (bp_text_step){ .kind = kind };
    return step;
}

static void add_form(bp_hf *h, bp_normal_form form) {
    bp_text_step *step = add_step(h, BP_STEP_FORM);
    if (step) step->form = form;
}

static bp_gguf_string keep(bp_hf *h, const json_t *text) {
    return json_is_string(text) ? bp_hf_keep(h, json_string_value(text), json_string_length(text))
                                : (bp_gguf_string){ "", 0 };
}

static void set_pattern(bp_hf *h, bp_text_step *step, const json_t *regex) {
    bp_text pattern = { 0 };
    bp_error error = BP_ERROR_INIT;
    step->pattern = bp_split_empty();
    bp_status status = bp_onig_translate(json_string_value(regex), json_string_length(regex), &pattern, &error);
    if (!step->pattern) bp_hf_no_memory(h);
    else if (status == BP_OK) status = bp_split_add(step->pattern, bp_text_get(&pattern), BP_CUT_KEPT, &error);
    if (status != BP_OK) bp_hf_missing(h, "normalizer: Replace: %s", error.message);
    bp_text_free(&pattern);
}

static void read_replace(bp_hf *h, const json_t *n) {
    bp_text_step *step = add_step(h, BP_STEP_REPLACE);
    const json_t *pattern = json_object_get(n, "pattern"), *regex = json_object_get(pattern, "Regex");
    if (!step) return;
    step->to = keep(h, json_object_get(n, "content"));
    step->from = keep(h, json_object_get(pattern, "String"));
    if (json_is_string(regex)) set_pattern(h, step, regex);
    else if (!step->from.size) bp_hf_missing(h, "normalizer: Replace without pattern");
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes that n characters of base64 stand for, written over them; false where they are none. */
static bool decode_base64(char *text, size_t n, size_t *n_bytes) {
    uint32_t bits = 0, held = 0;
    *n_bytes = 0;
    while (n && text[n - 1] == '=') n--;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        text[(*n_bytes)++] = (char)(bits >> held & 0xFF);
    }
    return true;
}

static void read_charsmap(bp_hf *h, const json_t *n) {
    bp_gguf_string map = keep(h, json_object_get(n, "precompiled_charsmap"));
    size_t size;
    if (!map.size) return; /* none: nothing changes */
    char *bytes = bp_arena_text(&h->t->arena, map.data, map.size);
    if (!bytes) bp_hf_no_memory(h);
    else if (h->t->charsmap) bp_hf_missing(h, "normalizer: two Precompiled");
    else if (!decode_base64(bytes, map.size, &size) || !bp_charsmap_set(h->t, (const uint8_t *)bytes, size))
        bp_hf_wrong(h, "normalizer: precompiled_charsmap: not what it should be");
    else add_step(h, BP_STEP_MAP);
}

static void read_bert(bp_hf *h, const json_t *n, bool alone) {
    bool lower = bp_hf_yes(n, "lowercase", true), strip = bp_hf_yes(n, "strip_accents", lower);
    bool clean = bp_hf_yes(n, "clean_text", true), cjk = bp_hf_yes(n, "handle_chinese_chars", true);
    h->t->lower_case = lower;
    h->t->strip_accents = strip;
    h->bert_normalizer = alone && clean && cjk;
    if (clean) add_step(h, BP_STEP_CLEAN);
    if (cjk) add_step(h, BP_STEP_CJK);
    if (strip) add_form(h, BP_NFD);
    if (strip) add_step(h, BP_STEP_NONSPACING);
    if (lower) add_step(h, BP_STEP_LOWER);
}

static void read_strip(bp_hf *h, const json_t *n) {
    bp_text_step *step = add_step(h, BP_STEP_STRIP);
    if (!step) return;
    step->left = bp_hf_yes(n, "strip_left", true);
    step->right = bp_hf_yes(n, "strip_right", true);
}

static void read_prepend(bp_hf *h, const json_t *n) {
    bp_text_step *step = add_step(h, BP_STEP_PREPEND);
    if (!step) return;
    step->to = keep(h, json_object_get(n, "prepend"));
    h->t->space_prefix = bp_starts_with_mark(step->to.data, step->to.size);
}

static void read_one(bp_hf *h, const json_t *n, unsigned depth) {
    static const char *const forms[] = { [BP_NFC] = "NFC", [BP_NFD] = "NFD", [BP_NFKC] = "NFKC", [BP_NFKD] = "NFKD" };
    const char *type = bp_hf_text(n, "type");
    const json_t *item;
    size_t i;
    for (i = 0; i < BP_COUNT(forms); i++)
        if (!strcmp(type, forms[i])) {
            add_form(h, (bp_normal_form)i);
            return;
        }
    if (depth > DEEPEST) bp_hf_wrong(h, "normalizer: a Sequence so deep within others");
    else if (!strcmp(type, "Sequence")) json_array_foreach(json_object_get(n, "normalizers"), i, item)
        read_one(h, item, depth + 1);
    else if (!strcmp(type, "Lowercase")) add_step(h, BP_STEP_LOWER);
    else if (!strcmp(type, "StripAccents")) add_step(h, BP_STEP_MARKS);
    else if (!strcmp(type, "Nmt")) add_step(h, BP_STEP_NMT);
    else if (!strcmp(type, "Strip")) read_strip(h, n);
    else if (!strcmp(type, "Replace")) read_replace(h, n);
    else if (!strcmp(type, "Prepend")) read_prepend(h, n);
    else if (!strcmp(type, "Precompiled")) read_charsmap(h, n);
    else if (!strcmp(type, "BertNormalizer")) read_bert(h, n, !depth);
    else if (!strcmp(type, "ByteLevel")) add_step(h, BP_STEP_BYTES), h->byte_pieces = h->byte_level = true;
    else bp_hf_missing(h, "normalizer of type \"%.40s\"", type);
}

void bp_hf_read_normalizer(bp_hf *h) {
    const json_t *normalizer = json_object_get(h->root, "normalizer");
    if (json_is_object(normalizer)) read_one(h, normalizer, 0);
}
