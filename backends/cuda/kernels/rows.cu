// gather_rows, slice, concat, pool: a thread for each value; reduce: a warp for each row.
#include "common.cuh"
#include "backplane/ops.h"

extern "C" __global__ void __launch_bounds__(256)
gather(const float *x, const int *ids, float *out, bp_size n_, bp_size m_, bp_size count_) {
    bp_wait_inputs();
    const int n = bp_get(n_), m = bp_get(m_);
    const int64_t all = (int64_t)n * bp_get(count_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        const int id = ids[i / n];
        out[i] = id >= 0 && id < m ? x[(int64_t)id * n + i % n] : 0.0f;
    }
}

extern "C" __global__ void __launch_bounds__(256)
slice(const float *x, float *out, bp_size n_, bp_size count_, bp_size rows_, int first) {
    bp_wait_inputs();
    const int n = bp_get(n_), count = bp_get(count_);
    const int64_t all = (int64_t)count * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) out[i] = x[i / count * n + first + i % count];
}

extern "C" __global__ void __launch_bounds__(256)
concat(const float *a, const float *b, float *out, bp_size n_, bp_size k_, bp_size rows_) {
    bp_wait_inputs();
    const int n = bp_get(n_), k = bp_get(k_), width = n + k;
    const int64_t all = (int64_t)width * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        const int64_t row = i / width;
        const int at = (int)(i % width);
        out[i] = at < n ? a[row * n + at] : b[row * k + at - n];
    }
}

extern "C" __global__ void __launch_bounds__(256)
pool(const float *x, const int *sequences, float *out, bp_size n_, bp_size tokens_, bp_size n_sequences_, int kind) {
    bp_wait_inputs();
    const int n = bp_get(n_), tokens = bp_get(tokens_);
    const int64_t all = (int64_t)n * bp_get(n_sequences_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        const int q = (int)(i / n), column = (int)(i % n);
        int count = 0;
        float v = 0.0f;
        for (int t = 0; t < tokens; t++) {
            if (sequences[t] != q) continue;
            const float from = x[(int64_t)t * n + column];
            if (kind == BP_POOL_MEAN) v += from;
            else if (kind == BP_POOL_LAST || count == 0) v = from;
            count++;
        }
        out[i] = kind == BP_POOL_MEAN && count > 1 ? v / (float)count : v;
    }
}

extern "C" __global__ void __launch_bounds__(256) reduce(const float *x, float *out, bp_size n_, bp_size rows_, int kind) {
    bp_wait_inputs();
    const int n = bp_get(n_), rows = bp_get(rows_), lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (int64_t row = (int64_t)blockIdx.x * warps + threadIdx.x / 32; row < rows; row += (int64_t)gridDim.x * warps) {
        float v = kind == BP_REDUCE_MAX ? -BP_INFINITY : 0.0f;
        for (int i = lane; i < n; i += 32) v = kind == BP_REDUCE_MAX ? bp_max(x[row * n + i], v) : v + x[row * n + i];
        v = kind == BP_REDUCE_MAX ? bp_warp_max(v) : bp_warp_sum(v);
        if (lane == 0) out[row] = kind == BP_REDUCE_MEAN ? v / (float)n : v;
    }
}

// combine_experts: the weighted sum over the experts that a token used.
extern "C" __global__ void __launch_bounds__(256)
combine(const float *x, const float *weights, float *out, bp_size n_, bp_size used_, bp_size tokens_) {
    bp_wait_inputs();
    const int n = bp_get(n_), used = bp_get(used_);
    const int64_t all = (int64_t)n * bp_get(tokens_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        const int64_t token = i / n;
        float sum = 0.0f;
        for (int u = 0; u < used; u++) sum += weights[token * used + u] * x[(token * used + u) * n + i % n];
        out[i] = sum;
    }
}
