// rms_norm of whole rows that fit in a block's registers: a block a row, four values a thread at a time. The weights
// are fetched before the row is there. Where asked, the result is rounded to 8 bits as well.
// options: -DEACH=1|2|4
#include "common.cuh"

// Four values a lane; eight lanes are a block of 32 that shares a scale (quantise_block.cuh tells the format).
static __device__ __forceinline__ void quantise4(float4 v, int8_t *codes, float2 *scale) {
    float top = bp_max(bp_max(fabsf(v.x), fabsf(v.y)), bp_max(fabsf(v.z), fabsf(v.w)));
#pragma unroll
    for (int k = 4; k; k >>= 1) top = bp_max(top, __shfl_xor_sync(0xffffffffu, top, k));
    const bool bad = !(top < BP_INFINITY);
    const float d = top < 1e-30f ? 0 : top / 127, by = bad || d == 0 ? 0 : 127 / top;
    const int a = __float2int_rn(bad ? 0 : v.x * by), b = __float2int_rn(bad ? 0 : v.y * by);
    const int c = __float2int_rn(bad ? 0 : v.z * by), e = __float2int_rn(bad ? 0 : v.w * by);
    int sum = a + b + c + e;
#pragma unroll
    for (int k = 4; k; k >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, k);
    *(uint32_t *)codes = (a & 255) | (uint32_t)(b & 255) << 8 | (uint32_t)(c & 255) << 16 | (uint32_t)(e & 255) << 24;
    if (threadIdx.x % 8 == 0)
        *scale = bad ? make_float2(__int_as_float(0x7fc00000), 0) : make_float2(d, d * (float)sum);
}

// n = 4 EACH blockDim.x, a multiple of 128; grid: rows.
extern "C" __global__ void __launch_bounds__(1024)
    norm_row(const float4 *x, const float4 *residual, const float4 *weight, const float4 *bias, float4 *y, float4 *sum,
             int8_t *codes, float2 *scales, bp_size rows, int n, float eps) {
    __shared__ float room[32];
    bp_release_next();
    const int threads = blockDim.x, me = threadIdx.x;
    const int64_t first = (int64_t)blockIdx.x * (n / 4);
    float4 s[EACH], w[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++) w[k] = weight ? weight[k * threads + me] : make_float4(1, 1, 1, 1);
    bp_wait_inputs();
    if ((int)blockIdx.x >= bp_get(rows)) return;
#pragma unroll
    for (int k = 0; k < EACH; k++) s[k] = x[first + k * threads + me];
    if (residual) {
        float4 r[EACH];
#pragma unroll
        for (int k = 0; k < EACH; k++) r[k] = residual[first + k * threads + me];
#pragma unroll
        for (int k = 0; k < EACH; k++) s[k].x += r[k].x, s[k].y += r[k].y, s[k].z += r[k].z, s[k].w += r[k].w;
    }
    float total = 0;
#pragma unroll
    for (int k = 0; k < EACH; k++) total += s[k].x * s[k].x + s[k].y * s[k].y + s[k].z * s[k].z + s[k].w * s[k].w;
    total = bp_warp_sum(total);
    if (me % 32 == 0) room[me / 32] = total;
    __syncthreads();
    total = bp_warp_sum(me % 32 < threads / 32 ? room[me % 32] : 0);
    const float by = 1 / sqrtf(total / (float)n + eps);
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int64_t at = first + k * threads + me;
        float4 v = make_float4(s[k].x * by * w[k].x, s[k].y * by * w[k].y, s[k].z * by * w[k].z, s[k].w * by * w[k].w);
        if (bias) {
            const float4 b = bias[k * threads + me];
            v.x += b.x, v.y += b.y, v.z += b.z, v.w += b.w;
        }
        if (codes) quantise4(v, codes + 4 * at, scales + at / 8);
        y[at] = v;
        if (sum) sum[at] = s[k];
    }
}
