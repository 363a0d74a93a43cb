// The paged cache as a token sees it: which cached keys are visible, and where they lie.
#ifndef BP_PAGED_CUH
#define BP_PAGED_CUH

#include "decode.cuh"

struct bp_paging {
    const int *positions, *sequences, *block_table, *kv_len, *kv_start; // positions and kv_start may be null
    int n_sequences, table_width, block, n_blocks, heads;
    int causal, window, chunk;
};

struct bp_view {
    const int *blocks; // this sequence's block table; null: no sequence
    int length, start, position;
};

static __device__ __forceinline__ bp_view bp_view_of(const bp_paging &p, int token) {
    bp_view v = { nullptr, 0, 0, 0 };
    const int q = p.sequences[token];
    if (q < 0 || q >= p.n_sequences) return v;
    v.blocks = p.block_table + (int64_t)q * p.table_width;
    const int64_t room = (int64_t)p.table_width * p.block;
    v.length = p.kv_len[q] < room ? p.kv_len[q] : (int)room;
    v.start = p.kv_start ? p.kv_start[q] : 0;
    v.position = p.positions ? p.positions[token] : 0;
    return v;
}

static __device__ __forceinline__ bool bp_visible(const bp_paging &p, const bp_view &v, int j) {
    if (j < 0 || j >= v.length) return false;
    const int64_t key = (int64_t)v.start + j, at = v.position;
    if (!p.causal) return !p.window || (at > key ? at - key : key - at) <= p.window / 2;
    if (key > at || (p.window && at - key >= p.window)) return false;
    return !p.chunk || key / p.chunk == at / p.chunk;
}

// Row j of a head in a cache whose rows have row_bytes; null for a block outside the cache.
static __device__ __forceinline__ const uint8_t *bp_cache_row(const bp_paging &p, const bp_view &v, const uint8_t *cache, int head,
                                                              int j, int64_t row_bytes) {
    const int b = v.blocks[j / p.block];
    if (b < 0 || b >= p.n_blocks) return nullptr;
    return cache + (((int64_t)b * p.heads + head) * p.block + j % p.block) * row_bytes;
}

static __device__ __forceinline__ float bp_alibi(float alibi, int n_head, int h) {
    if (alibi == 0.0f) return 0.0f;
    int n = 1;
    while (n * 2 <= n_head) n *= 2;
    return exp2f(-alibi * (h < n ? (float)(h + 1) / (float)n : (float)(2 * (h - n) + 1) / (float)(2 * n)));
}

#endif
