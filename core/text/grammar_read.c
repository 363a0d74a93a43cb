#include "core/text/grammar_read.h"

#include <stdarg.h>
#include <stdio.h>

void bp_reader_place(bp_reader *in, size_t at, uint32_t *line, uint32_t *column) {
    if (!in->line || at < in->known) in->known = 0, in->line = in->column = 1;
    for (; in->known < at && in->known < in->n; in->known++) {
        if (in->text[in->known] == '\n') in->line++, in->column = 1;
        else if (((uint8_t)in->text[in->known] & 0xC0) != 0x80) in->column++;
    }
    *line = in->line;
    *column = in->column;
}

uint32_t bp_reader_fail(bp_reader *in, size_t at, const char *format, ...) {
    char words[BP_ERROR_TEXT];
    if (in->rules->status) return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (in->what) return bp_rules_fail(in->rules, BP_E_INVALID, "%s, position %zu: %s", in->what, at + 1, words);
    uint32_t line, column;
    bp_reader_place(in, at, &line, &column);
    return bp_rules_fail(in->rules, BP_E_INVALID, "line %u, column %u: %s", line, column, words);
}

bool bp_reader_character(bp_reader *in, uint32_t *c) {
    static const uint8_t low_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    int n = bp_utf8_length(in->text + in->at, in->n - in->at);
    if (n <= 0) return false;
    *c = (uint8_t)in->text[in->at] & low_bits[n];
    for (int i = 1; i < n; i++) *c = *c << 6 | ((uint8_t)in->text[in->at + (size_t)i] & 0x3F);
    in->at += (size_t)n;
    return true;
}

bool bp_reader_hex(bp_reader *in, int digits, uint32_t *value) {
    size_t begin = in->at;
    *value = 0;
    for (int i = 0; i < digits; i++, in->at++) {
        int c = bp_reader_peek(in);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return bp_reader_fail(in, begin, "here should be %d hexadecimal digits", digits), false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

bool bp_reader_number(bp_reader *in, uint32_t *value) {
    size_t begin = in->at;
    uint64_t sum = 0;
    for (; bp_reader_peek(in) >= '0' && bp_reader_peek(in) <= '9' && sum <= BP_READER_MAX_NUMBER; in->at++)
        sum = sum * 10 + (uint64_t)(in->text[in->at] - '0');
    *value = (uint32_t)sum;
    return in->at > begin && sum <= BP_READER_MAX_NUMBER;
}

bool bp_reader_scalar(bp_reader *in, size_t at, uint32_t c) {
    if (c <= BP_CODE_POINT_MAX && (c < 0xD800 || c > 0xDFFF)) return true;
    return bp_reader_fail(in, at, "U+%04X is no character", c), false;
}

void bp_text_code_point(bp_text *text, uint32_t c) {
    char bytes[4];
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(n == 1 ? c : (n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    bp_text_add(text, bytes, (size_t)n);
}
