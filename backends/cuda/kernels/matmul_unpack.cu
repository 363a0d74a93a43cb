/* Rows of a weight decoded into a panel [n_in, n], for the matrix products of many tokens.
 * BP_TYPE: the weight's type; BP_TO: 0 F32, 1 F16 (beyond its largest: infinity), 30 BF16; BP_ALIGNED: 0 where rows of
 * floats start anywhere. A thread a unit. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39|1|30 -DBP_TO=0|1|30 -DBP_ALIGNED=1
// options: -DBP_TYPE=0 -DBP_TO=0 -DBP_ALIGNED=1
// options: -DBP_TYPE=0|1|30 -DBP_TO=0 -DBP_ALIGNED=0
#include "matmul_block.cuh"

#if BP_ALIGNED
typedef unit<BP_TYPE> source;
#else
typedef unaligned<BP_TYPE> source;
#endif

enum { UNIT_BYTES = source::VALUES * (BP_TO == 0 ? 4 : 2), CHUNKS = UNIT_BYTES / 16 };

/* Chunk k (16 bytes) of a unit's values as the panel has them. */
[[maybe_unused]] static __device__ __forceinline__ uint4 chunk_of(const float *v, int k) {
#if BP_TO == 0
    return make_uint4(__float_as_uint(v[4 * k]), __float_as_uint(v[4 * k + 1]), __float_as_uint(v[4 * k + 2]),
                      __float_as_uint(v[4 * k + 3]));
#else
    uint32_t word[4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
        float a = v[8 * k + 2 * j], b = v[8 * k + 2 * j + 1];
        word[j] = BP_TO == 1 ? pack_half(a, b) : pack_bf16(a, b);
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
#endif
}

/* A warp's 32 units, from unit `first` of the panel on: through shared memory, so that lanes store side by side. */
static __device__ __forceinline__ void store_warp(uint8_t *panel, uint64_t first, uint32_t n, const float *v) {
#if BP_ALIGNED
    __shared__ uint4 rows[8][32][CHUNKS + (CHUNKS > 1)]; /* a chunk more a row keeps lanes in different banks */
    const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    __syncwarp();
#pragma unroll
    for (int k = 0; k < CHUNKS; k++) rows[warp][lane][k] = chunk_of(v, k);
    __syncwarp();
#pragma unroll
    for (int k = 0; k < CHUNKS; k++) {
        const uint32_t i = 32 * k + lane;
        if (i / CHUNKS < n) ((uint4 *)(panel + first * UNIT_BYTES))[i] = rows[warp][i / CHUNKS][i % CHUNKS];
    }
#else
    if (threadIdx.x % 32 < n) ((float *)panel)[first + threadIdx.x % 32] = v[0];
#endif
}

/* Rows [first, first + n) of the n_rows of the weight. */
extern "C" __global__ void __launch_bounds__(256)
    matmul_unpack(const uint8_t *weight, int n_in, int n_rows, int first, int n, uint8_t *panel) {
    const uint32_t width = n_in / source::VALUES, lane = threadIdx.x % 32;
    const uint64_t count = (uint64_t)n * width;
    const bp_planes w = planes_of<BP_TYPE>(weight, (uint64_t)n_rows * (n_in / 32));
    bp_wait_inputs();
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x - lane; i < count;
         i += (uint64_t)gridDim.x * blockDim.x) {
        const uint32_t left = count - i < 32 ? (uint32_t)(count - i) : 32;
        const uint32_t at = (uint32_t)(first * (uint64_t)width + i + (lane < left ? lane : 0));
        source s;
        float v[source::VALUES];
        s.load(w, at);
        s.values(at, v);
        store_warp(panel, i, left, v);
    }
}
