/* Pairs of a token and an expert in the order of experts, and tiles of at most `each` pairs of one expert
 * (experts_tile.h). ids [pairs]: the expert of each pair; outside [0, n_expert): none. A block an expert, the last one
 * for those of none; each counts all of them, so that none waits for another. Grid: n_expert + 1. */
#include "common.cuh"
#include "experts_tile.h"

enum { WARPS = BP_EXPERTS_THREADS / 32 };

static __device__ __forceinline__ int group_of(int id, int n_expert) {
    return id < 0 || id >= n_expert ? n_expert : id;
}

/* Sums of two numbers over the block, in every thread. */
static __device__ __forceinline__ int2 block_sum(int a, int b) {
    __shared__ int room[2][WARPS];
    a = bp_warp_sum_int(a), b = bp_warp_sum_int(b);
    if (threadIdx.x % 32 == 0) room[0][threadIdx.x / 32] = a, room[1][threadIdx.x / 32] = b;
    __syncthreads();
    int2 sum = make_int2(0, 0);
    for (int w = 0; w < WARPS; w++) sum.x += room[0][w], sum.y += room[1][w];
    __syncthreads();
    return sum;
}

/* The pairs of this group, from order[0] on. A warp has a run of pairs and knows how many those before it found. */
static __device__ __forceinline__ void list(const int *ids, int pairs, int n_expert, int group, int *order) {
    __shared__ int found[WARPS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, rounds = (pairs + WARPS * 32 - 1) / (WARPS * 32);
    const int first = warp * rounds * 32 + lane;
    int count = 0, at = 0;
    for (int r = 0; r < rounds; r++) {
        const int i = first + 32 * r;
        count += __popc(__ballot_sync(0xffffffffu, i < pairs && group_of(ids[i], n_expert) == group));
    }
    if (lane == 0) found[warp] = count;
    __syncthreads();
    for (int w = 0; w < warp; w++) at += found[w];
    for (int r = 0; r < rounds; r++) {
        const int i = first + 32 * r;
        const bool mine = i < pairs && group_of(ids[i], n_expert) == group;
        const uint32_t all = __ballot_sync(0xffffffffu, mine);
        if (mine) order[at + __popc(all & ((1u << lane) - 1))] = i;
        at += __popc(all);
    }
}

extern "C" __global__ void __launch_bounds__(BP_EXPERTS_THREADS)
    experts_group(const int *ids, int *order, int4 *tiles, bp_size pairs_, int n_expert, int each) {
    __shared__ int count[BP_EXPERTS_MOST + 1];
    const int group = blockIdx.x;
    for (int e = threadIdx.x; e <= n_expert; e += BP_EXPERTS_THREADS) count[e] = 0;
    __syncthreads();
    bp_wait_inputs();
    const int pairs = bp_get(pairs_);
    for (int i = threadIdx.x; i < pairs; i += BP_EXPERTS_THREADS) atomicAdd(&count[group_of(ids[i], n_expert)], 1);
    __syncthreads();
    int before = 0, tiles_before = 0;
    for (int e = threadIdx.x; e < group; e += BP_EXPERTS_THREADS) {
        before += count[e];
        tiles_before += (count[e] + each - 1) / each;
    }
    const int2 start = block_sum(before, tiles_before);
    const int n = count[group], n_tiles = (n + each - 1) / each;
    for (int k = threadIdx.x; k < n_tiles; k += BP_EXPERTS_THREADS) {
        const int left = n - k * each;
        tiles[1 + start.y + k] = make_int4(group, start.x + k * each, left < each ? left : each, 0);
    }
    if (group == n_expert && threadIdx.x == 0) tiles[0] = make_int4(start.y + n_tiles, 0, 0, 0);
    if (n) list(ids, pairs, n_expert, group, order + start.x);
}
