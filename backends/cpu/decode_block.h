/* Blocks of quantised weights taken apart: unsigned codes, and scales and minima of each 16 values, so that
 * y[j] = scale[j / 16] * (code[j] - zero) - min[j / 16]. Static: every level compiles its own copy with its own flags. */
#ifndef BP_CPU_DECODE_BLOCK_H
#define BP_CPU_DECODE_BLOCK_H

#include <stddef.h>
#include <string.h>

#include "backplane/blocks.h"
#include "backplane/types.h"

#include "matmul.h"

/* How a type codes its values, and where its block has the scale bytes, d and the second factor (m or dmin). */
typedef struct cpu_code {
    int bits, zero;             /* of the block's codes; bits 0: not quantised */
    int n_scales, at_scales;    /* scale bytes of a block and their offset */
    int at_d, at_m;             /* offsets; below 0: none */
    int values, bytes;          /* of a block */
} cpu_code;

static inline cpu_code cpu_code_of(uint32_t type) {
#define BLOCK(t) (int)sizeof(t)
    switch (type) {
    case BP_TYPE_Q4_0: return (cpu_code){ 4, 8, 0, 0, 0, -1, 32, BLOCK(bp_block_q4_0) };
    case BP_TYPE_Q4_1: return (cpu_code){ 4, 0, 0, 0, 0, 2, 32, BLOCK(bp_block_q4_1) };
    case BP_TYPE_Q5_0: return (cpu_code){ 5, 16, 0, 0, 0, -1, 32, BLOCK(bp_block_q5_0) };
    case BP_TYPE_Q5_1: return (cpu_code){ 5, 0, 0, 0, 0, 2, 32, BLOCK(bp_block_q5_1) };
    case BP_TYPE_Q8_0: return (cpu_code){ 8, 128, 0, 0, 0, -1, 32, BLOCK(bp_block_q8_0) };
    case BP_TYPE_Q2_K: return (cpu_code){ 2, 0, 16, 0, 80, 82, 256, BLOCK(bp_block_q2_k) };
    case BP_TYPE_Q3_K: return (cpu_code){ 3, 4, 12, 96, 108, -1, 256, BLOCK(bp_block_q3_k) };
    case BP_TYPE_Q4_K: return (cpu_code){ 4, 0, 12, 4, 0, 2, 256, BLOCK(bp_block_q4_k) };
    case BP_TYPE_Q5_K: return (cpu_code){ 5, 0, 12, 4, 0, 2, 256, BLOCK(bp_block_q5_k) };
    case BP_TYPE_Q6_K: return (cpu_code){ 6, 32, 16, 192, 208, -1, 256, BLOCK(bp_block_q6_k) };
    case BP_TYPE_MXFP4: return (cpu_code){ 4, 12, 1, 0, -1, -1, 32, BLOCK(bp_block_mxfp4) };
    default: return (cpu_code){ 0, 0, 0, 0, 0, -1, 1, 0 };
    }
#undef BLOCK
}

static inline uint16_t cpu_load_half(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}

static inline void cpu_codes_nibbles(const uint8_t *qs, uint8_t *codes) {
    for (int j = 0; j < 16; j++) {
        codes[j] = qs[j] & 15;
        codes[j + 16] = qs[j] >> 4;
    }
}

static inline void cpu_codes_fifth(const uint8_t *qh, const uint8_t *qs, uint8_t *codes) {
    cpu_codes_nibbles(qs, codes);
    for (int j = 0; j < 32; j++) codes[j] |= (uint8_t)((qh[j / 8] >> (j % 8) & 1) << 4);
}

static inline void cpu_codes_two_bits(const uint8_t *qs, uint8_t *codes) {
    for (int h = 0; h < 2; h++)
        for (int k = 0; k < 4; k++)
            for (int c = 0; c < 32; c++) codes[128 * h + 32 * k + c] = qs[32 * h + c] >> (2 * k) & 3;
}

static inline void cpu_codes_q3_k(const bp_block_q3_k *b, uint8_t *codes) {
    cpu_codes_two_bits(b->qs, codes);
    for (int s = 0; s < 8; s++)
        for (int c = 0; c < 32; c++) codes[32 * s + c] |= (uint8_t)((b->hmask[c] >> s & 1) << 2);
}

static inline void cpu_codes_q4_k(const uint8_t *qs, uint8_t *codes) {
    for (int g = 0; g < 4; g++)
        for (int c = 0; c < 32; c++) {
            codes[64 * g + c] = qs[32 * g + c] & 15;
            codes[64 * g + 32 + c] = qs[32 * g + c] >> 4;
        }
}

static inline void cpu_codes_q5_k(const bp_block_q5_k *b, uint8_t *codes) {
    cpu_codes_q4_k(b->qs, codes);
    for (int s = 0; s < 8; s++)
        for (int c = 0; c < 32; c++) codes[32 * s + c] |= (uint8_t)((b->qh[c] >> s & 1) << 4);
}

static inline void cpu_codes_q6_k(const bp_block_q6_k *b, uint8_t *codes) {
    for (int h = 0; h < 2; h++)
        for (int c = 0; c < 32; c++) {
            uint8_t *to = codes + 128 * h + c;
            const uint8_t *ql = b->ql + 64 * h + c;
            uint8_t qh = b->qh[32 * h + c];
            to[0] = (uint8_t)((ql[0] & 15) | (qh & 3) << 4);
            to[32] = (uint8_t)((ql[32] & 15) | (qh >> 2 & 3) << 4);
            to[64] = (uint8_t)(ql[0] >> 4 | (qh >> 4 & 3) << 4);
            to[96] = (uint8_t)(ql[32] >> 4 | (qh >> 6) << 4);
        }
}

/* MXFP4: what a nibble stands for, plus 12 (a small float, doubled). */
#define CPU_MXFP4_VALUES 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0

static inline void cpu_mxfp4_values(uint8_t *codes, int n) {
    static const uint8_t values[16] = { CPU_MXFP4_VALUES };
    for (int j = 0; j < n; j++) codes[j] = values[codes[j]];
}

/* 2^(e - 128), whose two smallest are below the normal numbers. */
static inline float cpu_mxfp4_scale(uint8_t e) {
    uint32_t bits = e < 2 ? UINT32_C(0x00200000) << e : (uint32_t)(e - 1) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

/* Codes of one block as the file has it. */
static inline void cpu_block_codes(uint32_t type, const uint8_t *block, uint8_t *codes) {
    switch (type) {
    case BP_TYPE_Q4_0: cpu_codes_nibbles(block + 2, codes); break;
    case BP_TYPE_Q4_1: cpu_codes_nibbles(block + 4, codes); break;
    case BP_TYPE_Q5_0: cpu_codes_fifth(block + 2, block + 6, codes); break;
    case BP_TYPE_Q5_1: cpu_codes_fifth(block + 4, block + 8, codes); break;
    case BP_TYPE_Q8_0:
        for (int j = 0; j < 32; j++) codes[j] = block[2 + j] ^ 0x80;
        break;
    case BP_TYPE_Q2_K: cpu_codes_two_bits(block + 16, codes); break;
    case BP_TYPE_Q3_K: cpu_codes_q3_k((const void *)block, codes); break;
    case BP_TYPE_Q4_K: cpu_codes_q4_k(block + 16, codes); break;
    case BP_TYPE_Q5_K: cpu_codes_q5_k((const void *)block, codes); break;
    case BP_TYPE_Q6_K: cpu_codes_q6_k((const void *)block, codes); break;
    case BP_TYPE_MXFP4:
        cpu_codes_nibbles(block + 1, codes);
        cpu_mxfp4_values(codes, 32);
        break;
    default: break;
    }
}

/* d of one block as the file has it, 0 where it has none. */
static inline float cpu_block_d(const cpu_code *c, const uint8_t *block) {
    return c->at_d < 0 ? 0 : cpu_half_to_float(cpu_load_half(block + c->at_d));
}

/* Integer scales and minima of a K block's 16 sub-blocks of 16 from its scale bytes; step is the distance between them. */
static inline void cpu_scales_six(const uint8_t *b, int step, int *scale, int *min) {
    for (int s = 0; s < 8; s++) {
        int sc, mn;
        if (s < 4) {
            sc = b[s * step] & 63;
            mn = b[(s + 4) * step] & 63;
        } else {
            sc = (b[(s + 4) * step] & 15) | (b[(s - 4) * step] >> 6) << 4;
            mn = b[(s + 4) * step] >> 4 | (b[s * step] >> 6) << 4;
        }
        scale[2 * s] = scale[2 * s + 1] = sc;
        min[2 * s] = min[2 * s + 1] = mn;
    }
}

static inline void cpu_scales_q3_k(const uint8_t *b, int step, int *scale) {
    for (int s = 0; s < 16; s++) {
        int low = s < 8 ? b[s * step] & 15 : b[(s - 8) * step] >> 4;
        scale[s] = (low | (b[(8 + s % 4) * step] >> (2 * (s / 4)) & 3) << 4) - 32;
    }
}

/* Scales and minima of each 16 values of a block: values / 16 of each. */
static inline void cpu_block_scales(uint32_t type, const uint8_t *b, int step, float d, float m, float *scale, float *min) {
    int sc[16], mn[16] = { 0 };
    switch (type) {
    case BP_TYPE_MXFP4:
        scale[0] = scale[1] = cpu_mxfp4_scale(b[0]);
        min[0] = min[1] = 0;
        return;
    case BP_TYPE_Q2_K:
        for (int s = 0; s < 16; s++) sc[s] = b[s * step] & 15, mn[s] = b[s * step] >> 4;
        break;
    case BP_TYPE_Q3_K: cpu_scales_q3_k(b, step, sc); break;
    case BP_TYPE_Q4_K:
    case BP_TYPE_Q5_K: cpu_scales_six(b, step, sc, mn); break;
    case BP_TYPE_Q6_K:
        for (int s = 0; s < 16; s++) sc[s] = (int8_t)b[s * step];
        break;
    default:
        scale[0] = scale[1] = d;
        min[0] = min[1] = -m;
        return;
    }
    for (int s = 0; s < 16; s++) {
        scale[s] = d * (float)sc[s];
        min[s] = m * (float)mn[s];
    }
}

#endif
