/* embed_rows of a table in planes (matmul_planes.h): a thread a unit of a row. BP_TYPE: the table's type.
 * Grid: x: parts of a row, y: ids. An id that is not in the table gives zeros. */
// options: -DBP_TYPE=2|3|6|7|8|10|11|12|13|14|39
#include "matmul_block.cuh"

extern "C" __global__ void __launch_bounds__(128)
    embed_packed(const uint8_t *table, const int *ids, float *out, bp_size n_ids, int n, int n_rows, float scale) {
    typedef unit<BP_TYPE> source;
    bp_wait_inputs();
    const uint32_t width = n / source::VALUES, i = blockIdx.x * 128 + threadIdx.x;
    const int count = bp_get(n_ids);
    if (i >= width) return;
    const bp_planes w = planes_of<BP_TYPE>(table, (uint64_t)n_rows * (n / 32));
    for (int k = blockIdx.y; k < count; k += gridDim.y) {
        const int id = ids[k];
        const bool there = id >= 0 && id < n_rows;
        const uint32_t at = (uint32_t)(there ? id : 0) * width + i;
        source s;
        float v[source::VALUES];
        s.load(w, at);
        s.values(at, v);
        float4 *to = (float4 *)(out + (int64_t)k * n + i * source::VALUES);
#pragma unroll
        for (int j = 0; j < source::VALUES / 4; j++) {
            to[j] =
                there ? make_float4(scale * v[4 * j], scale * v[4 * j + 1], scale * v[4 * j + 2], scale * v[4 * j + 3])
                      : make_float4(0, 0, 0, 0);
        }
    }
}
