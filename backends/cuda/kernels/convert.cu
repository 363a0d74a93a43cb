// convert: rows of type FROM to rows of type TO, a warp for 32 values. copy: bytes as they are.
// options: -DFROM=@weights -DTO=0|1|8|30
// options: -DFROM=26 -DTO=0|1|8|30
#include "decode.cuh"
#include "store.cuh"

extern "C" __global__ void __launch_bounds__(256)
convert(const uint8_t *x, uint8_t *out, bp_size n_, bp_size rows_, int64_t from_bytes, int64_t to_bytes) {
    bp_wait_inputs();
    const int n = bp_get(n_), rows = bp_get(rows_), parts = (n + 31) / 32, lane = threadIdx.x % 32;
    const int64_t all = (int64_t)rows * parts, step = (int64_t)gridDim.x * (blockDim.x / 32);
    for (int64_t i = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < all; i += step) {
        const int64_t row = i / parts;
        const int j = (int)(i % parts) * 32 + lane;
        const float v = j < n ? bp_decode<FROM>(x + row * from_bytes, j) : 0.0f;
        bp_store<TO>(out + row * to_bytes, j, n, v);
    }
}

extern "C" __global__ void __launch_bounds__(256) copy(const uint8_t *x, uint8_t *out, bp_size rows_, int64_t row_bytes) {
    bp_wait_inputs();
    const int64_t all = (int64_t)bp_get(rows_) * row_bytes, step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) out[i] = x[i];
}
