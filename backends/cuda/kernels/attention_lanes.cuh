/* Attention of split keys by lanes, over caches of any type: a group of LANES lanes takes KEYS keys at a time, each lane 8
 * (or 8 CHUNKS) dimensions of them, for BP_HEADS query heads at once, and keeps a running maximum, sum and mix (online
 * softmax). */
#ifndef BP_ATTENTION_LANES_CUH
#define BP_ATTENTION_LANES_CUH

#include "attention_split.cuh"

enum {
    WIDEST = BP_DIM > BP_DIM_V ? BP_DIM : BP_DIM_V,
    LANES = WIDEST > 128 ? 32 : WIDEST > 64 ? 16 : WIDEST > 32 ? 8 : 4,
    CHUNKS = (BP_DIM / 8 + LANES - 1) / LANES,
    CHUNKS_V = (BP_DIM_V / 8 + LANES - 1) / LANES,
    GROUPS = BP_THREADS / LANES,
    KEYS = BP_CACHE == 0 || CHUNKS > 1 ? 2 : 4,
    /* What attention_decode.cu asks for. */
    PARTS = GROUPS, PITCH = BP_DIM_V,
    FEWEST = 32, /* keys a split takes at least */
    BLOCKS = BP_HEADS * CHUNKS_V <= 4 && CHUNKS <= 1 ? 512 / BP_THREADS : 1
};

struct running {
    float top, sum, mix[CHUNKS_V][8];
};

/* Products of the group's query rows with key row `row`; every lane gets them. */
static __device__ __forceinline__ void products(const raw8 *k, const float q[BP_HEADS][CHUNKS][8], float *out) {
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) out[h] = 0;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        float v[8];
        values8(k[c], v);
#pragma unroll
        for (int h = 0; h < BP_HEADS; h++) {
#pragma unroll
            for (int i = 0; i < 8; i++) out[h] = fmaf(q[h][c][i], v[i], out[h]);
        }
    }
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) {
#pragma unroll
        for (int k2 = LANES / 2; k2; k2 >>= 1) out[h] += __shfl_xor_sync(0xffffffffu, out[h], k2);
    }
}

/* Rows of the cache of keys [j0, j0 + KEYS). */
static __device__ __forceinline__ void find_rows(const attended &t, int j0, int *rows) {
#pragma unroll
    for (int i = 0; i < KEYS; i++) rows[i] = row_of_key(t, j0 + i);
}

/* The groups' parts of the mix, [PARTS][BP_HEADS][PITCH]. */
static __device__ __forceinline__ const float *attend(const attended &t, part_sums<PARTS> &found) {
    const attention &a = t.a;
    const key_list &keys = t.keys;
    const key_span span = t.span;
    const int group = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    float query[BP_HEADS][CHUNKS][8], slope[BP_HEADS];
    running r[BP_HEADS];
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) {
        slope[h] = slope_of(a, t.head0 + h);
        r[h].top = -BP_INFINITY, r[h].sum = 0;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            const int at = c * LANES + lane;
            const float4 *from = (const float4 *)(t.queries + h * BP_DIM + (at < BP_DIM / 8 ? 8 * at : 0));
            const float4 a4 = from[0], b4 = from[1];
            const float v[8] = { a4.x, a4.y, a4.z, a4.w, b4.x, b4.y, b4.z, b4.w };
#pragma unroll
            for (int i = 0; i < 8; i++) query[h][c][i] = at < BP_DIM / 8 ? v[i] : 0;
        }
#pragma unroll
        for (int c = 0; c < CHUNKS_V; c++) {
#pragma unroll
            for (int i = 0; i < 8; i++) r[h].mix[c][i] = 0;
        }
    }
    int rows[KEYS]; /* of the next keys; negative: not there */
    find_rows(t, span.first + group * KEYS, rows);
#pragma unroll 1
    for (int j0 = span.first + group * KEYS; j0 - group * KEYS < span.end; j0 += GROUPS * KEYS) {
        raw8 k[KEYS][CHUNKS], v[KEYS][CHUNKS_V];
        bool there[KEYS];
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
            there[i] = rows[i] >= 0;
            const int row = there[i] ? rows[i] : 0;
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                const int at = c * LANES + lane;
                k[i][c] = load8(t.k_cache, row, BP_DIM, at < BP_DIM / 8 ? at : 0);
            }
#pragma unroll
            for (int c = 0; c < CHUNKS_V; c++) {
                const int at = c * LANES + lane;
                v[i][c] = load8(t.v_cache, row, BP_DIM_V, at < BP_DIM_V / 8 ? at : 0);
            }
        }
        find_rows(t, j0 + GROUPS * KEYS, rows);
        float score[KEYS][BP_HEADS];
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
            products(k[i], query, score[i]);
#pragma unroll
            for (int h = 0; h < BP_HEADS; h++) {
                score[i][h] = there[i] ? score_of(a, score[i][h], slope[h], keys.start + j0 + i - t.position) : -BP_INFINITY;
            }
        }
#pragma unroll
        for (int h = 0; h < BP_HEADS; h++) {
            float top = r[h].top;
#pragma unroll
            for (int i = 0; i < KEYS; i++) top = bp_max(top, score[i][h]);
            const float shrink = r[h].top == -BP_INFINITY ? 0 : __expf(r[h].top - top);
            r[h].sum *= shrink;
#pragma unroll
            for (int i = 0; i < KEYS; i++) {
                score[i][h] = score[i][h] == -BP_INFINITY ? 0 : __expf(score[i][h] - top);
                r[h].sum += score[i][h];
            }
            r[h].top = top;
#pragma unroll
            for (int c = 0; c < CHUNKS_V; c++) {
#pragma unroll
                for (int d = 0; d < 8; d++) r[h].mix[c][d] *= shrink;
            }
        }
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
#pragma unroll
            for (int c = 0; c < CHUNKS_V; c++) {
                float x[8];
                values8(v[i][c], x);
#pragma unroll
                for (int h = 0; h < BP_HEADS; h++) {
#pragma unroll
                    for (int d = 0; d < 8; d++) {
                        r[h].mix[c][d] = there[i] ? fmaf(score[i][h], x[d], r[h].mix[c][d]) : r[h].mix[c][d];
                    }
                }
            }
        }
    }

    __shared__ __align__(16) float mixes[GROUPS][BP_HEADS][BP_DIM_V];
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) {
        if (lane == 0) found.top[group][h] = r[h].top, found.sum[group][h] = r[h].sum;
#pragma unroll
        for (int c = 0; c < CHUNKS_V; c++) {
            if (c * LANES + lane >= BP_DIM_V / 8) continue;
            float4 *to = (float4 *)&mixes[group][h][8 * (c * LANES + lane)];
            to[0] = make_float4(r[h].mix[c][0], r[h].mix[c][1], r[h].mix[c][2], r[h].mix[c][3]);
            to[1] = make_float4(r[h].mix[c][4], r[h].mix[c][5], r[h].mix[c][6], r[h].mix[c][7]);
        }
    }
    return mixes[0][0];
}

#endif
