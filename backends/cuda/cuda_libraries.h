/* NVIDIA's libraries, opened when the first device is asked for: the toolkit's headers are needed to build, no library.
 * Each table is made of one list (cuda_*.def). */
#ifndef BP_CUDA_LIBRARIES_H
#define BP_CUDA_LIBRARIES_H

#include <cublasLt.h>
#include <cuda.h>
#include <nvrtc.h>

#include <stdbool.h>

#include "backplane/host.h"

#define X(member, function) __typeof__(function) *member;
typedef struct cuda_driver {
#include "backends/cuda/cuda_driver.def"
    CUresult (*EventElapsedTime)(float *, CUevent, CUevent); /* under one of two names */
    __typeof__(cuLaunchKernelEx) *LaunchKernelEx;            /* driver 12 and later, else NULL */
    int version;                                             /* 12040 is 12.4 */
} cuda_driver;

typedef struct cuda_nvrtc {
#include "backends/cuda/cuda_nvrtc.def"
    int major, minor;
} cuda_nvrtc;

typedef struct cuda_blas {
#include "backends/cuda/cuda_blas.def"
} cuda_blas;
#undef X

/* The tables, opened on first use and kept; NULL, and *why a sentence that lives as long as the process, where a library
 * or a function of it is missing. Any thread. host: where [backend.cuda] libraries = FOLDER is asked for. */
const cuda_driver *cuda_driver_open(const bp_host *host, const char **why);
const cuda_nvrtc *cuda_nvrtc_open(const bp_host *host, const char **why);
const cuda_blas *cuda_blas_open(const bp_host *host, const char **why);

#endif
