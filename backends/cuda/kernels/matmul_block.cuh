/* A weight's values out of memory. For each type T:
 *   packed<T>::VALUES   values of one unit, a lane's share of a load
 *   load(w, i)          issue the loads of unit i of the weight (units counted through all rows)
 *   packed<T> of whole numbers, T quantised: unpack(i, c, s, m) gives VALUES signed codes, four a word in order, and
 * for each of HALVES equal parts a scale and (where MINIMUM) what is to be added: value = s * code + m. values(i, v)
 * VALUES floats. */
#ifndef BP_MATMUL_BLOCK_CUH
#define BP_MATMUL_BLOCK_CUH

#include "matmul_device.cuh"
#include "matmul_planes.h"

/* Where the planes of a weight are; F32, F16 and BF16 have the file's rows at at[0]. */
struct bp_planes {
    const uint8_t *at[BP_PLANES];
};
template <int TYPE> struct plane_bytes {
    static __device__ __forceinline__ uint32_t of(int) { return 0; }
};
#define BP_PLANE_BYTES(name, id, b0, b1, b2, b3)                                                                   \
    template <> struct plane_bytes<id> {                                                                           \
        static __device__ __forceinline__ uint32_t of(int k) { return k == 0 ? b0 : k == 1 ? b1 : k == 2 ? b2 : b3; } \
    };
BP_PLANES_LIST(BP_PLANE_BYTES)

/* n_blocks: blocks of 32 values in all rows of the weight. */
template <int TYPE> static __device__ __forceinline__ bp_planes planes_of(const uint8_t *weight, uint64_t n_blocks) {
    bp_planes w;
    w.at[0] = weight;
#pragma unroll
    for (int k = 1; k < BP_PLANES; k++) {
        uint64_t bytes = (n_blocks * plane_bytes<TYPE>::of(k - 1) + 7) / 8;
        w.at[k] = w.at[k - 1] + (bytes + BP_PLANE_ALIGN - 1) / BP_PLANE_ALIGN * BP_PLANE_ALIGN;
    }
    return w;
}

template <int TYPE> struct packed;

static __device__ __forceinline__ uint32_t word_of(const uint4 &q, int i) {
    return i == 0 ? q.x : i == 1 ? q.y : i == 2 ? q.z : q.w;
}
/* x << n, or >> -n. */
static __device__ __forceinline__ uint32_t shift(uint32_t x, int n) { return n >= 0 ? x << n : x >> -n; }

/* The nibble of word i at bit `at` of each byte, at = 0 … 4. */
static __device__ __forceinline__ uint32_t nibbles(const uint4 &q, int i, int at) {
    return shift(word_of(q, i & 3), i < 4 ? at : at - 4) & 0x0f0f0f0fu << at;
}

/* Scale and minimum (or two scales) of block s, 6 bits each, of a record of three words. */
static __device__ __forceinline__ uint2 scales6(uint32_t low0, uint32_t low1, uint32_t high, uint32_t s) {
    uint32_t byte = (s < 4 ? low0 : low1) >> (8 * (s & 3)), top = high >> (4 * s);
    return make_uint2((byte & 15) | (top & 3) << 4, (byte >> 4 & 15) | (top & 12) << 2);
}

template <> struct packed<2> { /* Q4_0 */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 0 };
    uint4 q;
    uint32_t d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        d = load_weight2(w.at[1] + 2 * (uint64_t)i);
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 4);
        s[0] = half_to_float(d) * 0.0625f;
    }
};

template <> struct packed<3> { /* Q4_1 */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 1 };
    uint4 q;
    uint32_t d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        d = load_weight4(w.at[1] + 4 * (uint64_t)i);
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *m) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 0);
        s[0] = half_low(d), m[0] = half_high(d);
    }
};

template <> struct packed<6> { /* Q5_0 */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 0 };
    uint4 q;
    uint32_t high, d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        high = load_weight4(w.at[1] + 4 * (uint64_t)i);
        d = load_weight2(w.at[2] + 2 * (uint64_t)i);
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 3) | (shift(high, 7 - k) & 0x80808080u);
        s[0] = half_to_float(d) * 0.125f;
    }
};

template <> struct packed<7> { /* Q5_1 */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 1 };
    uint4 q;
    uint32_t high, d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        high = load_weight4(w.at[1] + 4 * (uint64_t)i);
        d = load_weight4(w.at[2] + 4 * (uint64_t)i);
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *m) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 0) | (shift(high, 4 - k) & 0x10101010u);
        s[0] = half_low(d), m[0] = half_high(d);
    }
};

template <> struct packed<8> { /* Q8_0: half a block */
    enum { VALUES = 16, HALVES = 1, MINIMUM = 0 };
    uint4 q;
    uint32_t d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        d = load_weight2(w.at[1] + 2 * (uint64_t)(i / 2));
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *) const {
        c[0] = q.x, c[1] = q.y, c[2] = q.z, c[3] = q.w;
        s[0] = half_to_float(d);
    }
};

template <> struct packed<10> { /* Q2_K */
    enum { VALUES = 32, HALVES = 2, MINIMUM = 1 };
    uint2 q;
    uint32_t scales, d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight8(w.at[0] + 8 * (uint64_t)i);
        scales = load_weight2(w.at[1] + 2 * (uint64_t)i);
        d = load_weight4(w.at[2] + 4 * (uint64_t)(i / 8));
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *m) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = shift(k & 1 ? q.y : q.x, -2 * (k / 2)) & 0x03030303u;
        float scale = half_low(d), minimum = -half_high(d);
        s[0] = scale * (float)(scales & 15), s[1] = scale * (float)(scales >> 8 & 15);
        m[0] = minimum * (float)(scales >> 4 & 15), m[1] = minimum * (float)(scales >> 12);
    }
};

template <> struct packed<11> { /* Q3_K */
    enum { VALUES = 32, HALVES = 2, MINIMUM = 0 };
    uint2 q;
    uint32_t high, low0, low1, top, d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        const uint8_t *record = w.at[2] + 12 * (uint64_t)(i / 8);
        q = load_weight8(w.at[0] + 8 * (uint64_t)i);
        high = load_weight4(w.at[1] + 4 * (uint64_t)i);
        low0 = load_weight4(record), low1 = load_weight4(record + 4), top = load_weight4(record + 8);
        d = load_weight2(w.at[3] + 2 * (uint64_t)(i / 8));
    }
    __device__ __forceinline__ void unpack(uint32_t i, uint32_t *c, float *s, float *) const {
#pragma unroll
        for (int k = 0; k < 8; k++) {
            c[k] = (shift(k & 1 ? q.y : q.x, 5 - 2 * (k / 2)) & 0x60606060u) | (shift(high, 7 - k) & 0x80808080u);
        }
        uint2 two = scales6(low0, low1, top, i & 7);
        float scale = half_to_float(d) * 0.03125f;
        s[0] = scale * (float)((int32_t)two.x - 32), s[1] = scale * (float)((int32_t)two.y - 32);
    }
};

template <> struct packed<12> { /* Q4_K */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 1 };
    uint4 q, scales;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        scales = load_record16(w.at[1] + 16 * (uint64_t)(i / 8));
    }
    __device__ __forceinline__ void unpack(uint32_t i, uint32_t *c, float *s, float *m) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 0);
        uint2 two = scales6(scales.y, scales.z, scales.w, i & 7);
        s[0] = half_low(scales.x) * (float)two.x, m[0] = -half_high(scales.x) * (float)two.y;
    }
};

template <> struct packed<13> { /* Q5_K */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 1 };
    uint4 q, scales;
    uint32_t high;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        high = load_weight4(w.at[2] + 4 * (uint64_t)i);
        scales = load_record16(w.at[1] + 16 * (uint64_t)(i / 8));
    }
    __device__ __forceinline__ void unpack(uint32_t i, uint32_t *c, float *s, float *m) const {
#pragma unroll
        for (int k = 0; k < 8; k++) c[k] = nibbles(q, k, 0) | (shift(high, 4 - k) & 0x10101010u);
        uint2 two = scales6(scales.y, scales.z, scales.w, i & 7);
        s[0] = half_low(scales.x) * (float)two.x, m[0] = -half_high(scales.x) * (float)two.y;
    }
};

template <> struct packed<14> { /* Q6_K */
    enum { VALUES = 32, HALVES = 2, MINIMUM = 0 };
    uint4 q;
    uint2 high;
    uint32_t scales, d;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        high = load_weight8(w.at[1] + 8 * (uint64_t)i);
        scales = load_weight2(w.at[2] + 2 * (uint64_t)i);
        d = load_weight2(w.at[3] + 2 * (uint64_t)(i / 8));
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *) const {
#pragma unroll
        for (int k = 0; k < 8; k++) {
            c[k] = nibbles(q, k, 2) | (shift(k < 4 ? high.x : high.y, 6 - 2 * (k & 3)) & 0xc0c0c0c0u);
        }
        float scale = half_to_float(d) * 0.25f;
        s[0] = scale * (float)(int8_t)(scales & 0xff), s[1] = scale * (float)(int8_t)(scales >> 8);
    }
};

template <> struct packed<39> { /* MXFP4: codes are twice the values */
    enum { VALUES = 32, HALVES = 1, MINIMUM = 0 };
    uint4 q;
    uint32_t e;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
        e = load_weight1(w.at[1] + i);
    }
    __device__ __forceinline__ void unpack(uint32_t, uint32_t *c, float *s, float *) const {
#pragma unroll
        for (int k = 0; k < 8; k++) {
            uint32_t four = word_of(q, k / 2) >> (16 * (k & 1)), pick = four & 0x7777;
            uint32_t plus = pick_bytes(0x03020100u, 0x0c080604u, pick);
            uint32_t minus = pick_bytes(0xfdfeff00u, 0xf4f8fafcu, pick);
            c[k] = pick_bytes(plus, minus, 0x3210 | (four & 0x8888) >> 1);
        }
        /* 2^(e - 128), a subnormal where e < 2. */
        s[0] = __uint_as_float(e < 2 ? 0x00200000u << e : (e - 1) << 23);
    }
};

/* Codes to floats. */
template <int TYPE> struct unit {
    enum { VALUES = packed<TYPE>::VALUES };
    packed<TYPE> p;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) { p.load(w, i); }
    __device__ __forceinline__ void values(uint32_t i, float *v) const {
        uint32_t c[8];
        float s[2], m[2] = { 0, 0 };
        p.unpack(i, c, s, m);
#pragma unroll
        for (int j = 0; j < VALUES; j++) {
            int half = j * packed<TYPE>::HALVES / VALUES;
            float code = (float)((int32_t)(c[j / 4] << (24 - 8 * (j % 4))) >> 24);
            v[j] = packed<TYPE>::MINIMUM ? fmaf(s[half], code, m[half]) : s[half] * code;
        }
    }
};

template <> struct unit<0> { /* F32 */
    enum { VALUES = 4 };
    uint4 q;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
    }
    __device__ __forceinline__ void values(uint32_t, float *v) const {
#pragma unroll
        for (int k = 0; k < 4; k++) v[k] = __uint_as_float(word_of(q, k));
    }
};

template <> struct unit<1> { /* F16 */
    enum { VALUES = 8 };
    uint4 q;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
    }
    __device__ __forceinline__ void values(uint32_t, float *v) const {
#pragma unroll
        for (int k = 0; k < 4; k++) v[2 * k] = half_low(word_of(q, k)), v[2 * k + 1] = half_high(word_of(q, k));
    }
};

template <> struct unit<30> { /* BF16 */
    enum { VALUES = 8 };
    uint4 q;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = load_weight16(w.at[0] + 16 * (uint64_t)i);
    }
    __device__ __forceinline__ void values(uint32_t, float *v) const {
#pragma unroll
        for (int k = 0; k < 4; k++) v[2 * k] = bf16_low(word_of(q, k)), v[2 * k + 1] = bf16_high(word_of(q, k));
    }
};

/* Rows of F32, F16, BF16 that start anywhere: one value a unit. */
template <int TYPE> struct unaligned {
    enum { VALUES = 1 };
    uint32_t q;
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t i) {
        q = TYPE == 0 ? load_weight4(w.at[0] + 4 * (uint64_t)i) : load_weight2(w.at[0] + 2 * (uint64_t)i);
    }
    __device__ __forceinline__ void values(uint32_t, float *v) const {
        v[0] = TYPE == 0 ? __uint_as_float(q) : TYPE == 1 ? half_to_float(q) : bf16_low(q);
    }
};

#endif
