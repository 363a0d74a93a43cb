/* Characters inside JSON strings, escaped where JSON asks for it and nowhere else (RFC 8259, section 7). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/text.h"
#include "core/text/grammar_regex.h"

static bool is_escaped(uint32_t c) { return c < 0x20 || c == '"' || c == '\\'; }

static void add_escaped(bp_text *text, uint32_t c) {
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = c ? strchr(special, (int)c) : NULL;
    if (found) bp_text_format(text, "\\%c", letter[found - special]);
    else bp_text_format(text, "\\u%04x", c);
}

uint32_t bp_json_literal(bp_rules *r, const char *text, size_t n) {
    bp_text escaped = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (is_escaped((uint8_t)text[i])) add_escaped(&escaped, (uint8_t)text[i]);
        else bp_text_add(&escaped, text + i, 1);
    }
    uint32_t made = bp_expr_literal(r, bp_text_get(&escaped), escaped.size);
    bp_text_free(&escaped);
    return made;
}

static bool holds(const bp_range *ranges, size_t n, uint32_t c) {
    for (size_t i = 0; i < n && ranges[i].first <= c; i++)
        if (c <= ranges[i].last) return true;
    return false;
}

/* The characters of tidy ranges that stand in a JSON string as they are: what is between those that do not. */
static size_t unescaped(const bp_range *ranges, size_t n, bp_range *out) {
    static const bp_range plain[] = { { ' ', '!' }, { '#', '[' }, { ']', BP_CODE_POINT_MAX } };
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < BP_COUNT(plain); k++) {
            bp_range both = { BP_MAX(ranges[i].first, plain[k].first), BP_MIN(ranges[i].last, plain[k].last) };
            if (both.first <= both.last) out[made++] = both;
        }
    }
    return made;
}

uint32_t bp_json_class(bp_rules *r, const bp_range *ranges, size_t n, bool negated) {
    bp_range *copy = bp_new_array(n, sizeof *copy), *tidy = bp_new_array(n + 2, sizeof *tidy);
    bp_range *plain = bp_new_array(3 * (n + 2), sizeof *plain);
    uint32_t whole = 0;
    if (!copy || !tidy || !plain) {
        bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    } else {
        if (n) memcpy(copy, ranges, n * sizeof *copy);
        n = bp_ranges_tidy(copy, n, negated, tidy);
        whole = BP_CHOICE(r, bp_expr_class(r, plain, unescaped(tidy, n, plain), false));
        for (uint32_t c = 0; c <= '\\'; c++) {
            if (!is_escaped(c) || !holds(tidy, n, c)) continue;
            bp_text text = { 0 };
            add_escaped(&text, c);
            bp_expr_add(r, whole, bp_expr_literal(r, bp_text_get(&text), text.size));
            bp_text_free(&text);
        }
    }
    free(copy);
    free(tidy);
    free(plain);
    return whole;
}
