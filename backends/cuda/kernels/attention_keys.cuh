/* What decode and prefill attention share: where a cached key lies, which keys a token sees, and what becomes of a
 * score. BP_CACHE: type of the cache (0 F32, 1 F16, 8 Q8_0). */
#ifndef BP_ATTENTION_KEYS_CUH
#define BP_ATTENTION_KEYS_CUH

#include "matmul_device.cuh"

#define LOG2E 1.44269504f

/* The numbers of bp_attention_params and of the cache. */
struct attention {
    int n_head, n_head_kv, causal, window, chunk;
    float scale, softcap, alibi;
    int block_size, n_blocks, table_width, n_sequences;
};

/* A sequence's cached keys. */
struct key_list {
    const int *table; /* its row of the block table */
    int length, start;
};
static __device__ __forceinline__ key_list keys_of(const attention &a, int sequence, const int *table,
                                                   const int *kv_len, const int *kv_start) {
    key_list k = { table, 0, 0 };
    if (a.n_sequences != 1 && (sequence < 0 || sequence >= a.n_sequences)) return k;
    const int at = a.n_sequences == 1 ? 0 : sequence; /* the usual case waits for one load less */
    k.table = table + (int64_t)at * a.table_width;
    const int64_t room = (int64_t)a.table_width * a.block_size, length = kv_len[at];
    k.length = length > room ? (int)room : (int)length;
    k.start = kv_start ? kv_start[at] : 0;
    if (sequence != at) k.length = 0;
    return k;
}

/* Row of the cache (of all heads' rows) of key j for a KV head; negative where its block is outside the cache. */
static __device__ __forceinline__ int64_t cache_row(const attention &a, const key_list &k, int j, int head) {
    const int block = k.table[j / a.block_size];
    if (block < 0 || block >= a.n_blocks) return -1;
    return ((int64_t)block * a.n_head_kv + head) * a.block_size + j % a.block_size;
}

/* The keys [first, end) that a token at position p sees. */
struct key_span {
    int first, end;
};
static __device__ __forceinline__ key_span span_of(const attention &a, const key_list &k, int p) {
    int64_t first = 0, end = k.length;
    const int64_t at = (int64_t)p - k.start;
    if (a.causal) {
        if (at + 1 < end) end = at + 1;
        if (a.window && at - a.window + 1 > first) first = at - a.window + 1;
        if (a.chunk && (int64_t)p / a.chunk * a.chunk - k.start > first)
            first = (int64_t)p / a.chunk * a.chunk - k.start;
    } else if (a.window) {
        if (at - a.window / 2 > first) first = at - a.window / 2;
        if (at + a.window / 2 + 1 < end) end = at + a.window / 2 + 1;
    }
    if (end < first) end = first;
    const key_span s = { (int)first, (int)end };
    return s;
}

static __device__ __forceinline__ float slope_of(const attention &a, int head) {
    if (a.alibi == 0) return 0;
    int n = 1;
    while (2 * n <= a.n_head) n *= 2;
    const float exponent = head < n ? a.alibi * (head + 1) / n : a.alibi * (2 * (head - n) + 1) / (2 * n);
    return exp2f(-exponent);
}

/* Score of a product q · k; far: the distance of the key's position and the token's, of either sign. */
static __device__ __forceinline__ float score_of(const attention &a, float product, float slope, int far) {
    float s = product * a.scale;
    if (a.softcap > 0) s = a.softcap * tanhf(s / a.softcap);
    return fmaf(-slope, fabsf((float)far), s);
}

/* Eight values, from dimension 8 chunk on, of a row of the cache. raw: what is loaded, to have many in flight. */
#if BP_CACHE == 0
struct raw8 { uint4 a, b; };
static __device__ __forceinline__ raw8 load8(const uint8_t *cache, int64_t row, int width, int chunk) {
    const uint4 *at = (const uint4 *)(cache + (row * width + 8 * chunk) * 4);
    const raw8 r = { at[0], at[1] };
    return r;
}
static __device__ __forceinline__ void values8(const raw8 &r, float *v) {
    v[0] = __uint_as_float(r.a.x), v[1] = __uint_as_float(r.a.y), v[2] = __uint_as_float(r.a.z),
    v[3] = __uint_as_float(r.a.w);
    v[4] = __uint_as_float(r.b.x), v[5] = __uint_as_float(r.b.y), v[6] = __uint_as_float(r.b.z),
    v[7] = __uint_as_float(r.b.w);
}
#elif BP_CACHE == 1
struct raw8 { uint4 a; };
static __device__ __forceinline__ raw8 load8(const uint8_t *cache, int64_t row, int width, int chunk) {
    const raw8 r = { *(const uint4 *)(cache + (row * width + 8 * chunk) * 2) };
    return r;
}
static __device__ __forceinline__ void values8(const raw8 &r, float *v) {
    v[0] = half_low(r.a.x), v[1] = half_high(r.a.x), v[2] = half_low(r.a.y), v[3] = half_high(r.a.y);
    v[4] = half_low(r.a.z), v[5] = half_high(r.a.z), v[6] = half_low(r.a.w), v[7] = half_high(r.a.w);
}
#else
struct raw8 { uint16_t d, q[4]; };
static __device__ __forceinline__ raw8 load8(const uint8_t *cache, int64_t row, int width, int chunk) {
    const uint16_t *block = (const uint16_t *)(cache + (row * (width / 32) + chunk / 4) * 34);
    const uint16_t *q = block + 1 + chunk % 4 * 4;
    const raw8 r = { block[0], { q[0], q[1], q[2], q[3] } };
    return r;
}
static __device__ __forceinline__ void values8(const raw8 &r, float *v) {
    const float d = half_to_float(r.d);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        v[2 * k] = d * (float)(int8_t)(r.q[k] & 0xff);
        v[2 * k + 1] = d * (float)(int8_t)(r.q[k] >> 8);
    }
}
#endif

#endif
