#define _GNU_SOURCE
#include "core/run/weights.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/parallel.h"
#include "core/base/size.h"

enum { ALIGN = 4096, PIECE_BYTES = 1 << 20 };

typedef struct piece { /* rows [first, first + n) of a packed weight */
    const bp_value *value;
    const bp_gguf_tensor *tensor;
    int64_t first, n;
    uint64_t offset;
    bp_buffer *buffer;
} piece;

typedef struct packing {
    const bp_open_device *device;
    piece *pieces;
    size_t n_pieces, capacity;
    uint64_t total; /* bytes of the one buffer that holds all packed weights */
    atomic_uint_fast64_t done;
    atomic_int failed;
    bp_error error; /* of the first piece that failed */
} packing;

/* Rows as the graph counts them: a file may divide the same values otherwise. */
static int64_t rows_of(const bp_value *v) { return bp_dim_at(&v->dim[1], NULL) * bp_dim_at(&v->dim[2], NULL) * bp_dim_at(&v->dim[3], NULL); }

/* The buffer that holds part `part` of the file, imported on first use. */
static bp_status mapped_part(const bp_open_device *d, const bp_gguf *file, uint32_t part, bp_weights *w, bp_buffer **parts, bp_error *error) {
    if (parts[part]) return BP_OK;
    const void *data;
    uint64_t size;
    if (!bp_gguf_mapping(file, part, &data, &size)) return bp_fail(error, BP_E_INTERNAL, "part %u of the model is not mapped", part);
    bp_status status = d->api->buffer_import(d->handle, data, size, &parts[part], error);
    if (!status) w->buffers[w->n_buffers++] = parts[part];
    return status;
}

static bp_status map_weight(const bp_open_device *d, const bp_gguf *file, const bp_gguf_tensor *t, bp_weights *w, bp_buffer **parts,
                            bp_binding *binding, bp_error *error) {
    const void *data;
    uint64_t size;
    bp_status status = mapped_part(d, file, t->part, w, parts, error);
    if (status) return status;
    bp_gguf_mapping(file, t->part, &data, &size);
    binding->buffer = parts[t->part];
    binding->offset = (uint64_t)(t->data - (const uint8_t *)data);
    w->mapped_bytes += t->bytes;
    return BP_OK;
}

static bp_status add_pieces(packing *p, const bp_value *value, const bp_gguf_tensor *t, const bp_weight_layout *layout, uint64_t offset,
                            bp_error *error) {
    int64_t rows = rows_of(value), step = layout->row_multiple > 0 ? layout->row_multiple : 1;
    int64_t each = BP_MAX((int64_t)(PIECE_BYTES / BP_MAX(t->bytes / (uint64_t)rows, 1)), 1);
    each = (each + step - 1) / step * step;
    for (int64_t at = 0; at < rows; at += each) {
        if (!bp_grow((void **)&p->pieces, &p->capacity, p->n_pieces + 1, sizeof *p->pieces)) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
        p->pieces[p->n_pieces++] = (piece){ value, t, at, BP_MIN(each, rows - at), offset, NULL };
    }
    return BP_OK;
}

static bool can_map(const bp_open_device *d) {
    bp_device_info info = { .size = sizeof info };
    bp_error ignored = BP_ERROR_INIT;
    return BP_HAS(bp_device_api, d->api, buffer_import) && !d->api->info(d->handle, &info, &ignored) && info.host_memory;
}

static bp_status place(const bp_open_device *d, const bp_gguf *file, bp_graph *graph, uint32_t index, bp_weights *w, bp_buffer **parts,
                       packing *p, bp_error *error) {
    bp_value *value = (bp_value *)bp_graph_value(graph, index);
    const bp_gguf_tensor *t = bp_gguf_find_tensor(file, value->name);
    if (!t) return bp_fail(error, BP_E_INTERNAL, "no tensor %s", value->name);
    bp_weight_layout layout = { .size = sizeof layout };
    bp_status status = d->api->layout(d->handle, graph, index, &layout, error);
    if (status) return status;
    value->layout = layout.layout;
    bp_binding *binding = &w->bindings[w->count++];
    *binding = (bp_binding){ .value = index };
    if (layout.layout == BP_LAYOUT_ROWS && can_map(d)) return map_weight(d, file, t, w, parts, binding, error);
    uint64_t align = BP_MAX(layout.align, 64);
    if (align & (align - 1) || align > ALIGN) return bp_fail(error, BP_E_INTERNAL, "%s: the backend asks for an alignment of %llu", value->name, (unsigned long long)align);
    binding->offset = bp_round_up(p->total, align);
    if (!bp_add_u64(binding->offset, layout.bytes, &p->total)) return bp_fail(error, BP_E_INTERNAL, "%s: the backend asks for too much memory", value->name);
    return add_pieces(p, value, t, &layout, binding->offset, error);
}

static void pack_piece(void *self, uint64_t i) {
    packing *p = self;
    const piece *part = &p->pieces[i];
    if (atomic_load(&p->failed)) return;
    uint64_t row_bytes = part->tensor->bytes / (uint64_t)rows_of(part->value);
    bp_error error = BP_ERROR_INIT;
    const uint8_t *rows = part->tensor->data + (uint64_t)part->first * row_bytes;
    bp_status status = p->device->api->pack(p->device->handle, part->value, rows, part->first, part->n, part->buffer, part->offset, &error);
    if (status && !atomic_exchange(&p->failed, 1)) p->error = error;
    bp_progress("loading", atomic_fetch_add(&p->done, 1) + 1, p->n_pieces);
    uintptr_t begin = bp_round_up((uintptr_t)rows, ALIGN), end = ((uintptr_t)rows + (uint64_t)part->n * row_bytes) & ~(uintptr_t)(ALIGN - 1);
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED); /* the file's pages are not needed twice */
}

static bp_status pack_all(packing *p, uint32_t threads, bp_weights *w, bp_error *error) {
    if (!p->n_pieces) return BP_OK;
    bp_buffer *buffer;
    bp_status status = p->device->api->buffer_new(p->device->handle, p->total, BP_USE_WEIGHTS, &buffer, error);
    if (status) return bp_fail_in(error, "%llu MB for weights: ", (unsigned long long)(p->total >> 20));
    w->buffers[w->n_buffers++] = buffer;
    w->packed_bytes = p->total;
    for (size_t i = 0; i < p->n_pieces; i++) p->pieces[i].buffer = buffer;
    for (uint32_t i = 0; i < w->count; i++)
        if (!w->bindings[i].buffer) w->bindings[i].buffer = buffer;
    bp_parallel(threads, p->n_pieces, pack_piece, p);
    return p->failed ? bp_fail(error, p->error.status, "packing weights: %s", p->error.message) : BP_OK;
}

bp_status bp_weights_load(const bp_open_device *device, const bp_gguf *file, bp_graph *graph, uint32_t threads, bp_weights *out, bp_error *error) {
    packing p = { .device = device, .error = BP_ERROR_INIT };
    bp_buffer **parts = bp_new_array(BP_GGUF_MAX_SPLITS, sizeof(bp_buffer *));
    *out = (bp_weights){ .bindings = bp_new_array(graph->n_values, sizeof(bp_binding)),
                         .buffers = bp_new_array(BP_GGUF_MAX_SPLITS + 1, sizeof(bp_buffer *)) };
    bp_status status = parts && out->bindings && out->buffers ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; !status && i < graph->n_values; i++)
        if (bp_graph_value(graph, i)->role == BP_ROLE_WEIGHT) status = place(device, file, graph, i, out, parts, &p, error);
    if (!status) status = pack_all(&p, threads, out, error);
    free(parts);
    free(p.pieces);
    if (status) bp_weights_free(device, out);
    return status;
}

void bp_weights_free(const bp_open_device *device, bp_weights *weights) {
    for (uint32_t i = 0; i < weights->n_buffers; i++) device->api->buffer_free(device->handle, weights->buffers[i]);
    free(weights->buffers);
    free(weights->bindings);
    *weights = (bp_weights){ 0 };
}
