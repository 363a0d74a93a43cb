// rms_norm of whole rows that fit in a block's registers: a block a row. The weights are fetched before the row is there.
// Where asked, the result is rounded to 8 bits as well.
// options: -DEACH=1|2|4
#include "norm_row.cuh"

// 4 EACH blockDim.x >= n, a multiple of 32; grid: rows. ids: NULL, or which of the n_rows rows of x and residual is meant;
// one that is not there is zeros.
extern "C" __global__ void __launch_bounds__(1024)
    norm_row(const float4 *x, const float4 *residual, const float4 *weight, const float4 *bias, float4 *y, float4 *sum,
             int8_t *codes, float2 *scales, bp_size rows, int n, float eps, const int *ids, bp_size n_rows) {
    bp_release_next();
    const int threads = blockDim.x, me = threadIdx.x, quads = n / 4;
    const int64_t first = (int64_t)blockIdx.x * quads;
    float4 s[EACH], r[EACH], w[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) w[k] = at_or(weight, k * threads + me, k * threads + me < quads, 1);
    bp_wait_inputs();
    if ((int)blockIdx.x >= bp_get(rows)) return;
    const int row = ids ? ids[blockIdx.x] : blockIdx.x;
    const bool known = !ids || (row >= 0 && row < bp_get(n_rows));
    const int64_t from = (int64_t)row * quads;
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int i = k * threads + me;
        s[k] = at_or(x, from + i, known && i < quads, 0), r[k] = at_or(residual, from + i, known && i < quads, 0);
    }
#pragma unroll
    for (int k = 0; k < EACH; k++) s[k] = plus(s[k], r[k]);
    const row_target to = { y, sum, codes, scales };
    __shared__ float room[32];
    const float by = row_factor(s, n, eps, room);
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int i = k * threads + me;
        const bool there = i < quads;
        put_row(to, first + i, s[k], row_value(s[k], by, w[k], there ? bias : nullptr, i), there);
    }
}
