/* The packed form of a quantised weight on the device, for C and CUDA C. Codes, high bits and scales lie in planes; a
 * plane holds the blocks of 32 values in the order of the file, row after row, so that neighbouring lanes of a warp
 * read neighbouring bytes. Each plane starts at a multiple of 256 bytes. Total bytes are the file's, but for that.
 *
 * In bytes a block of 32 values (a super-block of 256 values where "/8" stands):
 *   Q4_0   codes 16, d 2                     Q4_1   codes 16, d m 4
 *   Q5_0   codes 16, high 4, d 2             Q5_1   codes 16, high 4, d m 4
 *   Q8_0   codes 32, d 2                     MXFP4  codes 16, exponent 1
 *   Q2_K   codes 8, scales 2, d dmin 4/8     Q3_K   codes 8, high 4, scales 12/8, d 2/8
 *   Q4_K   codes 16, d dmin scales 16/8      Q5_K   codes 16, d dmin scales 16/8, high 4
 *   Q6_K   codes 16, high 8, scales 2, d 2/8
 * Codes of 4 bits: byte j has value j low and value j + 16 high. Of 2 bits: bits 2 k of byte j are value 8 k + j.
 * High bits: bit (8 (j % 4) + j / 4) is value j's; of 2 bits each: word j / 16, bits (8 (j % 4) + 2 (j / 4 % 4)).
 * Where zero lies amid the codes (Q4_0, Q5_0, Q3_K, Q6_K) the top bit of every code is inverted, which makes it a two's
 * complement number once it stands at the top of a byte.
 * Scales of 6 bits (Q3_K, Q4_K, Q5_K), 12 bytes: byte s has the low four bits of the two numbers of block s, four bits
 * at 4 s of the last word their high two; the two are scale and minimum, or the scales of both halves (Q3_K).
 * Q2_K and Q6_K: the file's two scale bytes of the block. */
#ifndef BP_MATMUL_PLANES_H
#define BP_MATMUL_PLANES_H

enum { BP_PLANES = 4, BP_PLANE_ALIGN = 256 };

/* Y(type's name, id, bytes of plane 0 … 3 for 256 values); planes follow each other in this order */
#define BP_PLANES_LIST(Y)          \
    Y(Q4_0, 2, 128, 16, 0, 0)      \
    Y(Q4_1, 3, 128, 32, 0, 0)      \
    Y(Q5_0, 6, 128, 32, 16, 0)     \
    Y(Q5_1, 7, 128, 32, 32, 0)     \
    Y(Q8_0, 8, 256, 16, 0, 0)      \
    Y(Q2_K, 10, 64, 16, 4, 0)      \
    Y(Q3_K, 11, 64, 32, 12, 2)     \
    Y(Q4_K, 12, 128, 16, 0, 0)     \
    Y(Q5_K, 13, 128, 16, 32, 0)    \
    Y(Q6_K, 14, 128, 64, 16, 2)    \
    Y(MXFP4, 39, 128, 8, 0, 0)

#endif
