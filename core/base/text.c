#include "core/base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

static bool room_for(bp_text *text, size_t n) {
    if (text->failed || n > SIZE_MAX - text->size - 1 ||
        !bp_grow((void **)&text->data, &text->capacity, text->size + n + 1, 1))
        text->failed = true;
    return !text->failed;
}

void bp_text_add(bp_text *text, const char *data, size_t n) {
    if (!room_for(text, n)) return;
    if (n) memcpy(text->data + text->size, data, n);
    text->size += n;
    text->data[text->size] = '\0';
}

void bp_text_adds(bp_text *text, const char *terminated) {
    bp_text_add(text, terminated, strlen(terminated));
}

void bp_text_format(bp_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !room_for(text, (size_t)n)) return;
    va_start(args, format);
    vsnprintf(text->data + text->size, (size_t)n + 1, format, args);
    va_end(args);
    text->size += (size_t)n;
}

int bp_utf8_length(const char *data, size_t n) {
    const unsigned char *s = (const unsigned char *)data;
    if (!n) return 0;
    if (s[0] < 0x80) return 1;
    int need = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    for (int i = 1; i < need; i++) {
        if ((size_t)i >= n) return -1;
        unsigned low = 0x80, high = 0xBF;
        if (i == 1) {
            if (s[0] == 0xE0) low = 0xA0;
            if (s[0] == 0xED) high = 0x9F;
            if (s[0] == 0xF0) low = 0x90;
            if (s[0] == 0xF4) high = 0x8F;
        }
        if (s[i] < low || s[i] > high) return 0;
    }
    return need;
}

static void json_character(bp_text *text, const char *data, int n) {
    unsigned char c = (unsigned char)data[0];
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = c ? strchr(special, c) : NULL;
    if (n == 1 && found) {
        bp_text_format(text, "\\%c", letter[found - special]);
    } else if (n == 1 && (c < 0x20 || c == 0x7F)) {
        bp_text_format(text, "\\u%04x", c);
    } else {
        bp_text_add(text, data, (size_t)n);
    }
}

void bp_text_json(bp_text *text, const char *data, size_t n) {
    for (size_t at = 0; at < n;) {
        int length = bp_utf8_length(data + at, n - at);
        if (length > 0) json_character(text, data + at, length);
        else bp_text_adds(text, "\xEF\xBF\xBD");
        at += length > 0 ? (size_t)length : 1;
    }
}

const char *bp_text_get(const bp_text *text) {
    return text->data ? text->data : "";
}

void bp_text_clear(bp_text *text) {
    text->size = 0;
    if (text->data) text->data[0] = '\0';
}

void bp_text_free(bp_text *text) {
    free(text->data);
    *text = (bp_text){ 0 };
}
