/* The CUDA device: its configuration, its context, its description. */
#include "backends/cuda/cuda_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cuda/cuda_entry.h"
#include "backends/cuda/cuda_modules.h"

static const char *config(const bp_host *h, const char *key) { return h->config ? h->config(h->self, key) : NULL; }

static bp_status choose_word(const bp_host *h, const char *key, const char *yes, const char *no, bool *out, bp_error *error) {
    const char *text = config(h, key);
    if (!text) return BP_OK;
    *out = strcmp(text, yes) == 0;
    if (*out || strcmp(text, no) == 0) return BP_OK;
    return cuda_fail(error, BP_E_INVALID, "cuda: %s = %.40s: use %s or %s", key, text, yes, no);
}

static bp_status choose_megabytes(const bp_host *h, const char *key, uint64_t *bytes, bp_error *error) {
    const char *text = config(h, key);
    if (!text) return BP_OK;
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || n < 0 || n > 1 << 30)
        return cuda_fail(error, BP_E_INVALID, "cuda: %s = %.40s: use a number of megabytes", key, text);
    *bytes = (uint64_t)n << 20;
    return BP_OK;
}

static bp_status configure(bp_device *d, cuda_module_options *modules, bp_error *error) {
    const char *graphs = config(d->host, "graphs");
    bool always = graphs && strcmp(graphs, "always") == 0;
    d->graphs = d->overlap = true;
    d->graphs_always = always;
    bp_status s = always ? BP_OK : choose_word(d->host, "graphs", "yes", "no", &d->graphs, error);
    if (!s) s = choose_word(d->host, "activations", "f32", "q8", &d->exact, error);
    if (!s) s = choose_word(d->host, "overlap", "yes", "no", &d->overlap, error);
    if (!s) s = choose_megabytes(d->host, "memory_limit", &d->memory_limit, error);
    modules->folder = config(d->host, "cache_dir");
    modules->limit = 256u << 20;
    if (!s) s = choose_megabytes(d->host, "cache_limit", &modules->limit, error);
    return s;
}

static int32_t attribute(bp_device *d, CUdevice_attribute which) {
    int value = 0;
    return d->cu->DeviceGetAttribute(&value, which, d->device) == CUDA_SUCCESS ? value : 0;
}

static bp_status describe(bp_device *d, bp_error *error) {
    d->major = attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    d->minor = attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    d->n_sm = attribute(d, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    d->l2_bytes = attribute(d, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
    d->shared_limit = attribute(d, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    if (d->shared_limit < 48 << 10) d->shared_limit = 48 << 10;
    if (d->n_sm < 1) d->n_sm = 1;
    if (d->cu->DeviceGetName(d->name, (int)sizeof d->name, d->device) != CUDA_SUCCESS) snprintf(d->name, sizeof d->name, "GPU");
    snprintf(d->detail, sizeof d->detail, "compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d", d->major,
             d->minor, d->n_sm, d->cu->version / 1000, d->cu->version % 1000 / 10);
    d->overlap = d->overlap && d->major >= 9 && d->cu->LaunchKernelEx && d->cu->version >= 12030;
    if (d->major < 7)
        return cuda_fail(error, BP_E_UNSUPPORTED, "cuda: %s has compute capability %d.%d, and 7.0 is needed", d->name, d->major,
                         d->minor);
    return BP_OK;
}

static void close_device(bp_device *d) {
    if (d->context && d->cu->CtxSetCurrent(d->context) == CUDA_SUCCESS) {
        if (d->blas_handle) d->blas->Destroy(d->blas_handle);
        if (d->modules) cuda_modules_free(d->modules);
        cuda_ring_free(d);
        cuda_pool_free(d);
        if (d->copies) d->cu->StreamDestroy(d->copies);
    }
    if (d->context) d->cu->DevicePrimaryCtxRelease(d->device);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static bp_status begin(bp_device *d, uint32_t card, const cuda_module_options *modules, bp_error *error) {
    bp_status s = cuda_result(d, d->cu->DeviceGet(&d->device, (int)card), "finding the card", error);
    if (!s) s = describe(d, error);
    if (!s) s = cuda_result(d, d->cu->DevicePrimaryCtxRetain(&d->context, d->device), "creating a context", error);
    if (!s) s = cuda_enter(d, error);
    if (!s) s = cuda_result(d, d->cu->StreamCreate(&d->copies, CU_STREAM_NON_BLOCKING), "creating a stream", error);
    if (!s) s = cuda_ring_new(d, error);
    return s ? s : cuda_modules_new(d, modules, &d->modules, error);
}

bp_status cuda_open(const bp_host *host, uint32_t index, uint32_t card, bp_device **out, bp_error *error) {
    const char *why = NULL;
    cuda_module_options modules = { 0 };
    bp_device *d = calloc(1, sizeof *d);
    if (!d) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    pthread_mutex_init(&d->lock, NULL);
    d->host = host;
    d->index = index;
    d->cu = cuda_driver_open(host, &why);
    d->nvrtc = d->cu ? cuda_nvrtc_open(host, &why) : NULL;
    bp_status s = d->nvrtc ? configure(d, &modules, error) : cuda_fail(error, BP_E_NOT_FOUND, "cuda: %s", why);
    if (!s) s = begin(d, card, &modules, error);
    if (s) close_device(d);
    else *out = d;
    return s;
}

bp_status cuda_enter(bp_device *d, bp_error *error) {
    if (d->lost) return cuda_fail(error, BP_E_DEVICE_LOST, "cuda: %s was lost by an earlier error; close it", d->name);
    return cuda_result(d, d->cu->CtxSetCurrent(d->context), "using the context", error);
}

bool cuda_blas_ready(bp_device *d) {
    const char *why = NULL;
    pthread_mutex_lock(&d->lock);
    if (!d->blas_tried) {
        d->blas_tried = true;
        d->blas = cuda_blas_open(d->host, &why);
        if (d->blas && d->blas->Create(&d->blas_handle) != CUBLAS_STATUS_SUCCESS) d->blas = NULL, why = "cuBLASLt does not start";
        if (!d->blas && d->host->log) d->host->log(d->host->self, BP_LOG_INFO, why);
    }
    pthread_mutex_unlock(&d->lock);
    return d->blas != NULL;
}

static bp_status info(bp_device *d, bp_device_info *out, bp_error *error) {
    size_t left = 0, all = 0;
    bp_status s = cuda_enter(d, error);
    if (!s) s = cuda_result(d, d->cu->MemGetInfo(&left, &all), "asking for free memory", error);
    if (s) return s;
    bp_device_info i = { .size = out->size, .index = d->index, .name = d->name, .detail = d->detail, .memory_total = all,
                         .memory_free = left };
    memcpy(out, &i, out->size < sizeof i ? out->size : sizeof i);
    return BP_OK;
}

const bp_device_api cuda_device_api = {
    .size = sizeof cuda_device_api,
    .info = info,
    .close = close_device,
    .buffer_new = cuda_buffer_new,
    .buffer_free = cuda_buffer_free,
    .write = cuda_write,
    .read = cuda_read,
    .layout = cuda_layout,
    .pack = cuda_pack,
    .assess = cuda_assess,
    .compile = cuda_compile,
    .program_free = cuda_program_free,
    .stream_new = cuda_stream_new,
    .stream_free = cuda_stream_free,
    .submit = cuda_submit,
    .wait = cuda_wait,
    .extension = cuda_device_extension,
};
