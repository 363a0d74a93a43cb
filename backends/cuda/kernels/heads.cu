// What happens to heads between their projections and attention, in one launch: queries and keys are normalised (where
// asked) and rotated, keys and values stored in the paged cache. A warp a head; a token's heads are those of q, k, v.
// options: -DKTYPE=0|1|8 -DVTYPE=0|1|8
#include "head_row.cuh"
#include "kv_place.cuh"

enum { WARPS = 4, WIDEST = 512, PARTS = WIDEST / 32 };

// Grid: x: ceil((heads_q + 2 heads) / 4) for each token. Heads have at most 512 values, but those of v.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
heads(const float *q, const float *k, const float *v, const int *positions, const int *slots, const double *turns,
      const float *factors, const float *q_weight, const float *k_weight, float *q_out, uint8_t *k_cache, uint8_t *v_cache,
      bp_size tokens_, int heads_q, int heads, int k_width, int v_width, int block, int n_blocks, int64_t k_row, int64_t v_row,
      float magnitude, int n_dims, int halves, int s0, int s1, int s2, int s3, int q_norm, float q_eps, int k_norm, float k_eps) {
    __shared__ float rooms[WARPS][WIDEST];
    bp_release_next();
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bp_rotation r = { turns, factors, magnitude, k_width, n_dims, halves, { s0, s1, s2, s3 } };
    uint64_t steps[PARTS / 2];
    steps_of<PARTS / 2>(r, steps);
    const head_norm norm_q = { q_norm, q_weight, q_eps }, norm_k = { k_norm, k_weight, k_eps };
    const cache_place keys = { k_cache, k_width, block, heads, n_blocks, k_row }, values = { v_cache, v_width, block, heads, n_blocks, v_row };
    const int rows = heads_q + 2 * heads;
    float *room = rooms[warp];
    bp_wait_inputs();
    const int all = bp_get(tokens_) * rows;
    for (int i = blockIdx.x * WARPS + warp; i < all; i += gridDim.x * WARPS) {
        const int token = i / rows, h = i % rows;
        if (h >= heads_q + heads) {
            const int hv = h - heads_q - heads;
            store_row<VTYPE>(values, v + ((int64_t)token * heads + hv) * v_width, slots[token], hv);
            continue;
        }
        const bool query = h < heads_q;
        const int64_t at = query ? (int64_t)token * heads_q + h : (int64_t)token * heads + h - heads_q;
        float row[PARTS];
        load_head<PARTS>((query ? q : k) + at * k_width, k_width, row);
        norm_head<PARTS>(row, k_width, norm_of(query, norm_q, norm_k), room);
        rotate_head<PARTS / 2>(r, positions, token, steps, room);
        if (!query) store_row<KTYPE>(keys, room, slots[token], h - heads_q);
        for (int j = lane; query && j < k_width; j += 32) q_out[at * k_width + j] = room[j];
        __syncwarp();
    }
}
