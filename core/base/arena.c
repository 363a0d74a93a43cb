#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

enum { CHUNK = 64 * 1024, ALIGN = 16 };

struct bp_arena_chunk {
    struct bp_arena_chunk *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char bytes[];
};

static struct bp_arena_chunk *add_chunk(bp_arena *arena, size_t bytes) {
    size_t size = BP_MAX(bytes, (size_t)CHUNK);
    if (size > SIZE_MAX - sizeof(struct bp_arena_chunk)) return NULL;
    struct bp_arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) return NULL;
    *chunk = (struct bp_arena_chunk){ .next = arena->chunks, .size = size };
    arena->chunks = chunk;
    return chunk;
}

void *bp_arena_alloc(bp_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX - ALIGN) return NULL;
    size_t need = bp_round_up(bytes ? bytes : 1, ALIGN);
    struct bp_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < need) chunk = add_chunk(arena, need);
    if (!chunk) return NULL;
    void *piece = chunk->bytes + chunk->used;
    chunk->used += need;
    return memset(piece, 0, need);
}

char *bp_arena_text(bp_arena *arena, const char *text, size_t n) {
    char *copy = n < SIZE_MAX ? bp_arena_alloc(arena, n + 1) : NULL;
    if (copy && n) memcpy(copy, text, n);
    return copy;
}

char *bp_arena_format(bp_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : bp_arena_alloc(arena, (size_t)n + 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void bp_arena_free(bp_arena *arena) {
    while (arena->chunks) {
        struct bp_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
