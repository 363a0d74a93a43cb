/* An arena: many small pieces of memory that are freed together. One thread at a time. */
#ifndef BP_BASE_ARENA_H
#define BP_BASE_ARENA_H

#include <stddef.h>

typedef struct bp_arena {
    struct bp_arena_chunk *chunks; /* newest first */
} bp_arena; /* all zeros is an empty arena */

/* Zeroed memory, aligned for any type; NULL when there is none. Lives until bp_arena_free. */
void *bp_arena_alloc(bp_arena *arena, size_t bytes);
/* A terminated copy of n bytes of text. */
char *bp_arena_text(bp_arena *arena, const char *text, size_t n);
/* A formatted text. */
char *bp_arena_format(bp_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bp_arena_free(bp_arena *arena);

#endif
