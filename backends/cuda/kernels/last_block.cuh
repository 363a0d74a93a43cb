// Work that the last block to finish does for all.
#ifndef BP_LAST_BLOCK_CUH
#define BP_LAST_BLOCK_CUH

#include "common.cuh"

// True in the last of gridDim.x blocks to come here; count is 0 before and after. What the others wrote before is seen (read
// it past the first cache: __ldcg). All threads call.
static __device__ __forceinline__ bool last_block(unsigned *count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(count, gridDim.x - 1) == gridDim.x - 1;
    __syncthreads();
    __threadfence();
    return last;
}

#endif
