// rms_norm and layer_norm (-DLAYER=1): a block for each group of a row. Values stay in registers where they fit, longer
// groups are read again. Where asked, the result is rounded to 8 bits as well, for the products that follow.
// options: -DLAYER=0|1
#include "quantise_block.cuh"

#define KEPT 8

struct norm_task {
    const float *x, *residual, *weight, *bias;
    float *y, *sum;
    int8_t *codes;
    float2 *scales;
    int64_t first;           // the group's place in x
    int weight_at, bias_at;  // its place in weight and bias
    int group;
    float mean, factor;
};

static __device__ __forceinline__ float load(const norm_task &t, int i) {
    return t.x[t.first + i] + (t.residual ? t.residual[t.first + i] : 0.0f);
}
static __device__ __forceinline__ float load_first(const norm_task &t, int i) {
    const float s = load(t, i);
    if (t.sum) t.sum[t.first + i] = s;
    return s;
}

// Value i of the group; whole warps call, with i - lane inside the group.
static __device__ __forceinline__ void finish(const norm_task &t, int i, float s) {
    float v = 0.0f;
    if (i < t.group) {
        v = (s - t.mean) * t.factor;
        if (t.weight) v *= t.weight[t.weight_at + i];
        if (t.bias) v += t.bias[t.bias_at + i];
        t.y[t.first + i] = v;
    }
    if (t.codes) {
        const int64_t block = (t.first + i) / 32;
        bp_quantise(v, t.codes + block * 32, t.scales + block);
    }
}

static __device__ void normalise(norm_task &t, float eps, float *room) {
    const int threads = blockDim.x, me = threadIdx.x, warp = me & ~31;
    float kept[KEPT], total = 0.0f;
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        kept[k] = k * threads + me < t.group ? load_first(t, k * threads + me) : 0.0f;
        total += LAYER ? kept[k] : kept[k] * kept[k];
    }
    for (int i = KEPT * threads + me; i < t.group; i += threads) {
        const float s = load_first(t, i);
        total += LAYER ? s : s * s;
    }
    t.mean = 0.0f;
    if (LAYER) {
        t.mean = bp_block_sum(total, room) / (float)t.group;
        total = 0.0f;
#pragma unroll
        for (int k = 0; k < KEPT; k++)
            if (k * threads + me < t.group) total += (kept[k] - t.mean) * (kept[k] - t.mean);
        for (int i = KEPT * threads + me; i < t.group; i += threads) {
            const float s = load(t, i) - t.mean;
            total += s * s;
        }
    }
    t.factor = 1.0f / sqrtf(bp_block_sum(total, room) / (float)t.group + eps);
#pragma unroll
    for (int k = 0; k < KEPT; k++)
        if (k * threads + warp < t.group) finish(t, k * threads + me, kept[k]);
    for (int w = KEPT * threads + warp; w < t.group; w += threads) {
        const int i = w + me % 32;
        finish(t, i, i < t.group ? load(t, i) : 0.0f);
    }
}

extern "C" __global__ void __launch_bounds__(1024)
norm_rows(const float *x, const float *residual, const float *weight, const float *bias, float *y, float *sum, int8_t *codes,
     float2 *scales, bp_size n_, bp_size rows_, int group, int weight_n, int bias_n, float eps) {
    __shared__ float room[33];
    bp_wait_inputs();
    const int groups = bp_get(n_) / group;
    const int64_t all = (int64_t)bp_get(rows_) * groups;
    for (int64_t u = blockIdx.x; u < all; u += gridDim.x) {
        const int column = (int)(u % groups) * group;
        norm_task t = { x, residual, weight, bias, y, sum, codes, scales, u * group, weight_n == group ? 0 : column,
                        bias_n == group ? 0 : column, group, 0.0f, 0.0f };
        normalise(t, eps, room);
    }
}
