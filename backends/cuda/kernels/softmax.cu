// softmax: a block a row; a sink a head joins the sum and its maximum.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
softmax(const float *x, const float *sinks, float *y, bp_size n_, bp_size heads_, bp_size rows_) {
    __shared__ float room[33];
    bp_wait_inputs();
    const int n = bp_get(n_), heads = bp_get(heads_), rows = bp_get(rows_);
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *from = x + row * n;
        const float sink = sinks ? sinks[row % heads] : -BP_INFINITY;
        float most = sink, sum = 0.0f;
        for (int i = threadIdx.x; i < n; i += blockDim.x) most = bp_max(from[i], most);
        most = bp_block_max(most, room);
        const bool none = most == -BP_INFINITY;
        for (int i = threadIdx.x; i < n; i += blockDim.x) sum += none ? 0.0f : expf(from[i] - most);
        sum = bp_block_sum(sum, room);
        if (sinks && !none) sum += expf(sink - most);
        const float by = none ? 0.0f : 1.0f / sum;
        for (int i = threadIdx.x; i < n; i += blockDim.x) y[row * n + i] = none ? 0.0f : expf(from[i] - most) * by;
    }
}
