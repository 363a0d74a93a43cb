// kv_write: rows of keys and values into the paged cache, a warp a head. -DKTYPE, -DVTYPE: the cache's types.
// options: -DKTYPE=0|1|8 -DVTYPE=0|1|8
#include "kv_place.cuh"

extern "C" __global__ void __launch_bounds__(128)
kv_write(const float *k, const float *v, const int *slots, uint8_t *k_cache, uint8_t *v_cache, bp_size tokens_, int heads,
         int k_width, int v_width, int block, int n_blocks, int64_t k_row, int64_t v_row) {
    bp_release_next();
    bp_wait_inputs();
    const cache_place keys = { k_cache, k_width, block, heads, n_blocks, k_row }, values = { v_cache, v_width, block, heads, n_blocks, v_row };
    const int rows = v ? 2 * heads : heads, all = bp_get(tokens_) * rows, warps = blockDim.x / 32;
    for (int i = blockIdx.x * warps + threadIdx.x / 32; i < all; i += gridDim.x * warps) {
        const int token = i / rows, h = i % rows, slot = slots[token];
        if (h < heads) store_row<KTYPE>(keys, k + ((int64_t)token * heads + h) * k_width, slot, h);
        else store_row<VTYPE>(values, v + ((int64_t)token * heads + h - heads) * v_width, slot, h - heads);
    }
}
