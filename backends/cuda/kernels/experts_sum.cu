/* The experts' last product of a few tokens and its weighted sum in one: out[o, t] = sum over u of shares[u, t] *
 * (bias[o, e] + w[:, o, e] · x[:, u, t]), e = ids[u, t]. A warp takes BP_ROWS rows through all experts of a token, as if
 * they were one long row, so that short rows fill it as well. Sums are made in one fixed order.
 * Grid: x: ceil(rows / (4 BP_ROWS)), y: tokens. used: at most 32. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39 -DBP_EXACT=0|1 -DBP_ALIGNED=1 -DBP_ROWS=2 -DBP_DEPTH=2|3
// options: -DBP_TYPE=0|1|30 -DBP_EXACT=1 -DBP_ALIGNED=0|1 -DBP_ROWS=2 -DBP_DEPTH=3
#include "gemv_source.cuh"

enum { WARPS = 4, MOST_USED = 32 };

#if !BP_EXACT
typedef int8_source<BP_TYPE> source;
#elif BP_ALIGNED
typedef float_source<unit<BP_TYPE> > source;
#else
typedef float_source<unaligned<BP_TYPE> > source;
#endif

/* The experts of this block's token; one that is not there is -1. */
__shared__ int chosen[MOST_USED];
__shared__ float share[MOST_USED];

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    experts_sum(const void *x, const float2 *scales, const uint8_t *weight, const float *bias, const int *ids,
                const float *shares, float *out, bp_size tokens, int n_in, int rows, int n_expert, int used) {
    const uint32_t token = blockIdx.y, lane = threadIdx.x & 31, row0 = (blockIdx.x * WARPS + threadIdx.x / 32) * BP_ROWS;
    const uint32_t units = (uint32_t)n_in / source::VALUES, all = units * (uint32_t)used;
    const bp_planes w = planes_of<BP_TYPE>(weight, (uint64_t)n_expert * rows * (n_in / 32));
    bp_wait_inputs();
    if (token >= (uint32_t)bp_get(tokens)) return;
    if (threadIdx.x < used) {
        const int id = ids[token * used + threadIdx.x];
        chosen[threadIdx.x] = id >= 0 && id < n_expert ? id : -1;
        share[threadIdx.x] = shares[token * used + threadIdx.x];
    }
    __syncthreads();
    float sum[BP_ROWS] = { 0 };
#pragma unroll 1
    for (uint32_t i0 = lane; i0 - lane < all; i0 += 32 * BP_DEPTH) {
        source s[BP_DEPTH][BP_ROWS];
        uint32_t at[BP_DEPTH], place[BP_DEPTH];
#pragma unroll
        for (int k = 0; k < BP_DEPTH; k++) {
            const uint32_t i = i0 + 32 * k < all ? i0 + 32 * k : all - 1;
            place[k] = i / units;
            const uint32_t expert = chosen[place[k]] < 0 ? 0 : chosen[place[k]];
            at[k] = expert * rows * units + i % units;
#pragma unroll
            for (int r = 0; r < BP_ROWS; r++)
                s[k][r].load(w, at[k] + (row0 + r < (uint32_t)rows ? row0 + r : rows - 1) * units);
        }
#pragma unroll
        for (int k = 0; k < BP_DEPTH; k++) {
            if (i0 + 32 * k >= all || chosen[place[k]] < 0) continue;
            typename source::operand part;
            part.take(x, scales, (uint64_t)token * used, n_in, i0 + 32 * k);
#pragma unroll
            for (int r = 0; r < BP_ROWS; r++) {
                s[k][r].ready(at[k] + (row0 + r < (uint32_t)rows ? row0 + r : rows - 1) * units);
                sum[r] = fmaf(share[place[k]], s[k][r].dot(part), sum[r]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < BP_ROWS; r++) {
        float v = bp_warp_sum(sum[r]);
        const uint32_t row = row0 + r;
        if (lane || row >= (uint32_t)rows) continue;
        for (int u = 0; bias && u < used; u++)
            if (chosen[u] >= 0) v = fmaf(share[u], bias[(int64_t)chosen[u] * rows + row], v);
        out[(int64_t)token * rows + row] = v;
    }
}
