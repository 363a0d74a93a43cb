/* out[o, pair] = bias[o, e] + sum of w[i, o, e] x[i, row of the pair], e being the pair's expert, for pairs grouped by
 * expert (experts_tile.h): all F32, in plain FMA: for exact activations and for cards or shapes without the tensor-core
 * form. A block makes 64 rows x a tile of up to 32 pairs, a thread 4 x 2 of them, 32 inputs at a time. Rows of pairs of
 * no expert are zeros. n_used: pairs that share a row of x (1: each has its own).
 * BP_TYPE: the weight's type; BP_ALIGNED: 0 where rows of floats start anywhere.
 * Grid: x: ceil(rows / 64), y: any number of blocks that walk the tiles. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39|0|1|30 -DBP_ALIGNED=1
// options: -DBP_TYPE=0|1|30 -DBP_ALIGNED=0
#include "experts_tile.h"
#include "matmul_block.cuh"

#if BP_ALIGNED
typedef unit<BP_TYPE> source;
#else
typedef unaligned<BP_TYPE> source;
#endif

enum { ROWS = 64, PAIRS = 32, DEEP = 32, UNITS = DEEP / source::VALUES };

struct shared_room {
    float w[DEEP][ROWS + 4], x[DEEP][PAIRS + 4];
    int pair[PAIRS];
};

/* Inputs [k0, k0 + 32) of 64 rows, of which `row` is the first and `end` behind the last there is. */
static __device__ __forceinline__ void load_weights(shared_room *s, const bp_planes &w, uint32_t row, uint32_t end,
                                                    int n_in, int k0) {
    for (int i = threadIdx.x; i < ROWS * UNITS; i += 256) {
        const int r = i / UNITS, k = i % UNITS * source::VALUES;
        float v[source::VALUES];
#pragma unroll
        for (int j = 0; j < source::VALUES; j++) v[j] = 0;
        if (row + r < end && k0 + k < n_in) {
            const uint32_t at = (row + r) * (uint32_t)(n_in / source::VALUES) + (k0 + k) / source::VALUES;
            source u;
            u.load(w, at);
            u.values(at, v);
        }
#pragma unroll
        for (int j = 0; j < source::VALUES; j++) s->w[k + j][r] = v[j];
    }
}

static __device__ __forceinline__ void product(shared_room *s, const bp_planes &w, const float *x, const float *bias,
                                               float *out, int4 tile, int n_in, int rows, int n_used) {
    const int row0 = blockIdx.x * ROWS, r = threadIdx.x % 16 * 4, t = threadIdx.x / 16 * 2, count = tile.z;
    const uint32_t first = (uint32_t)tile.x * rows;
    float sum[4][2] = { { 0 } };
    for (int k0 = 0; k0 < n_in; k0 += DEEP) {
        load_weights(s, w, first + row0, first + rows, n_in, k0);
        for (int i = threadIdx.x; i < DEEP * PAIRS; i += 256) {
            const int k = i % DEEP, n = i / DEEP;
            const bool there = n < count && k0 + k < n_in;
            s->x[k][n] = there ? x[(uint64_t)(s->pair[n] / n_used) * n_in + k0 + k] : 0;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEEP; k++) {
            const float4 a = *(const float4 *)&s->w[k][r];
            const float2 b = *(const float2 *)&s->x[k][t];
            const float wa[4] = { a.x, a.y, a.z, a.w };
#pragma unroll
            for (int i = 0; i < 4; i++) {
                sum[i][0] = fmaf(b.x, wa[i], sum[i][0]);
                sum[i][1] = fmaf(b.y, wa[i], sum[i][1]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int row = row0 + r + i / 2, n = t + i % 2;
        if (row < rows && n < count)
            out[(uint64_t)s->pair[n] * rows + row] = sum[i / 2][i % 2] + (bias ? bias[first + row] : 0);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    experts_float(const uint8_t *weight, const float *x, const float *bias, const int *order, const int4 *tiles,
                  float *out, int n_in, int rows, int n_expert, int n_used) {
    __shared__ shared_room s;
    const bp_planes w = planes_of<BP_TYPE>(weight, (uint64_t)n_expert * rows * (n_in / 32));
    bp_wait_inputs();
    const int n_tiles = tiles[0].x;
    for (int i = blockIdx.y; i < n_tiles; i += gridDim.y) {
        const int4 tile = tiles[1 + i];
        if (threadIdx.x < (uint32_t)tile.z) s.pair[threadIdx.x] = order[tile.y + threadIdx.x];
        __syncthreads();
        if (tile.x < n_expert) {
            product(&s, w, x, bias, out, tile, n_in, rows, n_used);
        } else {
            for (int k = threadIdx.x; k < ROWS * tile.z; k += 256) {
                const int row = blockIdx.x * ROWS + k % ROWS;
                if (row < rows) out[(uint64_t)s.pair[k / ROWS] * rows + row] = 0;
            }
        }
        __syncthreads();
    }
}
