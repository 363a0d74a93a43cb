/* out[o, t] = bias[o] + sum of w[i, o] x[i, t], all F32, in plain FMA: for exact activations and for cards or shapes
 * without the tensor-core form. A block makes 64 rows x 64 tokens, a thread 4 x 4 of them, 16 inputs at a time. Grid:
 * x: ceil(rows / 64), y: ceil(tokens / 64). out_rows: distance of two tokens in out; w and out begin at the first row.
 */
#include "common.cuh"

enum { TILE = 64, DEEP = 16 };

extern "C" __global__ void __launch_bounds__(256)
    gemm_float(const float *w, const float *x, const float *bias, float *out, int n_in, int rows, int out_rows,
               int first_row, bp_size tokens) {
    __shared__ float ws[DEEP][TILE + 4], xs[DEEP][TILE + 4];
    bp_release_next();
    bp_wait_inputs();
    const int n_tokens = bp_get(tokens), row0 = blockIdx.x * TILE, token0 = blockIdx.y * TILE;
    if (token0 >= n_tokens) return;
    const int r = threadIdx.x % 16 * 4, t = threadIdx.x / 16 * 4;
    float sum[4][4] = { { 0 } };
    for (int k0 = 0; k0 < n_in; k0 += DEEP) {
        for (int j = threadIdx.x; j < DEEP * TILE; j += 256) {
            const int k = k0 + j % DEEP, at = j / DEEP;
            ws[j % DEEP][at] = k < n_in && row0 + at < rows ? w[(uint64_t)(row0 + at) * n_in + k] : 0;
            xs[j % DEEP][at] = k < n_in && token0 + at < n_tokens ? x[(uint64_t)(token0 + at) * n_in + k] : 0;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEEP; k++) {
            const float4 a = *(const float4 *)&xs[k][t], b = *(const float4 *)&ws[k][r];
            const float xa[4] = { a.x, a.y, a.z, a.w }, wb[4] = { b.x, b.y, b.z, b.w };
#pragma unroll
            for (int i = 0; i < 16; i++) sum[i / 4][i % 4] = fmaf(xa[i / 4], wb[i % 4], sum[i / 4][i % 4]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 16; i++) {
        const int row = row0 + r + i % 4, token = token0 + t + i / 4;
        if (row < rows && token < n_tokens) {
            out[(uint64_t)token * out_rows + first_row + row] = sum[i / 4][i % 4] + (bias ? bias[first_row + row] : 0);
        }
    }
}
