/* Joins the parts that attention_decode.cu leaves, in their order, and rounds the result to 8 bits where it is asked
 * for. Grid: x: n_head, y: tokens; threads: at least dim_v, a multiple of 32. A part without keys has the maximum
 * -infinity. */
#include "quantise_block.cuh"

enum { MOST_SPLITS = 64 };

extern "C" __global__ void attention_merge(const float *part, const float *sinks, float *out, int8_t *codes,
                                           float2 *scales, bp_size tokens, int splits, int dim_v) {
    __shared__ float share[MOST_SPLITS], sums[MOST_SPLITS];
    bp_release_next();
    bp_wait_inputs();
    const int head = blockIdx.x, token = blockIdx.y, n_head = gridDim.x, stride = dim_v + 2;
    if (token >= bp_get(tokens)) return;
    const int64_t row = (int64_t)token * n_head + head;
    const float *from = part + row * splits * stride;
    for (int s = threadIdx.x; s < splits; s += blockDim.x) {
        share[s] = from[(int64_t)s * stride + dim_v], sums[s] = from[(int64_t)s * stride + dim_v + 1];
    }
    __syncthreads();
    float top = -BP_INFINITY;
    int used = 0; /* parts up to the last that has keys */
    for (int s = 0; s < splits; s++) {
        top = bp_max(top, share[s]);
        if (share[s] != -BP_INFINITY) used = s + 1;
    }
    const float most = sinks && top != -BP_INFINITY ? bp_max(top, sinks[head]) : top;
    __syncthreads();
    for (int s = threadIdx.x; s < used; s += blockDim.x)
        share[s] = share[s] == -BP_INFINITY ? 0 : __expf(share[s] - most);
    __syncthreads();
    float all = sinks && used ? __expf(sinks[head] - most) : 0;
    for (int s = 0; s < used; s++) all += share[s] * (share[s] != 0 ? sums[s] : 0);
    for (int d0 = threadIdx.x / 32 * 32; d0 < dim_v; d0 += blockDim.x) {
        const int d = d0 + threadIdx.x % 32;
        const float *p = from + (d < dim_v ? d : dim_v - 1);
        float v = 0;
#pragma unroll 8
        for (int s = 0; s < used; s++) v = fmaf(share[s], p[(int64_t)s * stride], v);
        v = used ? v / all : 0;
        if (d < dim_v && out) out[row * dim_v + d] = v;
        if (codes) bp_quantise(d < dim_v ? v : 0, codes + row * dim_v + d0, scales + (row * dim_v + d0) / 32);
    }
}
