/* out[o, pair] = bias[o, e] + sum of w[i, o, e] x[i, row of the pair], e being the pair's expert, for pairs grouped by
 * expert (experts_tile.h): weights decoded to halves in registers, x in half (BF16 weights: bfloat16), sums in F32, on
 * the tensor cores (sm_80 and later). Or, BP_GLU, gate and up at once, and out is what GLU makes of them.
 *
 * A block makes 4 warps' rows x a tile of up to BP_PAIRS pairs, SPAN inputs at a time. The weights are the matrix a of
 * the products: a warp has two times 16 rows (BP_GLU: the same 16 of gate and up), of which each lane decodes what it
 * multiplies, so that no weight is decoded or read twice for a tile, nor passes through shared memory. The pairs' rows
 * of x are matrix b: gathered by asynchronous copies into shared memory, STAGES - 1 spans ahead. In which order inputs
 * meet does not matter to a sum, so lanes take them as they lie (experts_weight.cuh). Columns are left out 8 at a time
 * where a tile has fewer pairs. Rows of pairs of no expert are zeros. n_used: pairs that share a row of x (1: each has
 * its own). n_in is a multiple of 8 (32 where weights are quantised).
 * Grid: x: ceil(rows / rows a block), y: any number of blocks that walk the tiles. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39|1|30 -DBP_GLU=0|1 -DBP_PAIRS=32|64
#include "activation.cuh"
#include "experts_tile.h"
#include "experts_weight.cuh"

typedef pieces<BP_TYPE> weights;
enum {
    PAIRS = BP_PAIRS, COLUMNS = PAIRS / 8, THREADS = 128,
    RESULTS = BP_GLU ? 16 : 32, /* rows of the output a warp makes */
    STAGES = 3, ROW_BYTES = 2 * SPAN, STAGE_BYTES = PAIRS * ROW_BYTES,
    BLOCKS = PAIRS == 64 && sizeof(weights) > 64 ? 2 : 3 /* a multiprocessor: wide weights take more registers */
};

struct output {
    float *out;
    const float *bias, *bias_up; /* NULL, or [rows, n_expert] */
    int rows, f;
    float limit, up_plus;
};

/* Place of chunk `pos` of a pair's row in a stage. Lanes read chunk 4 j + q of pair g: eight of them differ in bank. */
static __device__ __forceinline__ uint32_t place(uint32_t n, uint32_t pos) {
    return n * ROW_BYTES + ((pos ^ (n & 1) << 2) << 4);
}

/* Inputs [k, k + SPAN) of the tile's rows of x. pos 4 j + q: the chunk that lane q multiplies in steps 2 j, 2 j + 1. */
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *x, const int *source, int columns, int n_in,
                                             int k) {
    const int pos = threadIdx.x % 16, chunk = weights::INTERLEAVED ? pos : pos % 4 * 4 + pos / 4, at = k + 8 * chunk;
    const bool there = at < n_in;
#pragma unroll
    for (int j = 0; j < PAIRS / 8; j++) {
        const int n = threadIdx.x / 16 + 8 * j;
        if (j < columns) copy16(to + place(n, pos), x + (uint64_t)source[n] * n_in + (there ? at : 0), there);
    }
}

/* SPAN inputs of 2 x 16 rows times the columns of a stage. */
static __device__ __forceinline__ void multiply_span(float sum[2][COLUMNS][4], weights w[4], uint32_t stage,
                                                     int columns) {
    const uint32_t g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
#pragma unroll
    for (int r = 0; r < 4; r++) w[r].ready();
#pragma unroll
    for (int j = 0; j < 4; j++) {
        uint32_t a[2][2][4]; /* step, 16 rows */
#pragma unroll
        for (int i = 0; i < 8; i++) { /* row r of the lane's four: half r % 2 of tile r / 2 */
            const int step = i / 4, r = i % 4;
            uint32_t v[2];
            w[r].take(2 * j + step, v);
            a[step][r / 2][r % 2] = v[0], a[step][r / 2][2 + r % 2] = v[1];
        }
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            if (c < columns) {
                const uint4 b = load_shared16(stage + place(8 * c + g, 4 * j + q));
                multiply<weights::BF16>(sum[0][c], a[0][0], b.x, b.y);
                multiply<weights::BF16>(sum[1][c], a[0][1], b.x, b.y);
                multiply<weights::BF16>(sum[0][c], a[1][0], b.z, b.w);
                multiply<weights::BF16>(sum[1][c], a[1][1], b.z, b.w);
            }
        }
    }
}

/* What to store for one row of one pair; a and b: of the two tiles of 16 rows (gate and up). */
[[maybe_unused]] static __device__ __forceinline__ float gated(const output &o, float a, float b, uint32_t at) {
    if (o.bias) a += o.bias[at];
    if (o.bias_up) b += o.bias_up[at];
    if (o.limit > 0) a = fminf(a, o.limit), b = fminf(fmaxf(b, -o.limit), o.limit);
    return bp_activate(o.f, a, 0, 0) * (b + o.up_plus);
}

static __device__ __forceinline__ void store(const output &o, const float sum[2][COLUMNS][4], const int *pair,
                                             int count, int row0, uint32_t first) {
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < COLUMNS * 4; i++) {
        const int c = i / 4, h = i % 4, n = 8 * c + 2 * q + h % 2, row = row0 + g + h / 2 * 8;
        if (n >= count) continue;
        float *to = o.out + (uint64_t)pair[n] * o.rows;
#if BP_GLU
        if (row < o.rows) to[row] = gated(o, sum[0][c][h], sum[1][c][h], first + row);
#else
        if (row < o.rows) to[row] = sum[0][c][h] + (o.bias ? o.bias[first + row] : 0);
        if (row + 16 < o.rows) to[row + 16] = sum[1][c][h] + (o.bias ? o.bias[first + row + 16] : 0);
#endif
    }
}

static __device__ __forceinline__ void store_zeros(const output &o, const int *pair, int count) {
    for (int k = threadIdx.x; k < 4 * RESULTS * count; k += THREADS) {
        const int row = blockIdx.x * 4 * RESULTS + k % (4 * RESULTS);
        if (row < o.rows) o.out[(uint64_t)pair[k / (4 * RESULTS)] * o.rows + row] = 0;
    }
}

/* A tile of `count` pairs of one expert, whose rows begin at `first` of the weight's. */
static __device__ __forceinline__ void product(const output &o, const bp_planes &w, const bp_planes &up,
                                               const uint16_t *x, const int *pair, const int *source, uint32_t base,
                                               int count, uint32_t first, int n_in) {
    const int row0 = (blockIdx.x * 4 + threadIdx.x / 32) * RESULTS, spans = (n_in + SPAN - 1) / SPAN;
    const int columns = (count + 7) / 8;
    uint32_t row[4]; /* of the lane */
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const int k = row0 + threadIdx.x % 32 / 4 + (BP_GLU ? r % 2 : r) * 8;
        row[r] = first + (k < o.rows ? k : o.rows - 1);
    }
    float sum[2][COLUMNS][4] = { { { 0 } } };
    weights now[4];
#pragma unroll
    for (int r = 0; r < 4; r++) now[r].load(BP_GLU && r >= 2 ? up : w, row[r], 0, n_in);
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < spans) fetch(base + s * STAGE_BYTES, x, source, columns, n_in, s * SPAN);
        copies_commit();
    }
#pragma unroll 1
    for (int s = 0; s < spans; s++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        const int ahead = s + STAGES - 1;
        if (ahead < spans) fetch(base + ahead % STAGES * STAGE_BYTES, x, source, columns, n_in, ahead * SPAN);
        copies_commit();
        weights next[4];
        if (s + 1 < spans) {
#pragma unroll
            for (int r = 0; r < 4; r++) next[r].load(BP_GLU && r >= 2 ? up : w, row[r], (s + 1) * SPAN, n_in);
        }
        multiply_span(sum, now, base + s % STAGES * STAGE_BYTES, columns);
#pragma unroll
        for (int r = 0; r < 4; r++) now[r] = next[r];
    }
    store(o, sum, pair, count, row0, first);
}

/* up, bias_up and the last three: with BP_GLU. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    experts_half(const uint8_t *weight, const uint8_t *weight_up, const float *bias, const float *bias_up,
                 const uint16_t *x, const int *order, const int4 *tiles, float *out, int n_in, int rows, int n_expert,
                 int n_used, int glu_f, float glu_limit, float glu_plus) {
    extern __shared__ __align__(128) uint8_t stages[];
    __shared__ int pair[PAIRS], source[PAIRS];
    const uint64_t blocks = (uint64_t)n_expert * rows * (n_in / 32);
    const bp_planes w = planes_of<BP_TYPE>(weight, blocks), up = planes_of<BP_TYPE>(weight_up, blocks);
    const output o = { out, bias, bias_up, rows, glu_f, glu_limit, glu_plus };
    bp_wait_inputs();
    const int n_tiles = tiles[0].x;
    for (int i = blockIdx.y; i < n_tiles; i += gridDim.y) {
        const int4 tile = tiles[1 + i];
        if (threadIdx.x < PAIRS) {
            const int p = order[tile.y + (threadIdx.x < (uint32_t)tile.z ? threadIdx.x : 0)];
            pair[threadIdx.x] = p, source[threadIdx.x] = p / n_used;
        }
        __syncthreads();
        if (tile.x < n_expert) {
            product(o, w, up, x, pair, source, shared_address(stages), tile.z, (uint32_t)tile.x * rows, n_in);
        } else {
            store_zeros(o, pair, tile.z);
        }
        copies_wait<0>();
        __syncthreads();
    }
}
