// Products and attention in the plainest form, for any type and shape. -DTYPE, -DVTYPE: the weight's or the caches' types.
// options: -DTYPE=@weights
// options: -DTYPE=0|1|8 -DVTYPE=0|1|8
#include "paged.cuh"

#ifndef VTYPE
#define VTYPE TYPE
#endif

// A warp for each output. ids null: one matrix. per_row: how many outputs in a row share a row of x.
extern "C" __global__ void __launch_bounds__(256)
matmul(const uint8_t *w, const float *x, const int *ids, const float *bias, float *out, bp_size rows_, int n_in, int n_out, int n_expert,
       int per_row, int64_t row_bytes) {
    bp_wait_inputs();
    const int lane = threadIdx.x % 32;
    const int64_t all = (int64_t)bp_get(rows_) * n_out, step = (int64_t)gridDim.x * (blockDim.x / 32);
    for (int64_t i = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < all; i += step) {
        const int64_t row = i / n_out;
        const int o = (int)(i % n_out), e = ids ? ids[row] : 0;
        const bool there = e >= 0 && e < n_expert;
        const uint8_t *from = w + ((int64_t)(there ? e : 0) * n_out + o) * row_bytes;
        const float *in = x + row / per_row * n_in;
        float sum = 0.0f;
        for (int j = lane; j < n_in; j += 32) sum += bp_decode<TYPE>(from, j) * in[j];
        sum = bp_warp_sum(sum);
        if (lane == 0) out[i] = !there ? 0.0f : bias ? sum + bias[(int64_t)e * n_out + o] : sum;
    }
}

#define PARTS 16 // of 32 values: heads of up to 512

// A warp for a head of a token, keys one after the other, with a running maximum.
extern "C" __global__ void __launch_bounds__(128)
attention(const float *q, const uint8_t *k, const uint8_t *v, const int *positions, const int *sequences, const int *table,
          const int *kv_len, const int *kv_start, const float *sinks, float *out, bp_size tokens_, bp_size n_sequences_,
          bp_size table_width_, int n_head, int heads, int head_dim, int width, int block, int n_blocks, int causal, int window,
          int chunk, int64_t k_row, int64_t v_row, float scale, float softcap, float alibi) {
    bp_wait_inputs();
    const bp_paging p = { positions, sequences, table, kv_len, kv_start, bp_get(n_sequences_), bp_get(table_width_), block, n_blocks,
                          heads, causal, window, chunk };
    const int64_t all = (int64_t)bp_get(tokens_) * n_head;
    const int lane = threadIdx.x % 32;
    for (int64_t u = (int64_t)blockIdx.x * 4 + threadIdx.x / 32; u < all; u += (int64_t)gridDim.x * 4) {
        const int h = (int)(u % n_head), head = h / (n_head / heads);
        const bp_view view = bp_view_of(p, (int)(u / n_head));
        const float slope = bp_alibi(alibi, n_head, h);
        float acc[PARTS], most = sinks ? sinks[h] : -BP_INFINITY, sum = sinks ? 1.0f : 0.0f;
        bool any = false;
#pragma unroll
        for (int i = 0; i < PARTS; i++) acc[i] = 0.0f;
        for (int j = 0; j < view.length; j++) {
            const uint8_t *key = bp_visible(p, view, j) ? bp_cache_row(p, view, k, head, j, k_row) : nullptr;
            if (!key) continue;
            const uint8_t *value = bp_cache_row(p, view, v, head, j, v_row);
            float s = 0.0f;
            for (int i = lane; i < head_dim; i += 32) s += q[u * head_dim + i] * bp_decode<TYPE>(key, i);
            s = scale * bp_warp_sum(s);
            if (softcap != 0.0f) s = softcap * tanhf(s / softcap);
            const int64_t far = (int64_t)view.start + j - view.position;
            s -= slope * (float)(far < 0 ? -far : far);
            const float top = bp_max(s, most), keep = expf(most - top), add = expf(s - top);
            any = true;
            most = top;
            sum = sum * keep + add;
#pragma unroll
            for (int i = 0; i < PARTS; i++)
                if (i * 32 + lane < width) acc[i] = acc[i] * keep + add * bp_decode<VTYPE>(value, i * 32 + lane);
        }
#pragma unroll
        for (int i = 0; i < PARTS; i++)
            if (i * 32 + lane < width) out[u * width + i * 32 + lane] = any ? acc[i] / sum : 0.0f;
    }
}
