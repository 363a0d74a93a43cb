/* Numbers that texts hold, as int() and float() read them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/jinja_sequence.h"

/* Underscores only between digits; false where there is another. */
static bool without_underscores(const char *s, size_t n, char *out, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') {
            if (!i || i + 1 == n || s[i - 1] == '_' || strchr("+-", s[i - 1])) return false;
            continue;
        }
        if (used + 1 >= room || !s[i]) return false;
        out[used++] = s[i];
    }
    out[used] = '\0';
    return used;
}

bool bp_jparse_int(const bp_jstring *s, int base, int64_t *out) {
    char text[128], *end;
    size_t skip = bp_jtext_left(s->data, s->size);
    size_t n = bp_jtext_right(s->data + skip, s->size - skip);
    const char *data = s->data + skip;
    if (!without_underscores(data, n, text, sizeof text)) return false;
    size_t sign = text[0] == '+' || text[0] == '-';
    char second = (char)(text[sign] == '0' ? text[sign + 1] | 0x20 : 0);
    bool prefixed = (base == 2 && second == 'b') || (base == 8 && second == 'o') || (base == 16 && second == 'x');
    if (prefixed) memmove(text + sign, text + sign + 2, strlen(text + sign + 2) + 1);
    char c = text[sign];
    if (!c || c == ' ' || c == '+' || c == '-' || (base == 16 && (text[sign + 1] | 0x20) == 'x')) return false;
    errno = 0;
    *out = strtoll(text, &end, base);
    return !*end && errno != ERANGE;
}

bool bp_jparse_float(const bp_jstring *s, double *out) {
    char text[128], *end;
    size_t skip = bp_jtext_left(s->data, s->size);
    size_t n = bp_jtext_right(s->data + skip, s->size - skip);
    if (!without_underscores(s->data + skip, n, text, sizeof text) || strpbrk(text, "xX(")) return false;
    *out = strtod(text, &end);
    return !*end && end != text;
}
