/* out[o, t] = bias[o] + sum of w[i, o] x[i, t] for a weight as the file has it, of type -DBP_TYPE. A warp a row, 8
 * tokens (with experts: one pair of expert and token) at a time. Grid: x: rows / 4, y: groups of tokens. n_used: pairs
 * that share a token. */
// options: -DBP_TYPE=@weights
#include "decode.cuh"

extern "C" __global__ void __launch_bounds__(128)
    matmul_rows(const uint8_t *w, const float *x, const float *bias, const int *ids, float *out, int n_in, int n_out,
                int n_expert, int64_t row_bytes, bp_size tokens_, int n_used) {
    bp_release_next();
    bp_wait_inputs();
    enum { EACH = 8 };
    const int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, tokens = bp_get(tokens_),
              each = ids ? 1 : EACH;
    if (row >= n_out) return;
    for (int t0 = blockIdx.y * each; t0 < tokens; t0 += gridDim.y * each) {
        const int id = ids ? ids[t0] : 0;
        const bool absent = id < 0 || id >= n_expert;
        const int64_t at = (int64_t)(absent ? 0 : id) * n_out + row;
        float sum[EACH] = { 0 };
        for (int i = lane; i < n_in && !absent; i += 32) {
            const float v = bp_decode<BP_TYPE>(w + at * row_bytes, i);
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                if (k < each && t0 + k < tokens) sum[k] = fmaf(v, x[(int64_t)((t0 + k) / n_used) * n_in + i], sum[k]);
            }
        }
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const float all = bp_warp_sum(sum[k]);
            if (k < each && t0 + k < tokens && lane == 0) {
                out[(int64_t)(t0 + k) * n_out + row] = absent ? 0 : all + (bias ? bias[at] : 0);
            }
        }
    }
}
