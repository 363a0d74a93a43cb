// Tensor types by name: BP_TYPE_Q4_K and so on.
#ifndef BP_TYPES_CUH
#define BP_TYPES_CUH

enum bp_tensor_type {
#define BP_TENSOR_TYPE(name, id, values, bytes) BP_TYPE_##name = id,
#include "backplane/tensor_types.def"
#undef BP_TENSOR_TYPE
};

#endif
