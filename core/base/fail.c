#include "core/base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Shorten text so that it does not end inside a UTF-8 character. */
static void end_between_characters(char *text) {
    size_t n = strlen(text);
    size_t back = 0;
    while (back < 4 && back < n && ((unsigned char)text[n - 1 - back] & 0xC0) == 0x80) back++;
    if (back == n) return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (need > back) text[n - 1 - back] = '\0';
}

bp_status bp_fail(bp_error *error, bp_status status, const char *format, ...) {
    if (!error) return status;
    error->status = status;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    if (n >= (int)sizeof error->message) end_between_characters(error->message);
    return status;
}

bp_status bp_fail_in(bp_error *error, const char *format, ...) {
    if (!error) return BP_E_INTERNAL;
    char where[BP_ERROR_TEXT], was[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    memcpy(was, error->message, sizeof was);
    return bp_fail(error, error->status, "%s%s", where, was);
}

const char *bp_status_words(bp_status status) {
    switch (status) {
#define WORDS(name, value, words) \
    case name:                    \
        return words;
        BP_STATUS_LIST(WORDS)
#undef WORDS
    default:
        return "internal error";
    }
}
