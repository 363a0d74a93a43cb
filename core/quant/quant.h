/* Reference conversion of tensor rows between 32-bit floats and every type of tensor_types.def. Plain and exact: the
 * measure for faster code. Any thread. */
#ifndef BP_QUANT_H
#define BP_QUANT_H

#include <stdint.h>

#include "backplane/status.h"
#include "backplane/types.h"

/* IEEE 754 binary16 and bfloat16 bits from and to floats; rounding is to nearest even, NaN stays NaN. */
float bp_half_to_float(uint16_t bits);
uint16_t bp_float_to_half(float value);
float bp_bfloat_to_float(uint16_t bits);
uint16_t bp_float_to_bfloat(float value);

/* Decode n values (a multiple of the type's block) of a row; I32 becomes the nearest float. Unknown types give zeros.
 */
void bp_decode_row(uint32_t type, const void *row, int64_t n, float *out);

/* Encode n values by rounding to nearest. BP_E_UNSUPPORTED for an unknown type, BP_E_INVALID where n is no whole number
 * of blocks. Values that are not finite give an unspecified block of a quantised type. */
bp_status bp_encode_row(uint32_t type, const float *values, int64_t n, void *out);

#endif
