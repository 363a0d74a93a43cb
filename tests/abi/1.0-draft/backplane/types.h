/* Tensor types and the size of their rows. Freestanding; source of the ids: the GGUF specification. */
#ifndef BACKPLANE_TYPES_H
#define BACKPLANE_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum bp_tensor_type {
#define BP_TENSOR_TYPE(name, id, values, bytes) BP_TYPE_##name = id,
#include "backplane/tensor_types.def"
#undef BP_TENSOR_TYPE
};

typedef struct bp_type_info {
    const char *name;      /* "Q4_K"; NULL for an id that this build does not know */
    uint32_t block_values; /* values in one block */
    uint32_t block_bytes;  /* bytes of one block */
} bp_type_info;

enum { BP_TYPE_LIMIT = 64 }; /* ids at or above are unknown */

/* What is known of a type id; name is NULL (and both numbers 0) for an unknown one. Any thread. */
static inline bp_type_info bp_type(uint32_t id) {
    static const bp_type_info known[BP_TYPE_LIMIT] = {
#define BP_TENSOR_TYPE(name, id, values, bytes) [id] = { #name, values, bytes },
#include "backplane/tensor_types.def"
#undef BP_TENSOR_TYPE
    };
    bp_type_info none = { NULL, 0, 0 };
    return id < BP_TYPE_LIMIT ? known[id] : none;
}

/* Bytes of n values of a known type stored in a row; n must be a multiple of the block. */
static inline uint64_t bp_row_bytes(uint32_t type, int64_t n) {
    bp_type_info t = bp_type(type);
    return t.block_values ? (uint64_t)n / t.block_values * t.block_bytes : 0;
}

/* True where a weight of this type can be multiplied by activations (all but integers). */
static inline int bp_type_is_float(uint32_t type) { return bp_type(type).name && type != BP_TYPE_I32; }

#endif
