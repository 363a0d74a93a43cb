// route_experts: a block a token.
#include "route.cuh"

extern "C" __global__ void __launch_bounds__(256)
route(const float *logits, const float *bias, int *ids, float *weights, bp_size n_, bp_size tokens_, int used, int gating,
      int normalise, int groups, int groups_used, float scale) {
    __shared__ route_room r;
    bp_wait_inputs();
    const route_rules rules = { used, gating, normalise, groups, groups_used, scale };
    const int n = bp_get(n_), tokens = bp_get(tokens_);
    for (int64_t token = blockIdx.x; token < tokens; token += gridDim.x)
        route_token(logits + token * n, bias, n, rules, &r, ids + token * used, weights + token * used);
}
