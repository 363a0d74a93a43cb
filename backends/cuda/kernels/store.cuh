// Storing 32 consecutive floats, one a lane, as F32, F16, BF16 or Q8_0. All lanes of the warp call.
#ifndef BP_STORE_CUH
#define BP_STORE_CUH

#include "common.cuh"
#include "types.cuh"

// row: where the row begins; j: the index of this lane's value, of which the warp's first is a multiple of 32; n: the row's
// length. Nothing is stored for j >= n.
template <int KIND> static __device__ __forceinline__ void bp_store(uint8_t *row, int j, int n, float v) {
    if (KIND == BP_TYPE_Q8_0) {
        const float top = bp_warp_max(j < n ? fabsf(v) : 0.0f), d = top / 127.0f;
        const bool good = top < BP_INFINITY && top > 0.0f;
        bp_block_q8_0 *b = (bp_block_q8_0 *)row + j / 32;
        if (j >= n) return;
        b->qs[j % 32] = (int8_t)__float2int_rn(good ? v * (127.0f / top) : 0.0f);
        if (j % 32 == 0) b->d = bp_float_to_half(d);
    } else if (j < n) {
        if (KIND == BP_TYPE_F32) ((float *)row)[j] = v;
        if (KIND == BP_TYPE_F16) ((uint16_t *)row)[j] = bp_float_to_half(v);
        if (KIND == BP_TYPE_BF16) ((uint16_t *)row)[j] = bp_float_to_bf16(v);
    }
}

#endif
