/* libcuda.so.1 for tests: memory is the host's, a launch runs its blocks one after the other, a block's threads are fibers. */
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum { STACK = 128 << 10, MOST_THREADS = 1024, SHARED = 256 << 10 };
enum { READY, AT_BARRIER, AT_WARP, DONE };

/* ---- Fibers ---- */

typedef struct uint3_ { unsigned x, y, z; } uint3_;
typedef struct fiber {
    uint3_ thread; /* first: what kernels see */
    void *stack_pointer;
    int state, parity;
} fiber;
typedef struct api {
    fiber *now;
    uint3_ block, block_dim, grid_dim;
    unsigned char *shared;
    void (*barrier)(void);
    const uint64_t *(*share)(uint64_t);
} api;

static fiber fibers[MOST_THREADS];
static uint64_t exchange[MOST_THREADS / 32][2][32];
static unsigned char *stacks, *shared_memory;
static void *scheduler;
static void (*kernel)(void **);
static void **kernel_args;
static api machine;
static pthread_mutex_t machine_lock = PTHREAD_MUTEX_INITIALIZER;
static int lost;

void em_switch(void **save, void *to);
__asm__(".text\n.globl em_switch\n.hidden em_switch\n.type em_switch, @function\nem_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n.size em_switch, .-em_switch\n");

static void leave(int state) {
    machine.now->state = state;
    em_switch(&machine.now->stack_pointer, scheduler);
}
static void barrier(void) { leave(AT_BARRIER); }
static const uint64_t *share(uint64_t value) {
    fiber *me = machine.now;
    int index = (int)(me - fibers), parity = me->parity;
    me->parity ^= 1;
    exchange[index / 32][parity][index % 32] = value;
    leave(AT_WARP);
    return exchange[index / 32][parity];
}
static void entry(void) {
    kernel(kernel_args);
    leave(DONE);
}

static void start(int i) {
    uint64_t *top = (uint64_t *)(stacks + (size_t)(i + 1) * STACK) - 1; /* as after a call */
    *top = 0;
    *--top = (uint64_t)(uintptr_t)entry;
    for (int k = 0; k < 6; k++) *--top = 0;
    fibers[i].stack_pointer = top;
    fibers[i].state = READY;
    fibers[i].parity = 0;
}

static void resume(int i) {
    machine.now = &fibers[i];
    em_switch(&scheduler, fibers[i].stack_pointer);
}

/* True while some thread of the warp runs on. */
static int run_warp(int first, int last) {
    int done = 0, waiting = 0;
    for (;;) {
        for (int i = first; i < last; i++)
            while (fibers[i].state == READY) resume(i);
        done = waiting = 0;
        for (int i = first; i < last; i++) {
            done += fibers[i].state == DONE;
            waiting += fibers[i].state == AT_WARP;
        }
        if (!waiting || waiting + done < last - first) break;
        for (int i = first; i < last; i++)
            if (fibers[i].state == AT_WARP) fibers[i].state = READY;
    }
    return waiting; /* some wait for lanes that are at a barrier */
}

static int run_block(int n) {
    for (int i = 0; i < n; i++) {
        fibers[i].thread = (uint3_){ (unsigned)i % machine.block_dim.x, (unsigned)i / machine.block_dim.x % machine.block_dim.y,
                                     (unsigned)i / machine.block_dim.x / machine.block_dim.y };
        start(i);
    }
    for (;;) {
        int left = 0, stuck = 0;
        for (int w = 0; w < n; w += 32) stuck += run_warp(w, w + 32 < n ? w + 32 : n);
        if (stuck) return fprintf(stderr, "emulated CUDA: a shuffle that not all lanes reach\n"), 0;
        for (int i = 0; i < n; i++) left += fibers[i].state == AT_BARRIER;
        if (!left) return 1;
        for (int i = 0; i < n; i++)
            if (fibers[i].state == AT_BARRIER) fibers[i].state = READY;
    }
}

/* ---- Objects ---- */

typedef struct kernel_info {
    char name[96];
    void (*call)(void **);
    int count;
    struct CUmod_st *module;
    int dynamic, fixed; /* bytes of shared memory: allowed a launch, and the kernel's own */
} kernel_info;
struct CUmod_st {
    void *library;
    kernel_info *functions[64];
    int n;
};
typedef struct launch {
    struct launch *next;
    kernel_info *f;
    unsigned grid[3], block[3], shared;
    uint64_t args[64][2];
} launch;
struct CUgraph_st { launch *first; };
struct CUstream_st { int capturing; launch *first, **end; };

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}
static int dry(void) { return setting("EMULATED_CUDA_DRY", 0); }

static CUresult run(kernel_info *f, const unsigned *grid, const unsigned *block, unsigned shared, void **args) {
    static int launches;
    if (setting("EMULATED_CUDA_LOG", 0)) fprintf(stderr, "launch %s %ux%ux%u of %u\n", f->name, grid[0], grid[1], grid[2], block[0] * block[1] * block[2]);
    const int losing = setting("EMULATED_CUDA_LOSE", -1);
    if (lost || ++launches == losing || losing == 0) return lost = 1, CUDA_SUCCESS; /* seen when it is waited for */
    if (dry()) return CUDA_SUCCESS;
    unsigned n = block[0] * block[1] * block[2];
    if (!n || n > MOST_THREADS || shared > SHARED || !grid[0] || grid[1] > 65535 || grid[2] > 65535) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&machine_lock);
    if (!stacks) stacks = mmap(NULL, (size_t)STACK * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!shared_memory) shared_memory = aligned_alloc(1024, SHARED);
    kernel = f->call, kernel_args = args;
    machine.shared = shared_memory, machine.barrier = barrier, machine.share = share;
    machine.block_dim = (uint3_){ block[0], block[1], block[2] }, machine.grid_dim = (uint3_){ grid[0], grid[1], grid[2] };
    ((void (*)(api *))dlsym(f->module->library, "bp_em_set"))(&machine);
    int good = 1;
    for (unsigned z = 0; good && z < grid[2]; z++)
        for (unsigned y = 0; good && y < grid[1]; y++)
            for (unsigned x = 0; good && x < grid[0]; x++) {
                machine.block = (uint3_){ x, y, z };
                memset(shared_memory, 0xcd, shared);
                good = run_block((int)n);
            }
    pthread_mutex_unlock(&machine_lock);
    if (!good) lost = 1;
    return CUDA_SUCCESS;
}

/* ---- The driver's functions ---- */

API CUresult cuInit(unsigned flags) { return (void)flags, CUDA_SUCCESS; }
API CUresult cuDriverGetVersion(int *v) { return *v = setting("EMULATED_CUDA_DRIVER", 13000), CUDA_SUCCESS; }
API CUresult cuGetErrorString(CUresult r, const char **out) {
    *out = r == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : r == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access" : "an error";
    return CUDA_SUCCESS;
}
API CUresult cuDeviceGetCount(int *n) { return *n = 1, CUDA_SUCCESS; }
API CUresult cuDeviceGet(CUdevice *d, int i) { return *d = i, CUDA_SUCCESS; }
API CUresult cuDeviceGetName(char *to, int n, CUdevice d) { return (void)d, snprintf(to, (size_t)n, "emulated card"), CUDA_SUCCESS; }
API CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
    int capability = setting("EMULATED_CUDA_CAPABILITY", 70);
    (void)d;
    *v = a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? capability / 10
         : a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? capability % 10
         : a == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT ? setting("EMULATED_CUDA_SMS", 4)
         : a == CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE ? 1 << 20
         : a == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN ? (capability >= 90 ? 227 << 10 : 96 << 10) : 0;
    return CUDA_SUCCESS;
}

static _Atomic int64_t used;
static int64_t total(void) { return (int64_t)setting("EMULATED_CUDA_MEMORY", 4096) << 20; }
API CUresult cuDeviceTotalMem(size_t *n, CUdevice d) { return (void)d, *n = (size_t)total(), CUDA_SUCCESS; }
API CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { return (void)d, *c = (CUcontext)8, CUDA_SUCCESS; }
API CUresult cuDevicePrimaryCtxRelease(CUdevice d) { return (void)d, lost = 0, CUDA_SUCCESS; }
API CUresult cuCtxSetCurrent(CUcontext c) { return (void)c, CUDA_SUCCESS; }
API CUresult cuMemGetInfo(size_t *left, size_t *all) { return *all = (size_t)total(), *left = (size_t)(total() - used), CUDA_SUCCESS; }

typedef struct area { uint64_t bytes, mapped; } area; /* on a page of its own before the memory */

API CUresult cuMemAlloc(CUdeviceptr *out, size_t bytes) {
    size_t page = 4096, room = (bytes + 255) / 256 * 256, body = (room + page - 1) / page * page, all = page + body + page;
    if (used + (int64_t)bytes > total()) return CUDA_ERROR_OUT_OF_MEMORY;
    char *base = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    mprotect(base + page + body, page, PROT_NONE);
    char *memory = base + page + (body - room); /* its end is the guard page */
    memset(base + page, 0xcd, body);
    *(area *)(base) = (area){ bytes, all };
    used += (int64_t)bytes;
    *out = (CUdeviceptr)(uintptr_t)memory;
    return CUDA_SUCCESS;
}
API CUresult cuMemFree(CUdeviceptr p) {
    char *memory = (char *)(uintptr_t)p, *base = (char *)((uintptr_t)memory / 4096 * 4096) - 4096;
    area a = *(area *)base;
    used -= (int64_t)a.bytes;
    return munmap(base, a.mapped), CUDA_SUCCESS;
}
API CUresult cuMemHostAlloc(void **out, size_t n, unsigned flags) { return (void)flags, *out = malloc(n), *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY; }
API CUresult cuMemFreeHost(void *p) { return free(p), CUDA_SUCCESS; }
static void *at(CUdeviceptr p) { return (void *)(uintptr_t)p; }
API CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t n, CUstream s) { return (void)s, memcpy(at(to), from, n), CUDA_SUCCESS; }
API CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t n, CUstream s) { return (void)s, memcpy(to, at(from), n), CUDA_SUCCESS; }
API CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) { return (void)s, memcpy(at(to), at(from), n), CUDA_SUCCESS; }
API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char v, size_t n, CUstream s) { return (void)s, memset(at(to), v, n), CUDA_SUCCESS; }
API CUresult cuStreamCreate(CUstream *s, unsigned flags) { return (void)flags, *s = calloc(1, sizeof **s), CUDA_SUCCESS; }
API CUresult cuStreamDestroy(CUstream s) { return free(s), CUDA_SUCCESS; }
static CUresult state(void) { return lost ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS; }
API CUresult cuStreamSynchronize(CUstream s) { return (void)s, state(); }
API CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) { return (void)s, (void)e, (void)flags, CUDA_SUCCESS; }
API CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
    (void)mode;
    s->capturing = 1, s->first = NULL, s->end = &s->first;
    return CUDA_SUCCESS;
}
API CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
    *g = calloc(1, sizeof **g);
    (*g)->first = s->first;
    s->capturing = 0;
    return CUDA_SUCCESS;
}
API CUresult cuEventCreate(CUevent *e, unsigned flags) { return (void)flags, *e = malloc(1), CUDA_SUCCESS; }
API CUresult cuEventDestroy(CUevent e) { return free(e), CUDA_SUCCESS; }
API CUresult cuEventRecord(CUevent e, CUstream s) { return (void)e, (void)s, CUDA_SUCCESS; }
API CUresult cuEventQuery(CUevent e) { return (void)e, state(); }
API CUresult cuEventSynchronize(CUevent e) { return (void)e, state(); }
API CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) { return (void)a, (void)b, *ms = 0.001f, CUDA_SUCCESS; }
API CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph g, unsigned long long flags) {
    (void)flags;
    *out = (CUgraphExec)g->first;
    g->first = NULL;
    return CUDA_SUCCESS;
}
API CUresult cuGraphDestroy(CUgraph g) { return free(g), CUDA_SUCCESS; }
API CUresult cuGraphLaunch(CUgraphExec e, CUstream s) {
    (void)s;
    for (launch *l = (launch *)e; l; l = l->next) {
        void *args[64];
        for (int i = 0; i < 64; i++) args[i] = l->args[i];
        CUresult r = run(l->f, l->grid, l->block, l->shared, args);
        if (r != CUDA_SUCCESS) return r;
    }
    return CUDA_SUCCESS;
}
API CUresult cuGraphExecDestroy(CUgraphExec e) {
    for (launch *l = (launch *)e, *next; l; l = next) next = l->next, free(l);
    return CUDA_SUCCESS;
}

API CUresult cuModuleLoadData(CUmodule *out, const void *image) {
    CUmodule m = calloc(1, sizeof *m);
    char path[64];
    const uint64_t *head = image; /* an ELF file: section headers end it */
    size_t size = (size_t)head[5] + (size_t)((const uint16_t *)image)[29] * ((const uint16_t *)image)[30];
    *out = m;
    if (dry()) return CUDA_SUCCESS;
    snprintf(path, sizeof path, "/tmp/emulated-kernel-XXXXXX");
    int file = mkstemp(path); /* each of a name of its own, by which the dynamic linker knows it */
    if (file < 0 || write(file, image, size) != (ssize_t)size) return CUDA_ERROR_INVALID_IMAGE;
    m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!m->library) fprintf(stderr, "emulated CUDA: %s\n", dlerror());
    close(file);
    unlink(path);
    return m->library ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}
API CUresult cuModuleUnload(CUmodule m) {
    for (int i = 0; i < m->n; i++) free(m->functions[i]);
    if (m->library) dlclose(m->library);
    return free(m), CUDA_SUCCESS;
}
API CUresult cuModuleGetFunction(CUfunction *out, CUmodule m, const char *name) {
    char symbol[128];
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->functions[i]->name, name)) return *out = (CUfunction)m->functions[i], CUDA_SUCCESS;
    if (m->n == 64) return CUDA_ERROR_OUT_OF_MEMORY;
    kernel_info *f = calloc(1, sizeof *f);
    f->module = m;
    snprintf(f->name, sizeof f->name, "%s", name);
    m->functions[m->n++] = f;
    *out = (CUfunction)f;
    if (dry()) return CUDA_SUCCESS;
    snprintf(symbol, sizeof symbol, "%s__call", name);
    f->call = (void (*)(void **))dlsym(m->library, symbol);
    snprintf(symbol, sizeof symbol, "%s__count", name);
    int (*count)(void) = (int (*)(void))dlsym(m->library, symbol);
    f->count = count ? count() : 0;
    int (*fixed)(void) = (int (*)(void))dlsym(m->library, "bp_em_static");
    f->fixed = fixed ? fixed() : 0;
    f->dynamic = (48 << 10) - f->fixed;
    return f->call && count ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
API CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f) {
    const kernel_info *k = (kernel_info *)f;
    return *v = a == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES ? k->fixed : k->dynamic, CUDA_SUCCESS;
}
API CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) { return (void)a, ((kernel_info *)f)->dynamic = v, CUDA_SUCCESS; }

API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                            CUstream s, void **args, void **extra) {
    kernel_info *k = (kernel_info *)f;
    unsigned grid[3] = { gx, gy, gz }, block[3] = { bx, by, bz };
    (void)extra;
    if (!dry() && shared > (unsigned)k->dynamic) return CUDA_ERROR_INVALID_VALUE;
    if (!s->capturing) return run(k, grid, block, shared, args);
    launch *l = calloc(1, sizeof *l);
    l->f = k, l->shared = shared;
    memcpy(l->grid, grid, sizeof grid), memcpy(l->block, block, sizeof block);
    for (int i = 0; i < k->count && i < 64; i++) memcpy(l->args[i], args[i], 16); /* cuda.so keeps arguments in 16 bytes each */
    *s->end = l;
    s->end = &l->next;
    return CUDA_SUCCESS;
}
API CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **args, void **extra) {
    return cuLaunchKernel(f, c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ, c->sharedMemBytes, c->hStream,
                          args, extra);
}
