/* A text that grows. Always terminated; may hold zero bytes. One thread at a time. */
#ifndef BP_BASE_TEXT_H
#define BP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bp_text {
    char *data; /* NULL while nothing was added */
    size_t size, capacity;
    bool failed; /* out of memory at some point: what is here is not all */
} bp_text;       /* all zeros is an empty text */

void bp_text_add(bp_text *text, const char *data, size_t n);
void bp_text_adds(bp_text *text, const char *terminated);
void bp_text_format(bp_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Add data as the inside of a JSON string; bytes that are no valid UTF-8 become U+FFFD. */
void bp_text_json(bp_text *text, const char *data, size_t n);
/* The terminated text, "" where nothing was added; valid until the next call. */
const char *bp_text_get(const bp_text *text);
void bp_text_clear(bp_text *text); /* keeps the memory */
void bp_text_free(bp_text *text);

/* Length in bytes (1 to 4) of the valid UTF-8 character at data, 0 where the n bytes begin with none, and -1 where
 * they are the beginning of one that is cut off. Overlong forms and surrogates are not valid. */
int bp_utf8_length(const char *data, size_t n);

#endif
