/* F32 activations to half (BP_TO = 1) or BF16 (30), [n, n_tokens], n a multiple of 8. What half cannot hold becomes its
 * largest number; NaN stays NaN. */
// options: -DBP_TO=1|30
#include "matmul_device.cuh"

static __device__ __forceinline__ uint32_t pair(float a, float b) {
#if BP_TO == 1
    a = fabsf(a) > 65504.0f ? copysignf(65504.0f, a) : a;
    b = fabsf(b) > 65504.0f ? copysignf(65504.0f, b) : b;
    return pack_half(a, b);
#else
    return pack_bf16(a, b);
#endif
}

extern "C" __global__ void __launch_bounds__(256) gemm_convert(const float *x, uint8_t *out, int n, bp_size tokens) {
    bp_wait_inputs();
    const uint64_t count = (uint64_t)n * bp_get(tokens) / 8;
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (uint64_t)gridDim.x * blockDim.x) {
        const float4 a = ((const float4 *)x)[2 * i], b = ((const float4 *)x)[2 * i + 1];
        ((uint4 *)out)[i] = make_uint4(pair(a.x, a.y), pair(a.z, a.w), pair(b.x, b.y), pair(b.z, b.w));
    }
}
