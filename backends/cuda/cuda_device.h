/* What every file of the CUDA backend sees: the device, its libraries, and small helpers. */
#ifndef BP_CUDA_DEVICE_H
#define BP_CUDA_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/cuda/cuda_libraries.h"
#include "backplane/backend.h"

enum { CUDA_MAX_IN = 12, CUDA_MAX_OUT = 4, CUDA_ALIGN = 256 };

typedef struct cuda_modules cuda_modules; /* compiled kernels of a device: cuda_modules.h */
typedef struct cuda_ring cuda_ring;       /* pinned memory through which writes go: cuda_memory.h */

struct bp_device {
    const bp_host *host;
    const cuda_driver *cu;     /* cu->MemAlloc(…) is cuMemAlloc */
    const cuda_nvrtc *nvrtc;
    const cuda_blas *blas;     /* after cuda_blas_ready */
    bool blas_tried;
    cublasLtHandle_t blas_handle;
    uint32_t index;            /* as the engine counts */
    CUdevice device;
    CUcontext context;         /* the device's primary one, retained */
    CUstream copies;           /* of write, read and pack */
    int32_t major, minor;      /* compute capability */
    int32_t n_sm, l2_bytes;
    int32_t shared_limit;      /* bytes of shared memory that a block may have at most */
    bool exact;                /* activations = f32: no rounding to 8 bits or half, no TF32 */
    bool graphs, graphs_always; /* graphs = yes, no (launches one by one), always (programs of many sizes as well) */
    bool overlap;              /* programmatic dependent launch: sm_90, driver 12 */
    bool lost;                 /* an error that the context does not survive was seen */
    uint64_t memory_limit;     /* bytes that buffers and temporaries may take together; 0 = none */
    _Atomic uint64_t memory_used;
    cuda_modules *modules;
    cuda_ring *ring;
    struct cuda_block *pool;   /* freed memory: cuda_memory.c */
    uint32_t n_pool, pool_capacity;
    pthread_mutex_t lock;      /* of the pool and the ring */
    char name[128], detail[96];
};

struct bp_buffer {
    CUdeviceptr address;
    uint64_t bytes;
};

bp_status cuda_fail(bp_error *error, bp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* BP_OK for CUDA_SUCCESS; else the status that fits, and "what: words of the driver". Marks a lost device. */
bp_status cuda_result(bp_device *d, CUresult result, const char *what, bp_error *error);
/* Make the device's context this thread's. Every entry point calls it first. */
bp_status cuda_enter(bp_device *d, bp_error *error);

/* Open cuBLASLt, on first use (it is large); false where it is not there. */
bool cuda_blas_ready(bp_device *d);

/* Memory of the device, counted against memory_limit; freed memory is kept for reuse until it is short. */
bp_status cuda_take(bp_device *d, uint64_t bytes, CUdeviceptr *out, bp_error *error);
void cuda_give(bp_device *d, CUdeviceptr address, uint64_t bytes);

#endif
