// The norm before the experts of a token, the router's product and the choice of experts, in one launch. Each block makes
// the norm of the row for itself, and the first one stores it; then a warp makes the logit of an expert, whose weights it
// has fetched before the row was there. The last block to finish chooses: it reads all logits in their order, so that the
// result does not depend on which block that is.
// Grid: x: ceil(n_expert / 8), y: tokens. count: of blocks that are done, one a token, 0 before and after.
// options: -DEACH=1|2|8
#include "last_block.cuh"
#include "norm_row.cuh"
#include "route.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, FETCHED = 16 };

union router_room {
    float4 row[EACH * THREADS];
    route_room choice;
};

struct router_input {
    const float4 *x, *residual, *bias;
    float eps;
};

static __device__ __forceinline__ float dot(float4 a, float4 b, float sum) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

// The row's norm to `row`, and from block 0 to memory. w: its weights; quads: fours of values in the row.
static __device__ __forceinline__ void make_row(const router_input &in, int64_t first, int quads, const float4 *w, float4 *row,
                                                const row_target &to) {
    __shared__ float room[32];
    float4 s[EACH], r[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int i = k * THREADS + threadIdx.x;
        s[k] = at_or(in.x, first + i, i < quads, 0), r[k] = at_or(in.residual, first + i, i < quads, 0);
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) s[k] = plus(s[k], r[k]);
    const float by = row_factor(s, 4 * quads, in.eps, room);
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int i = k * THREADS + threadIdx.x;
        const float4 v = row_value(s[k], by, w[k], i < quads ? in.bias : nullptr, i);
        row[i] = v;
        if (blockIdx.x == 0) put_row(to, first + i, s[k], v, i < quads);
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS)
    router(const float4 *x, const float4 *residual, const float4 *norm_weight, const float4 *norm_bias, const float4 *weight,
           const float *bias, const float *select_bias, float4 *y, float4 *sum, int8_t *codes, float2 *scales, float *logits,
           int *ids, float *shares, unsigned *count, bp_size tokens, int n, int n_expert, float eps, int used, int gating,
           int normalise, int groups, int groups_used, float scale) {
    __shared__ router_room room;
    bp_release_next();
    const int quads = n / 4, lane = threadIdx.x % 32, expert = blockIdx.x * WARPS + threadIdx.x / 32, token = blockIdx.y;
    const float4 *mine = weight + (int64_t)(expert < n_expert ? expert : 0) * quads;
    float4 early[FETCHED], w[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int i = k * THREADS + threadIdx.x;
        w[k] = at_or(norm_weight, i, i < quads, 1);
    }
#pragma unroll
    for (int k = 0; k < FETCHED; k++) early[k] = at_or(mine, 32 * k + lane, 32 * k + lane < quads, 0);
    bp_wait_inputs();
    if (token >= bp_get(tokens)) return;
    const router_input in = { x, residual, norm_bias, eps };
    const row_target to = { y, sum, codes, scales };
    make_row(in, (int64_t)token * quads, quads, w, room.row, to);
    float total = 0;
#pragma unroll
    for (int k = 0; k < FETCHED; k++)
        if (32 * k + lane < quads) total = dot(early[k], room.row[32 * k + lane], total);
    for (int i = 32 * FETCHED + lane; i < quads; i += 32) total = dot(mine[i], room.row[i], total);
    total = bp_warp_sum(total);
    if (lane == 0 && expert < n_expert) logits[(int64_t)token * n_expert + expert] = total + (bias ? bias[expert] : 0);
    if (!last_block(count + token)) return;
    const route_rules rules = { used, gating, normalise, groups, groups_used, scale };
    route_token(logits + (int64_t)token * n_expert, select_bias, n_expert, rules, &room.choice, ids + (int64_t)token * used,
                shares + (int64_t)token * used);
}
