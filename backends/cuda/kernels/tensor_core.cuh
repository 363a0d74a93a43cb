/* Tensor cores (mma.sync m16n8k16 with F32 sums), asynchronous copies into shared memory, and arithmetic on pairs of
 * halves. sm_80 and later. Fragments as PTX has them: lane 4 g + q holds of the 16 x 16 matrix a rows g and g + 8,
 * columns 2 q, 2 q + 1 and those + 8; of the 16 x 8 matrix b the same rows of column g; of the 16 x 8 result d rows g
 * and g + 8, columns 2 q and 2 q + 1. */
#ifndef BP_TENSOR_CORE_CUH
#define BP_TENSOR_CORE_CUH

#include "matmul_device.cuh"

#ifdef BP_EMULATED
/* An address in shared memory is an offset from the block's dynamic part. */
static inline uint32_t shared_address(const void *at) { return (uint32_t)((const uint8_t *)at - bp_em->shared); }
static inline uint4 load_shared16(uint32_t at) { return *(const uint4 *)(bp_em->shared + at); }
static inline void copy16(uint32_t to, const void *from, bool there) {
    *(uint4 *)(bp_em->shared + to) = there ? *(const uint4 *)from : make_uint4(0, 0, 0, 0);
}
static inline void copies_commit() {}
template <int LEFT> static inline void copies_wait() {}
static inline void load4(uint32_t v[4], uint32_t at) {
    const uint64_t *given = bp_em->share(at);
    const int lane = bp_em_lane();
    for (int i = 0; i < 4; i++) v[i] = *(const uint32_t *)(bp_em->shared + given[8 * i + lane / 4] + lane % 4 * 4);
}
static inline void load4_transposed(uint32_t v[4], uint32_t at) {
    const uint64_t *given = bp_em->share(at);
    const int row = bp_em_lane() % 4 * 2, column = bp_em_lane() / 4 * 2;
    for (int i = 0; i < 4; i++) {
        const uint8_t *low = bp_em->shared + given[8 * i + row], *high = bp_em->shared + given[8 * i + row + 1];
        v[i] = *(const uint16_t *)(low + column) | (uint32_t)*(const uint16_t *)(high + column) << 16;
    }
}

template <bool BF16> static inline float emulated_value(uint32_t pair, int high) {
    return BF16 ? high ? bf16_high(pair) : bf16_low(pair) : high ? half_high(pair) : half_low(pair);
}
/* Two words of all lanes. */
static inline void emulated_share(uint32_t a, uint32_t b, uint32_t all[32][2]) {
    const uint64_t *given = bp_em->share((uint64_t)b << 32 | a);
    for (int i = 0; i < 32; i++) all[i][0] = (uint32_t)given[i], all[i][1] = (uint32_t)(given[i] >> 32);
}
template <bool BF16> static inline void multiply(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    uint32_t low[32][2], high[32][2], column[32][2]; /* of a: columns 0 … 7, columns 8 … 15 */
    emulated_share(a[0], a[1], low);
    emulated_share(a[2], a[3], high);
    emulated_share(b0, b1, column);
    const int g = bp_em_lane() / 4, q = bp_em_lane() % 4;
    for (int i = 0; i < 4; i++) {
        float sum = d[i];
        for (int k = 0; k < 16; k++) {
            const uint32_t(*from)[2] = k < 8 ? low : high;
            sum += emulated_value<BF16>(from[4 * g + k % 8 / 2][i / 2], k % 2) *
                   emulated_value<BF16>(column[4 * (2 * q + i % 2) + k % 8 / 2][k / 8], k % 2);
        }
        d[i] = sum;
    }
}
static inline uint32_t pair_sub(uint32_t a, uint32_t b) {
    return pack_half(half_low(a) - half_low(b), half_high(a) - half_high(b));
}
static inline uint32_t pair_mul(uint32_t a, uint32_t b) {
    return pack_half(half_low(a) * half_low(b), half_high(a) * half_high(b));
}
static inline uint32_t pair_fma(uint32_t a, uint32_t b, uint32_t c) {
    return pack_half(half_low(a) * half_low(b) + half_low(c), half_high(a) * half_high(b) + half_high(c));
}
#else
static __device__ __forceinline__ uint32_t shared_address(const void *at) {
    return (uint32_t)__cvta_generic_to_shared(at);
}
static __device__ __forceinline__ uint4 load_shared16(uint32_t at) {
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(at));
    return v;
}
/* 16 bytes, or zeros where !there (from is valid all the same). */
static __device__ __forceinline__ void copy16(uint32_t to, const void *from, bool there) {
    const int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
static __device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Until at most LEFT groups of this thread's copies are under way. */
template <int LEFT> static __device__ __forceinline__ void copies_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT));
}
/* Four 8 x 8 matrices of halves: lane 8 i + r gives the address of row r of matrix i, and gets two neighbours of a row
 * (transposed: of a column) of each, as a fragment has them. */
static __device__ __forceinline__ void load4(uint32_t v[4], uint32_t at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(at));
}
static __device__ __forceinline__ void load4_transposed(uint32_t v[4], uint32_t at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(at));
}
/* d += a b, of halves or bfloat16. */
template <bool BF16>
static __device__ __forceinline__ void multiply(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    if (BF16) {
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
}
static __device__ __forceinline__ uint32_t pair_sub(uint32_t a, uint32_t b) {
    uint32_t v;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
    return v;
}
static __device__ __forceinline__ uint32_t pair_mul(uint32_t a, uint32_t b) {
    uint32_t v;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(v) : "r"(a), "r"(b));
    return v;
}
static __device__ __forceinline__ uint32_t pair_fma(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t v;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(v) : "r"(a), "r"(b), "r"(c));
    return v;
}
#endif

/* Two numbers as halves; what a half cannot hold becomes its largest number. */
static __device__ __forceinline__ uint32_t pack_within(float2 v) {
    if (fabsf(v.x) > 65504.0f) v.x = copysignf(65504.0f, v.x);
    if (fabsf(v.y) > 65504.0f) v.y = copysignf(65504.0f, v.y);
    return pack_half(v.x, v.y);
}
/* What rounding v to these halves left over. */
static __device__ __forceinline__ uint32_t pack_rest(float2 v, uint32_t halves) {
    return pack_within(make_float2(v.x - half_low(halves), v.y - half_high(halves)));
}

#endif
