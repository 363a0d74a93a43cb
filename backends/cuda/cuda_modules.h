/* Compiled kernels of a device: made of the embedded texts by NVRTC, in parallel, or read from the cache on disk. */
#ifndef BP_CUDA_MODULES_H
#define BP_CUDA_MODULES_H

#include "backends/cuda/cuda_device.h"

typedef struct cuda_module_options {
    const char *folder; /* of the cache; NULL: the usual one */
    uint64_t limit;     /* of the cache, in bytes */
} cuda_module_options;

/* One kernel that is wanted: the strings live during the call alone. handle is filled in. */
typedef struct cuda_want {
    const char *source, *function, *options;
    uint32_t shared; /* dynamic shared memory that launches of it use */
    CUfunction handle;
} cuda_want;

bp_status cuda_modules_new(bp_device *d, const cuda_module_options *options, cuda_modules **out, bp_error *error);
void cuda_modules_free(cuda_modules *m); /* the context is current */
/* Compile and load what is not there yet. Any thread; the context is current. */
bp_status cuda_modules_get(cuda_modules *m, cuda_want *wants, uint32_t n, bp_error *error);

#endif
