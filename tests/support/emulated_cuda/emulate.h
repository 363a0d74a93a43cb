/* CUDA C's words for a C++ compiler: kernels run as fibers of emulated_driver.c. */
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define BP_EMULATED 1
#define __CUDA_ARCH__ 700
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
/* A section of their own, whose size is that of a kernel's shared memory. */
#define __shared__ static __attribute__((section("bp_shared")))
#define __constant__ static
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

struct uint3 { unsigned x, y, z; };
using dim3 = uint3;
#define BP_VECTOR(T, name) \
    struct __align__(2 * sizeof(T)) name##2 { T x, y; }; \
    struct name##3 { T x, y, z; }; \
    struct __align__(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; }; \
    static inline name##2 make_##name##2(T x, T y) { return { x, y }; } \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { return { x, y, z, w }; }
BP_VECTOR(float, float)
BP_VECTOR(int, int)
BP_VECTOR(double, double)
struct uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };
static inline uint2 make_uint2(unsigned x, unsigned y) { return { x, y }; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return { x, y, z, w }; }
struct char4 { signed char x, y, z, w; };

struct bp_em_thread { uint3 thread; };
struct bp_em_api {
    bp_em_thread *now;
    uint3 block, block_dim, grid_dim;
    unsigned char *shared;
    void (*barrier)(void);
    const uint64_t *(*share)(uint64_t value); /* what each lane of the warp gave */
};
static bp_em_api *bp_em;
extern "C" __attribute__((visibility("default"))) void bp_em_set(bp_em_api *api) { bp_em = api; }

#define threadIdx (bp_em->now->thread)
#define blockIdx (bp_em->block)
#define blockDim (bp_em->block_dim)
#define gridDim (bp_em->grid_dim)
static inline void __syncthreads() { bp_em->barrier(); }
static int bp_em_all;
static inline int __syncthreads_and(int p) {
    bp_em->barrier(); /* all have read the last one's */
    bp_em_all = 1;
    bp_em->barrier();
    if (!p) bp_em_all = 0;
    bp_em->barrier();
    return bp_em_all;
}
static inline unsigned bp_em_lane() { return (threadIdx.x + threadIdx.y * blockDim.x + threadIdx.z * blockDim.x * blockDim.y) % 32; }
static inline void __syncwarp(unsigned = 0xffffffffu) { bp_em->share(0); }

template <class T> static inline T bp_em_get(T v, unsigned from) {
    uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    bits = bp_em->share(bits)[from % 32];
    std::memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T> static inline T __shfl_xor_sync(unsigned, T v, int mask, int = 32) { return bp_em_get(v, bp_em_lane() ^ mask); }
template <class T> static inline T __shfl_sync(unsigned, T v, int lane, int width = 32) {
    return bp_em_get(v, bp_em_lane() / width * width + lane % width);
}
template <class T> static inline T __shfl_down_sync(unsigned, T v, unsigned by, int width = 32) {
    unsigned lane = bp_em_lane();
    return bp_em_get(v, lane % width + by < (unsigned)width ? lane + by : lane);
}
template <class T> static inline T __shfl_up_sync(unsigned, T v, unsigned by, int width = 32) {
    unsigned lane = bp_em_lane();
    return bp_em_get(v, lane % width >= by ? lane - by : lane);
}
static inline unsigned __ballot_sync(unsigned, int p) {
    const uint64_t *all = bp_em->share(p != 0);
    unsigned bits = 0;
    for (int i = 0; i < 32; i++) bits |= (unsigned)(all[i] & 1) << i;
    return bits;
}
static inline int __any_sync(unsigned m, int p) { return __ballot_sync(m, p) != 0; }

template <class T, class U> static inline T bp_em_bits(U v) {
    T t;
    static_assert(sizeof t == sizeof v);
    std::memcpy(&t, &v, sizeof t);
    return t;
}
static inline unsigned __float_as_uint(float v) { return bp_em_bits<unsigned>(v); }
static inline int __float_as_int(float v) { return bp_em_bits<int>(v); }
static inline float __uint_as_float(unsigned v) { return bp_em_bits<float>(v); }
static inline float __int_as_float(int v) { return bp_em_bits<float>(v); }
static inline int __float2int_rn(float v) { return (int)lrintf(v); }
static inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; i++) c += (int)(signed char)(a >> 8 * i) * (int)(signed char)(b >> 8 * i);
    return c;
}
static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int __ffs(int v) { return __builtin_ffs(v); }
template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline T atomicAdd(T *p, T v) { T old = *p; *p += v; return old; }
static inline unsigned atomicInc(unsigned *p, unsigned top) { unsigned old = *p; *p = old >= top ? 0 : old + 1; return old; }
static inline void __threadfence() {}
#define __expf(v) expf(v)
static inline float __fdividef(float a, float b) { return a / b; }
static inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
static inline void sincospif(float x, float *s, float *c) {
    *s = (float)sin(3.14159265358979323846 * x);
    *c = (float)cos(3.14159265358979323846 * x);
}
#define __sincosf(x, s, c) (*(s) = sinf(x), *(c) = cosf(x))
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }

static inline float bp_emulated_half_to_float(uint16_t h) { return (float)bp_em_bits<_Float16>(h); }
static inline uint16_t bp_emulated_float_to_half(float f) { return bp_em_bits<uint16_t>((_Float16)f); }

template <class... A, std::size_t... I>
static inline void bp_em_apply(void (*f)(A...), void **a, std::index_sequence<I...>) {
    f(*(std::remove_const_t<std::remove_reference_t<A>> *)a[I]...);
}
template <class... A> static inline void bp_em_call(void (*f)(A...), void **a) { bp_em_apply(f, a, std::index_sequence_for<A...>()); }
template <class... A> static constexpr int bp_em_count(void (*)(A...)) { return sizeof...(A); }
extern "C" __attribute__((weak, visibility("hidden"))) char __start_bp_shared[], __stop_bp_shared[];
extern "C" __attribute__((visibility("default"))) int bp_em_static(void) { return (int)(__stop_bp_shared - __start_bp_shared); }
/* compile.py puts one a kernel at the end of the source. */
#define BP_EM_KERNEL(name) \
    extern "C" __attribute__((visibility("default"))) void name##__call(void **a) { bp_em_call(&name, a); } \
    extern "C" __attribute__((visibility("default"))) int name##__count(void) { return bp_em_count(&name); }
