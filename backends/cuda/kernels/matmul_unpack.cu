/* Rows of a weight decoded into a panel [n_in, n], for the matrix products of many tokens.
 * BP_TYPE: the weight's type; BP_TO: 0 F32, 1 F16 (beyond its largest: infinity), 30 BF16; BP_ALIGNED: 0 where rows of floats start
 * anywhere. A thread a unit. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39|0|1|30 -DBP_TO=0|1|30 -DBP_ALIGNED=1
// options: -DBP_TYPE=0|1|30 -DBP_TO=0 -DBP_ALIGNED=0
#include "matmul_block.cuh"

#if BP_ALIGNED
typedef unit<BP_TYPE> source;
#else
typedef unaligned<BP_TYPE> source;
#endif

template <int VALUES> static __device__ __forceinline__ void store(uint8_t *panel, uint64_t at, const float *v) {
#if BP_TO == 0
    float *to = (float *)panel + at * VALUES;
#pragma unroll
    for (int k = 0; k < VALUES / 4; k++) ((float4 *)to)[k] = make_float4(v[4 * k], v[4 * k + 1], v[4 * k + 2], v[4 * k + 3]);
    if (VALUES == 1) to[0] = v[0];
#else
    uint4 *to = (uint4 *)(panel + at * VALUES * 2);
#pragma unroll
    for (int k = 0; k < VALUES / 8; k++) {
        uint32_t word[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float a = v[8 * k + 2 * j], b = v[8 * k + 2 * j + 1];
            word[j] = BP_TO == 1 ? pack_half(a, b) : pack_bf16(a, b);
        }
        to[k] = make_uint4(word[0], word[1], word[2], word[3]);
    }
#endif
}

/* Rows [first, first + n) of the n_rows of the weight. */
extern "C" __global__ void __launch_bounds__(256) matmul_unpack(const uint8_t *weight, int n_in, int n_rows, int first, int n,
                                                                uint8_t *panel) {
    bp_release_next();
    const uint32_t width = n_in / source::VALUES;
    const uint64_t count = (uint64_t)n * width;
    const bp_planes w = planes_of<BP_TYPE>(weight, (uint64_t)n_rows * (n_in / 32));
    bp_wait_inputs();
    for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (uint64_t)gridDim.x * blockDim.x) {
        const uint32_t at = (uint32_t)(first * (uint64_t)width + i);
        source s;
        float v[source::VALUES];
        s.load(w, at);
        s.values(at, v);
        store<source::VALUES>(panel, i, v);
    }
}
