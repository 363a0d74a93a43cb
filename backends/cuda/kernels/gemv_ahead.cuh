/* Weights on their way into the second cache while the memory has nothing else to do: a product that waits for attention
 * asks for the rest of its own and for the first ones of the next product. A block asks for its share of a region. */
#ifndef BP_GEMV_AHEAD_CUH
#define BP_GEMV_AHEAD_CUH

#include "common.cuh"

/* from: at a multiple of 16; bytes: a multiple of 16. One thread calls. */
static __device__ __forceinline__ void fetch_ahead(const uint8_t *from, int64_t bytes) {
    const int64_t each = (bytes / 16 + gridDim.x - 1) / gridDim.x * 16, first = each * blockIdx.x;
    if (first >= bytes) return;
    const uint32_t n = (uint32_t)(first + each < bytes ? each : bytes - first);
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" : : "l"(from + first), "r"(n) : "memory");
#else
    (void)n;
#endif
}

#endif
