// Attention in three, where it is wanted in parts: scores and mix (softmax: softmax.cu). -DTYPE: the cache's type.
// options: -DTYPE=0|1|8
#include "paged.cuh"

// A block for a head of a token, a thread for a key.
extern "C" __global__ void __launch_bounds__(128)
scores(const float *q, const uint8_t *cache, const int *positions, const int *sequences, const int *table, const int *kv_len,
       const int *kv_start, float *out, bp_size n_kv_, bp_size tokens_, bp_size n_sequences_, bp_size table_width_, int n_head,
       int heads, int head_dim, int block, int n_blocks, int64_t row_bytes, int causal, int window, int chunk, float scale,
       float softcap, float alibi) {
    bp_wait_inputs();
    const bp_paging p = { positions, sequences, table, kv_len, kv_start, bp_get(n_sequences_), bp_get(table_width_), block, n_blocks,
                          heads, causal, window, chunk };
    const int n_kv = bp_get(n_kv_);
    const int64_t all = (int64_t)bp_get(tokens_) * n_head;
    for (int64_t u = blockIdx.x; u < all; u += gridDim.x) {
        const int h = (int)(u % n_head), token = (int)(u / n_head);
        const bp_view v = bp_view_of(p, token);
        const float *query = q + u * head_dim;
        const float slope = bp_alibi(alibi, n_head, h);
        for (int j = threadIdx.x; j < n_kv; j += blockDim.x) {
            const uint8_t *key = bp_visible(p, v, j) ? bp_cache_row(p, v, cache, h / (n_head / heads), j, row_bytes) : nullptr;
            float s = -BP_INFINITY;
            if (key) {
                float dot = 0.0f;
                for (int i = 0; i < head_dim; i++) dot += query[i] * bp_decode<TYPE>(key, i);
                s = scale * dot;
                if (softcap != 0.0f) s = softcap * tanhf(s / softcap);
                const int64_t far = (int64_t)v.start + j - v.position;
                s -= slope * (float)(far < 0 ? -far : far);
            }
            out[u * n_kv + j] = s;
        }
    }
}

// A block for a head of a token, a thread for a value.
extern "C" __global__ void __launch_bounds__(128)
mix(const float *weights, const uint8_t *cache, const int *sequences, const int *table, const int *kv_len, float *out,
    bp_size n_kv_, bp_size tokens_, bp_size n_sequences_, bp_size table_width_, int n_head, int heads, int width, int block,
    int n_blocks, int64_t row_bytes) {
    bp_wait_inputs();
    const bp_paging p = { nullptr, sequences, table, kv_len, nullptr, bp_get(n_sequences_), bp_get(table_width_), block, n_blocks,
                          heads, 0, 0, 0 };
    const int n_kv = bp_get(n_kv_);
    const int64_t all = (int64_t)bp_get(tokens_) * n_head;
    for (int64_t u = blockIdx.x; u < all; u += gridDim.x) {
        const int head = (int)(u % n_head) / (n_head / heads);
        const bp_view v = bp_view_of(p, (int)(u / n_head));
        for (int i = threadIdx.x; i < width; i += blockDim.x) {
            float sum = 0.0f;
            for (int j = 0; j < v.length && j < n_kv; j++) {
                const float w = weights[u * n_kv + j];
                const uint8_t *row = w != 0.0f ? bp_cache_row(p, v, cache, head, j, row_bytes) : nullptr;
                if (row) sum += w * bp_decode<TYPE>(row, i);
            }
            out[u * width + i] = sum;
        }
    }
}
