/* Attention of many tokens over F16 caches, on the tensor cores (sm_80 and later). A block takes 64 tokens of one query
 * head, a warp 16 of them, and goes through the keys 64 at a time, two stages in flight; scores never leave the
 * registers (online softmax). Sources: Dao et al. 2022, 2023; Milakov & Gimelshein 2018. Tokens of several sequences in
 * one block: the keys of each sequence are gone through in turn, with the others' rows masked.
 *
 * Keys and values are halves in the cache. Queries and softmax's shares are rounded to halves, too; where a block sees at
 * most FEW_KEYS keys, a second product takes what the rounding left, so that a short prompt is as exact as the cache.
 *
 * Options: BP_CACHE = 1, BP_DIM, BP_DIM_V (multiples of 16, at most 256).
 * Grid: x: ceil(tokens / 64), y: n_head. 128 threads. Shared: 64 rows of the queries, twice 64 keys and values. */
// options: -DBP_CACHE=1 -DBP_DIM=64|128|256 -DBP_DIM_V=64|128
#include "attention_keys.cuh"
#include "tensor_core.cuh"

enum {
    TOKENS = 64, KEYS = 64, FEW_KEYS = 256,
    PITCH_K = BP_DIM + 8, PITCH_V = BP_DIM_V + 8, /* halves a row: 8 rows of one column fall into different banks */
    QUERY_BYTES = TOKENS * PITCH_K * 2, KEY_BYTES = KEYS * PITCH_K * 2, VALUE_BYTES = KEYS * PITCH_V * 2,
    STAGE_BYTES = KEY_BYTES + VALUE_BYTES,
    STEPS = BP_DIM / 16, OUTS = BP_DIM_V / 8
};

/* Keys and values [first, first + KEYS) of a sequence into a stage; those that are not there become zeros. Whether this
 * thread's is there. */
static __device__ __forceinline__ bool fetch(const attention &a, const key_list &keys, int kv_head,
                                             const uint8_t *k_cache, const uint8_t *v_cache, int first, int end,
                                             uint32_t stage, uint8_t *there) {
    /* Two threads a key. */
    const int key = threadIdx.x / 2, part = threadIdx.x % 2, j = first + key;
    int64_t row = j < end ? cache_row(a, keys, j, kv_head) : -1;
    const bool good = row >= 0;
    if (!good) row = 0;
    if (part == 0) there[key] = good;
    const uint8_t *k = k_cache + row * (BP_DIM * 2), *v = v_cache + row * (BP_DIM_V * 2);
#pragma unroll 4
    for (int c = part; c < BP_DIM / 8; c += 2) copy16(stage + key * (PITCH_K * 2) + c * 16, k + c * 16, good);
#pragma unroll 4
    for (int c = part; c < BP_DIM_V / 8; c += 2)
        copy16(stage + KEY_BYTES + key * (PITCH_V * 2) + c * 16, v + c * 16, good);
    return good;
}

/* The tile's queries as halves. */
static __device__ __forceinline__ void load_queries(const float *q, int n_head, int head, int token0, int n_tokens,
                                                    uint8_t *shared) {
    for (int i = threadIdx.x; i < TOKENS * (BP_DIM / 2); i += 128) {
        const int t = i / (BP_DIM / 2), d = i % (BP_DIM / 2) * 2;
        float2 v = make_float2(0, 0);
        if (token0 + t < n_tokens) v = *(const float2 *)(q + ((int64_t)(token0 + t) * n_head + head) * BP_DIM + d);
        *(uint32_t *)(shared + (t * PITCH_K + d) * 2) = pack_within(v);
    }
}

/* score += the products of the warp's queries, whose halves lie at `queries`, and of a stage's keys. REST: of what those
 * halves left of the queries q. */
template <bool REST>
static __device__ __forceinline__ void multiply_keys(float score[KEYS / 8][4], uint32_t queries, uint32_t keys,
                                                     const float *q, int n_head, int n_tokens) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const float *exact[2]; /* this lane's first column of its two rows */
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int token = min((int)blockIdx.x * TOKENS + warp * 16 + lane / 4 + r * 8, n_tokens - 1);
        exact[r] = q + ((int64_t)token * n_head + blockIdx.y) * BP_DIM + lane % 4 * 2;
    }
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        uint32_t query[4];
        load4(query, queries + ((warp * 16 + lane % 16) * PITCH_K + k * 16 + lane / 16 * 8) * 2);
        if (REST) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                query[e] = pack_rest(*(const float2 *)(exact[e % 2] + k * 16 + e / 2 * 8), query[e]);
        }
#pragma unroll
        for (int i = 0; i < KEYS / 16; i++) {
            uint32_t key[4];
            load4(key, keys + ((i * 16 + lane % 8 + lane / 16 * 8) * PITCH_K + k * 16 + lane / 8 % 2 * 8) * 2);
            multiply<false>(score[2 * i], query, key[0], key[1]);
            multiply<false>(score[2 * i + 1], query, key[2], key[3]);
        }
    }
}

/* mix += the keys' shares, as halves, times a stage's values. REST: what those halves left of the shares. */
template <bool REST>
static __device__ __forceinline__ void multiply_values(float mix[OUTS][4], const float share[KEYS / 8][4],
                                                       uint32_t values) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
        uint32_t half[4];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const float *from = share[2 * k + e / 2] + e % 2 * 2;
            half[e] = pack_half(from[0], from[1]);
            if (REST) half[e] = pack_rest(make_float2(from[0], from[1]), half[e]);
        }
#pragma unroll
        for (int i = 0; i < OUTS / 2; i++) {
            uint32_t value[4];
            load4_transposed(value, values + ((k * 16 + lane % 16) * PITCH_V + i * 16 + lane / 16 * 8) * 2);
            multiply<false>(mix[2 * i], half, value[0], value[1]);
            multiply<false>(mix[2 * i + 1], half, value[2], value[3]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(128)
    attention_prefill(const float *q, const uint8_t *k_cache, const uint8_t *v_cache, const int *positions,
                      const int *sequences, const int *block_table, const int *kv_len, const int *kv_start,
                      const float *sinks, float *out, bp_size tokens, bp_size n_sequences, int n_head, int n_head_kv,
                      int causal, int window, int chunk, float scale, float softcap, float alibi, int block_size,
                      int n_blocks, bp_size table_width) {
    extern __shared__ __align__(128) uint8_t shared[];
    __shared__ int row_first[TOKENS], row_end[TOKENS], row_position[TOKENS], row_sequence[TOKENS];
    __shared__ uint8_t there[2][KEYS];
    bp_release_next();
    bp_wait_inputs();
    const int n_tokens = bp_get(tokens), token0 = blockIdx.x * TOKENS, head = blockIdx.y;
    if (token0 >= n_tokens) return;
    const attention a = { n_head, n_head_kv, causal, window, chunk, scale, softcap, alibi, block_size, n_blocks,
                          bp_get(table_width), bp_get(n_sequences) };
    const int kv_head = head / (n_head / n_head_kv), warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const uint32_t base = shared_address(shared), stages = base + QUERY_BYTES;
    const float slope = slope_of(a, head);
    const bool plain = alibi == 0 && softcap == 0;

    if (threadIdx.x < TOKENS) {
        const int t = token0 + threadIdx.x;
        key_span span = { 0, 0 };
        int sequence = -1, p = 0;
        if (t < n_tokens) {
            sequence = sequences[t], p = positions[t];
            span = span_of(a, keys_of(a, sequence, block_table, kv_len, kv_start), p);
        }
        row_first[threadIdx.x] = span.first, row_end[threadIdx.x] = span.end;
        row_position[threadIdx.x] = p, row_sequence[threadIdx.x] = sequence;
    }
    load_queries(q, n_head, head, token0, n_tokens, shared);
    __syncthreads();

    /* This lane's two rows of the warp's 16. */
    const int row[2] = { warp * 16 + lane / 4, warp * 16 + lane / 4 + 8 };
    float mix[OUTS][4], top[2] = { -BP_INFINITY, -BP_INFINITY }, sum[2] = { 0, 0 };
#pragma unroll
    for (int i = 0; i < OUTS; i++) mix[i][0] = mix[i][1] = mix[i][2] = mix[i][3] = 0;

    for (int from = 0; from < TOKENS;) { /* one sequence at a time, in the order of its first row */
        const int sequence = row_sequence[from];
        int first = 0x7fffffff, end = 0, next = TOKENS;
        bool again = false;
        for (int t = 0; t < TOKENS; t++) {
            const int s = row_sequence[t];
            if (s == sequence && row_end[t] > row_first[t]) {
                first = row_first[t] < first ? row_first[t] : first;
                end = row_end[t] > end ? row_end[t] : end;
            }
            if (t < from && s == sequence) again = true;
            if (t > from && s != sequence && next == TOKENS) next = t;
        }
        from = next;
        if (again || sequence < 0 || first >= end) continue;
        const key_list keys = keys_of(a, sequence, block_table, kv_len, kv_start);
        int low[2], high[2], ahead[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const bool mine = row_sequence[row[r]] == sequence;
            low[r] = mine ? row_first[row[r]] : 0, high[r] = mine ? row_end[row[r]] : 0;
            ahead[r] = keys.start - row_position[row[r]];
        }
        /* Keys that all of the warp's rows see. */
        int inner_first = 0, inner_end = 0x7fffffff;
        for (int t = warp * 16; t < warp * 16 + 16; t++) {
            const bool mine = row_sequence[t] == sequence;
            if (!mine || row_first[t] > inner_first) inner_first = mine ? row_first[t] : 0x7fffffff;
            if (!mine || row_end[t] < inner_end) inner_end = mine ? row_end[t] : 0;
        }
        first = first / KEYS * KEYS;
        const bool precise = end - first <= FEW_KEYS;
        __syncthreads();
        bool good = fetch(a, keys, kv_head, k_cache, v_cache, first, end, stages, there[0]), good_next = false;
        copies_commit();
        int stage = 0;
        for (int j0 = first; j0 < end; j0 += KEYS, stage ^= 1) {
            if (j0 + KEYS < end) {
                good_next = fetch(a, keys, kv_head, k_cache, v_cache, j0 + KEYS, end,
                                  stages + (stage ^ 1) * STAGE_BYTES, there[stage ^ 1]);
            }
            copies_commit();
            copies_wait<1>();
            const bool whole = __syncthreads_and(good);
            good = good_next;
            const uint32_t ks = stages + stage * STAGE_BYTES, vs = ks + KEY_BYTES;
            float score[KEYS / 8][4];
#pragma unroll
            for (int i = 0; i < KEYS / 8; i++) score[i][0] = score[i][1] = score[i][2] = score[i][3] = 0;
            multiply_keys<false>(score, base, ks, q, n_head, n_tokens);
            if (precise) multiply_keys<true>(score, base, ks, q, n_head, n_tokens);
            float most[2] = { top[0], top[1] };
            if (plain && whole && j0 >= inner_first && j0 + KEYS <= inner_end) { /* every key is seen */
#pragma unroll
                for (int i = 0; i < KEYS / 8; i++) {
#pragma unroll
                    for (int h = 0; h < 4; h++) {
                        score[i][h] *= scale;
                        most[h / 2] = fmaxf(most[h / 2], score[i][h]);
                    }
                }
            } else {
#pragma unroll
                for (int i = 0; i < KEYS / 8; i++) {
#pragma unroll
                    for (int h = 0; h < 4; h++) {
                        const int key = i * 8 + lane % 4 * 2 + h % 2, j = j0 + key, r = h / 2;
                        const bool seen = j >= low[r] && j < high[r] && there[stage][key];
                        score[i][h] = seen ? score_of(a, score[i][h], slope, ahead[r] + j) : -BP_INFINITY;
                        most[r] = bp_max(most[r], score[i][h]);
                    }
                }
            }
            float shrink[2], less[2];
#pragma unroll
            for (int r = 0; r < 2; r++) {
                most[r] = bp_max(most[r], __shfl_xor_sync(0xffffffffu, most[r], 1));
                most[r] = bp_max(most[r], __shfl_xor_sync(0xffffffffu, most[r], 2));
                shrink[r] = top[r] == -BP_INFINITY ? 0 : __expf(top[r] - most[r]);
                top[r] = most[r];
                sum[r] *= shrink[r];
                less[r] = top[r] == -BP_INFINITY ? 0 : -top[r] * LOG2E; /* no key yet: all shares are 2^-infinity */
            }
#pragma unroll
            for (int i = 0; i < OUTS; i++) {
                mix[i][0] *= shrink[0], mix[i][1] *= shrink[0], mix[i][2] *= shrink[1], mix[i][3] *= shrink[1];
            }
#pragma unroll
            for (int i = 0; i < KEYS / 8; i++) {
#pragma unroll
                for (int h = 0; h < 4; h++) {
                    score[i][h] = exp2f(fmaf(score[i][h], LOG2E, less[h / 2]));
                    sum[h / 2] += score[i][h];
                }
            }
            multiply_values<false>(mix, score, vs);
            if (precise) multiply_values<true>(mix, score, vs);
            __syncthreads();
        }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
        sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
        const bool none = top[r] == -BP_INFINITY;
        float grow = 1;
        if (sinks && !none) {
            const float all = bp_max(top[r], sinks[head]);
            grow = __expf(top[r] - all);
            sum[r] = sum[r] * grow + __expf(sinks[head] - all);
        }
        const int token = token0 + row[r];
        if (token >= n_tokens) continue;
        const float by = none ? 0 : grow / sum[r];
        float *to = out + ((int64_t)token * n_head + head) * BP_DIM_V + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < OUTS; i++) {
            *(float2 *)(to + 8 * i) =
                none ? make_float2(0, 0) : make_float2(mix[i][2 * r] * by, mix[i][2 * r + 1] * by);
        }
    }
}
