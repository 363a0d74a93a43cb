/* Attention of few tokens over long caches: keys are split among blocks, then among groups of LANES lanes; a group
 * takes KEYS keys at a time, each lane 8 (or 8 CHUNKS) dimensions of them, for BP_HEADS query heads of one KV head at
 * once. Each group keeps a running maximum, sum and mix (online softmax); groups are joined in a fixed order, and
 * blocks by attention_merge.cu (a launch of its own: measured, quicker than the last block to finish doing it).
 * Sources: Milakov & Gimelshein 2018 (online softmax); Dao et al. 2023 (split keys).
 *
 * Options: BP_CACHE, BP_DIM, BP_DIM_V (multiples of 8), BP_HEADS (divides n_head / n_head_kv).
 * Grid: x: splits, y: n_head / BP_HEADS, z: tokens. BP_THREADS threads: 128, or 256 where one block is to take many keys.
 * part: NULL with one split, else F32 [BP_DIM_V + 2, splits, n_head, n_tokens]: unnormalised mix, maximum, sum.
 * BP_FRESH 1 (one token): q, k and v are what the projections made; see attention_fresh.cuh.
 * With one split the result goes to out and, rounded to 8 bits, to codes and scales, each where it is not NULL. */
// options: -DBP_CACHE=0|1|8 -DBP_DIM=64|128 -DBP_DIM_V=64|128 -DBP_HEADS=1|4
// options: -DBP_CACHE=0|1|8 -DBP_DIM=576 -DBP_DIM_V=512 -DBP_HEADS=1
// options: -DBP_CACHE=0|1|8 -DBP_DIM=64|256 -DBP_DIM_V=64|128 -DBP_HEADS=1|4 -DBP_FRESH=1 -DBP_THREADS=128|256
#ifndef BP_FRESH
#define BP_FRESH 0
#endif
#ifndef BP_THREADS
#define BP_THREADS 128
#endif
#include "attention_keys.cuh"
#if BP_FRESH
#include "attention_fresh.cuh"
#endif
#include "quantise_block.cuh"

enum {
    WIDEST = BP_DIM > BP_DIM_V ? BP_DIM : BP_DIM_V,
    LANES = WIDEST > 128 ? 32 : WIDEST > 64 ? 16 : WIDEST > 32 ? 8 : 4,
    CHUNKS = (BP_DIM / 8 + LANES - 1) / LANES,
    CHUNKS_V = (BP_DIM_V / 8 + LANES - 1) / LANES,
    GROUPS = BP_THREADS / LANES,
    KEYS = BP_CACHE == 0 || CHUNKS > 1 ? 2 : 4,
    FEWEST = 32 /* keys a split takes at least */
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

/* Rows of the cache of keys [j0, j0 + KEYS); negative where a key is past the end or its block is not there. */
static __device__ __forceinline__ void find_rows(const attention &a, const key_list &keys, int head, int j0, int end,
                                                 int *rows) {
#pragma unroll
    for (int i = 0; i < KEYS; i++) rows[i] = j0 + i < end ? (int)cache_row(a, keys, j0 + i, head) : -1;
}

extern "C" __global__ void __launch_bounds__(BP_THREADS, BP_HEADS *CHUNKS_V <= 4 && CHUNKS <= 1 ? 512 / BP_THREADS : 1)
    attention_decode(const float *q, const uint8_t *k_cache, const uint8_t *v_cache, const int *positions,
                     const int *sequences, const int *block_table, const int *kv_len, const int *kv_start,
                     const float *sinks, float *out, int8_t *codes, float2 *scales, float *part, bp_size tokens, bp_size n_sequences, int n_head,
                     int n_head_kv, int causal, int window, int chunk, float scale, float softcap, float alibi,
                     int block_size, int n_blocks, bp_size table_width
#if BP_FRESH
                     , const float *k_new, const float *v_new, const int *turned_by, const int *slots, const double *turns,
                     const float *factors, const float *q_weight, const float *k_weight, int64_t k_row, int64_t v_row,
                     float magnitude, int n_dims, int halves, int s0, int s1, int s2, int s3, int q_norm, float q_eps,
                     int k_norm, float k_eps
#endif
    ) {
    bp_release_next();
#if BP_FRESH
    const fresh_heads fresh = {
        q, k_new, v_new, turned_by, slots, { q_norm, q_weight, q_eps }, { k_norm, k_weight, k_eps },
        { turns, factors, magnitude, BP_DIM, n_dims, halves, { s0, s1, s2, s3 } },
        { (uint8_t *)k_cache, BP_DIM, block_size, n_head_kv, n_blocks, k_row },
        { (uint8_t *)v_cache, BP_DIM_V, block_size, n_head_kv, n_blocks, v_row }
    };
    uint64_t steps[FRESH_PAIRS];
    steps_of<FRESH_PAIRS>(fresh.rotation, steps);
#endif
    bp_wait_inputs();
    const int token = blockIdx.z, head0 = blockIdx.y * BP_HEADS, split = blockIdx.x, splits = gridDim.x;
    if (token >= bp_get(tokens)) return;
    const attention a = { n_head, n_head_kv, causal, window, chunk, scale, softcap, alibi, block_size, n_blocks,
                          bp_get(table_width), bp_get(n_sequences) };
    const int kv_head = head0 / (n_head / n_head_kv), group = threadIdx.x / LANES, lane = threadIdx.x % LANES,
              p = positions[token];
    const key_list keys = keys_of(a, sequences[token], block_table, kv_len, kv_start);
    key_span span = span_of(a, keys, p);
    int each = (span.end - span.first + splits - 1) / splits;
    each = (each + FEWEST - 1) / FEWEST * FEWEST;
    const int used =
        each ? (span.end - span.first + each - 1) / each : 1; /* splits that have keys; one where there are none */
    if (split >= used) {
        if (part && threadIdx.x < BP_HEADS) { /* the merge passes by what has no maximum */
            const int64_t row = (int64_t)token * n_head + head0 + threadIdx.x;
            float *to = part + (row * splits + split) * (BP_DIM_V + 2) + BP_DIM_V;
            to[0] = -BP_INFINITY, to[1] = 0;
        }
        return;
    }
    span.first += split * each;
    if (span.first + each < span.end) span.end = span.first + each;
#if BP_FRESH
    take_fresh(fresh, steps, head0, kv_head);
    const float *const queries = fresh_rows()[0];
#else
    const float *const queries = q + ((int64_t)token * n_head + head0) * BP_DIM;
#endif
    float query[BP_HEADS][CHUNKS][8], slope[BP_HEADS];
    running r[BP_HEADS];
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) {
        slope[h] = slope_of(a, head0 + h);
        r[h].top = -BP_INFINITY, r[h].sum = 0;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            const int at = c * LANES + lane;
            const float4 *from = (const float4 *)(queries + h * BP_DIM + (at < BP_DIM / 8 ? 8 * at : 0));
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
    find_rows(a, keys, kv_head, span.first + group * KEYS, span.end, rows);
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
                k[i][c] = load8(k_cache, row, BP_DIM, at < BP_DIM / 8 ? at : 0);
            }
#pragma unroll
            for (int c = 0; c < CHUNKS_V; c++) {
                const int at = c * LANES + lane;
                v[i][c] = load8(v_cache, row, BP_DIM_V, at < BP_DIM_V / 8 ? at : 0);
            }
        }
        find_rows(a, keys, kv_head, j0 + GROUPS * KEYS, span.end, rows);
        float score[KEYS][BP_HEADS];
#pragma unroll
        for (int i = 0; i < KEYS; i++) {
            products(k[i], query, score[i]);
#pragma unroll
            for (int h = 0; h < BP_HEADS; h++) {
                score[i][h] = there[i] ? score_of(a, score[i][h], slope[h], keys.start + j0 + i - p) : -BP_INFINITY;
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

    /* Join the groups, in order. */
    __shared__ float tops[GROUPS][BP_HEADS], sums[GROUPS][BP_HEADS], mixes[GROUPS][BP_HEADS][BP_DIM_V];
#pragma unroll
    for (int h = 0; h < BP_HEADS; h++) {
        if (lane == 0) tops[group][h] = r[h].top, sums[group][h] = r[h].sum;
#pragma unroll
        for (int c = 0; c < CHUNKS_V; c++) {
            if (c * LANES + lane >= BP_DIM_V / 8) continue;
            float4 *to = (float4 *)&mixes[group][h][8 * (c * LANES + lane)];
            to[0] = make_float4(r[h].mix[c][0], r[h].mix[c][1], r[h].mix[c][2], r[h].mix[c][3]);
            to[1] = make_float4(r[h].mix[c][4], r[h].mix[c][5], r[h].mix[c][6], r[h].mix[c][7]);
        }
    }
    __syncthreads();
    __shared__ float shares[GROUPS][BP_HEADS], most[BP_HEADS];
    if (threadIdx.x < GROUPS * BP_HEADS) {
        const int h = threadIdx.x / GROUPS, g = threadIdx.x % GROUPS;
        float top = -BP_INFINITY;
#pragma unroll
        for (int k = 0; k < GROUPS; k++) top = bp_max(top, tops[k][h]);
        if (sinks && !part && top != -BP_INFINITY) top = bp_max(top, sinks[head0 + h]);
        shares[g][h] = tops[g][h] == -BP_INFINITY ? 0 : __expf(tops[g][h] - top);
        if (g == 0) most[h] = top;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < BP_HEADS * BP_DIM_V; e += BP_THREADS) {
        const int h = e / BP_DIM_V, d = e % BP_DIM_V, head = head0 + h;
        const int64_t row = (int64_t)token * n_head + head;
        float v = 0, sum = 0;
#pragma unroll
        for (int g = 0; g < GROUPS; g++) v += shares[g][h] * mixes[g][h][d], sum += shares[g][h] * sums[g][h];
        if (part) {
            float *to = part + (row * splits + split) * (BP_DIM_V + 2);
            to[d] = v;
            if (d == 0) to[BP_DIM_V] = most[h], to[BP_DIM_V + 1] = sum;
            continue;
        }
        if (sinks) sum += __expf(sinks[head] - most[h]);
        v = most[h] == -BP_INFINITY ? 0 : v / sum;
        if (out) out[row * BP_DIM_V + d] = v;
        if (codes) bp_quantise(v, codes + row * BP_DIM_V + d / 32 * 32, scales + (row * BP_DIM_V + d) / 32);
    }
}
