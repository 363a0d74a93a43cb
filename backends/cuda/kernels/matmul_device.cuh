/* What the matrix kernels need of the machine beside common.cuh: pairs of halves, wide loads, dot products of four
 * bytes. */
#ifndef BP_MATMUL_DEVICE_CUH
#define BP_MATMUL_DEVICE_CUH

#include "common.cuh"

static __device__ __forceinline__ float half_to_float(uint32_t bits) { return bp_half_to_float((uint16_t)bits); }
static __device__ __forceinline__ float half_low(uint32_t pair) { return half_to_float(pair & 0xffff); }
static __device__ __forceinline__ float half_high(uint32_t pair) { return half_to_float(pair >> 16); }
static __device__ __forceinline__ float bf16_low(uint32_t pair) { return __uint_as_float(pair << 16); }
static __device__ __forceinline__ float bf16_high(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/* Two floats as halves, the first one low; round to nearest even, beyond the largest half to infinity. */
static __device__ __forceinline__ uint32_t pack_half(float low, float high) {
    return (uint32_t)bp_float_to_half(low) | (uint32_t)bp_float_to_half(high) << 16;
}
static __device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
    return bp_float_to_bf16(low) | (uint32_t)bp_float_to_bf16(high) << 16;
}

#ifdef BP_EMULATED
static inline uint4 load_weight16(const uint8_t *at) { return *(const uint4 *)at; }
static inline uint4 load_record16(const uint8_t *at) { return *(const uint4 *)at; }
static inline uint2 load_weight8(const uint8_t *at) { return *(const uint2 *)at; }
static inline uint32_t load_weight4(const uint8_t *at) { return *(const uint32_t *)at; }
static inline uint32_t load_weight2(const uint8_t *at) { return *(const uint16_t *)at; }
static inline uint32_t load_weight1(const uint8_t *at) { return *at; }
static inline int32_t dot4(uint32_t a, uint32_t b, int32_t sum) {
    for (int k = 0; k < 32; k += 8) sum += (int8_t)(a >> k) * (int8_t)(b >> k);
    return sum;
}
static inline uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t which) {
    uint32_t v = 0;
    for (int k = 0; k < 4; k++)
        v |= (uint32_t)(((uint64_t)b << 32 | a) >> (8 * (which >> (4 * k) & 7)) & 255) << (8 * k);
    return v;
}
#else
/* Byte k of the result is the one of a (0 … 3) or b (4 … 7) that bits 4 k of `which` tell. */
static __device__ __forceinline__ uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t which) {
    return __byte_perm(a, b, which);
}

/* Weights are read once: they need not stay in the first cache. Volatile keeps them before the wait above. A kernel
 * whose lanes come back soon for what lies beside may define BP_WEIGHT_AHEAD as ".L2::256B" (sm_80 and later): so much
 * of it is fetched into the second cache. */
#ifndef BP_WEIGHT_AHEAD
#define BP_WEIGHT_AHEAD ""
#endif
#if defined(BP_EMULATED)
static inline uint4 load_weight16(const uint8_t *at) { return *(const uint4 *)at; }
static inline uint2 load_weight8(const uint8_t *at) { return *(const uint2 *)at; }
static inline uint32_t load_weight4(const uint8_t *at) { return *(const uint32_t *)at; }
static inline uint32_t load_weight2(const uint8_t *at) { return *(const uint16_t *)at; }
static inline uint32_t load_weight1(const uint8_t *at) { return *(const uint8_t *)at; }
#else
static __device__ __forceinline__ uint4 load_weight16(const uint8_t *at) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate" BP_WEIGHT_AHEAD ".v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(at));
    return v;
}
static __device__ __forceinline__ uint2 load_weight8(const uint8_t *at) {
    uint2 v;
    asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(at));
    return v;
}
static __device__ __forceinline__ uint32_t load_weight4(const uint8_t *at) {
    uint32_t v;
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(at));
    return v;
}
static __device__ __forceinline__ uint32_t load_weight2(const uint8_t *at) {
    uint16_t v;
    asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(v) : "l"(at));
    return v;
}
static __device__ __forceinline__ uint32_t load_weight1(const uint8_t *at) {
    uint32_t v;
    asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(v) : "l"(at));
    return v;
}
#endif

/* Scales of 256 values: BP_RECORDS_STAY where lanes come back for the next 128 of them. */
static __device__ __forceinline__ uint4 load_record16(const uint8_t *at) {
#ifdef BP_RECORDS_STAY
    uint4 v;
    asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(at));
    return v;
#else
    return load_weight16(at);
#endif
}

/* sum + the four products of signed bytes. */
static __device__ __forceinline__ int32_t dot4(uint32_t a, uint32_t b, int32_t sum) {
    return __dp4a((int)a, (int)b, sum);
}

#endif

#endif
