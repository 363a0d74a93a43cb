// Values with their places as whole numbers that sort as the ops want: larger value first, then lower index; NaN as -infinity.
#ifndef BP_ORDER_CUH
#define BP_ORDER_CUH

#include "common.cuh"

static __device__ __forceinline__ uint64_t bp_order(float v, int index) {
    uint32_t u = __float_as_uint(v != v ? -BP_INFINITY : v == 0.0f ? 0.0f : v);
    u = u & 0x80000000u ? ~u : u | 0x80000000u;
    return (uint64_t)u << 32 | (0xffffffffu - (uint32_t)index);
}
static __device__ __forceinline__ int bp_order_index(uint64_t key) { return (int)(0xffffffffu - (uint32_t)key); }

// The largest key of a block, in every thread; room: 33 words.
static __device__ __forceinline__ uint64_t bp_block_largest(uint64_t v, uint64_t *room) {
    for (int i = 16; i; i >>= 1) {
        const uint64_t other = __shfl_xor_sync(0xffffffffu, v, i);
        v = other > v ? other : v;
    }
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = v;
    __syncthreads();
    for (int w = 0; w < (int)blockDim.x / 32; w++) v = room[w] > v ? room[w] : v;
    __syncthreads();
    return v;
}

#endif
