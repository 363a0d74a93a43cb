/* Shapes and types of nodes. */
#ifndef BP_CUDA_CHECK_H
#define BP_CUDA_CHECK_H

#include "backends/cuda/cuda_plan.h"

enum { CUDA_MAX_TAPS = 32 }; /* of a causal convolution */

/* NULL where the node's tensors and parameters fit its op, else what is wrong, as a static text. */
const char *cuda_check(const cuda_node *n);
/* Dimensions of a value given the symbols' numbers; false where one is negative or no 32-bit number. */
bool cuda_tensor_shape(const bp_value *v, const int64_t *symbols, int64_t n[BP_MAX_RANK]);
/* Bytes by type and dimensions (rows); false where it does not fit or the row is no whole number of blocks. */
bool cuda_tensor_size(uint32_t type, const int64_t n[BP_MAX_RANK], uint64_t *bytes);
static inline int64_t cuda_rows(const cuda_tensor *t) { return t->n[1] * t->n[2] * t->n[3]; }

#endif
