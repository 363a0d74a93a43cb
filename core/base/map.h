/* A map from byte strings to 32-bit numbers, by open addressing. Keys are not copied: they outlive the map. Reading is
 * safe from many threads while none writes. */
#ifndef BP_BASE_MAP_H
#define BP_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bp_map {
    struct bp_map_slot *slots;
    size_t n_slots, count;
} bp_map; /* all zeros is an empty map */

enum { BP_MAP_ADDED, BP_MAP_THERE, BP_MAP_NO_MEMORY };

/* Make room for `count` keys in an empty map; false: out of memory. */
bool bp_map_reserve(bp_map *map, size_t count);
/* Add key -> value unless the key is there (then its value stays). */
int bp_map_add(bp_map *map, const char *key, size_t n, uint32_t value);
bool bp_map_find(const bp_map *map, const char *key, size_t n, uint32_t *value);
void bp_map_free(bp_map *map);
/* The hash that the map uses (FNV-1a folded with a multiply-xor finish); the same on every machine. */
uint64_t bp_hash(const void *data, size_t n);

#endif
