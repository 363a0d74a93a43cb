// argmax of few rows: many blocks a row, each the best of its part; the last one to finish takes the best of all. (Of many
// rows: select.cu.) Grid: x: parts, y: rows. found: [parts, rows]; count: a number a row, 0 before and after.
#include "last_block.cuh"
#include "order.cuh"

extern "C" __global__ void __launch_bounds__(256)
argmax_parts(const float *x, int *ids, uint64_t *found, unsigned *count, bp_size n_, bp_size rows_) {
    __shared__ uint64_t room[33];
    bp_wait_inputs();
    const int n = bp_get(n_), row = blockIdx.y;
    if (row >= bp_get(rows_)) return;
    uint64_t best = 0;
#pragma unroll 8
    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256) {
        const uint64_t key = bp_order(x[(int64_t)row * n + i], i);
        best = key > best ? key : best;
    }
    best = bp_block_largest(best, room);
    uint64_t *mine = found + (int64_t)row * gridDim.x;
    if (threadIdx.x == 0) mine[blockIdx.x] = best;
    if (!last_block(count + row)) return;
    best = 0;
    for (int i = threadIdx.x; i < (int)gridDim.x; i += 256) {
        const uint64_t key = __ldcg(mine + i);
        best = key > best ? key : best;
    }
    best = bp_block_largest(best, room);
    if (threadIdx.x == 0) ids[row] = bp_order_index(best);
}
