// Storing rows of keys and values in the paged cache.
#ifndef BP_KV_PLACE_CUH
#define BP_KV_PLACE_CUH

#include "store.cuh"

struct cache_place {
    uint8_t *cache;
    int width, block, heads, n_blocks;
    int64_t row_bytes;
};

static __device__ __forceinline__ uint8_t *row_of(const cache_place &c, int slot, int head) {
    if (slot < 0 || slot / c.block >= c.n_blocks) return nullptr;
    return c.cache + (((int64_t)(slot / c.block) * c.heads + head) * c.block + slot % c.block) * c.row_bytes;
}

// The row of head h, by a warp.
template <int KIND> static __device__ __forceinline__ void store_row(const cache_place &c, const float *from, int slot, int h) {
    uint8_t *row = row_of(c, slot, h);
    if (!row) return;
    const int lane = threadIdx.x % 32;
    for (int j = lane; j - lane < c.width; j += 32) bp_store<KIND>(row, j, c.width, j < c.width ? from[j] : 0.0f);
}

#endif
