// Routing of a token, by a block: probabilities and ranks lie in shared memory. Few experts are ranked all at once, each by
// how many come before it; many are chosen one after the other.
#ifndef BP_ROUTE_CUH
#define BP_ROUTE_CUH

#include "order.cuh"
#include "backplane/ops.h"

#define MAX_EXPERTS 1024
#define MAX_GROUPS 128
#define COUNTED_EXPERTS 256 // as many are ranked by counting

struct route_rules {
    int used, gating, normalise, groups, groups_used;
    float scale;
};

struct route_room {
    float p[MAX_EXPERTS], rank[MAX_EXPERTS], group[MAX_GROUPS], sums[33];
    uint64_t keys[33], order[COUNTED_EXPERTS];
    int kept[MAX_GROUPS], chosen[MAX_EXPERTS];
    float weights[MAX_EXPERTS];
};

// x may have been written in this launch, by other blocks.
static __device__ __forceinline__ void gate(const float *x, int n, int gating, route_room *r) {
    float most = -BP_INFINITY, sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const float v = __ldcg(x + i);
        r->p[i] = gating == BP_GATING_SIGMOID ? 1.0f / (1.0f + expf(-v)) : v;
        most = bp_max(v, most);
    }
    if (gating == BP_GATING_SOFTMAX) { // each thread reads what it wrote
        most = bp_block_max(most, r->sums);
        for (int i = threadIdx.x; i < n; i += blockDim.x) sum += r->p[i] = expf(r->p[i] - most);
        sum = bp_block_sum(sum, r->sums);
        for (int i = threadIdx.x; i < n; i += blockDim.x) r->p[i] /= sum;
    }
    __syncthreads();
}

// The next best of values[0 … n) after the key `last`.
static __device__ __forceinline__ uint64_t next_best(const float *values, int n, uint64_t last, uint64_t *room) {
    uint64_t best = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const uint64_t key = bp_order(values[i], i);
        if (key < last && key > best) best = key;
    }
    return bp_block_largest(best, room);
}

// Experts outside the best groups get the rank -infinity.
static __device__ __forceinline__ void limit_groups(int n, int groups, int used, route_room *r) {
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

// The chosen experts in their order, and their probabilities.
static __device__ __forceinline__ void choose(int n, int used, route_room *r) {
    if (n <= COUNTED_EXPERTS) {
        uint64_t *keys = r->order;
        for (int i = threadIdx.x; i < n; i += blockDim.x) keys[i] = bp_order(r->rank[i], i);
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            const uint64_t mine = keys[i];
            int before = 0;
#pragma unroll 8
            for (int j = 0; j < n; j++) before += keys[j] > mine;
            if (before < used) r->chosen[before] = i, r->weights[before] = r->p[i];
        }
        __syncthreads();
        return;
    }
    uint64_t last = ~(uint64_t)0;
    for (int u = 0; u < used; u++) {
        last = next_best(r->rank, n, last, r->keys);
        if (threadIdx.x == 0) r->chosen[u] = bp_order_index(last), r->weights[u] = r->p[bp_order_index(last)];
    }
    __syncthreads();
}

static __device__ __forceinline__ void weigh(const route_rules &rules, const route_room *r, int *ids, float *weights) {
    float sum = 0.0f, most = -BP_INFINITY, all = 0.0f;
    const bool late = rules.gating == BP_GATING_SOFTMAX_CHOSEN;
    const int used = rules.used;
    for (int u = 0; u < used && late; u++) most = bp_max(r->weights[u], most);
    for (int u = 0; u < used && late; u++) all += expf(r->weights[u] - most);
    for (int u = 0; u < used; u++) sum += late ? expf(r->weights[u] - most) / all : r->weights[u];
    for (int u = threadIdx.x; u < used; u += blockDim.x) {
        const float w = late ? expf(r->weights[u] - most) / all : r->weights[u];
        weights[u] = (rules.normalise ? w / sum : w) * rules.scale;
        ids[u] = r->chosen[u];
    }
}

// bias: NULL, or what is added for choosing alone. All threads call.
static __device__ __forceinline__ void route_token(const float *logits, const float *bias, int n, const route_rules &rules,
                                                   route_room *r, int *ids, float *weights) {
    gate(logits, n, rules.gating, r);
    for (int i = threadIdx.x; i < n; i += blockDim.x) r->rank[i] = r->p[i] + (bias ? bias[i] : 0.0f);
    __syncthreads();
    if (rules.groups > 1) limit_groups(n, rules.groups, rules.groups_used, r);
    choose(n, rules.used, r);
    weigh(rules, r, ids, weights);
    __syncthreads();
}

#endif
