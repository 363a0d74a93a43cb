#include "core/text/onig.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

enum { DEEPEST_CLASS = 16, LONGEST_NAME = 48 };

#define WHITE "\\t-\\r\\x{85}\\p{Z}"
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define WORD_ALONE WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}" /* Oniguruma's \w, but in classes */

static const struct class_name {
    const char *name, *inside;
} names[] = {
#define BP_ONIG_NAME(name, inside) { name, inside },
#include "core/text/onig_names.def"
#undef BP_ONIG_NAME
};

struct reader {
    const char *text;
    size_t at, n;
    bp_error *error;
    bp_status status;
};

static void unsupported(struct reader *r, const char *what) {
    if (r->status != BP_OK) return;
    r->status = bp_fail(r->error, BP_E_UNSUPPORTED, "pattern %.*s: %s (at %zu) is not supported",
                        (int)BP_MIN(r->n, 200), r->text, what, r->at);
}

static bool starts(const struct reader *r, const char *word) {
    size_t n = strlen(word);
    return r->n - r->at >= n && !memcmp(r->text + r->at, word, n);
}

static bool take(struct reader *r, const char *word) {
    bool there = starts(r, word);
    if (there) r->at += strlen(word);
    return there;
}

static uint32_t next_character(struct reader *r) {
    const unsigned char *p = (const unsigned char *)r->text + r->at;
    int size = bp_utf8_length(r->text + r->at, r->n - r->at);
    if (size <= 0) {
        unsupported(r, "no UTF-8");
        r->at = r->n;
        return 0;
    }
    r->at += (size_t)size;
    if (size == 1) return p[0];
    if (size == 2) return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    if (size == 3) return (p[0] & 0xFu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    return (p[0] & 7u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

static void add_character(bp_text *out, uint32_t c) { bp_text_format(out, "\\x{%x}", (unsigned)c); }

void bp_onig_literal(const char *text, size_t n, bp_text *out) {
    struct reader r = { .text = text, .n = n };
    while (r.at < n && r.status == BP_OK) add_character(out, next_character(&r));
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t take_hex(struct reader *r, size_t most) {
    uint32_t value = 0;
    size_t n = 0;
    for (; n < most && r->at < r->n && hex_digit(r->text[r->at]) >= 0; n++)
        value = value << 4 | (uint32_t)hex_digit(r->text[r->at++]);
    if (!n || value > 0x10FFFF) unsupported(r, "this character's number");
    return value;
}

/* \x41, \x{41}, \u0041, a letter for a control character: after the backslash; false where it is none of these. */
static bool take_escaped_character(struct reader *r, uint32_t *out) {
    static const char letters[] = "nrtfvae", meant[] = "\n\r\t\f\v\a\033";
    const char *letter = r->at < r->n && r->text[r->at] ? strchr(letters, r->text[r->at]) : NULL;
    if (letter) {
        r->at++;
        *out = (unsigned char)meant[letter - letters];
    } else if (take(r, "x{")) {
        *out = take_hex(r, 8);
        if (!take(r, "}")) unsupported(r, "\\x{ without }");
    } else if (take(r, "x")) {
        *out = take_hex(r, 2);
    } else if (take(r, "u")) {
        *out = take_hex(r, 4);
    } else {
        return false;
    }
    return true;
}

static bool same_name(const char *known, const char *name) {
    for (;; name++) {
        if (*name == ' ' || *name == '_' || *name == '-') continue;
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        if (c != *known) return false;
        if (!*known++) return true;
    }
}

/* The inside of a class for a name, in its place, or for its complement. */
static void add_named(struct reader *r, const char *name, bool negated, bp_text *flat, bp_text *others) {
    for (size_t i = 0; i < BP_COUNT(names); i++) {
        if (!same_name(names[i].name, name)) continue;
        if (negated) bp_text_format(others, "|[^%s]", names[i].inside);
        else bp_text_adds(flat, names[i].inside);
        return;
    }
    if (!strncmp(name, "In_", 3) || !strncmp(name, "In", 2)) { /* blocks of characters, but for a script's name */
        if (name[2] == '_' || (name[2] >= 'A' && name[2] <= 'Z')) unsupported(r, "a block of characters");
    }
    /* One or two letters: a category; else a script, or a property where there is no such script (Alphabetic …). */
    bool category = strlen(name) <= 2, property = same_name("alphabetic", name) || same_name("emoji", name) ||
                                                  same_name("uppercase", name) || same_name("lowercase", name) ||
                                                  same_name("extendedpictographic", name);
    bp_text_format(flat, "\\%c{%s%s}", negated ? 'P' : 'p', category || property ? "" : "sc:", name);
}

/* {Name} or {^Name} after \p or \P. */
static void take_property(struct reader *r, bool negated, bp_text *flat, bp_text *others) {
    char name[LONGEST_NAME] = "";
    size_t n = 0;
    if (!take(r, "{")) {
        unsupported(r, "\\p without {");
        return;
    }
    if (take(r, "^")) negated = !negated;
    for (; r->at < r->n && r->text[r->at] != '}' && n + 1 < sizeof name; r->at++) {
        char c = r->text[r->at];
        bool fits = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ' ' ||
                    c == '-';
        if (!fits) unsupported(r, "a property of this name");
        name[n++] = c;
    }
    if (!take(r, "}") || !n) unsupported(r, "a property without name or end");
    if (r->status == BP_OK) add_named(r, name, negated, flat, others);
}

/* What stands for a set of characters after a backslash: \s, \d, \w, \h, \p{…} and their complements. */
static bool take_escaped_set(struct reader *r, bool in_class, bp_text *flat, bp_text *others) {
    const struct { char small; const char *inside; } sets[] = {
        { 's', WHITE }, { 'd', "\\p{Nd}" }, { 'w', in_class ? WORD : WORD_ALONE }, { 'h', "0-9A-Fa-f" }
    };
    char c = r->at < r->n ? r->text[r->at] : 0;
    if (c == 'p' || c == 'P') {
        r->at++;
        take_property(r, c == 'P', flat, others);
        return true;
    }
    for (size_t i = 0; i < BP_COUNT(sets); i++) {
        if (c == sets[i].small) bp_text_adds(flat, sets[i].inside);
        else if (c == sets[i].small - 32) bp_text_format(others, "|[^%s]", sets[i].inside);
        else continue;
        r->at++;
        return true;
    }
    return false;
}

/* A set as a pattern of one character: what a class can hold, and alternatives to it. */
static void add_set(const bp_text *flat, const bp_text *others, bool negated, bp_text *out) {
    if (!others->size && flat->size) {
        bp_text_format(out, "[%s%s]", negated ? "^" : "", bp_text_get(flat));
        return;
    }
    bp_text_adds(out, negated ? "(?:(?!" : "(?:");
    if (flat->size) bp_text_format(out, "[%s]%s", bp_text_get(flat), bp_text_get(others));
    else if (others->size) bp_text_adds(out, bp_text_get(others) + 1);
    else bp_text_adds(out, "(?!)");
    bp_text_adds(out, negated ? ")(?s:.))" : ")");
}

static void take_class(struct reader *r, unsigned depth, bp_text *flat, bp_text *others);

/* [:name:] or [:^name:] */
static bool take_posix(struct reader *r, bp_text *flat, bp_text *others) {
    size_t begin = r->at;
    char name[LONGEST_NAME] = "";
    size_t n = 0;
    if (!take(r, "[:")) return false;
    bool negated = take(r, "^");
    while (r->at < r->n && r->text[r->at] >= 'a' && r->text[r->at] <= 'z' && n + 1 < sizeof name)
        name[n++] = r->text[r->at++];
    if (take(r, ":]") && n) {
        add_named(r, name, negated, flat, others);
        return true;
    }
    r->at = begin;
    return false;
}

static uint32_t take_class_character(struct reader *r) {
    uint32_t c;
    if (take(r, "\\")) {
        if (take_escaped_character(r, &c)) return c;
        if (take(r, "b")) return '\b';
    }
    return next_character(r);
}

/* One character or a range. */
static void take_range(struct reader *r, bp_text *flat) {
    uint32_t from = take_class_character(r), to = from;
    bool range = starts(r, "-") && r->at + 1 < r->n && r->text[r->at + 1] != ']' && r->text[r->at + 1] != '[' &&
                 !(r->at + 2 < r->n && r->text[r->at + 1] == '\\' && strchr("sSdDwWhHpP", r->text[r->at + 2]));
    if (range) {
        r->at++;
        to = take_class_character(r);
        if (to < from) unsupported(r, "a range from a character to one before it");
    }
    add_character(flat, from);
    if (range) {
        bp_text_adds(flat, "-");
        add_character(flat, to);
    }
}

/* Members up to ] or &&. */
static void take_members(struct reader *r, unsigned depth, bp_text *flat, bp_text *others) {
    bool first = true;
    for (; r->status == BP_OK; first = false) {
        if (r->at >= r->n) unsupported(r, "a class without end");
        else if ((!first && starts(r, "]")) || starts(r, "&&")) return;
        else if (take_posix(r, flat, others)) continue;
        else if (take(r, "[")) take_class(r, depth + 1, flat, others);
        else if (starts(r, "\\")) {
            r->at++;
            if (take_escaped_set(r, true, flat, others)) continue;
            r->at--;
            take_range(r, flat);
        } else take_range(r, flat);
    }
}

/* After [: the class's set is added to flat, or as an alternative to others. */
static void take_class(struct reader *r, unsigned depth, bp_text *flat, bp_text *others) {
    bp_text mine = { 0 }, my_others = { 0 }, before = { 0 };
    if (depth > DEEPEST_CLASS) unsupported(r, "a class so deep within others");
    bool negated = take(r, "^");
    if (r->status == BP_OK) take_members(r, depth, &mine, &my_others);
    while (r->status == BP_OK && take(r, "&&")) { /* what is a member of all parts */
        bp_text_adds(&before, "(?=");
        add_set(&mine, &my_others, false, &before);
        bp_text_adds(&before, ")");
        bp_text_clear(&mine);
        bp_text_clear(&my_others);
        take_members(r, depth, &mine, &my_others);
    }
    if (r->status == BP_OK && !take(r, "]")) unsupported(r, "a class without end");
    if (r->status == BP_OK && !before.size && !negated) { /* a part of what is around it */
        bp_text_adds(flat, bp_text_get(&mine));
        bp_text_adds(others, bp_text_get(&my_others));
    } else if (r->status == BP_OK) {
        bp_text_adds(others, negated && before.size ? "|(?:(?!" : "|");
        bp_text_adds(others, bp_text_get(&before));
        add_set(&mine, &my_others, negated && !before.size, others);
        bp_text_adds(others, negated && before.size ? ")(?s:.))" : "");
    }
    bp_text_free(&mine);
    bp_text_free(&my_others);
    bp_text_free(&before);
}

static void take_set(struct reader *r, bool in_class, bp_text *out) {
    bp_text flat = { 0 }, others = { 0 };
    if (in_class) take_class(r, 0, &flat, &others);
    else if (!take_escaped_set(r, false, &flat, &others)) unsupported(r, "an escape");
    add_set(&flat, &others, false, out);
    if (flat.failed || others.failed) out->failed = true;
    bp_text_free(&flat);
    bp_text_free(&others);
}

/* Between characters of which one, or both and neither, are words'. */
#define EDGE(after_word, after_other)                                                         \
    "(?:(?<=[" WORD_ALONE "])(?" after_word "[" WORD_ALONE "])|(?<![" WORD_ALONE "])(?" after_other "[" WORD_ALONE "]))"

/* After a backslash outside of classes. */
static void take_escape(struct reader *r, bp_text *out) {
    static const char sets[] = "sSdDwWhHpP", same[] = "AzZRXKG", anchors[] = "bB";
    char c = r->at < r->n ? r->text[r->at] : 0;
    uint32_t character;
    if (!c) {
        unsupported(r, "a backslash at the end");
    } else if (strchr(sets, c)) {
        take_set(r, false, out);
    } else if (strchr(anchors, c)) {
        r->at++;
        bp_text_adds(out, c == 'b' ? EDGE("!", "=") : EDGE("=", "!"));
    } else if (strchr(same, c)) {
        r->at++;
        bp_text_format(out, "\\%c", c);
    } else if (take_escaped_character(r, &character)) {
        add_character(out, character);
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        unsupported(r, "this escape");
    } else {
        add_character(out, next_character(r));
    }
}

/* ( and what says which kind of group it is. */
static void take_group(struct reader *r, bp_text *out) {
    static const char *const kinds[] = { "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:" };
    for (size_t i = 0; i < BP_COUNT(kinds); i++)
        if (take(r, kinds[i])) {
            bp_text_adds(out, kinds[i]);
            return;
        }
    if (take(r, "(?m:")) bp_text_adds(out, "(?s:"); /* Ruby's word for it */
    else if (r->at == 0 && take(r, "(?i)")) bp_text_adds(out, "(?i)");
    else if (starts(r, "(?") && !starts(r, "(?<")) unsupported(r, "this kind of group");
    else if (take(r, "(?<")) {
        while (r->at < r->n && r->text[r->at] != '>') r->at++;
        if (!take(r, ">")) unsupported(r, "a group's name without end");
        bp_text_adds(out, "(?:");
    } else {
        r->at++;
        bp_text_adds(out, "(?:"); /* matches are not asked for groups, and \1 is not supported */
    }
}

/* {n,m}, of which one may be missing; else { stands for itself. */
static void take_braces(struct reader *r, bp_text *out) {
    size_t at = r->at + 1, n_digits = 0, commas = 0;
    for (; at < r->n && ((r->text[at] >= '0' && r->text[at] <= '9') || r->text[at] == ','); at++) {
        if (r->text[at] == ',') commas++;
        else n_digits++;
    }
    if (at >= r->n || r->text[at] != '}' || !n_digits || commas > 1) {
        add_character(out, '{');
        r->at++;
        return;
    }
    bp_text_adds(out, r->text[r->at + 1] == ',' ? "{0" : "{");
    bp_text_add(out, r->text + r->at + 1, at - r->at);
    r->at = at + 1;
    if (starts(r, "+")) unsupported(r, "+ after {n,m}");
}

static void take_part(struct reader *r, bp_text *out) {
    char c = r->text[r->at];
    if (c == '\\') {
        r->at++;
        take_escape(r, out);
    } else if (c == '[') {
        r->at++;
        take_set(r, true, out);
    } else if (c == '(') {
        take_group(r, out);
    } else if (c == '{') {
        take_braces(r, out);
    } else if (c == '^' || c == '$') {
        r->at++;
        bp_text_format(out, "(?m:%c)", c);
    } else if (c && strchr("|)*+?.", c)) {
        r->at++;
        bp_text_add(out, &c, 1);
    } else {
        add_character(out, next_character(r));
    }
}

bp_status bp_onig_translate(const char *pattern, size_t n, bp_text *out, bp_error *error) {
    struct reader r = { .text = pattern, .n = n, .error = error };
    while (r.at < n && r.status == BP_OK) take_part(&r, out);
    if (r.status == BP_OK && out->failed) return bp_fail(error, BP_E_NO_MEMORY, "pre-tokenizer: out of memory");
    return r.status;
}
