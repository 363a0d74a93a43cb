#define _GNU_SOURCE
#include "core/device/bandwidth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/parallel.h"
#include "core/base/size.h"
#include "core/graph/builder.h"

enum { HUGE_PAGE = 2 << 20, SMALL_BYTES = 256 << 20, LARGE_BYTES = 1 << 30, PIECES = 64, ROUNDS = 8, READ_AHEAD = 512 };
enum { ROW = 4096, DEVICE_ROWS = 1 << 17 }; /* 2 GiB of F32 */

typedef struct reading {
    const uint64_t *data;
    uint64_t bytes;
    uint64_t sums[PIECES];
} reading;

static void sum_piece(void *self, uint64_t i) {
    reading *r = self;
    const uint64_t n = r->bytes / 8 / PIECES, *at = r->data + i * n;
    uint64_t sum[8] = { 0 };
    for (uint64_t k = 0; k < n; k += 8) {
        __builtin_prefetch(at + k + READ_AHEAD);
        for (int j = 0; j < 8; j++) sum[j] += at[k + (uint64_t)j];
    }
    for (int j = 1; j < 8; j++) sum[0] += sum[j];
    r->sums[i] = sum[0];
}

/* More than a server's last cache holds, where the machine has such an amount to spare. */
static uint64_t host_bytes(void) {
    const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 && (uint64_t)pages * (uint64_t)page > 4 * (uint64_t)LARGE_BYTES ? LARGE_BYTES : SMALL_BYTES;
}

static double host_bandwidth(uint32_t threads) {
    const uint64_t bytes = host_bytes();
    void *data = NULL;
    double best = 0;
    if (posix_memalign(&data, HUGE_PAGE, bytes)) return 0;
    reading r = { .data = data, .bytes = bytes };
#ifdef MADV_HUGEPAGE
    madvise(data, bytes, MADV_HUGEPAGE); /* the most that the memory gives, not what small pages leave of it */
#endif
    memset(data, 1, bytes);
    for (int i = 0; i < ROUNDS; i++) {
        double begin = bp_now();
        bp_parallel(threads, PIECES, sum_piece, &r);
        best = BP_MAX(best, (double)bytes / (bp_now() - begin));
    }
    free(data);
    return r.sums[0] ? best : 0;
}

/* What one measurement holds on the device. */
typedef struct probe {
    const bp_open_device *device;
    bp_builder *builder;
    bp_buffer *in, *out;
    bp_program *program;
    bp_stream *stream;
} probe;

static bp_status open_probe(probe *p, bp_binding bindings[2], bp_error *error) {
    const bp_device_api *api = p->device->api;
    const bp_dim in[2] = { bp_number(ROW), bp_number(DEVICE_ROWS) }, out[2] = { bp_number(1), bp_number(DEVICE_ROWS) };
    const bp_reduce_params params = { BP_REDUCE_MAX };
    bp_graph *graph;
    p->builder = bp_builder_new();
    if (!p->builder) return BP_E_NO_MEMORY;
    const uint32_t x = bp_bound_value(p->builder, BP_ROLE_INPUT, BP_TYPE_F32, 2, in, "x");
    const uint32_t y = bp_bound_value(p->builder, BP_ROLE_OUTPUT, BP_TYPE_F32, 2, out, "y");
    bp_add_node(p->builder, BP_OP_REDUCE, &params, sizeof params, &x, 1, &y, 1);
    const bp_options options = { .size = sizeof options };
    bp_status status = bp_builder_finish(p->builder, &graph, error);
    if (!status) status = api->buffer_new(p->device->handle, (uint64_t)ROW * DEVICE_ROWS * 4, BP_USE_INPUT, &p->in, error);
    if (!status) status = api->buffer_new(p->device->handle, (uint64_t)DEVICE_ROWS * 4, BP_USE_OUTPUT, &p->out, error);
    if (!status) status = api->compile(p->device->handle, graph, &options, &p->program, error);
    if (!status) status = api->stream_new(p->device->handle, &p->stream, error);
    bindings[0] = (bp_binding){ x, 0, p->in, 0 };
    bindings[1] = (bp_binding){ y, 0, p->out, 0 };
    return status;
}

static void close_probe(probe *p) {
    const bp_device_api *api = p->device->api;
    if (p->stream) api->stream_free(p->device->handle, p->stream);
    if (p->program) api->program_free(p->device->handle, p->program);
    if (p->in) api->buffer_free(p->device->handle, p->in);
    if (p->out) api->buffer_free(p->device->handle, p->out);
    bp_builder_free(p->builder);
}

static double device_bandwidth(const bp_open_device *device) {
    probe p = { .device = device };
    bp_binding bindings[2];
    bp_error error = BP_ERROR_INIT;
    const int64_t symbols[1] = { 0 };
    double best = 0;
    bp_status status = open_probe(&p, bindings, &error);
    for (int i = 0; !status && i < ROUNDS; i++) {
        uint64_t sequence;
        double begin = bp_now();
        status = device->api->submit(p.stream, p.program, symbols, bindings, 2, &sequence, &error);
        if (!status) status = device->api->wait(p.stream, sequence, -1, &error);
        if (!status) best = BP_MAX(best, (double)ROW * DEVICE_ROWS * 4 / (bp_now() - begin));
    }
    close_probe(&p);
    return best;
}

double bp_device_bandwidth(const bp_open_device *device, uint32_t threads) {
    bp_device_info info = { .size = sizeof info };
    bp_error ignored = BP_ERROR_INIT;
    if (device->api->info(device->handle, &info, &ignored)) return 0;
    return info.host_memory ? host_bandwidth(threads) : device_bandwidth(device);
}
