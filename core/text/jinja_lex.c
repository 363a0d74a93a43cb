/* Template text to tokens, with the white space control of jinja2: trim_blocks, lstrip_blocks, '-' and '+'. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/jinja_tree.h"

enum { MAX_BRACKETS = 256 };

typedef struct lexer {
    bp_jinja *j;
    const char *s;
    size_t at, size;
    bool line_starting; /* the last match ended a line, or there was none */
    bp_jtoken *tokens;
    size_t count, capacity;
    char brackets[MAX_BRACKETS]; /* the closing ones awaited */
    int n_brackets;
    bp_error *error;
} lexer;

static bp_status fail(lexer *l, size_t at, const char *words) {
    return bp_jinja_fail_at(l->j, at, l->error, BP_E_INVALID, words);
}

static bp_status no_memory(lexer *l) { return bp_fail(l->error, BP_E_NO_MEMORY, "template: out of memory"); }

static bp_status add(lexer *l, uint8_t type, size_t at, bp_jv value) {
    if (!bp_grow((void **)&l->tokens, &l->capacity, l->count + 1, sizeof *l->tokens)) return no_memory(l);
    l->tokens[l->count++] = (bp_jtoken){ type, (uint32_t)at, value };
    return BP_OK;
}

static bp_status add_string(lexer *l, uint8_t type, size_t at, const char *data, size_t n) {
    bp_jv value = { .type = BP_J_STRING, .string = bp_jinja_string(&l->j->arena, data, n) };
    return value.string ? add(l, type, at, value) : no_memory(l);
}

static bool looking_at(const lexer *l, size_t at, const char *words) {
    size_t n = strlen(words);
    return l->size - at >= n && !memcmp(l->s + at, words, n);
}

static size_t skip_space(const lexer *l, size_t at) { return at + bp_jtext_left(l->s + at, l->size - at); }

static void matched(lexer *l, size_t end) {
    l->line_starting = end > l->at ? l->s[end - 1] == '\n' : l->line_starting;
    l->at = end;
}

/* Text before a tag; sign: the tag's '-', '+' or 0; is_output: the tag is {{. */
static bp_status add_data(lexer *l, size_t end, char sign, bool is_output) {
    const char *text = l->s + l->at;
    size_t n = end - l->at;
    if (sign == '-') {
        n = bp_jtext_right(text, n);
    } else if (sign != '+' && !is_output) {
        const char *newline = memrchr(text, '\n', n);
        size_t line = newline ? (size_t)(newline - text) + 1 : 0;
        bool at_line = line > 0 || l->line_starting;
        if (at_line && line < n && bp_jtext_left(text + line, n - line) == n - line) n = line;
    }
    return n ? add_string(l, BP_JT_DATA, l->at, text, n) : BP_OK;
}

static char sign_at(const lexer *l, size_t at) {
    return at < l->size && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : 0;
}

/* "%}" or "#}" at `at`, its sign before it: where the tag ends with the white space that goes with it. */
static size_t tag_end(const lexer *l, size_t at, char sign) {
    at += 2;
    if (sign == '-') return skip_space(l, at);
    return sign != '+' && at < l->size && l->s[at] == '\n' ? at + 1 : at;
}

static bp_status comment(lexer *l, size_t begin) {
    size_t inside = l->at;
    const char *end = memmem(l->s + inside, l->size - inside, "#}", 2);
    if (!end) return fail(l, begin, "missing end of comment tag: there is no \"#}\"");
    size_t at = (size_t)(end - l->s);
    char sign = at > inside && (end[-1] == '-' || end[-1] == '+') ? end[-1] : 0;
    matched(l, tag_end(l, at, sign));
    return BP_OK;
}

/* {%[-+] raw [-]%} at the block that begins at `at`: the end of the tag, 0 where it is another. */
static size_t raw_begin(const lexer *l, size_t at) {
    at += 2 + (sign_at(l, at + 2) != 0);
    at = skip_space(l, at);
    if (!looking_at(l, at, "raw")) return 0;
    at = skip_space(l, at + 3);
    if (looking_at(l, at, "-%}")) return skip_space(l, at + 3);
    return looking_at(l, at, "%}") ? at + 2 : 0;
}

static size_t raw_end(const lexer *l, size_t at) {
    at = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    if (!looking_at(l, at, "endraw")) return 0;
    at = skip_space(l, at + 6);
    char sign = sign_at(l, at);
    if (sign) at++;
    return looking_at(l, at, "%}") ? tag_end(l, at, sign) : 0;
}

static bp_status raw(lexer *l, size_t begin) {
    for (size_t from = l->at;;) {
        const char *found = memmem(l->s + from, l->size - from, "{%", 2);
        if (!found) return fail(l, begin, "missing end of raw block: there is no {% endraw %}");
        size_t at = (size_t)(found - l->s), end = raw_end(l, at);
        if (!end) {
            from = at + 2;
            continue;
        }
        bp_status status = add_data(l, at, sign_at(l, at + 2), false);
        matched(l, end);
        return status;
    }
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* (digits with '_' between them): the end; `at` where there is none. */
static size_t digits(const lexer *l, size_t at) {
    while (at < l->size && is_digit(l->s[at])) {
        at++;
        if (at + 1 < l->size && l->s[at] == '_' && is_digit(l->s[at + 1])) at++;
    }
    return at;
}

static size_t float_end(const lexer *l, size_t at) {
    if (at && l->s[at - 1] == '.') return 0;
    size_t whole = digits(l, at), end = whole;
    if (end + 1 < l->size && l->s[end] == '.' && is_digit(l->s[end + 1])) end = digits(l, end + 1);
    size_t fraction = end;
    if (end < l->size && (l->s[end] | 0x20) == 'e') {
        size_t e = end + 1 + (end + 1 < l->size && (l->s[end + 1] == '-' || l->s[end + 1] == '+'));
        size_t done = e < l->size ? digits(l, e) : e;
        if (done > e) return done;
    }
    return fraction > whole ? fraction : 0;
}

static bool in_base(char c, int base) {
    if (is_digit(c)) return c - '0' < base;
    return base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
}

static size_t integer_end(const lexer *l, size_t at, int *base) {
    char second = at + 1 < l->size ? (char)(l->s[at + 1] | 0x20) : 0;
    *base = l->s[at] != '0' ? 10 : second == 'b' ? 2 : second == 'o' ? 8 : second == 'x' ? 16 : 0;
    if (*base == 10) return digits(l, at);
    size_t end = at + (*base ? 2 : 0), first = end;
    while (end < l->size) { /* 0b…, 0o…, 0x… may begin with '_'; a plain zero may be repeated */
        size_t next = end + (l->s[end] == '_' && (*base || end > first));
        if (next >= l->size || !(*base ? in_base(l->s[next], *base) : l->s[next] == '0')) break;
        end = next + 1;
    }
    if (*base && end > first) return end;
    if (*base) end = at + 1;
    *base = 10;
    return end;
}

static bp_status number(lexer *l) {
    char clean[64];
    int base = 10;
    size_t end = float_end(l, l->at), n = 0;
    bool is_float = end;
    if (!end) end = integer_end(l, l->at, &base);
    if (end - l->at >= sizeof clean) return fail(l, l->at, "the number is too long");
    for (size_t i = l->at; i < end; i++)
        if (l->s[i] != '_') clean[n++] = l->s[i];
    clean[n] = '\0';
    errno = 0;
    bp_jv value = is_float ? bp_jv_float(strtod(clean, NULL))
                           : bp_jv_int(strtoll(clean + (base != 10 ? 2 : 0), NULL, base));
    if (!is_float && errno == ERANGE) return fail(l, l->at, "the integer does not fit 64 bits");
    bp_status status = add(l, is_float ? BP_JT_FLOAT : BP_JT_INTEGER, l->at, value);
    matched(l, end);
    return status;
}

static int hex_value(const char *s, size_t n, int32_t *out) {
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (!in_base(s[i], 16)) return 0;
        *out = *out * 16 + (is_digit(s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    }
    return 1;
}

/* \x.., \u...., \U........ at s (after the backslash): bytes used, 0 where it is malformed. */
static size_t hex_escape(const char *s, size_t n, bp_text *out) {
    size_t length = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : 8;
    int32_t c;
    if (n - 1 < length || (length == 8 && (s[1] != '0' || s[2] != '0')) || !hex_value(s + 1, length, &c)) return 0;
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    bp_jchar_add(out, c);
    return length + 1;
}

static size_t octal_escape(const char *s, size_t n, bp_text *out) {
    int32_t c = 0;
    size_t i = 0;
    while (i < n && i < 3 && s[i] >= '0' && s[i] <= '7') c = c * 8 + (s[i++] - '0');
    bp_jchar_add(out, c);
    return i;
}

/* One escape as Python's unicode-escape reads it; s is after the backslash. 0: malformed. */
static size_t unescape(const char *s, size_t n, bp_text *out) {
    static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    const char *found = memchr(names, s[0], sizeof names - 1);
    if (found) {
        bp_text_add(out, &values[found - names], 1);
        return 1;
    }
    if (s[0] == '\n') return 1;
    if (s[0] == 'N') return 0; /* names of characters: not known here */
    if (s[0] == 'x' || s[0] == 'u' || s[0] == 'U') return hex_escape(s, n, out);
    if (s[0] >= '0' && s[0] <= '7') return octal_escape(s, n, out);
    bp_text_add(out, "\\", 1);
    if ((unsigned char)s[0] < 0x80) return bp_text_add(out, s, 1), 1;
    size_t used = 0; /* jinja2 escapes other characters before it reads escapes: "\é" is "\xe9" */
    int32_t c = bp_jchar_next(s, n, &used);
    bp_text_format(out, c < 0x100 ? "x%02x" : c < 0x10000 ? "u%04x" : "U%08x", (unsigned)c);
    return used;
}

static bp_status string(lexer *l) {
    size_t at = l->at + 1;
    char quote = l->s[l->at];
    bp_text text = { 0 };
    while (at < l->size && l->s[at] != quote) {
        size_t plain = at;
        while (plain < l->size && l->s[plain] != quote && l->s[plain] != '\\') plain++;
        bp_text_add(&text, l->s + at, plain - at);
        at = plain;
        if (at >= l->size || l->s[at] == quote) break;
        if (at + 1 == l->size) { /* a backslash is the last there is */
            at = l->size;
            break;
        }
        size_t used = unescape(l->s + at + 1, l->size - at - 1, &text);
        if (!used) {
            bp_text_free(&text);
            return fail(l, at, "malformed escape in the string");
        }
        at += 1 + used;
        if (at > l->size) break;
    }
    bp_status status = at >= l->size ? fail(l, l->at, "the string has no end")
                       : text.failed ? no_memory(l)
                                     : add_string(l, BP_JT_STRING, l->at, bp_text_get(&text), text.size);
    bp_text_free(&text);
    if (!status) matched(l, at + 1);
    return status;
}

static bp_status name(lexer *l) {
    size_t at = l->at, end = at;
    while (at < l->size) {
        int32_t c = bp_jchar_next(l->s, l->size, &at);
        if (!bp_jchar_in_name(c, end == l->at)) break;
        end = at;
    }
    if (end == l->at) return fail(l, l->at, "unexpected character");
    bp_status status = add_string(l, BP_JT_NAME, l->at, l->s + l->at, end - l->at);
    matched(l, end);
    return status;
}

static bp_status bracket(lexer *l, char c) {
    const char *open = strchr("([{", c);
    if (open) {
        if (l->n_brackets == MAX_BRACKETS) return fail(l, l->at, "too many open brackets");
        l->brackets[l->n_brackets++] = ")]}"[open - "([{"];
        return BP_OK;
    }
    if (!l->n_brackets || l->brackets[l->n_brackets - 1] != c) return fail(l, l->at, "unexpected closing bracket");
    l->n_brackets--;
    return BP_OK;
}

static bp_status operator(lexer *l) {
    static const struct { char text[3]; uint8_t type; } pairs[] = {
        { "//", BP_JT_FLOORDIV }, { "**", BP_JT_POW }, { "==", BP_JT_EQ }, { "!=", BP_JT_NE },
        { ">=", BP_JT_GE }, { "<=", BP_JT_LE },
    };
    char c = l->s[l->at];
    bp_status status = BP_OK;
    uint8_t type = (uint8_t)c;
    size_t n = 1;
    for (size_t i = 0; i < BP_COUNT(pairs); i++)
        if (looking_at(l, l->at, pairs[i].text)) type = pairs[i].type, n = 2;
    if (n == 1 && !strchr("+-/*%~[](){}><=.:|,;", c)) return fail(l, l->at, "unexpected character");
    if (strchr("()[]{}", c)) status = bracket(l, c);
    if (!status) status = add(l, type, l->at, bp_jv_none());
    matched(l, l->at + n);
    return status;
}

static bp_status expression_token(lexer *l) {
    char c = l->s[l->at];
    size_t space = skip_space(l, l->at);
    if (space > l->at) return matched(l, space), BP_OK;
    if (is_digit(c)) return number(l);
    if (c == '\'' || c == '"') return string(l);
    if ((unsigned char)c >= 0x80 || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return name(l);
    return c ? operator(l) : fail(l, l->at, "unexpected character");
}

/* The inside of {% %} or {{ }}, up to and with its end. */
static bp_status tag(lexer *l, bool is_output, size_t begin) {
    const char *close = is_output ? "}}" : "%}";
    l->n_brackets = 0;
    while (l->at < l->size) {
        char sign = sign_at(l, l->at);
        if (is_output && sign == '+') sign = 0;
        if (!l->n_brackets && looking_at(l, l->at + (sign != 0), close)) {
            size_t end = l->at + (sign != 0);
            bp_status status = add(l, is_output ? BP_JT_OUTPUT_END : BP_JT_BLOCK_END, l->at, bp_jv_none());
            matched(l, !is_output ? tag_end(l, end, sign) : sign ? skip_space(l, end + 2) : end + 2);
            return status;
        }
        bp_status status = expression_token(l);
        if (status) return status;
    }
    return fail(l, begin,
                is_output ? "the tag has no end: there is no \"}}\"" : "the tag has no end: there is no \"%}\"");
}

/* The next {{, {% or {#; size where there is none. */
static size_t next_tag(const lexer *l) {
    for (size_t at = l->at; at + 1 < l->size; at++) {
        const char *found = memchr(l->s + at, '{', l->size - at - 1);
        if (!found) break;
        at = (size_t)(found - l->s);
        if (found[1] == '{' || found[1] == '%' || found[1] == '#') return at;
    }
    return l->size;
}

static bp_status root(lexer *l) {
    size_t begin = next_tag(l);
    if (begin == l->size) {
        bp_status status = add_string(l, BP_JT_DATA, l->at, l->s + l->at, l->size - l->at);
        l->at = l->size;
        return status;
    }
    char kind = l->s[begin + 1], sign = sign_at(l, begin + 2);
    bp_status status = add_data(l, begin, sign, kind == '{');
    if (status) return status;
    size_t raw_at = kind == '%' ? raw_begin(l, begin) : 0;
    matched(l, raw_at ? raw_at : begin + 2 + (sign != 0));
    if (raw_at) return raw(l, begin);
    if (kind == '#') return comment(l, begin);
    status = add(l, kind == '{' ? BP_JT_OUTPUT : BP_JT_BLOCK, begin, bp_jv_none());
    return status ? status : tag(l, kind == '{', begin);
}

bp_status bp_jinja_lex(bp_jinja *j, bp_jtoken **tokens, size_t *n, bp_error *error) {
    lexer l = { .j = j, .s = j->source, .size = j->size, .line_starting = true, .error = error };
    bp_status status = BP_OK;
    while (!status && l.at < l.size) status = root(&l);
    if (!status) status = add(&l, BP_JT_EOF, l.size, bp_jv_none());
    if (status) {
        free(l.tokens);
        return status;
    }
    *tokens = l.tokens;
    *n = l.count;
    return BP_OK;
}
