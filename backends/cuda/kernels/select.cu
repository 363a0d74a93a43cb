// top_k and argmax: a block a row. top_k finds the k-th key by its bytes, the highest first, then ranks the k that reach it.
#include "order.cuh"

extern "C" __global__ void __launch_bounds__(1024) argmax(const float *x, int *ids, bp_size n_, bp_size rows_) {
    __shared__ uint64_t room[33];
    bp_wait_inputs();
    const int n = bp_get(n_), rows = bp_get(rows_);
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        uint64_t best = 0;
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            const uint64_t key = bp_order(x[row * n + i], i);
            best = key > best ? key : best;
        }
        best = bp_block_largest(best, room);
        if (threadIdx.x == 0) ids[row] = bp_order_index(best);
    }
}

// The k-th largest key of a row. Keys differ, so exactly k reach it.
static __device__ uint64_t threshold(const float *x, int n, int k, int *counts, uint64_t *prefix_room, int *left_room) {
    uint64_t prefix = 0;
    int left = k;
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < 256; i += blockDim.x) counts[i] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            const uint64_t key = bp_order(x[i], i);
            if (shift == 56 || key >> (shift + 8) == prefix >> (shift + 8)) atomicAdd(&counts[key >> shift & 255], 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int digit = 255;
            while (digit > 0 && counts[digit] < left) left -= counts[digit--];
            *prefix_room = prefix | (uint64_t)digit << shift;
            *left_room = left;
        }
        __syncthreads();
        prefix = *prefix_room;
        left = *left_room;
        __syncthreads();
    }
    return prefix;
}

// found: k keys a row, in no order.
extern "C" __global__ void __launch_bounds__(1024)
top_k(const float *x, float *values, int *ids, uint64_t *found, bp_size n_, bp_size k_, bp_size rows_) {
    __shared__ int counts[256], left_room, n_found;
    __shared__ uint64_t prefix_room;
    bp_wait_inputs();
    const int n = bp_get(n_), k = bp_get(k_), rows = bp_get(rows_);
    if (k == 0) return;
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        uint64_t *mine = found + row * k;
        const uint64_t least = threshold(x + row * n, n, k, counts, &prefix_room, &left_room);
        if (threadIdx.x == 0) n_found = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            const uint64_t key = bp_order(x[row * n + i], i);
            if (key >= least) mine[atomicAdd(&n_found, 1)] = key;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < k; i += blockDim.x) {
            const uint64_t key = mine[i];
            int rank = 0;
            for (int j = 0; j < k; j++) rank += mine[j] > key;
            const int id = bp_order_index(key);
            const float v = x[row * n + id];
            ids[row * k + rank] = id;
            values[row * k + rank] = v != v ? -BP_INFINITY : v;
        }
        __syncthreads();
    }
}
