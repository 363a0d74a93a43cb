/* Rows as the file has them to the planes of matmul_planes.h. A thread packs a block of 32 values.
 * BP_TYPE: the weight's type id. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39
#include "matmul_block.cuh"
#include "backplane/blocks.h"

/* The nibbles of a block as the file has them: byte j is value j low, j + 16 high. */
[[maybe_unused]] static __device__ inline uint32_t nibble_code(const uint8_t *qs, int j) {
    return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
}
[[maybe_unused]] static __device__ inline uint32_t fifth_bit(const uint8_t *qh, int j) {
    return qh[j / 8] >> (j % 8) & 1;
}

/* code: value j of sub-block s (0 … 7, 0 for small blocks) of the block at b, in as many bits as the type has. */
#if BP_TYPE == 2 || BP_TYPE == 3
#if BP_TYPE == 2
typedef bp_block_q4_0 raw_block;
#else
typedef bp_block_q4_1 raw_block;
#endif
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int, int j) {
    return nibble_code(b->qs, j);
}
#elif BP_TYPE == 6 || BP_TYPE == 7
#if BP_TYPE == 6
typedef bp_block_q5_0 raw_block;
#else
typedef bp_block_q5_1 raw_block;
#endif
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int, int j) {
    return nibble_code(b->qs, j) | fifth_bit(b->qh, j) << 4;
}
#elif BP_TYPE == 8
typedef bp_block_q8_0 raw_block;
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int, int j) { return (uint8_t)b->qs[j]; }
#elif BP_TYPE == 10
typedef bp_block_q2_k raw_block;
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int s, int j) {
    return b->qs[32 * (s / 4) + j] >> (2 * (s % 4)) & 3;
}
#elif BP_TYPE == 11
typedef bp_block_q3_k raw_block;
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int s, int j) {
    return (b->qs[32 * (s / 4) + j] >> (2 * (s % 4)) & 3) | (b->hmask[j] >> s & 1) << 2;
}
/* The 6-bit scale of 16 values. */
[[maybe_unused]] static __device__ inline uint32_t scale6(const raw_block *b, int s) {
    uint32_t low = s < 8 ? b->scales[s] & 15 : b->scales[s - 8] >> 4;
    return low | (b->scales[8 + s % 4] >> (2 * (s / 4)) & 3) << 4;
}
[[maybe_unused]] static __device__ inline uint32_t first6(const raw_block *b, int s) { return scale6(b, 2 * s); }
[[maybe_unused]] static __device__ inline uint32_t second6(const raw_block *b, int s) { return scale6(b, 2 * s + 1); }
#elif BP_TYPE == 12 || BP_TYPE == 13
#if BP_TYPE == 12
typedef bp_block_q4_k raw_block;
#else
typedef bp_block_q5_k raw_block;
#endif
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int s, int j) {
    uint32_t low = b->qs[32 * (s / 2) + j] >> (4 * (s % 2)) & 15;
#if BP_TYPE == 13
    low |= (b->qh[j] >> s & 1) << 4;
#endif
    return low;
}
[[maybe_unused]] static __device__ inline uint32_t first6(const raw_block *b, int s) {
    return s < 4 ? b->scales[s] & 63 : (b->scales[s + 4] & 15) | (b->scales[s - 4] >> 6) << 4;
}
[[maybe_unused]] static __device__ inline uint32_t second6(const raw_block *b, int s) {
    return s < 4 ? b->scales[s + 4] & 63 : (b->scales[s + 4] >> 4) | (b->scales[s] >> 6) << 4;
}
#elif BP_TYPE == 14
typedef bp_block_q6_k raw_block;
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int s, int j) {
    int h = s / 4, k = s % 4;
    uint32_t low = k < 2 ? b->ql[64 * h + 32 * k + j] & 15 : b->ql[64 * h + 32 * (k - 2) + j] >> 4;
    return low | (b->qh[32 * h + j] >> (2 * k) & 3) << 4;
}
#elif BP_TYPE == 39
typedef struct raw_block { uint8_t e, qs[16]; } raw_block;
[[maybe_unused]] static __device__ inline uint32_t code(const raw_block *b, int, int j) {
    uint32_t c = nibble_code(b->qs, j);
    return c == 8 ? 0 : c; /* minus zero is zero */
}
#endif

#define BP_SMALL (BP_TYPE < 10 || BP_TYPE == 39)

[[maybe_unused]] static __device__ inline uint8_t *plane(const bp_planes &w, int k) { return (uint8_t *)w.at[k]; }

[[maybe_unused]] static __device__ inline void store_nibbles(uint8_t *to, const uint8_t c[32], uint32_t flip) {
    for (int j = 0; j < 16; j++) to[j] = (uint8_t)(((c[j] & 15) | (c[j + 16] & 15) << 4) ^ flip);
}
/* One bit of each code. */
[[maybe_unused]] static __device__ inline uint32_t gather_bit(const uint8_t c[32], int bit) {
    uint32_t word = 0;
    for (int j = 0; j < 32; j++) word |= (uint32_t)(c[j] >> bit & 1) << (8 * (j % 4) + j / 4);
    return word;
}

[[maybe_unused]] static __device__ inline void store_codes(const bp_planes &w, uint64_t at, const uint8_t c[32]) {
#if BP_TYPE == 8
    for (int j = 0; j < 32; j++) plane(w, 0)[32 * at + j] = c[j];
#elif BP_TYPE == 10 || BP_TYPE == 11
    for (int j = 0; j < 8; j++) {
        uint32_t byte = 0;
        for (int k = 0; k < 4; k++) byte |= (uint32_t)(c[8 * k + j] & 3) << (2 * k);
        plane(w, 0)[8 * at + j] = (uint8_t)byte;
    }
#elif BP_TYPE == 39
    for (int j = 0; j < 16; j++) plane(w, 0)[16 * at + j] = (uint8_t)((c[2 * j] & 15) | (c[2 * j + 1] & 15) << 4);
#else
    store_nibbles(plane(w, 0) + 16 * at, c, BP_TYPE == 2 ? 0x88 : 0);
#endif
#if BP_TYPE == 6 || BP_TYPE == 7 || BP_TYPE == 11
    ((uint32_t *)plane(w, 1))[at] = gather_bit(c, BP_TYPE == 11 ? 2 : 4) ^ (BP_TYPE == 7 ? 0 : 0xffffffffu);
#elif BP_TYPE == 13
    ((uint32_t *)plane(w, 2))[at] = gather_bit(c, 4);
#elif BP_TYPE == 14
    uint32_t high[2] = { 0, 0 };
    for (int j = 0; j < 32; j++) high[j / 16] |= (uint32_t)((c[j] >> 4) ^ 2) << (8 * (j % 4) + 2 * (j / 4 % 4));
    ((uint2 *)plane(w, 1))[at] = make_uint2(high[0], high[1]);
#endif
}

/* record: 12 bytes at a multiple of 4, of which block s writes its own. */
[[maybe_unused]] static __device__ inline void store_scales6(uint8_t *record, int s, uint32_t first, uint32_t second,
                                                             uint32_t high_word) {
    record[s] = (uint8_t)((first & 15) | (second & 15) << 4);
    if (s == 0) *(uint32_t *)(record + 8) = high_word;
}

[[maybe_unused]] static __device__ inline void store_scales(const bp_planes &w, uint64_t at, const raw_block *b,
                                                            int s) {
#if BP_TYPE == 2 || BP_TYPE == 8
    ((uint16_t *)plane(w, 1))[at] = b->d;
#elif BP_TYPE == 3
    ((uint32_t *)plane(w, 1))[at] = b->d | (uint32_t)b->m << 16;
#elif BP_TYPE == 6
    ((uint16_t *)plane(w, 2))[at] = b->d;
#elif BP_TYPE == 7
    ((uint32_t *)plane(w, 2))[at] = b->d | (uint32_t)b->m << 16;
#elif BP_TYPE == 39
    plane(w, 1)[at] = b->e;
#elif BP_TYPE == 10
    ((uint16_t *)plane(w, 1))[at] = (uint16_t)(b->scales[2 * s] | b->scales[2 * s + 1] << 8);
    if (s == 0) ((uint32_t *)plane(w, 2))[at / 8] = b->d | (uint32_t)b->dmin << 16;
#elif BP_TYPE == 14
    ((uint16_t *)plane(w, 2))[at] = (uint16_t)((uint8_t)b->scales[2 * s] | (uint8_t)b->scales[2 * s + 1] << 8);
    if (s == 0) ((uint16_t *)plane(w, 3))[at / 8] = b->d;
#else
    uint32_t high = 0;
    for (int k = 0; k < 8; k++) high |= (first6(b, k) >> 4 | second6(b, k) >> 4 << 2) << (4 * k);
#if BP_TYPE == 11
    store_scales6(plane(w, 2) + 12 * (at / 8), s, first6(b, s), second6(b, s), high);
    if (s == 0) ((uint16_t *)plane(w, 3))[at / 8] = b->d;
#else
    uint8_t *record = plane(w, 1) + 16 * (at / 8);
    if (s == 0) *(uint32_t *)record = b->d | (uint32_t)b->dmin << 16;
    store_scales6(record + 4, s, first6(b, s), second6(b, s), high);
#endif
#endif
}

/* rows: rows [first, first + n) of n_rows as the file has them; to: the weight's place. */
extern "C" __global__ void __launch_bounds__(256) matmul_pack(const unsigned char *rows, long long first, long long n,
                                                              long long n_in, long long n_rows, unsigned char *to) {
    const uint64_t width = (uint64_t)n_in / 32, count = (uint64_t)n * width;
    const bp_planes w = planes_of<BP_TYPE>(to, (uint64_t)n_rows * width);
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (uint64_t)gridDim.x * blockDim.x) {
        const raw_block *b = (const raw_block *)rows + (BP_SMALL ? i : i / 8);
        int s = BP_SMALL ? 0 : (int)(i % 8);
        uint8_t c[32];
#pragma unroll
        for (int j = 0; j < 32; j++) c[j] = (uint8_t)code(b, s, j);
        store_codes(w, (uint64_t)first * width + i, c);
        store_scales(w, (uint64_t)first * width + i, b, s);
    }
}
