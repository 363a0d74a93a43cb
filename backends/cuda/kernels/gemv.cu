/* A few tokens times a weight: every row of the weight is read once, by a warp or by SPLIT warps of a block, each lane
 * a 16-byte unit of it at a time. The first loads are issued before the launch waits for the kernel whose result it
 * needs. Sums are made in one fixed order.
 *
 * Options (-D):  BP_TYPE_A, _B, _C   types of the weights      BP_EXACT     1: F32 activations, else 8-bit ones
 *   BP_TOKENS    most tokens         BP_GLU      1: a is the gate, b the up, c unused
 *   BP_EXPERTS   1: the grid's y picks expert and token
 *   BP_ROWS      rows a warp at once (gate and up: half each)    BP_DEPTH     units in flight a lane and row
 *   BP_SPLIT     warps that share a row          BP_WARPS        warps a block
 *   BP_STEPS     times a block takes new rows    BP_ALIGNED      0: rows of floats that start anywhere
 *   BP_NORM, BP_SUM   not 0: see gemv_norm.cuh (one token, no experts; BP_SUM with one matrix and one step)
 *   BP_AHEAD     1: asks for weights that come later, see gemv_ahead.cuh
 * Grid: x: for each matrix ceil(rows / rows a block), y: 1, or pairs of experts and tokens, z: ceil(tokens /
 * BP_TOKENS). */
// options: -DBP_TYPE_A=2 -DBP_TYPE_B=2 -DBP_TYPE_C=2 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=3 -DBP_TYPE_B=3 -DBP_TYPE_C=3 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=6 -DBP_TYPE_B=6 -DBP_TYPE_C=6 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=7 -DBP_TYPE_B=7 -DBP_TYPE_C=7 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=8 -DBP_TYPE_B=8 -DBP_TYPE_C=8 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=10 -DBP_TYPE_B=10 -DBP_TYPE_C=10 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=11 -DBP_TYPE_B=11 -DBP_TYPE_C=11 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=12 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=13 -DBP_TYPE_B=13 -DBP_TYPE_C=13 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=14 -DBP_TYPE_B=14 -DBP_TYPE_C=14 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=39 -DBP_TYPE_B=39 -DBP_TYPE_C=39 -DBP_EXACT=0|1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=0 -DBP_TYPE_B=0 -DBP_TYPE_C=0 -DBP_EXACT=1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=0|1
// options: -DBP_TYPE_A=1 -DBP_TYPE_B=1 -DBP_TYPE_C=1 -DBP_EXACT=1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=0|1
// options: -DBP_TYPE_A=30 -DBP_TYPE_B=30 -DBP_TYPE_C=30 -DBP_EXACT=1 -DBP_TOKENS=1|8 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=0|1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=14 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=12 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=1 -DBP_EXPERTS=0|1 -DBP_ROWS=4 -DBP_DEPTH=1 -DBP_SPLIT=1 -DBP_WARPS=8 -DBP_STEPS=2 -DBP_ALIGNED=1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=14 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_NORM=1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=12 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=1 -DBP_EXPERTS=0 -DBP_ROWS=4 -DBP_DEPTH=1 -DBP_SPLIT=1 -DBP_WARPS=8 -DBP_STEPS=2 -DBP_ALIGNED=1 -DBP_NORM=2
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=12 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_SUM=1
// options: -DBP_TYPE_A=1 -DBP_TYPE_B=1 -DBP_TYPE_C=1 -DBP_EXACT=1 -DBP_TOKENS=1 -DBP_GLU=0|1 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=4 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_NORM=2
// options: -DBP_TYPE_A=1 -DBP_TYPE_B=1 -DBP_TYPE_C=1 -DBP_EXACT=1 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=4 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_SUM=1
// options: -DBP_TYPE_A=1 -DBP_TYPE_B=1 -DBP_TYPE_C=1 -DBP_EXACT=1 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=4 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_SUM=1 -DBP_AHEAD=1
// options: -DBP_TYPE_A=12 -DBP_TYPE_B=12 -DBP_TYPE_C=12 -DBP_EXACT=0 -DBP_TOKENS=1 -DBP_GLU=0 -DBP_EXPERTS=0 -DBP_ROWS=2 -DBP_DEPTH=1 -DBP_SPLIT=2 -DBP_WARPS=8 -DBP_STEPS=1 -DBP_ALIGNED=1 -DBP_AHEAD=1
#include "activation.cuh"
#include "gemv_source.cuh"
#include "quantise_block.cuh"

#ifndef BP_NORM
#define BP_NORM 0
#endif
#ifndef BP_SUM
#define BP_SUM 0
#endif
#ifndef BP_AHEAD
#define BP_AHEAD 0
#endif
#if BP_AHEAD
#include "gemv_ahead.cuh"
#endif
#define LINKED (BP_NORM || BP_SUM)
#if LINKED
#include "gemv_norm.cuh"
#else
struct norm_links {};
#endif

#if !BP_EXACT
template <int TYPE> struct source_of { typedef int8_source<TYPE> type; };
#elif BP_ALIGNED
template <int TYPE> struct source_of { typedef float_source<unit<TYPE> > type; };
#else
template <int TYPE> struct source_of { typedef float_source<unaligned<TYPE> > type; };
#endif

enum {
    GROUPS = BP_WARPS / BP_SPLIT,             /* of warps that share rows */
    RESULTS = BP_GLU ? BP_ROWS / 2 : BP_ROWS, /* rows of the output a group makes at once */
    BLOCK_ROWS = GROUPS * RESULTS * BP_STEPS,
    SUMS = BP_ROWS * BP_TOKENS,
    KEPT = (SUMS + 31) / 32
};

/* One of the matrices that share an input. */
struct matrix {
    const uint8_t *weight;
    const float *bias; /* NULL, or [rows] ([rows, n_expert]) */
    float *out;        /* [rows, n_tokens] ([rows, n_used, n_tokens]) */
    uint32_t rows;
};
struct input {
    const void *x;        /* codes, or F32 [n_in, n_tokens] */
    const float2 *scales; /* of the codes */
    uint32_t n_in, token, n_tokens;
};
/* What GLU does with its two results. */
struct gating {
    uint8_t *codes; /* NULL, or the result as 8-bit activations, too */
    float2 *scales;
    uint32_t f;
    float limit, up_plus;
};

/* Start to load units [i, i + 32 BP_DEPTH) of BP_ROWS rows that start at units row[…]. */
template <class SOURCE> static __device__ __forceinline__ void fetch(SOURCE s[BP_DEPTH][BP_ROWS], const bp_planes &w,
                                                                     const bp_planes &up, const uint32_t *row, uint32_t i,
                                                                     uint32_t n) {
    const uint32_t lane = threadIdx.x & 31;
#pragma unroll
    for (int k = 0; k < BP_DEPTH; k++) {
        uint32_t at = i + 32 * k + lane < n ? i + 32 * k + lane : n - 1;
#pragma unroll
        for (int r = 0; r < BP_ROWS; r++) s[k][r].load(BP_GLU && r >= RESULTS ? up : w, row[r] + at);
    }
}

/* The dot products of these rows, over this warp's part of them. With LINKED the first units were fetched already. */
template <class SOURCE> static __device__ __forceinline__ void dot_rows(SOURCE s[BP_DEPTH][BP_ROWS], const bp_planes &w,
                                                                        const bp_planes &up, const uint32_t *row,
                                                                        const input &in, uint32_t part,
                                                                        float sum[BP_ROWS][BP_TOKENS]) {
    const uint32_t n = in.n_in / SOURCE::VALUES, lane = threadIdx.x & 31, first = part * BP_DEPTH * 32;
#pragma unroll
    for (int r = 0; r < BP_ROWS; r++) {
#pragma unroll
        for (int t = 0; t < BP_TOKENS; t++) sum[r][t] = 0;
    }
#pragma unroll 1
    for (uint32_t i = first; i < n; i += BP_SPLIT * BP_DEPTH * 32) {
        if (!LINKED || i != first) fetch(s, w, up, row, i, n);
        bp_wait_inputs();
#pragma unroll
        for (int k = 0; k < BP_DEPTH; k++) {
            uint32_t at = i + 32 * k + lane;
            if (at >= n) continue;
#pragma unroll
            for (int r = 0; r < BP_ROWS; r++) s[k][r].ready(row[r] + at);
#pragma unroll
            for (int t = 0; t < BP_TOKENS; t++) {
                if (t >= in.n_tokens) break;
                typename SOURCE::operand x;
                x.take(in.x, in.scales, in.token + t, in.n_in, at);
#pragma unroll
                for (int r = 0; r < BP_ROWS; r++) sum[r][t] += s[k][r].dot(x);
            }
        }
    }
}

/* Sums over the lanes, then over the warps that share the rows: sum k (row k / BP_TOKENS, token k % BP_TOKENS) ends in
 * mine[k / 32] of lane k % 32 of each of these warps. */
static __device__ __forceinline__ void combine(float sum[BP_ROWS][BP_TOKENS], float mine[KEPT]) {
    const uint32_t lane = threadIdx.x & 31;
#pragma unroll
    for (int k = 0; k < SUMS; k++) {
        float all = bp_warp_sum(sum[k / BP_TOKENS][k % BP_TOKENS]);
        if (lane == k % 32) mine[k / 32] = all;
    }
#if BP_SPLIT > 1
    __shared__ float part[BP_WARPS][SUMS];
    const uint32_t warp = threadIdx.x / 32;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        if (32 * k + lane < SUMS) part[warp][32 * k + lane] = mine[k];
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        if (32 * k + lane >= SUMS) continue;
        mine[k] = 0;
#pragma unroll
        for (int j = 0; j < BP_SPLIT; j++) mine[k] += part[warp / BP_SPLIT * BP_SPLIT + j][32 * k + lane];
    }
#endif
}

#if BP_GLU
__shared__ float gated[BP_TOKENS][BLOCK_ROWS];

/* Lane k has sum k; that of the gate is RESULTS * BP_TOKENS lanes before that of the up. */
static __device__ __forceinline__ void store(const matrix &m, const matrix &up, const gating &g, uint32_t n_tokens,
                                             uint32_t expert, bool absent, uint32_t row, uint32_t in_block,
                                             const float *mine) {
    const uint32_t k = threadIdx.x & 31, r = k / BP_TOKENS, t = k % BP_TOKENS;
    float a = mine[0], b = __shfl_down_sync(0xffffffffu, mine[0], RESULTS * BP_TOKENS);
    if (k >= RESULTS * BP_TOKENS || row + r >= m.rows) return;
    if (m.bias) a += m.bias[expert * m.rows + row + r];
    if (up.bias) b += up.bias[expert * m.rows + row + r];
    if (g.limit > 0) a = fminf(a, g.limit), b = fminf(fmaxf(b, -g.limit), g.limit);
    float v = absent ? 0 : bp_activate((int)g.f, a, 0, 0) * (b + g.up_plus);
    if (g.codes) gated[t][in_block + r] = v;
    if (t < n_tokens) m.out[(uint64_t)t * m.rows + row + r] = v;
}

/* The block's rows as 8-bit activations, 32 at a time. */
static __device__ __forceinline__ void store_codes(const gating &g, uint32_t rows, uint32_t first_row, uint32_t token,
                                                   uint32_t n_tokens) {
    __syncthreads();
    const uint32_t lane = threadIdx.x & 31;
    enum { BLOCKS = (BLOCK_ROWS + 31) / 32 }; /* codes are asked for where a block has whole ones */
    for (uint32_t k = threadIdx.x / 32; k < n_tokens * BLOCKS; k += BP_WARPS) {
        uint32_t t = k / BLOCKS, row = first_row + k % BLOCKS * 32;
        if (row < rows) {
            bp_quantise(gated[t][row - first_row + lane], (int8_t *)g.codes + (uint64_t)(token + t) * rows + row,
                        g.scales + ((uint64_t)(token + t) * rows + row) / 32);
        }
    }
}
#elif !BP_SUM
static __device__ __forceinline__ void store(const matrix &m, const matrix &, const gating &, uint32_t n_tokens,
                                             uint32_t expert, bool absent, uint32_t row, uint32_t, const float *mine) {
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        const uint32_t k = 32 * j + (threadIdx.x & 31), r = k / BP_TOKENS, t = k % BP_TOKENS;
        if (k >= SUMS || row + r >= m.rows || t >= n_tokens) continue;
        float v = mine[j] + (m.bias ? m.bias[expert * m.rows + row + r] : 0);
        m.out[(uint64_t)t * m.rows + row + r] = absent ? 0 : v;
    }
}
#endif

template <int TYPE> static __device__ __forceinline__ void run(matrix m, const matrix &up, const gating &g, input in,
                                                               uint32_t block, const int *ids, uint32_t n_used,
                                                               uint32_t n_expert, uint32_t pair, const norm_links &links) {
    typedef typename source_of<TYPE>::type source;
    const uint32_t group = threadIdx.x / 32 / BP_SPLIT, n = in.n_in / source::VALUES, first_row = block * BLOCK_ROWS;
    const uint64_t n_blocks = (uint64_t)n_expert * m.rows * (in.n_in / 32);
    const bp_planes w = planes_of<TYPE>(m.weight, n_blocks), w_up = planes_of<TYPE>(up.weight, n_blocks);
    uint32_t expert = 0;
    bool absent = false;
#if !BP_EXPERTS
    m.out += (uint64_t)in.token * m.rows;
#else
    bp_wait_inputs();
    const int32_t id = ids[pair];
    absent = id < 0 || (uint32_t)id >= n_expert;
    expert = absent ? 0 : (uint32_t)id;
    in.token = pair / n_used;
    m.out += (uint64_t)pair * m.rows;
#endif
#if BP_NORM
    mean_square<BP_NORM, BP_WARPS> square;
#if !BP_EXACT
    extern __shared__ uint4 rounded[]; /* n_in codes, n_in / 32 scales */
    float2 *const rounded_scales = (float2 *)((uint8_t *)rounded + in.n_in);
#endif
#endif
#pragma unroll 1
    for (int step = 0; step < BP_STEPS; step++) {
        uint32_t in_block = (step * GROUPS + group) * RESULTS, row = first_row + in_block, begin[BP_ROWS];
#pragma unroll
        for (int r = 0; r < BP_ROWS; r++) {
            uint32_t k = row + (BP_GLU ? r % RESULTS : r);
            begin[r] = (expert * m.rows + (k < m.rows ? k : m.rows - 1)) * n;
        }
        float sum[BP_ROWS][BP_TOKENS], mine[KEPT];
        source s[BP_DEPTH][BP_ROWS];
        const uint32_t part = threadIdx.x / 32 % BP_SPLIT;
#if LINKED
        if (part * BP_DEPTH * 32 < n) fetch(s, w, w_up, begin, part * BP_DEPTH * 32, n);
        bp_wait_inputs();
#endif
#if BP_NORM
        if (step == 0) {
            square.load(links);
#if !BP_EXACT
            square.join();
            round_row((const float4 *)in.x, in.n_in, (int8_t *)rounded, rounded_scales);
            in.x = rounded, in.scales = rounded_scales;
#endif
        }
#endif
#if BP_SUM
        const uint32_t mine_at = row + (threadIdx.x & 31);
        const bool has = (threadIdx.x & 31) < RESULTS, there = has && mine_at < m.rows;
        const float residual = there ? links.residual[mine_at] : 0, scale = there && links.weight ? links.weight[mine_at] : 1;
#endif
        dot_rows<source>(s, w, w_up, begin, in, part, sum);
        bp_wait_inputs();
        combine(sum, mine);
#if BP_NORM
#if BP_EXACT
        if (step == 0) {
            square.join();
            __syncthreads();
        }
#endif
        const float by = square.factor(links, in.n_in);
#pragma unroll
        for (int k = 0; k < KEPT; k++) mine[k] *= by;
#endif
#if BP_SUM
        (void)expert, (void)absent, (void)g;
        if (part == 0 && has) {
            const float v = mine[0] + (there && m.bias ? m.bias[mine_at] : 0);
            linked_rows<BLOCK_ROWS>::store(links, m.out, mine_at, in_block + (threadIdx.x & 31), there, v, residual, scale);
        }
#else
        if (part == 0) store(m, up, g, in.n_tokens, expert, absent, row, in_block, mine);
#endif
    }
#if BP_SUM
    linked_rows<BLOCK_ROWS>::finish(links, block);
#endif
#if BP_GLU
    if (g.codes) store_codes(g, m.rows, first_row, BP_EXPERTS ? pair : in.token, in.n_tokens);
    if (BP_EXPERTS) __syncthreads();
#endif
}

/* n_used: pairs that share a token of x (1: each has its own); tokens: with BP_EXPERTS the pairs. */
#if BP_NORM && BP_GLU && !BP_EXACT
#define BOUNDS __launch_bounds__(32 * BP_WARPS, 32 / BP_WARPS) /* a wave is to have as many blocks as without the norm */
#else
#define BOUNDS __launch_bounds__(32 * BP_WARPS)
#endif

extern "C" __global__ void BOUNDS
    gemv(const void *x, const float2 *scales, bp_size tokens, int n_in, const uint8_t *weight_a, const float *bias_a,
         float *out_a, int rows_a, const uint8_t *weight_b, const float *bias_b, float *out_b, int rows_b,
         const uint8_t *weight_c, const float *bias_c, float *out_c, int rows_c, const int *ids, int n_used,
         int n_expert, uint8_t *glu_codes, float2 *glu_scales, int glu_f, float glu_limit, float glu_plus
#if LINKED
         , const float *squares, int n_squares, float eps, const float *residual, const float *norm_weight, float *sum,
         float *squares_out
#endif
#if BP_AHEAD
         , int64_t own, const uint8_t *next_a, int64_t bytes_a, const uint8_t *next_b, int64_t bytes_b
#endif
    ) {
#if BP_AHEAD
    if (threadIdx.x == 0) {
        fetch_ahead(weight_a, own);
        fetch_ahead(next_a, bytes_a);
        fetch_ahead(next_b, bytes_b);
    }
#endif
#if LINKED
    const norm_links links = { squares, n_squares, eps, residual, norm_weight, sum, squares_out };
#else
    const norm_links links = {};
#endif
    const matrix a = { weight_a, bias_a, out_a, (uint32_t)rows_a }, b = { weight_b, bias_b, out_b, (uint32_t)rows_b };
    const matrix c = { weight_c, bias_c, out_c, (uint32_t)rows_c };
    const gating g = { glu_codes, glu_scales, (uint32_t)glu_f, glu_limit, glu_plus };
    input in = { x, scales, (uint32_t)n_in, blockIdx.z * BP_TOKENS, 1 };
    if (!BP_EXPERTS) {
        const int left = bp_get(tokens) - (int)in.token;
        if (left <= 0) return;
        in.n_tokens = left < BP_TOKENS ? left : BP_TOKENS;
    }
    const uint32_t blocks_a = (a.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const uint32_t blocks_b = (b.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    uint32_t k = blockIdx.x;
#if BP_EXPERTS
    (void)blocks_a, (void)blocks_b, (void)c;
    const uint32_t pairs = bp_get(tokens);
    for (uint32_t pair = blockIdx.y; pair < pairs; pair += gridDim.y)
        run<BP_TYPE_A>(a, b, g, in, k, ids, n_used, n_expert, pair, links);
#elif BP_GLU
    (void)blocks_a, (void)blocks_b, (void)c;
    run<BP_TYPE_A>(a, b, g, in, k, ids, n_used, n_expert, 0, links);
#elif BP_TYPE_A == BP_TYPE_B && BP_TYPE_B == BP_TYPE_C
    matrix m = a;
    if (k >= blocks_a) {
        k -= blocks_a, m = b;
        if (k >= blocks_b) k -= blocks_b, m = c;
    }
    run<BP_TYPE_A>(m, b, g, in, k, ids, n_used, n_expert, 0, links);
#else
    if (k < blocks_a) run<BP_TYPE_A>(a, b, g, in, k, ids, n_used, n_expert, 0, links);
    else if (k < blocks_a + blocks_b) run<BP_TYPE_B>(b, b, g, in, k - blocks_a, ids, n_used, n_expert, 0, links);
    else run<BP_TYPE_C>(c, b, g, in, k - blocks_a - blocks_b, ids, n_used, n_expert, 0, links);
#endif
}
