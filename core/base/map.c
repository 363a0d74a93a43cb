#include "core/base/map.h"

#include <stdlib.h>
#include <string.h>

struct bp_map_slot {
    const char *key; /* NULL: free */
    uint32_t length, value;
    uint64_t hash;
};

uint64_t bp_hash(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u ^ n;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; n; n--, p++) h = (h ^ *p) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static struct bp_map_slot *slot_of(const bp_map *map, const char *key, size_t n, uint64_t hash) {
    size_t at = hash & (map->n_slots - 1);
    for (;; at = (at + 1) & (map->n_slots - 1)) {
        struct bp_map_slot *slot = &map->slots[at];
        if (!slot->key || (slot->hash == hash && slot->length == n && !memcmp(slot->key, key, n))) return slot;
    }
}

static bool double_slots(bp_map *map) {
    bp_map larger = { .n_slots = map->n_slots ? map->n_slots * 2 : 64, .count = map->count };
    larger.slots = calloc(larger.n_slots, sizeof *larger.slots);
    if (!larger.slots) return false;
    for (size_t i = 0; i < map->n_slots; i++) {
        const struct bp_map_slot *old = &map->slots[i];
        if (old->key) *slot_of(&larger, old->key, old->length, old->hash) = *old;
    }
    free(map->slots);
    *map = larger;
    return true;
}

bool bp_map_reserve(bp_map *map, size_t count) {
    size_t n_slots = 64;
    while (n_slots / 2 < count && n_slots < SIZE_MAX / 4 / sizeof *map->slots) n_slots *= 2;
    if (map->n_slots) return true;
    map->slots = calloc(n_slots, sizeof *map->slots);
    map->n_slots = map->slots ? n_slots : 0;
    return map->slots;
}

int bp_map_add(bp_map *map, const char *key, size_t n, uint32_t value) {
    if (n > UINT32_MAX) return BP_MAP_NO_MEMORY;
    if (map->count * 2 >= map->n_slots && !double_slots(map)) return BP_MAP_NO_MEMORY;
    uint64_t hash = bp_hash(key, n);
    struct bp_map_slot *slot = slot_of(map, key, n, hash);
    if (slot->key) return BP_MAP_THERE;
    *slot = (struct bp_map_slot){ key, (uint32_t)n, value, hash };
    map->count++;
    return BP_MAP_ADDED;
}

bool bp_map_find(const bp_map *map, const char *key, size_t n, uint32_t *value) {
    if (!map->n_slots || n > UINT32_MAX) return false;
    const struct bp_map_slot *slot = slot_of(map, key, n, bp_hash(key, n));
    if (slot->key) *value = slot->value;
    return slot->key;
}

void bp_map_free(bp_map *map) {
    free(map->slots);
    *map = (bp_map){ 0 };
}
