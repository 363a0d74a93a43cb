// rope: a thread for each value.
#include "rotate.cuh"

extern "C" __global__ void __launch_bounds__(256)
rope(const float *x, const int *positions, const double *turns, const float *factors, float *y, bp_size n_, bp_size tokens_,
     float magnitude, int head_dim, int n_dims, int halves, int s0, int s1, int s2, int s3) {
    bp_wait_inputs();
    const bp_rotation r = { turns, factors, magnitude, head_dim, n_dims, halves, { s0, s1, s2, s3 } };
    const int n = bp_get(n_);
    const int64_t all = (int64_t)n * bp_get(tokens_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        const int at = (int)(i % head_dim);
        y[i] = bp_rotated(r, x + i - at, positions, (int)(i / n), at);
    }
}
