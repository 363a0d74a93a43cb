// rms_norm of a whole row in a block's registers, -DEACH times four values a thread at a time: those from 4 (k blockDim.x + thread) on in
// s[k], zeros past the row. Rows are multiples of 32 long.
#ifndef BP_NORM_ROW_CUH
#define BP_NORM_ROW_CUH

#include "quads.cuh"

// Where a row goes; what is NULL is not wanted. sum: the row before the norm.
struct row_target {
    float4 *y, *sum;
    int8_t *codes;
    float2 *scales;
};

// 1 / root of the mean square of n values; room: 32 floats of shared memory. All threads of the block call.
static __device__ __forceinline__ float row_factor(const float4 *s, int n, float eps, float *room) {
    const int threads = blockDim.x, me = threadIdx.x;
    float total = 0;
#pragma unroll
    for (int k = 0; k < EACH; k++) total += s[k].x * s[k].x + s[k].y * s[k].y + s[k].z * s[k].z + s[k].w * s[k].w;
    total = bp_warp_sum(total);
    if (me % 32 == 0) room[me / 32] = total;
    __syncthreads();
    total = bp_warp_sum(me % 32 < threads / 32 ? room[me % 32] : 0);
    return 1 / sqrtf(total / (float)n + eps);
}

static __device__ __forceinline__ float4 row_value(float4 s, float by, float4 w, const float4 *bias, int i) {
    float4 v = make_float4(s.x * by * w.x, s.y * by * w.y, s.z * by * w.z, s.w * by * w.w);
    if (bias) {
        const float4 b = bias[i];
        v.x += b.x, v.y += b.y, v.z += b.z, v.w += b.w;
    }
    return v;
}

// v: the norm of s, at place `at` (of four values); nothing is stored past the row. Whole warps call.
static __device__ __forceinline__ void put_row(const row_target &to, int64_t at, float4 s, float4 v, bool there) {
    if (to.codes) quantise4(v, there, to.codes + 4 * at, to.scales + at / 8);
    if (there && to.y) to.y[at] = v;
    if (there && to.sum) to.sum[at] = s;
}

#endif
