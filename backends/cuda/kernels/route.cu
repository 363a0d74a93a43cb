// route_experts: a block a token. Probabilities and ranks lie in shared memory; experts are chosen one after the other.
#include "order.cuh"
#include "backplane/ops.h"

#define MAX_EXPERTS 1024
#define MAX_GROUPS 128

struct route_room {
    float p[MAX_EXPERTS], rank[MAX_EXPERTS], group[MAX_GROUPS], sums[33];
    uint64_t keys[33];
    int kept[MAX_GROUPS];
};

static __device__ void gate(const float *x, int n, int gating, route_room *r) {
    float most = -BP_INFINITY, sum = 0.0f;
    if (gating == BP_GATING_SOFTMAX) {
        for (int i = threadIdx.x; i < n; i += blockDim.x) most = bp_max(x[i], most);
        most = bp_block_max(most, r->sums);
        for (int i = threadIdx.x; i < n; i += blockDim.x) sum += expf(x[i] - most);
        sum = bp_block_sum(sum, r->sums);
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float p = x[i];
        if (gating == BP_GATING_SOFTMAX) p = expf(p - most) / sum;
        if (gating == BP_GATING_SIGMOID) p = 1.0f / (1.0f + expf(-p));
        r->p[i] = p;
    }
    __syncthreads();
}

// The next best of values[0 … n) after the key `last`.
static __device__ uint64_t next_best(const float *values, int n, uint64_t last, uint64_t *room) {
    uint64_t best = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const uint64_t key = bp_order(values[i], i);
        if (key < last && key > best) best = key;
    }
    return bp_block_largest(best, room);
}

// Experts outside the best groups get the rank -infinity.
static __device__ void limit_groups(int n, int groups, int used, route_room *r) {
    const int each = n / groups;
    for (int g = threadIdx.x; g < groups; g += blockDim.x) {
        float a = -BP_INFINITY, b = -BP_INFINITY;
        for (int i = g * each; i < (g + 1) * each; i++) {
            const float v = r->rank[i];
            if (v > a) b = a, a = v;
            else if (v > b) b = v;
        }
        r->group[g] = each > 1 ? a + b : a;
        r->kept[g] = 0;
    }
    __syncthreads();
    uint64_t last = ~(uint64_t)0;
    for (int k = 0; k < used; k++) {
        last = next_best(r->group, groups, last, r->keys);
        if (threadIdx.x == 0) r->kept[bp_order_index(last)] = 1;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        if (!r->kept[i / each]) r->rank[i] = -BP_INFINITY;
    __syncthreads();
}

static __device__ void weigh(float *weights, int used, int gating, int normalise, float scale) {
    float sum = 0.0f, most = -BP_INFINITY;
    if (gating == BP_GATING_SOFTMAX_CHOSEN) {
        for (int u = 0; u < used; u++) most = bp_max(weights[u], most);
        for (int u = 0; u < used; u++) sum += expf(weights[u] - most);
        for (int u = 0; u < used; u++) weights[u] = expf(weights[u] - most) / sum;
    }
    sum = 0.0f;
    for (int u = 0; u < used; u++) sum += weights[u];
    for (int u = 0; u < used; u++) weights[u] = (normalise ? weights[u] / sum : weights[u]) * scale;
}

extern "C" __global__ void __launch_bounds__(256)
route(const float *logits, const float *bias, int *ids, float *weights, bp_size n_, bp_size tokens_, int used, int gating,
      int normalise, int groups, int groups_used, float scale) {
    __shared__ route_room r;
    bp_wait_inputs();
    const int n = bp_get(n_), tokens = bp_get(tokens_);
    for (int64_t token = blockIdx.x; token < tokens; token += gridDim.x) {
        gate(logits + token * n, n, gating, &r);
        for (int i = threadIdx.x; i < n; i += blockDim.x) r.rank[i] = r.p[i] + (bias ? bias[i] : 0.0f);
        __syncthreads();
        if (groups > 1) limit_groups(n, groups, groups_used, &r);
        uint64_t last = ~(uint64_t)0;
        for (int u = 0; u < used; u++) {
            last = next_best(r.rank, n, last, r.keys);
            if (threadIdx.x == 0) {
                ids[token * used + u] = bp_order_index(last);
                weights[token * used + u] = r.p[bp_order_index(last)];
            }
        }
        if (threadIdx.x == 0) weigh(weights + token * used, used, gating, normalise, scale);
        __syncthreads();
    }
}
