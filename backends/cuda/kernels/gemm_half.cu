/* out[o, t] = bias[o] + sum of w[i, o] x[i, t]: w and x in half (BP_BF16: bfloat16), sums in F32, on the tensor cores
 * (mma.sync m16n8k16; sm_80 and later). A block makes 128 tokens x 128 rows, 8 warps 64 x 32 each, 32 inputs a stage,
 * STAGES stages in flight (cp.async). n_in is a multiple of 8; tails are zeros.
 * Grid: x: ceil(rows / 128), y: ceil(tokens / 128). Arguments as in gemm_float.cu. */
// options: -DBP_BF16=0|1
#include "tensor_core.cuh"

enum { TILE = 128, DEEP = 32, STAGES = 4, STAGE_BYTES = 2 * TILE * DEEP * 2, GEMM_SHARED = STAGES * STAGE_BYTES };

/* Chunk c (16 bytes, 4 a row) of row r in a tile, placed so that 8 rows of one column fall into different banks. */
static __device__ __forceinline__ uint32_t place(uint32_t r, uint32_t c) { return r * 64 + ((c ^ (r >> 1 & 3)) << 4); }

/* Inputs [k, k + 32) of 128 rows of a matrix, 256 threads: two chunks each. */
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *from, int first, int limit, int n_in, int k) {
#pragma unroll
    for (int j = 0; j < 2; j++) {
        const int chunk = threadIdx.x + 256 * j, r = chunk / 4, c = chunk % 4;
        const bool there = first + r < limit && k + 8 * c < n_in;
        copy16(to + place(r, c), there ? from + (uint64_t)(first + r) * n_in + k + 8 * c : from, there);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    gemm_half(const uint16_t *w, const uint16_t *x, const float *bias, float *out, int n_in, int rows, int out_rows,
              int first_row, bp_size tokens) {
    extern __shared__ __align__(128) uint8_t shared[];
    const uint32_t base = shared_address(shared);
    bp_release_next();
    bp_wait_inputs();
    const int n_tokens = bp_get(tokens), row0 = blockIdx.x * TILE, token0 = blockIdx.y * TILE;
    if (token0 >= n_tokens) return;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, t0 = warp / 4 * 64, r0 = warp % 4 * 32;
    const int steps = (n_in + DEEP - 1) / DEEP;
    float sum[4][4][4] = { { { 0 } } };
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            fetch(base + s * STAGE_BYTES, x, token0, n_tokens, n_in, s * DEEP);
            fetch(base + s * STAGE_BYTES + TILE * DEEP * 2, w, row0, rows, n_in, s * DEEP);
        }
        copies_commit();
    }
#pragma unroll 1
    for (int s = 0; s < steps; s++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        const int next = s + STAGES - 1;
        if (next < steps) {
            const uint32_t to = base + next % STAGES * STAGE_BYTES;
            fetch(to, x, token0, n_tokens, n_in, next * DEEP);
            fetch(to + TILE * DEEP * 2, w, row0, rows, n_in, next * DEEP);
        }
        copies_commit();
        const uint32_t xs = base + s % STAGES * STAGE_BYTES, ws = xs + TILE * DEEP * 2;
#pragma unroll
        for (int k = 0; k < 2; k++) { /* 16 inputs each */
            uint32_t a[4][4], b[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++) load4(a[i], xs + place(t0 + 16 * i + lane % 16, 2 * k + lane / 16));
#pragma unroll
            for (int j = 0; j < 2; j++) {
                load4(b[j], ws + place(r0 + 16 * j + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    multiply<BP_BF16>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int h = 0; h < 4; h++) {
                const int token = token0 + t0 + 16 * i + lane / 4 + h / 2 * 8,
                          row = row0 + r0 + 8 * j + lane % 4 * 2 + h % 2;
                if (token < n_tokens && row < rows) {
                    out[(uint64_t)token * out_rows + first_row + row] =
                        sum[i][j][h] + (bias ? bias[first_row + row] : 0);
                }
            }
        }
    }
}
