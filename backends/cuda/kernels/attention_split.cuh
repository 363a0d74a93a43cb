/* What attention over split keys does whichever way it multiplies: which keys a block takes, and how what the block's
 * parts found is joined. */
#ifndef BP_ATTENTION_SPLIT_CUH
#define BP_ATTENTION_SPLIT_CUH

#include "attention_keys.cuh"
#include "quantise_block.cuh"

/* What a block attends: one token and BP_HEADS query heads of one KV head. */
struct attended {
    attention a;
    key_list keys;
    key_span span; /* of the keys that this split takes */
    int position, head0, kv_head;
    const float *queries; /* [BP_DIM, BP_HEADS] */
    const uint8_t *k_cache, *v_cache;
};

/* Row of the cache of key j; negative where it is past the end or its block is not there. */
static __device__ __forceinline__ int row_of_key(const attended &t, int j) {
    return j < t.span.end ? (int)cache_row(t.a, t.keys, j, t.kv_head) : -1;
}

/* Narrows the span to split `split` of `splits`, a multiple of FEWEST keys; false where there are none for it. The first
 * split is always used. */
template <int FEWEST> static __device__ __forceinline__ bool take_split(key_span *span, int split, int splits) {
    int each = (span->end - span->first + splits - 1) / splits;
    each = (each + FEWEST - 1) / FEWEST * FEWEST;
    const int used = each ? (span->end - span->first + each - 1) / each : 1;
    if (split >= used) return false;
    span->first += split * each;
    if (span->first + each < span->end) span->end = span->first + each;
    return true;
}

/* Where the result goes. part: NULL with one split, else F32 [BP_DIM_V + 2, splits, n_head, n_tokens]: unnormalised mix,
 * maximum, sum. */
struct attention_result {
    float *out, *part;
    int8_t *codes;
    float2 *scales;
    const float *sinks;
    int token, n_head, head0, split, splits;
};

/* Of a split without keys: attention_merge.cu passes by what has no maximum. */
static __device__ __forceinline__ void leave_none(const attention_result &r) {
    if (!r.part || threadIdx.x >= BP_HEADS) return;
    const int64_t row = (int64_t)r.token * r.n_head + r.head0 + threadIdx.x;
    float *to = r.part + (row * r.splits + r.split) * (BP_DIM_V + 2) + BP_DIM_V;
    to[0] = -BP_INFINITY, to[1] = 0;
}

/* Maximum and sum of each part. */
template <int PARTS> struct part_sums {
    float top[PARTS][BP_HEADS], sum[PARTS][BP_HEADS];
};

/* Joins the parts, in order. mixes: [PARTS][BP_HEADS][PITCH], unnormalised. All threads call. */
template <int PARTS, int PITCH>
static __device__ __forceinline__ void join_parts(const part_sums<PARTS> &found, const float *mixes,
                                                  const attention_result &r) {
    __shared__ float shares[PARTS][BP_HEADS], most[BP_HEADS];
    __syncthreads();
    if (threadIdx.x < PARTS * BP_HEADS) {
        const int h = threadIdx.x / PARTS, g = threadIdx.x % PARTS;
        float top = -BP_INFINITY;
#pragma unroll
        for (int k = 0; k < PARTS; k++) top = bp_max(top, found.top[k][h]);
        if (r.sinks && !r.part && top != -BP_INFINITY) top = bp_max(top, r.sinks[r.head0 + h]);
        shares[g][h] = found.top[g][h] == -BP_INFINITY ? 0 : __expf(found.top[g][h] - top);
        if (g == 0) most[h] = top;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < BP_HEADS * BP_DIM_V; e += BP_THREADS) {
        const int h = e / BP_DIM_V, d = e % BP_DIM_V, head = r.head0 + h;
        const int64_t row = (int64_t)r.token * r.n_head + head;
        float v = 0, sum = 0;
#pragma unroll
        for (int g = 0; g < PARTS; g++) {
            v += shares[g][h] * mixes[(g * BP_HEADS + h) * PITCH + d];
            sum += shares[g][h] * found.sum[g][h];
        }
        if (r.part) {
            float *to = r.part + (row * r.splits + r.split) * (BP_DIM_V + 2);
            to[d] = v;
            if (d == 0) to[BP_DIM_V] = most[h], to[BP_DIM_V + 1] = sum;
            continue;
        }
        if (r.sinks) sum += __expf(r.sinks[head] - most[h]);
        v = most[h] == -BP_INFINITY ? 0 : v / sum;
        if (r.out) r.out[row * BP_DIM_V + d] = v;
        if (r.codes) {
            bp_quantise(v, r.codes + row * BP_DIM_V + d / 32 * 32, r.scales + (row * BP_DIM_V + d) / 32);
        }
    }
}

#endif
