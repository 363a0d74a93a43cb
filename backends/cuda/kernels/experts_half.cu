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
    BLOCK_ROWS = 4 * RESULTS, PITCH = 4 * 32 + 4,
    STAGES = 3, ROW_BYTES = 2 * SPAN, STAGE_BYTES = PAIRS * ROW_BYTES,
    BLOCKS = PAIRS == 64 && weights::BITS >= 8 ? 2 : 3 /* a multiprocessor: wide weights take more registers */
};

struct output {
    float *out;           /* [rows, pairs]; NULL: only halves are wanted */
    uint16_t *halves;     /* NULL, or the same as halves (BP_GLU; half_bf16: bfloat16) */
    const float *bias, *bias_up; /* NULL, or [rows, n_expert] */
    int rows, f, half_bf16;
    float limit, up_plus;
};

/* Place of chunk `pos` of a pair's row in a stage. Lanes read chunk 4 j + q of pair g: eight of them differ in bank. */
static __device__ __forceinline__ uint32_t place(uint32_t n, uint32_t pos) {
    return n * ROW_BYTES + ((pos ^ (n & 1) << 2) << 4);
}

/* Where a tile's rows of x begin, in chunks; side by side are those of a thread: pairs threadIdx.x / 16 + 8 j. */
struct row_list {
    uint32_t at[8 * COLUMNS];
};
static __device__ __forceinline__ uint32_t row_place(uint32_t pair) { return pair % 8 * COLUMNS + pair / 8; }

/* A thread's chunk of each of its rows, j < columns, into a stage. `at`: bytes into the row. */
static __device__ __forceinline__ void fetch(uint32_t to, const uint16_t *x, const row_list &rows, int columns,
                                             uint32_t at, bool there) {
    const uint8_t *from = (const uint8_t *)x + (there ? at : 0);
    uint4 row[COLUMNS / 4];
#pragma unroll
    for (int k = 0; k < COLUMNS / 4; k++) row[k] = ((const uint4 *)(rows.at + threadIdx.x / 16 * COLUMNS))[k];
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
        if (j < columns) copy16(to + j * 8 * ROW_BYTES, from + 16 * (uint64_t)word_of(row[j / 4], j % 4), there);
    }
}

/* SPAN inputs of 2 x 16 rows times the columns of a stage; at: place(g, q) in it, of the others bits 6 and 7 are j. */
static __device__ __forceinline__ void multiply_span(float sum[2][COLUMNS][4], weights w[4], uint32_t at, int columns) {
    const uint32_t odd = at ^ 64;
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
        const uint32_t from = (j % 2 ? odd : at) + j / 2 * 128;
        uint4 b[2][2]; /* two pairs of columns: one is multiplied, the other one under way */
#pragma unroll
        for (int i = 0; i < 2; i++) b[0][i] = load_shared16(from + i * 8 * ROW_BYTES);
#pragma unroll
        for (int c = 0; c < COLUMNS; c += 2) {
            if (c >= columns) continue;
            const uint4 *now = b[c / 2 % 2];
            if (c + 2 < COLUMNS) {
#pragma unroll
                for (int i = 0; i < 2; i++)
                    b[(c / 2 + 1) % 2][i] = load_shared16(from + (c + 2 + i) * 8 * ROW_BYTES);
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
                multiply<weights::BF16>(sum[i % 2][c + i / 2], a[0][i % 2], now[i / 2].x, now[i / 2].y);
#pragma unroll
            for (int i = 0; i < 4; i++)
                multiply<weights::BF16>(sum[i % 2][c + i / 2], a[1][i % 2], now[i / 2].z, now[i / 2].w);
        }
    }
}

#if BP_GLU
static __device__ __forceinline__ float gated(const output &o, float a, float b, uint32_t at) {
    if (o.bias) a += o.bias[at];
    if (o.bias_up) b += o.bias_up[at];
    if (o.limit > 0) a = fminf(a, o.limit), b = fminf(fmaxf(b, -o.limit), o.limit);
    return bp_activate(o.f, a, 0, 0) * (b + o.up_plus);
}
#endif

static __device__ __forceinline__ void put(const output &o, uint64_t at, float v) {
    if (o.out) o.out[at] = v;
    if (!BP_GLU || !o.halves) return;
    const float most = 65504.0f, within = fabsf(v) > most ? copysignf(most, v) : v;
    o.halves[at] = o.half_bf16 ? bp_float_to_bf16(v) : bp_float_to_half(within);
}

/* Sums [pair][row of the block] in shared memory: a lane's fragments go there, and come back row by row. */
static __device__ __forceinline__ void store(const output &o, const float sum[2][COLUMNS][4], float *room,
                                             const int *pair, int count, uint32_t first) {
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4, warp = threadIdx.x / 32;
    copies_wait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < COLUMNS * 8; i++) {
        const int m = i % 2, h = i / 2 % 4, c = i / 8, n = 8 * c + 2 * q + h % 2;
        room[n * PITCH + 32 * warp + 16 * m + g + h / 2 * 8] = sum[m][c][h];
    }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < count * BLOCK_ROWS; i += THREADS) {
        const int n = i / BLOCK_ROWS, r = i % BLOCK_ROWS, row = blockIdx.x * BLOCK_ROWS + r;
        if (row >= o.rows) continue;
        const uint64_t to = (uint64_t)pair[n] * o.rows + row;
#if BP_GLU
        const float *two = room + n * PITCH + r / 16 * 32 + r % 16;
        put(o, to, gated(o, two[0], two[16], first + row));
#else
        put(o, to, room[n * PITCH + r] + (o.bias ? o.bias[first + row] : 0));
#endif
    }
}

static __device__ __forceinline__ void store_zeros(const output &o, const int *pair, int count) {
    for (int k = threadIdx.x; k < BLOCK_ROWS * count; k += THREADS) {
        const int row = blockIdx.x * BLOCK_ROWS + k % BLOCK_ROWS;
        if (row < o.rows) put(o, (uint64_t)pair[k / BLOCK_ROWS] * o.rows + row, 0);
    }
}

/* A tile of `count` pairs of one expert, whose rows begin at `first` of the weight's. */
static __device__ __forceinline__ void product(const output &o, const bp_planes &w, const bp_planes &up,
                                               const uint16_t *x, const int *pair, const row_list &rows,
                                               uint8_t *stages, int count, uint32_t first, int n_in) {
    const int row0 = (blockIdx.x * 4 + threadIdx.x / 32) * RESULTS, spans = (n_in + SPAN - 1) / SPAN;
    const int filled = (count + 7) / 8, columns = (filled + 1) / 2 * 2; /* two by two; one more may be rubbish */
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
    /* Which chunk of a row this thread fetches, and to where: chunk 4 j + q there is lane q's in steps 2 j, 2 j + 1. */
    const uint32_t pos = threadIdx.x % 16, bytes = 2 * n_in, base = shared_address(stages);
    const uint32_t to = base + place(threadIdx.x / 16, pos), end = base + STAGES * STAGE_BYTES;
    uint32_t from = 16 * (weights::INTERLEAVED ? pos : pos % 4 * 4 + pos / 4);
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        fetch(to + s * STAGE_BYTES, x, rows, filled, from, from < bytes);
        copies_commit();
        from += ROW_BYTES;
    }
    const uint32_t mine = place(threadIdx.x % 32 / 4, threadIdx.x % 4);
    uint32_t at = base + mine, free = to + (STAGES - 1) * STAGE_BYTES;
#pragma unroll 1
    for (int s = 0; s < spans; s++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        fetch(free, x, rows, filled, from, from < bytes);
        copies_commit();
        from += ROW_BYTES;
        weights next[4];
        if (s + 1 < spans) {
#pragma unroll
            for (int r = 0; r < 4; r++) next[r].load(BP_GLU && r >= 2 ? up : w, row[r], (s + 1) * SPAN, n_in);
        }
        multiply_span(sum, now, at, columns);
        free = at + (to - base - mine); /* all have read this stage when the next span begins */
        at = at + STAGE_BYTES < end ? at + STAGE_BYTES : base + mine;
#pragma unroll
        for (int r = 0; r < 4; r++) now[r] = next[r];
    }
    store(o, sum, (float *)stages, pair, count, first);
}

/* up, bias_up, halves and the last three: with BP_GLU. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    experts_half(const uint8_t *weight, const uint8_t *weight_up, const float *bias, const float *bias_up,
                 const uint16_t *x, const int *order, const int4 *tiles, float *out, uint16_t *halves, int half_bf16,
                 int n_in, int rows, int n_expert, int n_used, int glu_f, float glu_limit, float glu_plus) {
    extern __shared__ __align__(128) uint8_t stages[];
    __shared__ int pair[PAIRS];
    __shared__ __align__(16) row_list source;
    const uint64_t blocks = (uint64_t)n_expert * rows * (n_in / 32);
    const bp_planes w = planes_of<BP_TYPE>(weight, blocks), up = planes_of<BP_TYPE>(weight_up, blocks);
    const output o = { out, halves, bias, bias_up, rows, glu_f, half_bf16, glu_limit, glu_plus };
    bp_wait_inputs();
    const int n_tiles = tiles[0].x;
    for (int i = blockIdx.y; i < n_tiles; i += gridDim.y) {
        const int4 tile = tiles[1 + i];
        if (threadIdx.x < PAIRS) {
            const int p = order[tile.y + (threadIdx.x < (uint32_t)tile.z ? threadIdx.x : 0)];
            pair[threadIdx.x] = p;
            source.at[row_place(threadIdx.x)] = (uint32_t)(p / n_used) * (uint32_t)(n_in / 8);
        }
        __syncthreads();
        if (tile.x < n_expert) {
            product(o, w, up, x, pair, source, stages, tile.z, (uint32_t)tile.x * rows, n_in);
        } else {
            store_zeros(o, pair, tile.z);
        }
        __syncthreads();
    }
}
