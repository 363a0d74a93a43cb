/* A cursor over bytes with an end: the way every parser here reads binary data. A read past the end fails, moves
 * nothing and gives zero. */
#ifndef BP_BASE_CURSOR_H
#define BP_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct bp_cursor {
    const uint8_t *bytes;
    uint64_t at, end;
    bool swap; /* numbers have the other byte order than this machine */
} bp_cursor;

static inline uint64_t bp_cursor_left(const bp_cursor *c) { return c->end - c->at; }

/* n bytes at the cursor, which moves past them; NULL where fewer are left. */
static inline const uint8_t *bp_cursor_take(bp_cursor *c, uint64_t n) {
    if (n > bp_cursor_left(c)) return NULL;
    const uint8_t *piece = c->bytes + c->at;
    c->at += n;
    return piece;
}

/* An unsigned number of `bytes` bytes (1, 2, 4 or 8). */
static inline bool bp_cursor_number(bp_cursor *c, uint32_t bytes, uint64_t *out) {
    const uint8_t *p = bp_cursor_take(c, bytes);
    *out = 0;
    if (!p) return false;
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t at = c->swap ? i : bytes - 1 - i; /* files are little endian unless swapped */
        *out = *out << 8 | p[at];
    }
    return true;
}

#endif
