// The functions of BP_ACTIVATION_LIST.
#ifndef BP_ACTIVATION_CUH
#define BP_ACTIVATION_CUH

#include "common.cuh"
#include "backplane/ops.h"

static __device__ __forceinline__ float bp_activate(int f, float x, float low, float high) {
    switch (f) {
    case BP_ACT_SILU: return x / (1.0f + expf(-x));
    case BP_ACT_GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case BP_ACT_GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case BP_ACT_GELU_QUICK: return x / (1.0f + expf(-1.702f * x));
    case BP_ACT_RELU: return x != x ? x : fmaxf(x, 0.0f);
    case BP_ACT_RELU_SQUARED: return x != x ? x : fmaxf(x, 0.0f) * fmaxf(x, 0.0f);
    case BP_ACT_SIGMOID: return 1.0f / (1.0f + expf(-x));
    case BP_ACT_TANH: return tanhf(x);
    case BP_ACT_EXP: return expf(x);
    case BP_ACT_SOFTPLUS: return x > 20.0f ? x : log1pf(expf(x));
    case BP_ACT_RSQRT: return 1.0f / sqrtf(x);
    case BP_ACT_RECIPROCAL: return 1.0f / x;
    case BP_ACT_CLAMP: return x != x ? x : fminf(fmaxf(x, low), high);
    case BP_ACT_FLOOR: return floorf(x);
    case BP_ACT_LOG: return logf(x);
    default: return x;
    }
}

#endif
