/* Activations rounded to 8 bits: 32 values share a scale d = largest magnitude / 127; value = d * code. Beside d stands d
 * times the sum of the codes. A value that is not finite makes d NaN, so that it reaches every output. */
#ifndef BP_QUANTISE_BLOCK_CUH
#define BP_QUANTISE_BLOCK_CUH

#include "common.cuh"

/* One value a lane; codes: the block's 32, scale: its own. All 32 lanes call. */
static __device__ __forceinline__ void bp_quantise(float value, int8_t *codes, float2 *scale) {
    const uint32_t lane = threadIdx.x & 31;
    const float top = bp_warp_max(fabsf(value));
    const bool bad = !(top < BP_INFINITY);
    const float d = top < 1e-30f ? 0 : top / 127, inverse = bad || d == 0 ? 0 : 127 / top;
    const int code = __float2int_rn(bad ? 0 : value * inverse), sum = bp_warp_sum_int(code);
    codes[lane] = (int8_t)code;
    if (lane == 0) *scale = bad ? make_float2(__int_as_float(0x7fc00000), 0) : make_float2(d, d * (float)sum);
}

#endif
