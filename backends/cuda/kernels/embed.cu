// embed_rows: rows of a table, decoded and scaled. -DTYPE: the table's type.
// options: -DTYPE=@weights
#include "decode.cuh"

extern "C" __global__ void __launch_bounds__(256)
embed(const uint8_t *table, const int *ids, float *out, bp_size n_, bp_size n_ids_, int n_rows, int64_t row_bytes, float scale) {
    bp_wait_inputs();
    const int n = bp_get(n_), n_ids = bp_get(n_ids_);
    for (int i = blockIdx.x; i < n_ids; i += gridDim.x) {
        const int id = ids[i];
        const bool there = id >= 0 && id < n_rows;
        const uint8_t *row = table + (there ? id : 0) * row_bytes;
        for (int j = threadIdx.x; j < n; j += blockDim.x) out[(int64_t)i * n + j] = there ? scale * bp_decode<TYPE>(row, j) : 0.0f;
    }
}
