/* Attention of split keys on the tensor cores (sm_80 and later), over F16 caches: a warp takes TILE keys at a time, with
 * STAGES of them on their way into its shared memory. Products are K q^T and V^T share^T, so that keys and dimensions are
 * the rows of a tile and the query heads its columns; scores never leave the registers (online softmax). Halves are what
 * the cache holds; what rounding the queries and the softmax's shares to halves leaves takes a second product, so that
 * results are as exact as F32 ones. */
#ifndef BP_ATTENTION_TILES_CUH
#define BP_ATTENTION_TILES_CUH

#include "attention_split.cuh"
#include "attention_tile.h"
#include "tensor_core.cuh"

enum {
    WARPS = BP_THREADS / 32, TILE = BP_ATTENTION_TILE, STAGES = BP_ATTENTION_STAGES(BP_THREADS),
    PITCH_K = BP_DIM + BP_ATTENTION_PAD, PITCH_V = BP_DIM_V + BP_ATTENTION_PAD, /* halves a row */
    KEY_BYTES = TILE * PITCH_K * 2, STAGE_BYTES = BP_ATTENTION_STAGE_BYTES(BP_DIM, BP_DIM_V),
    STEPS = BP_DIM / 16, OUTS = BP_DIM_V / 16, COLUMNS = (BP_HEADS + 7) / 8,
    /* What attention_decode.cu asks for. */
    PARTS = WARPS, PITCH = BP_DIM_V + 4,
    FEWEST = TILE * WARPS, /* keys a split takes at least */
    BLOCKS = BP_THREADS == 128 && BP_DIM + BP_DIM_V <= 256 ? 2 : 1
};

/* A product's second operand: halves, and what they leave of the floats. */
struct operand {
    uint32_t half[2], rest[2];
};

static __device__ __forceinline__ void product(float d[4], const uint32_t a[4], const operand &b) {
    multiply<false>(d, a, b.half[0], b.half[1]);
    multiply<false>(d, a, b.rest[0], b.rest[1]);
}

/* This lane's row of the cache, that of key `first` + lane % TILE; negative: not there. */
static __device__ __forceinline__ int find_row(const attended &t, int first) {
    return row_of_key(t, first + threadIdx.x % TILE);
}

/* Starts to copy rows of TILE keys, WIDTH halves each; zeros for those that are not there. */
template <int WIDTH> static __device__ __forceinline__ void fetch(const uint8_t *cache, int row, uint32_t to) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < TILE * WIDTH / 8; i += 32) {
        const int key = (i + lane) / (WIDTH / 8), c = (i + lane) % (WIDTH / 8), at = __shfl_sync(0xffffffffu, row, key);
        copy16(to + key * (WIDTH + BP_ATTENTION_PAD) * 2 + c * 16, cache + (int64_t)(at < 0 ? 0 : at) * (WIDTH * 2) + c * 16, at >= 0);
    }
}
/* One tile; which of its keys are there, a bit each. */
static __device__ __forceinline__ uint32_t fetch_tile(const attended &t, int row, uint32_t stage) {
    fetch<BP_DIM>(t.k_cache, row, stage);
    fetch<BP_DIM_V>(t.v_cache, row, stage + KEY_BYTES);
    return __ballot_sync(0xffffffffu, row >= 0);
}

/* Column lane / 4 of the queries' step k, rows as an operand has them. */
static __device__ __forceinline__ operand load_query(const float *queries, int column, int k) {
    const int lane = threadIdx.x % 32, head = 8 * column + lane / 4;
    operand b = { { 0, 0 }, { 0, 0 } };
    if (head >= BP_HEADS) return b;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float2 v = *(const float2 *)(queries + head * BP_DIM + 16 * k + 8 * r + lane % 4 * 2);
        b.half[r] = pack_within(v), b.rest[r] = pack_rest(v, b.half[r]);
    }
    return b;
}

/* Of the 8 x 8 matrix whose row lane / 4 has v as its columns 2 (lane % 4) and the next: the same of its transposed. */
static __device__ __forceinline__ uint32_t transposed(uint32_t v) {
    const int lane = threadIdx.x % 32, from = lane % 4 * 8 + lane / 8;
    const uint32_t low = __shfl_sync(0xffffffffu, v, from), high = __shfl_sync(0xffffffffu, v, from + 4);
    return lane / 4 % 2 ? low >> 16 | (high & 0xffff0000u) : (low & 0xffffu) | high << 16;
}

/* The softmax's running state of the two columns (heads) of a lane, of 8 heads; sum: of this lane's rows (keys). */
struct running {
    float top[2], sum[2], mix[OUTS][4];
};

/* Scores become shares (columns of them); the state so far shrinks to the new maximum. */
static __device__ __forceinline__ void soften(running &r, float score[4]) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
        float top = bp_max(score[c], score[2 + c]);
#pragma unroll
        for (int k = 4; k < 32; k *= 2) top = bp_max(top, __shfl_xor_sync(0xffffffffu, top, k));
        top = bp_max(r.top[c], top);
        const float shrink = r.top[c] == -BP_INFINITY ? 0 : __expf(r.top[c] - top);
        const float less = top == -BP_INFINITY ? 0 : -top * LOG2E; /* no key yet: all shares are 2^-infinity */
        r.top[c] = top;
        score[c] = exp2f(fmaf(score[c], LOG2E, less)), score[2 + c] = exp2f(fmaf(score[2 + c], LOG2E, less));
        r.sum[c] = r.sum[c] * shrink + score[c] + score[2 + c];
#pragma unroll
        for (int i = 0; i < OUTS; i++) r.mix[i][c] *= shrink, r.mix[i][2 + c] *= shrink;
    }
}

static __device__ __forceinline__ void attend_tile(const attended &t, const operand query[COLUMNS][STEPS],
                                                   const float slope[COLUMNS][2], uint32_t stage, int first, uint32_t there,
                                                   running r[COLUMNS]) {
    const int lane = threadIdx.x % 32;
    float score[COLUMNS][4];
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) score[c][0] = score[c][1] = score[c][2] = score[c][3] = 0;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        uint32_t key[4];
        load4(key, stage + (lane % 16 * PITCH_K + k * 16 + lane / 16 * 8) * 2);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) product(score[c], key, query[c][k]);
    }
    operand share[COLUMNS];
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int key = lane / 4 + e / 2 * 8, far = t.keys.start + first + key - t.position;
            score[c][e] = there >> key & 1 ? score_of(t.a, score[c][e], slope[c][e % 2], far) : -BP_INFINITY;
        }
        soften(r[c], score[c]);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const float2 v = make_float2(score[c][2 * e], score[c][2 * e + 1]);
            const uint32_t half = pack_within(v);
            share[c].half[e] = transposed(half), share[c].rest[e] = transposed(pack_rest(v, half));
        }
    }
#pragma unroll
    for (int i = 0; i < OUTS; i++) {
        uint32_t value[4];
        load4_transposed(value, stage + KEY_BYTES + ((lane / 16 * 8 + lane % 8) * PITCH_V + i * 16 + lane / 8 % 2 * 8) * 2);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) product(r[c].mix[i], value, share[c]);
    }
}

/* The warps' parts of the mix, [PARTS][BP_HEADS][PITCH], where the tiles were. */
static __device__ __forceinline__ const float *attend(const attended &t, part_sums<PARTS> &found) {
    extern __shared__ __align__(128) uint8_t shared[];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const uint32_t stages = shared_address(shared) + warp * STAGES * STAGE_BYTES;
    operand query[COLUMNS][STEPS];
    float slope[COLUMNS][2];
    running r[COLUMNS];
    int first = t.span.first + warp * TILE, row = find_row(t, first);
    uint32_t there[STAGES];
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        there[s] = fetch_tile(t, row, stages + s * STAGE_BYTES);
        copies_commit();
        row = find_row(t, first + (s + 1) * WARPS * TILE);
    }
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
#pragma unroll
        for (int k = 0; k < STEPS; k++) query[c][k] = load_query(t.queries, c, k);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            slope[c][h] = slope_of(t.a, t.head0 + 8 * c + lane % 4 * 2 + h);
            r[c].top[h] = -BP_INFINITY, r[c].sum[h] = 0;
        }
#pragma unroll
        for (int i = 0; i < OUTS; i++) r[c].mix[i][0] = r[c].mix[i][1] = r[c].mix[i][2] = r[c].mix[i][3] = 0;
    }
    int stage = 0;
#pragma unroll 1
    for (; first < t.span.end; first += WARPS * TILE) {
        copies_wait<STAGES - 2>();
        __syncwarp();
        const int free = stage == 0 ? STAGES - 1 : stage - 1;
        there[STAGES - 1] = fetch_tile(t, row, stages + free * STAGE_BYTES);
        copies_commit();
        row = find_row(t, first + STAGES * WARPS * TILE);
        attend_tile(t, query, slope, stages + stage * STAGE_BYTES, first, there[0], r);
#pragma unroll
        for (int s = 0; s < STAGES - 1; s++) there[s] = there[s + 1];
        stage = stage == STAGES - 1 ? 0 : stage + 1;
    }
    copies_wait<0>();
    __syncthreads(); /* the tiles' memory becomes the parts' */
    float *const mixes = (float *)shared;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int head = 8 * c + lane % 4 * 2 + e % 2;
            if (head >= BP_HEADS) continue;
#pragma unroll
            for (int i = 0; i < OUTS; i++)
                mixes[(warp * BP_HEADS + head) * PITCH + 16 * i + lane / 4 + e / 2 * 8] = r[c].mix[i][e];
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float sum = r[c].sum[h];
#pragma unroll
            for (int k = 4; k < 32; k *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, k);
            const int head = 8 * c + lane % 4 * 2 + h;
            if (lane < 4 && head < BP_HEADS) found.top[warp][head] = r[c].top[h], found.sum[warp][head] = sum;
        }
    }
    return mixes;
}

#endif
