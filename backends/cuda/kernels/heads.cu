// What happens to heads between their projections and attention, in one launch: queries and keys are normalised (where
// asked) and rotated, keys and values stored in the paged cache. A warp a head; a token's heads are those of q, k, v.
// options: -DKTYPE=0|1|8 -DVTYPE=0|1|8
#include "kv_place.cuh"
#include "rotate.cuh"
#include "store.cuh"

enum { WARPS = 4, WIDEST = 512, READY_PAIRS = 2 };

// rms_norm of each head; weight may be null.
struct head_norm {
    int on;
    const float *weight;
    float eps;
};

// A head's values, normalised, to `room`: value j by lane j % 32.
static __device__ __forceinline__ void take_head(const float *from, int width, const head_norm &norm, float *room) {
    const int lane = threadIdx.x % 32;
    float total = 0.0f;
    for (int j0 = lane; j0 < width; j0 += 128) {
        float v[4];
#pragma unroll
        for (int k = 0; k < 4; k++) v[k] = j0 + 32 * k < width ? from[j0 + 32 * k] : 0.0f;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            if (j0 + 32 * k < width) room[j0 + 32 * k] = v[k];
            total += v[k] * v[k];
        }
    }
    if (!norm.on) return;
    const float by = 1.0f / sqrtf(bp_warp_sum(total) / (float)width + norm.eps);
    for (int j = lane; j < width; j += 32) room[j] = room[j] * by * (norm.weight ? norm.weight[j] : 1.0f);
}

// Pair i by lane i % 32; steps: of the lane's first pairs.
static __device__ __forceinline__ void rotate_head(const bp_rotation &r, const int *positions, int token, const uint64_t *steps,
                                                   float *room) {
    const int half = r.n_dims / 2, lane = threadIdx.x % 32;
    for (int k = 0; k * 32 + lane < half; k++) {
        const int pair = k * 32 + lane, a_at = r.halves ? pair : 2 * pair, b_at = r.halves ? pair + half : 2 * pair + 1;
        const uint64_t step = k == 0 ? steps[0] : k == 1 ? steps[1] : bp_rope_step(r, pair);
        float sine, cosine;
        bp_rope_turn(step, bp_rope_position(r, positions, token, pair), &sine, &cosine);
        const float a = room[a_at], b = room[b_at];
        room[a_at] = r.magnitude * (a * cosine - b * sine);
        room[b_at] = r.magnitude * (a * sine + b * cosine);
    }
}

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
    uint64_t steps[READY_PAIRS];
#pragma unroll
    for (int p = 0; p < READY_PAIRS; p++) steps[p] = 32 * p + lane < n_dims / 2 ? bp_rope_step(r, 32 * p + lane) : 0;
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
        take_head((query ? q : k) + at * k_width, k_width, query ? norm_q : norm_k, room);
        __syncwarp();
        rotate_head(r, positions, token, steps, room);
        __syncwarp();
        if (!query) store_row<KTYPE>(keys, room, slots[token], h - heads_q);
        for (int j = lane; query && j < k_width; j += 32) q_out[at * k_width + j] = room[j];
        __syncwarp();
    }
}
