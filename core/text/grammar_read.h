/* A reader of grammars and regular expressions: a place in a text, and errors that say where. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_READ_H
#define BP_TEXT_GRAMMAR_READ_H

#include "core/base/text.h"
#include "core/text/grammar_expr.h"

#define BP_READER_MAX_NUMBER 1000000000u

typedef struct bp_reader {
    bp_rules *rules; /* takes the errors */
    const char *text;
    size_t n, at;
    const char *what; /* NULL: errors say line and column; else they begin with it and say the position */
    size_t known; /* a byte whose place is known; line 0: none */
    uint32_t line, column;
} bp_reader;

static inline bool bp_reader_done(const bp_reader *in) { return in->at >= in->n; }
/* The byte here, -1 at the end. */
static inline int bp_reader_peek(const bp_reader *in) { return bp_reader_done(in) ? -1 : (uint8_t)in->text[in->at]; }
static inline int bp_reader_peek_at(const bp_reader *in, size_t ahead) {
    return in->n - in->at > ahead ? (uint8_t)in->text[in->at + ahead] : -1;
}
void bp_reader_place(bp_reader *in, size_t at, uint32_t *line, uint32_t *column); /* both from 1 */
uint32_t bp_reader_fail(bp_reader *in, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The next character; false at the end or where it is no UTF-8. */
bool bp_reader_character(bp_reader *in, uint32_t *c);
/* Exactly `digits` hexadecimal digits; false, with the error said, where they are not there. */
bool bp_reader_hex(bp_reader *in, int digits, uint32_t *value);
/* A decimal number up to BP_READER_MAX_NUMBER; false, with nothing said, where there is none. */
bool bp_reader_number(bp_reader *in, uint32_t *value);
/* Whether c is a character (no surrogate, not too large); else the error is said. */
bool bp_reader_scalar(bp_reader *in, size_t at, uint32_t c);

void bp_text_code_point(bp_text *text, uint32_t c); /* as UTF-8 */

#endif
