/* Overflow-checked sizes. Everything that is computed from a file's numbers goes through here. */
#ifndef BP_BASE_SIZE_H
#define BP_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b or a + b; false (and *out undefined) where that does not fit. */
static inline bool bp_mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool bp_add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* n rounded up to a multiple of align, a power of two; n must be below 2^63. */
static inline uint64_t bp_round_up(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }

/* calloc-like allocation of n elements: NULL where n * size overflows or memory ends; n = 0 gives a valid pointer. */
void *bp_new_array(size_t n, size_t size);
/* Grow *array (of elements of `size` bytes, room for *capacity) so that it holds `need`; false when out of memory.
 * New elements are not initialised. */
bool bp_grow(void **array, size_t *capacity, size_t need, size_t size);

#define BP_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define BP_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
