/* Norms together with their neighbours. */
#ifndef BP_CUDA_NORM_PLAN_H
#define BP_CUDA_NORM_PLAN_H

#include "backends/cuda/cuda_plan.h"

/* True where `add` and the norm that alone reads some rows of its sum (GATHER_ROWS) were planned together. */
bool cuda_plan_gathered_norm(cuda_plan *p, const cuda_node *add);
/* route.cu's last arguments. */
void cuda_route_rules(cuda_launch *l, const bp_route_experts_params *r);

#endif
