/* Packed weights: panels of 16 rows. A panel has the blocks of its rows one k-block after another, 16 rows a block, in exactly
 * 16 times the bytes of a file's block:
 *   codes   for each 32 values: byte 4 r + i of a 64-byte group belongs to row r and value 4 q + i of quad q
 *           bits 2, 3: two groups, group g has quads 4 g.. in its two-bit fields; bits 4, 5, 6: four groups, group g has quad
 *           2 g in the low nibble and 2 g + 1 in the high one; bits 8: eight groups, quad q in group q.
 *           bits 3, 5: one more group, bit q is the top bit of quad q. bits 6: two more, as those of bits 2.
 *           MXFP4: the nibbles of the file, not yet what they stand for
 *   scales  each scale byte of the block for 16 rows
 *   d, m    halves of 16 rows, each where the type has it */
#ifndef BP_CPU_PACK_PANEL_H
#define BP_CPU_PACK_PANEL_H

#include "decode_block.h"

enum { CPU_PANEL = 16, CPU_LAYOUT_PANELS = 1 };

/* Bytes of the codes of 32 values of 16 rows. */
static inline size_t cpu_unit_bytes(int bits) { return (size_t)bits * 64; }

/* Codes, scales and minima of block `block` of row `row`, from a packed weight or from one in rows. */
void cpu_packed_block(const cpu_weight *w, const cpu_code *c, int64_t row, int64_t block, uint8_t *codes, float *scale,
                      float *min);

/* n values of a row (of any type and layout) from value k on, k and n multiples of the block, as floats. */
void cpu_weight_values(const cpu_weight *w, int64_t row, int64_t k, int64_t n, float *out);

#endif
