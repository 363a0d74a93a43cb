/* A row's dot product, unit by unit: with 8-bit activations (int8_source) or with F32 ones (float_source).
 *   source::operand   a unit's share of one token; take(x, scales, token, n, i) loads it (formats: cuda_plan.h)
 *   load(w, i), ready(i), dot(operand) */
#ifndef BP_GEMV_SOURCE_CUH
#define BP_GEMV_SOURCE_CUH

#include "matmul_block.cuh"

template <int TYPE> struct int8_source {
    enum { VALUES = packed<TYPE>::VALUES, WORDS = VALUES / 4, HALVES = packed<TYPE>::HALVES,
           MINIMUM = packed<TYPE>::MINIMUM };
    packed<TYPE> p;
    uint32_t c[WORDS];
    float s[2], m[2];

    struct operand {
        uint4 a[VALUES / 16];
        float2 scale; /* d, d times the sum of the block's codes */
        __device__ __forceinline__ void take(const void *x, const float2 *scales, uint64_t token, uint32_t n,
                                             uint32_t i) {
            const uint8_t *codes = (const uint8_t *)x + token * n + VALUES * i;
#pragma unroll
            for (int k = 0; k < VALUES / 16; k++) a[k] = *(const uint4 *)(codes + 16 * k);
            scale = scales[token * (n / 32) + (VALUES == 16 ? i / 2 : i)];
        }
        /* Sum of the codes of words [from, to). */
        __device__ __forceinline__ float sum(int from, int to) const {
            int32_t v = 0;
#pragma unroll
            for (int k = 0; k < WORDS; k++) {
                if (k >= from && k < to) v = dot4(word_of(a[k / 4], k & 3), 0x01010101u, v);
            }
            return (float)v;
        }
    };

    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) { p.load(w, i); }
    __device__ __forceinline__ void ready(uint32_t i) { p.unpack(i, c, s, m); }
    __device__ __forceinline__ float dot(const operand &x) const {
        int32_t sum[2] = { 0, 0 };
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            int32_t &to = sum[k * HALVES / WORDS];
            to = dot4(c[k], word_of(x.a[k / 4], k & 3), to);
        }
        float v = s[0] * (float)sum[0];
        if (HALVES == 2) v = fmaf(s[1], (float)sum[1], v);
        if (MINIMUM && HALVES == 2) v = fmaf(m[0], x.sum(0, WORDS / 2), fmaf(m[1], x.sum(WORDS / 2, WORDS), v));
        v *= x.scale.x;
        return MINIMUM && HALVES == 1 ? fmaf(m[0], x.scale.y, v) : v;
    }
};

template <class UNIT> struct float_source {
    enum { VALUES = UNIT::VALUES };
    UNIT u;
    float v[VALUES];

    struct operand {
        float a[VALUES];
        __device__ __forceinline__ void take(const void *x, const float2 *, uint64_t token, uint32_t n, uint32_t i) {
            const float *from = (const float *)x + token * n + VALUES * (uint64_t)i;
            if (VALUES == 1) a[0] = from[0];
#pragma unroll
            for (int k = 0; k < VALUES / 4; k++) *(float4 *)(a + 4 * k) = ((const float4 *)from)[k];
        }
    };

    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) { u.load(w, i); }
    __device__ __forceinline__ void ready(uint32_t i) { u.values(i, v); }
    __device__ __forceinline__ float dot(const operand &x) const {
        float sum = 0;
#pragma unroll
        for (int k = 0; k < VALUES; k++) sum = fmaf(v[k], x.a[k], sum);
        return sum;
    }
};

#endif
