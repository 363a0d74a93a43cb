/* Tokens that are matched in the text itself. */
#include <utf8proc.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/normalize.h"
#include "core/text/vocab.h"

static bool is_matched(const bp_tokenizer *t, uint32_t id) {
    return (bp_type_is_special(t->types[id]) || t->types[id] == BP_TOKEN_USER) && t->tokens[id].size;
}

bool bp_specials_load(bp_tokenizer *t) {
    bp_prefixes *p = &t->specials;
    size_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) n += is_matched(t, i);
    p->sorted = bp_new_array(n, sizeof *p->sorted);
    if (!p->sorted) return false;
    for (uint32_t i = 0; i < t->n; i++)
        if (is_matched(t, i)) p->sorted[p->n++] = (bp_prefix){ t->tokens[i], (int32_t)i, 0 };
    return bp_prefixes_sort(p);
}

/* The longest token that text begins with: its length, 0 where there is none. */
static size_t match(const bp_tokenizer *t, const bp_prefixes *p, const char *text, size_t n, bool control,
                    int32_t *longest) {
    bp_prefix_walk walk = bp_prefix_begin(p);
    size_t size = 0;
    int32_t id;
    for (size_t i = 0; i < n && bp_prefix_step(p, &walk, text[i], &id); i++)
        if (id >= 0 && (control || t->types[id] == BP_TOKEN_USER)) *longest = id, size = i + 1;
    return size;
}

/* The next place from `at` on where a matched token may begin. */
static size_t skip_others(const bp_prefixes *p, const char *text, size_t at, size_t n) {
    while (at < n && p->first[(unsigned char)text[at]] == p->first[(unsigned char)text[at] + 1]) at++;
    return at;
}

/* The character that ends before `end`, -1 where that is none; and how many bytes it has. */
static int32_t character_before(const char *text, size_t start, size_t end, size_t *size) {
    utf8proc_int32_t c = -1;
    size_t at = end;
    while (at > start && end - at < 4) {
        at--;
        if (((unsigned char)text[at] & 0xC0) != 0x80) break;
    }
    *size = end - at;
    if (end > start && utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)*size, &c) !=
                           (utf8proc_ssize_t)*size)
        c = -1;
    return c;
}

static int32_t character_after(const char *text, size_t at, size_t n, size_t *size) {
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t taken = at < n ? utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                       (utf8proc_ssize_t)BP_MIN(n - at, 4), &c) : -1;
    *size = taken > 0 ? (size_t)taken : 1;
    return taken > 0 ? c : -1;
}

static bool is_alone(const char *text, size_t n, size_t from, size_t to) {
    size_t size;
    return !bp_is_word_character(character_before(text, 0, from, &size)) &&
           !bp_is_word_character(character_after(text, to, n, &size));
}

static size_t strip_left(const char *text, size_t start, size_t end) {
    for (size_t size; end > start && bp_is_white(character_before(text, start, end, &size)); end -= size) continue;
    return end;
}

static size_t strip_right(const char *text, size_t at, size_t n) {
    for (size_t size; at < n && bp_is_white(character_after(text, at, n, &size)); at += size) continue;
    return at;
}

bp_status bp_specials_encode(const bp_tokenizer *t, const bp_prefixes *specials, const char *text, size_t n,
                             bool control, bp_tokens *out, bp_between_fn *between, void *self, bp_error *e) {
    size_t start = 0; /* of what is not encoded yet */
    for (size_t at = 0; (at = skip_others(specials, text, at, n)) < n;) {
        int32_t id = -1;
        size_t size = match(t, specials, text + at, n - at, control, &id);
        uint8_t strip = size ? t->strips[id] : 0;
        bool taken = size && !(strip & BP_STRIP_ALONE && !is_alone(text, n, at, at + size));
        if (taken) {
            size_t end = strip & BP_STRIP_LEFT ? strip_left(text, start, at) : at;
            bool within = at + size <= start && strip & BP_STRIP_LEFT; /* the white space of the token before */
            bp_status status = end > start ? between(self, text + start, end - start, !start, e) : BP_OK;
            if (status != BP_OK) return status;
            if (!within && !bp_tokens_add(out, id)) return bp_fail(e, BP_E_NO_MEMORY, "tokenizing: out of memory");
            start = strip & BP_STRIP_RIGHT ? strip_right(text, at + size, n) : at + size;
        }
        at += size ? size : 1;
    }
    return start < n ? between(self, text + start, n - start, !start, e) : BP_OK;
}
