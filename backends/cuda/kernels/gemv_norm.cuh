/* A norm between two products of one token, without a launch of its own. The product before (BP_SUM=1) adds the residual,
 * stores the sum, and the sum times the norm's weight ("scaled"), and for each of its blocks the sum of the squares. The
 * product after (BP_NORM: how many of those sums a thread takes) multiplies its results by 1 / root of the mean square; where
 * activations are rounded to 8 bits, each of its blocks rounds the scaled row for itself, into shared memory. */
#ifndef BP_GEMV_NORM_CUH
#define BP_GEMV_NORM_CUH

#include "quads.cuh"

/* What a launch is told of the norm before it and of the one after it. */
struct norm_links {
    const float *squares; /* [n_squares] of the row, the sums of its parts */
    int n_squares;
    float eps;
    const float *residual, *weight; /* [rows] of the norm after; weight: NULL: ones */
    float *sum, *squares_out;       /* [rows], [blocks] */
};

/* The mean square of the row, in the making: loaded early, joined late, in a fixed order. */
template <int EACH_THREAD, int WARPS> struct mean_square {
    float part[EACH_THREAD];

    static __device__ __forceinline__ float *room() {
        __shared__ float sums[WARPS];
        return sums;
    }
    __device__ __forceinline__ void load(const norm_links &l) {
#pragma unroll
        for (int k = 0; k < EACH_THREAD; k++) {
            const int i = k * 32 * WARPS + threadIdx.x;
            part[k] = i < l.n_squares ? l.squares[i] : 0;
        }
    }
    /* Between load and factor, by all threads, and a barrier after it. */
    __device__ __forceinline__ void join() const {
        float total = 0;
#pragma unroll
        for (int k = 0; k < EACH_THREAD; k++) total += part[k];
        total = bp_warp_sum(total);
        if (threadIdx.x % 32 == 0) room()[threadIdx.x / 32] = total;
    }
    /* 1 / root of the mean square. */
    static __device__ __forceinline__ float factor(const norm_links &l, int n) {
        float total = 0;
#pragma unroll
        for (int k = 0; k < WARPS; k++) total += room()[k];
        return 1 / sqrtf(total / (float)n + l.eps);
    }
};

/* The row x [n] rounded to 8 bits; all threads of the block call, and n is a multiple of 32. */
static __device__ __forceinline__ void round_row(const float4 *x, int n, int8_t *codes, float2 *scales) {
    const int quads = n / 4;
#pragma unroll 2
    for (int i = threadIdx.x; i - (int)(threadIdx.x % 32) < quads; i += blockDim.x) {
        const bool there = i < quads;
        quantise4(at_or(x, i, there, 0), there, codes + 4 * i, scales + i / 8);
    }
    __syncthreads();
}

/* Stores the rows' results: v of row `row` by whoever has it, then the block's squares. */
template <int BLOCK_ROWS> struct linked_rows {
    static __device__ __forceinline__ float *squares() {
        __shared__ float room[BLOCK_ROWS];
        return room;
    }
    static __device__ __forceinline__ void store(const norm_links &l, float *scaled, uint32_t row, uint32_t in_block, bool there,
                                                 float v, float residual, float weight) {
        const float s = v + residual;
        if (there) l.sum[row] = s, scaled[row] = s * weight;
        squares()[in_block] = there ? s * s : 0;
    }
    static __device__ __forceinline__ void finish(const norm_links &l, uint32_t block) {
        static_assert(BLOCK_ROWS <= 32, "a warp sums them");
        __syncthreads();
        if (threadIdx.x >= 32) return;
        const float total = bp_warp_sum(threadIdx.x < BLOCK_ROWS ? squares()[threadIdx.x] : 0);
        if (threadIdx.x == 0) l.squares_out[block] = total;
    }
};

#endif
