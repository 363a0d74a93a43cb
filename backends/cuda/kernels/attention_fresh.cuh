// Queries, keys and values of one token as the projections made them: each block of attention_decode.cu normalises and
// rotates its own queries, and stores the key and the value of its KV head in the cache before it reads them there. Blocks of
// the same KV head store the same bits.
#ifndef BP_ATTENTION_FRESH_CUH
#define BP_ATTENTION_FRESH_CUH

#include "head_row.cuh"
#include "kv_place.cuh"

struct fresh_heads {
    const float *q, *k, *v;
    const int *positions, *slots; // of the rotation; where the key and the value go
    head_norm q_norm, k_norm;
    bp_rotation rotation;
    cache_place keys, values;
};

enum {
    FRESH_PARTS = (BP_DIM + 31) / 32,
    FRESH_PAIRS = (BP_DIM / 2 + 31) / 32,
    FRESH_KEY = BP_HEADS, // after the queries
    FRESH_VALUE = BP_HEADS + 1,
    FRESH_TASKS = BP_HEADS + 2,
    FRESH_WARPS = BP_THREADS / 32,
    FRESH_ROUNDS = (FRESH_TASKS + FRESH_WARPS - 1) / FRESH_WARPS
};

// Rows of queries and of the key.
static __device__ __forceinline__ float (*fresh_rows())[BP_DIM] {
    __shared__ __align__(16) float rows[BP_HEADS + 1][BP_DIM];
    return rows;
}

// Queries from head0 on to fresh_rows(). All threads call; steps: see head_row.cuh.
static __device__ __forceinline__ void take_fresh(const fresh_heads &f, const uint64_t *steps, int head0, int kv_head) {
    float row[FRESH_ROUNDS][FRESH_PARTS];
#pragma unroll
    for (int k = 0; k < FRESH_ROUNDS; k++) {
        const int task = FRESH_WARPS * k + threadIdx.x / 32;
        if (task <= FRESH_KEY)
            load_head<FRESH_PARTS>(task < FRESH_KEY ? f.q + (int64_t)(head0 + task) * BP_DIM : f.k + (int64_t)kv_head * BP_DIM,
                                   BP_DIM, row[k]);
    }
    const int slot = f.slots[0];
#pragma unroll
    for (int k = 0; k < FRESH_ROUNDS; k++) {
        const int task = FRESH_WARPS * k + threadIdx.x / 32;
        if (task == FRESH_VALUE) store_row<BP_CACHE>(f.values, f.v + (int64_t)kv_head * BP_DIM_V, slot, kv_head);
        if (task > FRESH_KEY) continue;
        float *room = fresh_rows()[task];
        norm_head<FRESH_PARTS>(row[k], BP_DIM, norm_of(task < FRESH_KEY, f.q_norm, f.k_norm), room);
        rotate_head<FRESH_PAIRS>(f.rotation, f.positions, 0, steps, room);
        if (task == FRESH_KEY) store_row<BP_CACHE>(f.keys, room, slot, kv_head);
    }
    __syncthreads();
}

#endif
