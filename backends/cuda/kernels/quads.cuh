// Four values at a time.
#ifndef BP_QUADS_CUH
#define BP_QUADS_CUH

#include "common.cuh"

static __device__ __forceinline__ float4 at_or(const float4 *from, int64_t i, bool there, float otherwise) {
    return there && from ? from[i] : make_float4(otherwise, otherwise, otherwise, otherwise);
}

static __device__ __forceinline__ float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

// Four values a lane; eight lanes are a block of 32 that shares a scale (quantise_block.cuh tells the format).
static __device__ __forceinline__ void quantise4(float4 v, bool there, int8_t *codes, float2 *scale) {
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
    if (!there) return;
    *(uint32_t *)codes = (a & 255) | (uint32_t)(b & 255) << 8 | (uint32_t)(c & 255) << 16 | (uint32_t)(e & 255) << 24;
    if (threadIdx.x % 8 == 0)
        *scale = bad ? make_float2(__int_as_float(0x7fc00000), 0) : make_float2(d, d * (float)sum);
}

#endif
