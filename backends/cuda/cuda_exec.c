/* submit and wait: sizes are uploaded where they changed, then the captured graph is replayed or launches follow one another. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/cuda_ring.h"
#include "backplane/profile.h"

enum { MISSES_BEFORE_CAPTURE = 64 };

struct bp_stream {
    bp_device *device;
    CUstream stream;
    CUevent events[CUDA_PENDING];
    int32_t *pinned; /* CUDA_PENDING times CUDA_MAX_SIZES: sizes on their way to the card */
    uint64_t sequence, copies; /* copies: how many were begun when this stream last waited for them */
};

bp_status cuda_stream_new(bp_device *d, bp_stream **out, bp_error *error) {
    bp_status status = cuda_enter(d, error);
    if (status) return status;
    bp_stream *s = calloc(1, sizeof *s);
    if (!s) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    s->device = d;
    size_t bytes = sizeof(int32_t) * CUDA_PENDING * CUDA_MAX_SIZES;
    status = cuda_result(d, d->cu->StreamCreate(&s->stream, CU_STREAM_NON_BLOCKING), "creating a stream", error);
    if (!status)
        status = cuda_result(d, d->cu->MemHostAlloc((void **)&s->pinned, bytes, CU_MEMHOSTALLOC_PORTABLE), "taking pinned memory", error);
    for (int i = 0; !status && i < CUDA_PENDING; i++)
        status = cuda_result(d, d->cu->EventCreate(&s->events[i], CU_EVENT_DISABLE_TIMING), "creating an event", error);
    if (status) cuda_stream_free(d, s);
    else *out = s;
    return status;
}

void cuda_stream_free(bp_device *d, bp_stream *s) {
    if (!s) return;
    if (d->cu->CtxSetCurrent(d->context) == CUDA_SUCCESS) {
        if (s->stream) d->cu->StreamSynchronize(s->stream);
        for (int i = 0; i < CUDA_PENDING; i++)
            if (s->events[i]) d->cu->EventDestroy(s->events[i]);
        if (s->pinned) d->cu->MemFreeHost(s->pinned);
        if (s->stream) d->cu->StreamDestroy(s->stream);
    }
    free(s);
}

/* ---- Shapes and addresses ---- */

static bp_status set_shapes(bp_program *p, const int64_t *symbols, bp_error *error) {
    for (uint32_t i = 0; i < p->plan.n_tensors; i++) {
        cuda_tensor *t = p->plan.tensors[i];
        if (!t->varies[0] && !t->varies[1] && !t->varies[2] && !t->varies[3]) continue;
        bp_value v = { .rank = t->rank };
        memcpy(v.dim, t->dim, sizeof v.dim);
        if (!cuda_tensor_shape(&v, symbols, t->n) || !cuda_tensor_size(t->type, t->n, &t->bytes))
            return cuda_fail(error, BP_E_INVALID, "cuda: value %u has no valid shape", i);
    }
    return BP_OK;
}

static bp_status take_symbols(bp_program *p, const int64_t *symbols, bp_error *error) {
    bool same = p->shaped;
    for (uint32_t i = 1; i < p->n_symbols; i++) {
        if (!symbols || symbols[i] < p->ranges[i].min || symbols[i] > p->ranges[i].max)
            return cuda_fail(error, BP_E_INVALID, "cuda: symbol %u is outside its range of %lld to %lld", i,
                             (long long)p->ranges[i].min, (long long)p->ranges[i].max);
        same = same && symbols[i] == p->symbols[i];
    }
    if (same) return BP_OK;
    p->shaped = false;
    bp_status s = set_shapes(p, symbols, error);
    if (s) return s;
    if (p->n_symbols) memcpy(p->symbols, symbols, p->n_symbols * sizeof *symbols);
    p->shaped = true;
    return BP_OK;
}

static bp_status bind(bp_program *p, const bp_binding *bindings, uint32_t n, bp_error *error) {
    memset(p->bound, 0, p->plan.n_values);
    for (uint32_t i = 0; i < n; i++) {
        const bp_binding *b = &bindings[i];
        if (b->value >= p->plan.n_values || p->plan.tensors[b->value]->role == BP_ROLE_TEMP || !b->buffer)
            return cuda_fail(error, BP_E_INVALID, "cuda: binding %u: value %u cannot be bound", i, b->value);
        const cuda_tensor *t = p->plan.tensors[b->value];
        if (b->offset > b->buffer->bytes || t->bytes > b->buffer->bytes - b->offset)
            return cuda_fail(error, BP_E_INVALID, "cuda: value %u does not fit in the buffer bound to it", b->value);
        if (b->offset % 64) return cuda_fail(error, BP_E_INVALID, "cuda: value %u is bound at an offset that is no multiple of 64", b->value);
        p->addresses[b->value] = b->buffer->address + b->offset;
        p->bound[b->value] = true;
    }
    for (uint32_t i = 0; i < p->plan.n_values; i++)
        if (!p->bound[i] && p->first[i] && p->plan.tensors[i]->role != BP_ROLE_TEMP)
            return cuda_fail(error, BP_E_INVALID, "cuda: value %u has no binding", i);
    return BP_OK;
}

static void fill_addresses(bp_program *p) {
    for (uint32_t i = 0; i < p->plan.n_launches; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        cuda_slot_value *to = &p->arguments[p->first_argument[i]];
        for (uint32_t k = 0; k < l->n_args; k++) {
            enum cuda_arg_kind kind = l->args[k].kind;
            if (kind == CUDA_ARG_READ || kind == CUDA_ARG_WRITE || kind == CUDA_ARG_UPDATE) to[k].address = p->addresses[l->args[k].tensor->index];
        }
    }
}

static bp_status upload_sizes(bp_stream *s, bp_program *p, bp_error *error) {
    int32_t *now = s->pinned + (size_t)(s->sequence % CUDA_PENDING) * CUDA_MAX_SIZES;
    for (uint32_t i = 0; i < p->n_sizes; i++)
        now[i] = (int32_t)cuda_size_of_tensor(p->size_slots[i].tensor, p->size_slots[i].what);
    if (!p->n_sizes || (p->busy && !memcmp(now, p->size_values, 4 * (size_t)p->n_sizes))) return BP_OK;
    memcpy(p->size_values, now, 4 * (size_t)p->n_sizes);
    return cuda_result(s->device, s->device->cu->MemcpyHtoDAsync(p->sizes, now, 4 * (size_t)p->n_sizes, s->stream), "copying sizes", error);
}

/* ---- Launches ---- */

static uint32_t extent(const cuda_extent *e) {
    if (!e->tensor) return (uint32_t)e->times;
    int64_t size = cuda_size_of_tensor(e->tensor, e->what), per = e->per > 0 ? e->per : 1;
    int64_t n = size / per + (size % per != 0);
    if (e->cap && n > e->cap) n = e->cap;
    n *= e->times;
    return n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

static bp_status run_call(bp_program *p, uint32_t i, CUstream stream, bp_error *error) {
    const cuda_launch *l = &p->plan.launches[i];
    CUdeviceptr addresses[CUDA_MAX_ARGS] = { 0 };
    int64_t sizes[CUDA_MAX_ARGS] = { 0 };
    const cuda_slot_value *a = &p->arguments[p->first_argument[i]];
    for (uint32_t k = 0; k < l->n_args; k++) {
        if (l->args[k].kind == CUDA_ARG_SIZE) sizes[k] = cuda_size_of_tensor(l->args[k].tensor, l->args[k].what);
        else if (l->args[k].kind == CUDA_ARG_NUMBER) sizes[k] = l->args[k].number.l;
        else addresses[k] = a[k].address;
    }
    cuda_call c = { p->plan.device, stream, l, addresses, sizes };
    return l->call(&c, error);
}

static bp_status run_launch(bp_program *p, uint32_t i, CUstream stream, bp_error *error) {
    const cuda_launch *l = &p->plan.launches[i];
    bp_device *d = p->plan.device;
    if (l->call) return run_call(p, i, stream, error);
    uint32_t grid[3] = { extent(&l->grid[0]), extent(&l->grid[1]), extent(&l->grid[2]) };
    if (!grid[0] || !grid[1] || !grid[2]) return BP_OK;
    void **parameters = &p->parameters[p->first_argument[i]];
    CUresult result;
    if (l->waits && d->overlap) {
        CUlaunchAttribute early = { .id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
                                    .value = { .programmaticStreamSerializationAllowed = 1 } };
        CUlaunchConfig c = { .gridDimX = grid[0], .gridDimY = grid[1], .gridDimZ = grid[2], .blockDimX = l->block[0],
                             .blockDimY = l->block[1], .blockDimZ = l->block[2], .sharedMemBytes = l->shared,
                             .hStream = stream, .attrs = &early, .numAttrs = 1 };
        result = d->cu->LaunchKernelEx(&c, l->handle, parameters, NULL);
    } else {
        result = d->cu->LaunchKernel(l->handle, grid[0], grid[1], grid[2], l->block[0], l->block[1], l->block[2], l->shared,
                                     stream, parameters, NULL);
    }
    return cuda_result(d, result, l->what, error);
}

static bp_status run_all(bp_program *p, CUstream stream, bp_error *error) {
    bp_status s = BP_OK;
    for (uint32_t i = 0; !s && i < p->plan.n_launches; i++) s = run_launch(p, i, stream, error);
    return s;
}

/* ---- Graphs ---- */

static cuda_graph *find_graph(bp_program *p) {
    for (uint32_t i = 0; i < p->n_graphs; i++)
        if (!memcmp(p->graphs[i].addresses, p->addresses, p->plan.n_tensors * sizeof *p->addresses)) return &p->graphs[i];
    return NULL;
}

static bp_status instantiate(bp_program *p, CUgraph captured, bp_error *error) {
    bp_device *d = p->plan.device;
    CUdeviceptr *addresses = malloc((size_t)p->plan.n_tensors * sizeof *addresses + 1);
    CUgraphExec exec = NULL;
    if (!addresses) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    bp_status s = cuda_result(d, d->cu->GraphInstantiate(&exec, captured, 0), "preparing a graph", error);
    if (s) {
        free(addresses);
        return s;
    }
    memcpy(addresses, p->addresses, p->plan.n_tensors * sizeof *addresses);
    if (p->n_graphs == CUDA_MAX_GRAPHS) { /* the oldest goes; its last run may not be over */
        if (p->busy) d->cu->EventSynchronize(p->done);
        d->cu->GraphExecDestroy(p->graphs[0].exec);
        free(p->graphs[0].addresses);
        memmove(p->graphs, p->graphs + 1, (CUDA_MAX_GRAPHS - 1) * sizeof *p->graphs);
        p->n_graphs--;
    }
    p->graphs[p->n_graphs++] = (cuda_graph){ addresses, exec };
    return BP_OK;
}

/* Capture all launches with the grids of the largest sizes. */
static bp_status capture(bp_program *p, bp_error *error) {
    bp_device *d = p->plan.device;
    int64_t *most = calloc((size_t)p->n_symbols + 1, sizeof *most);
    if (!most) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    for (uint32_t i = 1; i < p->n_symbols; i++) most[i] = p->ranges[i].max;
    bp_status s = set_shapes(p, most, error);
    free(most);
    if (!s && !p->side) s = cuda_result(d, d->cu->StreamCreate(&p->side, CU_STREAM_NON_BLOCKING), "creating a stream", error);
    if (!s) s = cuda_result(d, d->cu->StreamBeginCapture(p->side, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capturing", error);
    if (!s) {
        CUgraph captured = NULL;
        s = run_all(p, p->side, error);
        bp_status ended = cuda_result(d, d->cu->StreamEndCapture(p->side, &captured), "capturing", s ? NULL : error);
        if (!s) s = ended;
        if (!s) s = instantiate(p, captured, error);
        if (captured) d->cu->GraphDestroy(captured);
    }
    bp_status back = set_shapes(p, p->symbols, s ? NULL : error);
    return s ? s : back;
}

static bp_status replay(bp_program *p, CUstream stream, bp_error *error) {
    cuda_graph *g = find_graph(p);
    if (!g && (p->n_graphs < CUDA_MAX_GRAPHS || ++p->misses >= MISSES_BEFORE_CAPTURE)) {
        p->misses = 0;
        bp_status s = capture(p, error);
        if (s) return s;
        g = &p->graphs[p->n_graphs - 1];
    }
    if (!g) return run_all(p, stream, error);
    return cuda_result(p->plan.device, p->plan.device->cu->GraphLaunch(g->exec, stream), "starting a graph", error);
}

/* ---- Profile ---- */

static bp_status run_measured(bp_program *p, CUstream stream, bp_error *error) {
    const cuda_driver *cu = p->plan.device->cu;
    bp_status s = cuda_result(p->plan.device, cu->EventRecord(p->marks[0], stream), "measuring", error);
    for (uint32_t i = 0; !s && i < p->plan.n_launches; i++) {
        s = run_launch(p, i, stream, error);
        if (!s) s = cuda_result(p->plan.device, cu->EventRecord(p->marks[i + 1], stream), "measuring", error);
    }
    if (!s) s = cuda_result(p->plan.device, cu->StreamSynchronize(stream), "measuring", error);
    for (uint32_t i = 0; !s && i < p->plan.n_launches; i++) {
        float ms = 0;
        s = cuda_result(p->plan.device, cu->EventElapsedTime(&ms, p->marks[i], p->marks[i + 1]), "measuring", error);
        p->nanoseconds[i] += (uint64_t)(ms * 1e6f);
        p->calls[i]++;
    }
    return s;
}

static bp_status make_marks(bp_program *p, bp_error *error) {
    size_t n = p->plan.n_launches;
    bp_status s = BP_OK;
    if (!p->marks) p->marks = calloc(n + 1, sizeof *p->marks);
    if (!p->nanoseconds) p->nanoseconds = calloc(n + 1, 8);
    if (!p->calls) p->calls = calloc(n + 1, 8);
    if (!p->marks || !p->nanoseconds || !p->calls) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    for (size_t i = 0; !s && i <= n; i++)
        if (!p->marks[i]) s = cuda_result(p->plan.device, p->plan.device->cu->EventCreate(&p->marks[i], 0), "creating an event", error);
    return s;
}

static bp_status profile_enable(bp_device *d, bp_program *p, int32_t on, bp_error *error) {
    pthread_mutex_lock(&p->lock);
    bp_status s = cuda_enter(d, error);
    if (!s && on) s = make_marks(p, error);
    for (uint32_t i = 0; !s && on && i < p->plan.n_launches; i++) p->nanoseconds[i] = p->calls[i] = 0;
    if (!s) p->profile = on != 0;
    pthread_mutex_unlock(&p->lock);
    return s;
}

static bp_status profile_read(bp_device *d, bp_program *p, bp_profile_entry *entries, uint32_t capacity, uint32_t *count,
                              bp_error *error) {
    (void)d, (void)error;
    pthread_mutex_lock(&p->lock);
    *count = p->calls ? p->plan.n_launches : 0;
    for (uint32_t i = 0; i < *count && i < capacity; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        entries[i] = (bp_profile_entry){ l->node, l->n_nodes, l->what, p->calls[i], p->nanoseconds[i], l->bytes * p->calls[i] };
    }
    pthread_mutex_unlock(&p->lock);
    return BP_OK;
}

static const bp_profile_api profile_api = { sizeof profile_api, profile_enable, profile_read };

const void *cuda_device_extension(bp_device *d, const char *id) {
    (void)d;
    return strcmp(id, BP_PROFILE_ID) == 0 ? &profile_api : NULL;
}

/* ---- Submit and wait ---- */

static bp_status begin(bp_stream *s, bp_program *p, bp_error *error) {
    bp_device *d = s->device;
    bp_status status = BP_OK;
    if (s->sequence >= CUDA_PENDING) /* the event, and the pinned sizes beside it, are used again */
        status = cuda_result(d, d->cu->EventSynchronize(s->events[s->sequence % CUDA_PENDING]), "waiting for an earlier submit", error);
    if (!status && p->busy) status = cuda_result(d, d->cu->StreamWaitEvent(s->stream, p->done, 0), "ordering submits", error);
    uint64_t copies = cuda_copies_begun(d);
    if (!status && copies != s->copies) status = cuda_after_copies(d, s->stream, error);
    s->copies = copies;
    return status;
}

static bp_status run(bp_stream *s, bp_program *p, bp_error *error) {
    bp_device *d = s->device;
    bp_status status = begin(s, p, error);
    if (!status) status = upload_sizes(s, p, error);
    fill_addresses(p);
    if (!status) status = p->profile ? run_measured(p, s->stream, error) : p->capture ? replay(p, s->stream, error) : run_all(p, s->stream, error);
    if (!status) status = cuda_result(d, d->cu->EventRecord(s->events[s->sequence % CUDA_PENDING], s->stream), "recording a submit", error);
    if (!status) status = cuda_result(d, d->cu->EventRecord(p->done, s->stream), "recording a submit", error);
    if (!status) p->busy = true;
    return status;
}

bp_status cuda_submit(bp_stream *s, bp_program *p, const int64_t *symbols, const bp_binding *bindings, uint32_t n_bindings,
                      uint64_t *sequence, bp_error *error) {
    bp_status status = cuda_enter(s->device, error);
    if (status) return status;
    pthread_mutex_lock(&p->lock);
    status = take_symbols(p, symbols, error);
    if (!status) status = bind(p, bindings, n_bindings, error);
    if (!status) status = run(s, p, error);
    if (!status) {
        s->sequence++;
        if (sequence) *sequence = s->sequence;
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bp_status cuda_wait(bp_stream *s, uint64_t sequence, int64_t timeout_ns, bp_error *error) {
    bp_device *d = s->device;
    if (sequence > s->sequence) return cuda_fail(error, BP_E_INVALID, "cuda: there was no submit %llu", (unsigned long long)sequence);
    bp_status status = cuda_enter(d, error);
    if (status || sequence == 0 || sequence + CUDA_PENDING <= s->sequence) return status;
    CUevent event = s->events[(sequence - 1) % CUDA_PENDING];
    if (timeout_ns < 0) return cuda_result(d, d->cu->EventSynchronize(event), "waiting for the work", error);
    int64_t start = now_ns();
    for (;;) {
        CUresult result = d->cu->EventQuery(event);
        if (result != CUDA_ERROR_NOT_READY) return cuda_result(d, result, "waiting for the work", error);
        if (now_ns() - start >= timeout_ns) return cuda_fail(error, BP_E_TIMEOUT, "cuda: the work is not finished yet");
        sched_yield();
    }
}
