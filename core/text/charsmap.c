#define _GNU_SOURCE
#include "core/text/charsmap.h"

#include <utf8proc.h>

#include "core/base/fail.h"
#include "core/base/size.h"

bp_status bp_charsmap_load(bp_tokenizer *t, const bp_gguf *file, bp_error *error) {
    const bp_gguf_key *key = bp_gguf_find(file, "tokenizer.ggml.precompiled_charsmap");
    if (!key) return BP_OK;
    bool bytes = key->type == BP_GGUF_ARRAY && (key->item_type == BP_GGUF_U8 || key->item_type == BP_GGUF_I8);
    if (!bytes || key->count < 4)
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.precompiled_charsmap: no list of bytes",
                       bp_gguf_path(file));
    if (!bp_charsmap_set(t, key->data, key->count))
        return bp_fail(error, BP_E_INVALID, "%s: tokenizer.ggml.precompiled_charsmap: its array is longer than it is",
                       bp_gguf_path(file));
    return BP_OK;
}

bool bp_charsmap_set(bp_tokenizer *t, const uint8_t *data, uint64_t n) {
    if (n < 4) return false;
    uint64_t size = data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16 | (uint64_t)data[3] << 24;
    if (size % 4 || size > n - 4) return false;
    t->charsmap = data + 4;
    t->n_charsmap = size / 4;
    t->replacements = data + 4 + size;
    t->n_replacements = n - 4 - size;
    return true;
}

/* A unit: bit 31 set in labels of none; bits 0-7 its label, bit 8: has a value, bit 9: the offset counts in 256s, bits
 * 10-30 the offset. Units out of the array are 2^31: no one's child, without value. */
static uint32_t unit(const bp_tokenizer *t, uint32_t at) {
    if (at >= t->n_charsmap) return UINT32_C(1) << 31;
    const uint8_t *p = t->charsmap + (size_t)at * 4;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t offset(uint32_t unit) { return (unit >> 10 & 0x1FFFFF) << ((unit & 0x200) >> 6); }

/* The longest, or the first, key that the text begins with: its length, 0 where there is none, and where its replacement
 * stands. */
static size_t find_key(const bp_tokenizer *t, const char *text, size_t n, bool first, uint32_t *value) {
    uint32_t at = offset(unit(t, 0));
    size_t longest = 0;
    for (size_t i = 0; t->n_charsmap && i < n && text[i]; i++) {
        uint32_t label = (unsigned char)text[i];
        at ^= label;
        uint32_t here = unit(t, at);
        if ((here & 0x800000FF) != label) break;
        at ^= offset(here);
        if (!(here & 0x100)) continue;
        *value = unit(t, at) & 0x7FFFFFFF;
        longest = i + 1;
        if (first) break;
    }
    return longest;
}

static void add_replacement(const bp_tokenizer *t, uint32_t at, bp_text *out) {
    if (at >= t->n_replacements) return;
    const char *text = (const char *)t->replacements + at;
    bp_text_add(out, text, strnlen(text, t->n_replacements - at));
}

void bp_charsmap_apply(const bp_tokenizer *t, const char *text, size_t n, bp_text *out) {
    for (size_t at = 0; at < n;) {
        uint32_t value = 0;
        size_t size = find_key(t, text + at, n - at, false, &value);
        if (size) {
            add_replacement(t, value, out);
            at += size;
            continue;
        }
        int length = bp_utf8_length(text + at, n - at);
        if (length > 0) bp_text_add(out, text + at, (size_t)length);
        else bp_text_add(out, "\xEF\xBF\xBD", 3);
        at += length > 0 ? (size_t)length : 1;
    }
}

/* Where the grapheme that begins at `at` ends. */
static size_t grapheme_end(const char *text, size_t at, size_t n, size_t *first) {
    utf8proc_int32_t before, c, state = 0;
    utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)BP_MIN(n - at, 4),
                                             &before);
    *first = size > 0 ? (size_t)size : 1;
    for (at += *first; size > 0 && at < n; at += (size_t)size, before = c) {
        size = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)BP_MIN(n - at, 4), &c);
        if (size <= 0 || utf8proc_grapheme_break_stateful(before, c, &state)) break;
    }
    return at;
}

static bool replace(const bp_tokenizer *t, const char *text, size_t n, bp_text *out) {
    uint32_t value;
    bool found = find_key(t, text, n, true, &value);
    if (found) add_replacement(t, value, out);
    return found;
}

void bp_charsmap_apply_graphemes(const bp_tokenizer *t, const char *text, size_t n, bp_text *out) {
    enum { SHORT = 6 };
    for (size_t at = 0, size; at < n;) {
        size_t end = grapheme_end(text, at, n, &size);
        if (end - at < SHORT && replace(t, text + at, end - at, out)) {
            at = end;
            continue;
        }
        for (; at < end; at += size) {
            int length = bp_utf8_length(text + at, end - at);
            size = length > 0 ? (size_t)length : 1;
            if (!replace(t, text + at, size, out)) bp_text_add(out, text + at, size);
        }
    }
}
