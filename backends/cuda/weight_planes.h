/* Layouts of weights, for the planners that multiply by them. */
#ifndef BP_CUDA_WEIGHT_PLANES_H
#define BP_CUDA_WEIGHT_PLANES_H

#include "backends/cuda/cuda_plan.h"
#include "backends/cuda/kernels/matmul_planes.h"

enum { CUDA_LAYOUT_PLANES = 1 };

/* Quantised types with a form in planes. */
bool cuda_has_planes(uint32_t type);

#endif
