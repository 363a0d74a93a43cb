/* Quantised block layouts, exactly as GGUF stores them (little endian, no padding). Shared by C and CUDA C: it needs
 * only fixed-width integers, and half-precision scales are kept as their 16 bits (bp_half).
 * Source: the GGUF specification and the block definitions that its files have used since 2023. In every formula
 * y[j] is the j-th value of the block, j counted from 0. */
#ifndef BACKPLANE_BLOCKS_H
#define BACKPLANE_BLOCKS_H

#ifndef __CUDACC_RTC__
#include <stdint.h>
#endif

typedef uint16_t bp_half; /* IEEE 754 binary16 bits */

enum { BP_QK = 32, BP_QK_K = 256 }; /* values in a small block, in a super-block */

/* Q4_0: y[j] = d * (q[j] - 8). q[j] is the low nibble of qs[j] for j < 16, the high nibble of qs[j - 16] from 16 on. */
typedef struct bp_block_q4_0 { bp_half d; uint8_t qs[16]; } bp_block_q4_0;

/* Q4_1: y[j] = d * q[j] + m, nibbles as in Q4_0. */
typedef struct bp_block_q4_1 { bp_half d, m; uint8_t qs[16]; } bp_block_q4_1;

/* Q5_0: y[j] = d * (q[j] - 16); bit 4 of q[j] is bit j of the 32-bit little-endian qh, the rest as in Q4_0. */
typedef struct bp_block_q5_0 { bp_half d; uint8_t qh[4]; uint8_t qs[16]; } bp_block_q5_0;

/* Q5_1: y[j] = d * q[j] + m, q[j] as in Q5_0. */
typedef struct bp_block_q5_1 { bp_half d, m; uint8_t qh[4]; uint8_t qs[16]; } bp_block_q5_1;

/* Q8_0: y[j] = d * qs[j]. */
typedef struct bp_block_q8_0 { bp_half d; int8_t qs[32]; } bp_block_q8_0;

/* Q2_K: 16 sub-blocks of 16. Sub-block s has scale scales[s] & 15 and minimum scales[s] >> 4:
 * y[j] = d * scale * q[j] - dmin * minimum, s = j / 16.
 * q[j]: with h = j / 128, r = j % 128: (qs[32 h + r % 32] >> (2 (r / 32))) & 3. */
typedef struct bp_block_q2_k { uint8_t scales[16]; uint8_t qs[64]; bp_half d, dmin; } bp_block_q2_k;

/* Q3_K: 16 sub-blocks of 16, s = j / 16: y[j] = d * (scale[s] - 32) * (q[j] - (hbit ? 0 : 4)).
 * q[j]: two bits as in Q2_K from qs. hbit: bit (j / 32) of hmask[j % 32]: set means the third bit is set, so nothing
 * is subtracted. scale[s], 6 bits: low four: s < 8 ? scales[s] & 15 : scales[s - 8] >> 4; high two:
 * (scales[8 + s % 4] >> (2 (s / 4))) & 3. */
typedef struct bp_block_q3_k { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; bp_half d; } bp_block_q3_k;

/* Q4_K: 8 sub-blocks of 32, s = j / 32: y[j] = d * scale[s] * q[j] - dmin * min[s].
 * q[j]: with g = j / 64, r = j % 64: r < 32 ? qs[32 g + r] & 15 : qs[32 g + r - 32] >> 4.
 * scale[s] and min[s] have 6 bits: s < 4: scales[s] & 63 and scales[s + 4] & 63; else
 * (scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4 and (scales[s + 4] >> 4) | (scales[s] >> 6) << 4. */
typedef struct bp_block_q4_k { bp_half d, dmin; uint8_t scales[12]; uint8_t qs[128]; } bp_block_q4_k;

/* Q5_K: as Q4_K, with bit 4 of q[j] = bit s of qh[j % 32]. */
typedef struct bp_block_q5_k { bp_half d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; } bp_block_q5_k;

/* Q6_K: 16 sub-blocks of 16, s = j / 16: y[j] = d * scales[s] * (q[j] - 32).
 * q[j]: with h = j / 128, r = j % 128, c = r % 32, k = r / 32:
 * low four bits: k < 2 ? ql[64 h + 32 k + c] & 15 : ql[64 h + 32 (k - 2) + c] >> 4; high two: (qh[32 h + c] >> 2 k) & 3. */
typedef struct bp_block_q6_k { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; bp_half d; } bp_block_q6_k;

/* MXFP4: y[j] = 2^(e - 128) * v[q[j]], nibbles q as in Q4_0; v, twice the values of a 4-bit float (1 sign, 2 exponent, 1 fraction
 * bit): 0, 1, 2, 3, 4, 6, 8, 12, and from 8 on the same negative. Source: OCP Microscaling Formats 1.0, 2023. */
typedef struct bp_block_mxfp4 { uint8_t e; uint8_t qs[16]; } bp_block_mxfp4;

#endif
