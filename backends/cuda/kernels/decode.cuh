// One value of a row as the file has it, for any type. The formulas are those of backplane/blocks.h.
#ifndef BP_DECODE_CUH
#define BP_DECODE_CUH

#include "common.cuh"
#include "types.cuh"

static __device__ __forceinline__ int bp_nibble(const uint8_t *qs, int j) { return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4; }
static __device__ __forceinline__ int bp_fifth_bit(const uint8_t *qh, int j) { return (qh[j / 8] >> (j % 8) & 1) << 4; }

// Scale and minimum of sub-block s of Q4_K and Q5_K: six bits each.
static __device__ __forceinline__ void bp_scale_min(const uint8_t *scales, int s, int *scale, int *least) {
    if (s < 4) {
        *scale = scales[s] & 63;
        *least = scales[s + 4] & 63;
    } else {
        *scale = (scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4;
        *least = (scales[s + 4] >> 4) | (scales[s] >> 6) << 4;
    }
}

static __device__ __forceinline__ int bp_q3_scale(const uint8_t *scales, int s) {
    const int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
    return (low | (scales[8 + s % 4] >> (2 * (s / 4)) & 3) << 4) - 32;
}

static __device__ __forceinline__ float bp_q2_k(const bp_block_q2_k *b, int j) {
    const int s = j / 16, h = j / 128, r = j % 128, q = b->qs[32 * h + r % 32] >> (2 * (r / 32)) & 3;
    return bp_half_to_float(b->d) * (float)((b->scales[s] & 15) * q) - bp_half_to_float(b->dmin) * (float)(b->scales[s] >> 4);
}
static __device__ __forceinline__ float bp_q3_k(const bp_block_q3_k *b, int j) {
    const int h = j / 128, r = j % 128, q = b->qs[32 * h + r % 32] >> (2 * (r / 32)) & 3;
    const int high = b->hmask[j % 32] >> (j / 32) & 1;
    return bp_half_to_float(b->d) * (float)bp_q3_scale(b->scales, j / 16) * (float)(q - (high ? 0 : 4));
}
static __device__ __forceinline__ float bp_q4_k(const bp_block_q4_k *b, int j) {
    const int g = j / 64, r = j % 64, q = r < 32 ? b->qs[32 * g + r] & 15 : b->qs[32 * g + r - 32] >> 4;
    int scale, least;
    bp_scale_min(b->scales, j / 32, &scale, &least);
    return bp_half_to_float(b->d) * (float)scale * (float)q - bp_half_to_float(b->dmin) * (float)least;
}
static __device__ __forceinline__ float bp_q5_k(const bp_block_q5_k *b, int j) {
    const int g = j / 64, r = j % 64, low = r < 32 ? b->qs[32 * g + r] & 15 : b->qs[32 * g + r - 32] >> 4;
    const int q = low | (b->qh[j % 32] >> (j / 32) & 1) << 4;
    int scale, least;
    bp_scale_min(b->scales, j / 32, &scale, &least);
    return bp_half_to_float(b->d) * (float)scale * (float)q - bp_half_to_float(b->dmin) * (float)least;
}
static __device__ __forceinline__ float bp_q6_k(const bp_block_q6_k *b, int j) {
    const int h = j / 128, r = j % 128, c = r % 32, k = r / 32;
    const int low = k < 2 ? b->ql[64 * h + 32 * k + c] & 15 : b->ql[64 * h + 32 * (k - 2) + c] >> 4;
    const int q = low | (b->qh[32 * h + c] >> (2 * k) & 3) << 4;
    return bp_half_to_float(b->d) * (float)b->scales[j / 16] * (float)(q - 32);
}

// v[q] of MXFP4 times 2^(e - 128), a subnormal where e < 2.
static __device__ __forceinline__ float bp_mxfp4(const bp_block_mxfp4 *b, int j) {
    const int q = bp_nibble(b->qs, j), size = q & 4 ? (q & 1 ? 6 : 4) << (q >> 1 & 1) : q & 3;
    const float scale = __uint_as_float(b->e < 2 ? 0x00200000u << b->e : (uint32_t)(b->e - 1) << 23);
    return scale * (float)(q & 8 ? -size : size);
}

// Value j of a row of type KIND (a compile-time constant).
template <int KIND> static __device__ __forceinline__ float bp_decode(const uint8_t *row, int j) {
    switch (KIND) {
    case BP_TYPE_F32: return ((const float *)row)[j];
    case BP_TYPE_I32: return (float)((const int32_t *)row)[j];
    case BP_TYPE_F16: return bp_half_to_float(((const uint16_t *)row)[j]);
    case BP_TYPE_BF16: return bp_bf16_to_float(((const uint16_t *)row)[j]);
    case BP_TYPE_Q4_0: {
        const bp_block_q4_0 *b = (const bp_block_q4_0 *)row + j / 32;
        return bp_half_to_float(b->d) * (float)(bp_nibble(b->qs, j % 32) - 8);
    }
    case BP_TYPE_Q4_1: {
        const bp_block_q4_1 *b = (const bp_block_q4_1 *)row + j / 32;
        return bp_half_to_float(b->d) * (float)bp_nibble(b->qs, j % 32) + bp_half_to_float(b->m);
    }
    case BP_TYPE_Q5_0: {
        const bp_block_q5_0 *b = (const bp_block_q5_0 *)row + j / 32;
        return bp_half_to_float(b->d) * (float)((bp_nibble(b->qs, j % 32) | bp_fifth_bit(b->qh, j % 32)) - 16);
    }
    case BP_TYPE_Q5_1: {
        const bp_block_q5_1 *b = (const bp_block_q5_1 *)row + j / 32;
        return bp_half_to_float(b->d) * (float)(bp_nibble(b->qs, j % 32) | bp_fifth_bit(b->qh, j % 32)) + bp_half_to_float(b->m);
    }
    case BP_TYPE_Q8_0: {
        const bp_block_q8_0 *b = (const bp_block_q8_0 *)row + j / 32;
        return bp_half_to_float(b->d) * (float)b->qs[j % 32];
    }
    case BP_TYPE_Q2_K: return bp_q2_k((const bp_block_q2_k *)row + j / 256, j % 256);
    case BP_TYPE_Q3_K: return bp_q3_k((const bp_block_q3_k *)row + j / 256, j % 256);
    case BP_TYPE_Q4_K: return bp_q4_k((const bp_block_q4_k *)row + j / 256, j % 256);
    case BP_TYPE_Q5_K: return bp_q5_k((const bp_block_q5_k *)row + j / 256, j % 256);
    case BP_TYPE_Q6_K: return bp_q6_k((const bp_block_q6_k *)row + j / 256, j % 256);
    case BP_TYPE_MXFP4: return bp_mxfp4((const bp_block_mxfp4 *)row + j / 32, j % 32);
    default: return 0.0f;
    }
}

#endif
