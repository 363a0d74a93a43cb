// What all kernels share: fixed-width integers, sizes, halves, reductions. No header of the toolkit is needed.
#pragma once

#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
#else
#include <stdint.h>
#endif

#include "backplane/blocks.h"

#define BP_INFINITY __int_as_float(0x7f800000)

// A size of this submit: fixed, or where to read it.
struct bp_size {
    const int *at;
    int fixed;
};
static __device__ __forceinline__ int bp_get(bp_size s) { return s.at ? *s.at : s.fixed; }

// Programmatic dependent launch: wait until the kernels before this one are done; let the next one begin.
static __device__ __forceinline__ void bp_wait_inputs() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
static __device__ __forceinline__ void bp_release_next() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Half and bfloat16 as their 16 bits.
static __device__ __forceinline__ float bp_half_to_float(uint16_t h) {
#if defined(BP_EMULATED)
    return bp_emulated_half_to_float(h);
#else
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
#endif
}
static __device__ __forceinline__ uint16_t bp_float_to_half(float f) {
#if defined(BP_EMULATED)
    return bp_emulated_float_to_half(f);
#else
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
#endif
}
static __device__ __forceinline__ float bp_bf16_to_float(uint16_t h) { return __uint_as_float((uint32_t)h << 16); }
static __device__ __forceinline__ uint16_t bp_float_to_bf16(float f) { // to nearest, ties to even; NaN stays NaN
    uint32_t u = __float_as_uint(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 64);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

// Maximum that keeps a NaN.
static __device__ __forceinline__ float bp_max(float a, float b) { return a > b || a != a ? a : b; }

// Reductions over the 32 threads of a warp, the same result in every one of them.
static __device__ __forceinline__ float bp_warp_sum(float v) {
    for (int i = 16; i; i >>= 1) v += __shfl_xor_sync(0xffffffffu, v, i);
    return v;
}
static __device__ __forceinline__ int bp_warp_sum_int(int v) {
    for (int i = 16; i; i >>= 1) v += __shfl_xor_sync(0xffffffffu, v, i);
    return v;
}
static __device__ __forceinline__ float bp_warp_max(float v) {
    for (int i = 16; i; i >>= 1) v = bp_max(v, __shfl_xor_sync(0xffffffffu, v, i));
    return v;
}

// Over all threads of a block (a multiple of 32, at most 1024); room: 33 floats of shared memory. Every thread calls.
template <bool MAX> static __device__ __forceinline__ float bp_block_reduce(float v, float *room) {
    const int warps = blockDim.x / 32, lane = threadIdx.x % 32;
    v = MAX ? bp_warp_max(v) : bp_warp_sum(v);
    if (lane == 0) room[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = lane < warps ? room[lane] : MAX ? -BP_INFINITY : 0.0f;
        v = MAX ? bp_warp_max(v) : bp_warp_sum(v);
        if (lane == 0) room[32] = v;
    }
    __syncthreads();
    v = room[32];
    __syncthreads();
    return v;
}
static __device__ __forceinline__ float bp_block_sum(float v, float *room) { return bp_block_reduce<false>(v, room); }
static __device__ __forceinline__ float bp_block_max(float v, float *room) { return bp_block_reduce<true>(v, room); }
