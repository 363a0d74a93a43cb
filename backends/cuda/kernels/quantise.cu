// Activations rounded to 8 bits in blocks of 32, where the kernel that makes them does not do it itself.
#include "quantise_block.cuh"

extern "C" __global__ void __launch_bounds__(256)
quantise(const float *x, int8_t *codes, float2 *scales, bp_size n_, bp_size rows_) {
    bp_wait_inputs();
    const int64_t blocks = (int64_t)bp_get(n_) / 32 * bp_get(rows_), step = (int64_t)gridDim.x * (blockDim.x / 32);
    for (int64_t b = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; b < blocks; b += step)
        bp_quantise(x[b * 32 + threadIdx.x % 32], codes + b * 32, scales + b);
}
