/* Opening libcuda, NVRTC and cuBLASLt. A library stays open as long as the process. */
#define _GNU_SOURCE
#include "backends/cuda/cuda_libraries.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name) /* the toolkit's headers rename functions by macros: cuMemAlloc is cuMemAlloc_v2 */

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct opening {
    void *library;
    char why[160];
    bool good;
} opening;

static void *find(opening *o, const char *name) {
    void *function = dlsym(o->library, name);
    if (!function && o->good) {
        o->good = false;
        snprintf(o->why, sizeof o->why, "the installed library has no function %s: it is too old or too new", name);
    }
    return function;
}

static void *open_in(const char *folder, const char *name) {
    char path[512];
    int n = folder ? snprintf(path, sizeof path, "%s/%s", folder, name) : 0;
    if (n < 0 || (size_t)n >= sizeof path) return NULL;
    return dlopen(folder ? path : name, RTLD_NOW | RTLD_LOCAL);
}

/* [backend.cuda] libraries, or NULL. */
static const char *own_folder(const bp_host *host) {
    return host && host->config ? host->config(host->self, "libraries") : NULL;
}

/* A library of the toolkit: in [backend.cuda] libraries, where the linker looks, in the toolkit's usual folders. */
static void *open_toolkit(const bp_host *host, const char *const *names, size_t n_names) {
    static const char *const folders[] = { "lib64", "lib" };
    const char *own = own_folder(host), *homes[] = { getenv("CUDA_HOME"), getenv("CUDA_PATH"), "/usr/local/cuda" };
    void *library = NULL;
    char folder[400];
    for (size_t i = 0; own && !library && i < n_names; i++) library = open_in(own, names[i]);
    for (size_t i = 0; !library && i < n_names; i++) library = open_in(NULL, names[i]);
    for (size_t k = 0; !library && k < 6; k++) {
        const char *home = homes[k / 2];
        if (!home || *home != '/') continue;
        snprintf(folder, sizeof folder, "%.380s/%s", home, folders[k % 2]);
        for (size_t i = 0; !library && i < n_names; i++) library = open_in(folder, names[i]);
    }
    return library;
}

#define X(member, function) table.member = (__typeof__(table.member))find(&o, TEXT(function));

/* Where [backend.cuda] libraries says, if it is there, else where the linker looks. */
static void *open_driver(const char *own) {
    void *library = own ? open_in(own, "libcuda.so.1") : NULL;
    return library ? library : open_in(NULL, "libcuda.so.1");
}

const cuda_driver *cuda_driver_open(const bp_host *host, const char **why) {
    static cuda_driver table;
    static opening o;
    static bool tried;
    const char *own = own_folder(host); /* a later configuration's too: the key is read, though the library stays */
    pthread_mutex_lock(&open_lock);
    if (!tried) {
        tried = true;
        o.good = (o.library = open_driver(own)) != NULL;
        if (!o.good) snprintf(o.why, sizeof o.why, "there is no NVIDIA driver (libcuda.so.1) on this machine");
        if (o.good) {
#include "backends/cuda/cuda_driver.def"
            table.EventElapsedTime = (__typeof__(table.EventElapsedTime))dlsym(o.library, "cuEventElapsedTime_v2");
            if (!table.EventElapsedTime)
                table.EventElapsedTime = (__typeof__(table.EventElapsedTime))find(&o, "cuEventElapsedTime");
            table.LaunchKernelEx = (__typeof__(table.LaunchKernelEx))dlsym(o.library, "cuLaunchKernelEx");
        }
        if (o.good && table.DriverGetVersion(&table.version) != CUDA_SUCCESS) table.version = 0;
    }
    pthread_mutex_unlock(&open_lock);
    *why = o.why;
    return o.good ? &table : NULL;
}

const cuda_nvrtc *cuda_nvrtc_open(const bp_host *host, const char **why) {
    static const char *const names[] = { "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so" };
    static cuda_nvrtc table;
    static opening o;
    static bool tried;
    pthread_mutex_lock(&open_lock);
    if (!tried) {
        tried = true;
        o.good = (o.library = open_toolkit(host, names, sizeof names / sizeof *names)) != NULL;
        if (!o.good)
            snprintf(o.why, sizeof o.why, "NVRTC (libnvrtc.so) was not found: install the CUDA toolkit, or set libraries = "
                                          "FOLDER under [backend.cuda]");
        if (o.good) {
#include "backends/cuda/cuda_nvrtc.def"
        }
        if (o.good && table.Version(&table.major, &table.minor) != NVRTC_SUCCESS) table.major = 0;
    }
    pthread_mutex_unlock(&open_lock);
    *why = o.why;
    return o.good ? &table : NULL;
}

const cuda_blas *cuda_blas_open(const bp_host *host, const char **why) {
    static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11" };
    static cuda_blas table;
    static opening o;
    static bool tried;
    pthread_mutex_lock(&open_lock);
    if (!tried) {
        tried = true;
        o.good = (o.library = open_toolkit(host, names, sizeof names / sizeof *names)) != NULL;
        if (!o.good) snprintf(o.why, sizeof o.why, "cuBLASLt (libcublasLt.so) was not found");
        if (o.good) {
#include "backends/cuda/cuda_blas.def"
        }
    }
    pthread_mutex_unlock(&open_lock);
    *why = o.why;
    return o.good ? &table : NULL;
}
