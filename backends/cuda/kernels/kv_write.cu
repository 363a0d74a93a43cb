// kv_write: rows of keys and values into the paged cache, a warp a head. -DKTYPE, -DVTYPE: the cache's types.
// rope_kv_write: queries and keys are rotated on the way, in the same launch.
// options: -DKTYPE=0|1|8 -DVTYPE=0|1|8
#include "rotate.cuh"
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

template <int KIND, bool ROTATE>
static __device__ __forceinline__ void write_head(const cache_place &c, const float *head, int slot, int h, const bp_rotation &r,
                                                  const int *positions, int token) {
    uint8_t *row = row_of(c, slot, h);
    if (!row) return;
    for (int j = threadIdx.x % 32; j - (int)(threadIdx.x % 32) < c.width; j += 32) {
        const float v = j >= c.width ? 0.0f : ROTATE ? bp_rotated(r, head, positions, token, j) : head[j];
        bp_store<KIND>(row, j, c.width, v);
    }
}

extern "C" __global__ void __launch_bounds__(128)
kv_write(const float *k, const float *v, const int *slots, uint8_t *k_cache, uint8_t *v_cache, bp_size tokens_, int heads,
         int k_width, int v_width, int block, int n_blocks, int64_t k_row, int64_t v_row) {
    bp_release_next();
    bp_wait_inputs();
    const bp_rotation none = {};
    const cache_place keys = { k_cache, k_width, block, heads, n_blocks, k_row }, values = { v_cache, v_width, block, heads, n_blocks, v_row };
    const int rows = v ? 2 * heads : heads, all = bp_get(tokens_) * rows, warps = blockDim.x / 32;
    for (int i = blockIdx.x * warps + threadIdx.x / 32; i < all; i += gridDim.x * warps) {
        const int token = i / rows, h = i % rows, slot = slots[token];
        if (h < heads) write_head<KTYPE, false>(keys, k + ((int64_t)token * heads + h) * k_width, slot, h, none, nullptr, token);
        else write_head<VTYPE, false>(values, v + ((int64_t)token * heads + h - heads) * v_width, slot, h - heads, none, nullptr, token);
    }
}

extern "C" __global__ void __launch_bounds__(128)
rope_kv_write(const float *q, const float *k, const float *v, const int *positions, const int *slots, const double *turns,
              const float *factors, float *q_out, uint8_t *k_cache, uint8_t *v_cache, bp_size tokens_, int heads_q, int heads,
              int k_width, int v_width, int block, int n_blocks, int64_t k_row, int64_t v_row, float magnitude, int n_dims,
              int halves, int s0, int s1, int s2, int s3) {
    bp_release_next();
    bp_wait_inputs();
    const bp_rotation r = { turns, factors, magnitude, k_width, n_dims, halves, { s0, s1, s2, s3 } };
    const cache_place keys = { k_cache, k_width, block, heads, n_blocks, k_row }, values = { v_cache, v_width, block, heads, n_blocks, v_row };
    const int rows = heads_q + 2 * heads, all = bp_get(tokens_) * rows, warps = blockDim.x / 32;
    for (int i = blockIdx.x * warps + threadIdx.x / 32; i < all; i += gridDim.x * warps) {
        const int token = i / rows, h = i % rows, slot = slots[token];
        if (h < heads_q) {
            const int64_t at = ((int64_t)token * heads_q + h) * k_width;
            for (int j = threadIdx.x % 32; j < k_width; j += 32) q_out[at + j] = bp_rotated(r, q + at, positions, token, j);
        } else if (h < heads_q + heads) {
            const int hk = h - heads_q;
            write_head<KTYPE, true>(keys, k + ((int64_t)token * heads + hk) * k_width, slot, hk, r, positions, token);
        } else {
            const int hv = h - heads_q - heads;
            write_head<VTYPE, false>(values, v + ((int64_t)token * heads + hv) * v_width, slot, hv, r, positions, token);
        }
    }
}
