/* The CUDA backend's query function: its devices, and errors in words. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/cuda/cuda_entry.h"

BP_PLUGIN_NOTE;

static const bp_host *the_host;

bp_status cuda_fail(bp_error *error, bp_status status, const char *format, ...) {
    if (!error) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->status = status;
    return status;
}

static bp_status status_of(CUresult result) {
    switch (result) {
    case CUDA_SUCCESS: return BP_OK;
    case CUDA_ERROR_OUT_OF_MEMORY: return BP_E_NO_MEMORY;
    case CUDA_ERROR_NO_DEVICE:
    case CUDA_ERROR_INVALID_DEVICE:
    case CUDA_ERROR_DEVICE_UNAVAILABLE: return BP_E_NOT_FOUND;
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
    case CUDA_ERROR_NOT_SUPPORTED: return BP_E_UNSUPPORTED;
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_UNKNOWN: return BP_E_DEVICE_LOST;
    default: return BP_E_INTERNAL;
    }
}

bp_status cuda_result(bp_device *d, CUresult result, const char *what, bp_error *error) {
    if (result == CUDA_SUCCESS) return BP_OK;
    const char *words = NULL;
    bp_status status = status_of(result);
    if (d->cu->GetErrorString(result, &words) != CUDA_SUCCESS || !words) words = "an unknown error";
    if (status == BP_E_DEVICE_LOST) d->lost = true;
    return cuda_fail(error, status, "cuda: %s: %s (error %d)%s", what, words, (int)result,
                     status == BP_E_DEVICE_LOST ? "; the device has to be closed" : "");
}

static bp_status devices(uint32_t *count, const char **why, bp_error *error) {
    static char words[200];
    const char *reason = NULL;
    int n = 0;
    (void)error;
    *count = 0;
    if (why) *why = NULL;
    const cuda_driver *cu = cuda_driver_open(the_host, &reason);
    CUresult result = cu ? cu->Init(0) : CUDA_SUCCESS;
    if (cu && result == CUDA_SUCCESS) result = cu->DeviceGetCount(&n);
    if (cu && result != CUDA_SUCCESS && result != CUDA_ERROR_NO_DEVICE) {
        const char *text = NULL;
        if (cu->GetErrorString(result, &text) != CUDA_SUCCESS || !text) text = "an unknown error";
        snprintf(words, sizeof words, "the NVIDIA driver does not start: %s (error %d)", text, (int)result);
        reason = words;
    } else if (cu && n <= 0) {
        reason = "the NVIDIA driver finds no card";
    } else if (cu && cu->version < 11040) {
        snprintf(words, sizeof words, "the NVIDIA driver is too old: it is for CUDA %d.%d, and 11.4 is needed",
                 cu->version / 1000, cu->version % 1000 / 10);
        reason = words;
    } else if (cu && cuda_nvrtc_open(the_host, &reason)) {
        *count = (uint32_t)n;
        return BP_OK;
    }
    if (why) *why = reason;
    return BP_OK;
}

/* [backend.cuda] device = N says which card is the first; the two change places. */
static bp_status card_of(uint32_t index, uint32_t count, uint32_t *card, bp_error *error) {
    const char *text = the_host->config ? the_host->config(the_host->self, "device") : NULL;
    *card = index;
    if (!text) return BP_OK;
    char *end;
    long first = strtol(text, &end, 10);
    if (end == text || *end || first < 0 || first >= (long)count)
        return cuda_fail(error, BP_E_INVALID, "cuda: device = %.40s: there are %u cards, numbered from 0", text, count);
    if (index == 0) *card = (uint32_t)first;
    else if (index == (uint32_t)first) *card = 0;
    return BP_OK;
}

static bp_status open_device(uint32_t index, bp_device **device, const bp_device_api **api, bp_error *error) {
    uint32_t count, card;
    const char *why = NULL;
    devices(&count, &why, NULL);
    if (!count) return cuda_fail(error, BP_E_NOT_FOUND, "cuda: %s", why ? why : "there is no device");
    if (index >= count) return cuda_fail(error, BP_E_NOT_FOUND, "cuda: there is no device %u, only 0 to %u", index, count - 1);
    bp_status status = card_of(index, count, &card, error);
    if (status) return status;
    *api = &cuda_device_api;
    return cuda_open(the_host, index, card, device, error);
}

static const bp_backend the_backend = {
    .size = sizeof the_backend,
    .name = "cuda",
    .version = "1.0",
    .description = "NVIDIA GPUs, kernels compiled at run time",
    .devices = devices,
    .open = open_device,
};

bp_status bp_backend_query_v1(const bp_host *host, const bp_backend **backend, bp_error *error) {
    if (!host || !BP_HAS(bp_host, host, free)) return cuda_fail(error, BP_E_INVALID, "cuda: the host's table is too short");
    the_host = host;
    *backend = &the_backend;
    return BP_OK;
}
