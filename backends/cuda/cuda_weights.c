/* Weights: which layout each gets, and packing rows on the card. */
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_modules.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/cuda_ring.h"

static bp_status weight_of(const bp_value *v, cuda_tensor *t, bp_error *error) {
    *t = (cuda_tensor){ .type = v->type, .layout = v->layout, .rank = v->rank, .role = v->role };
    for (uint32_t i = 0; i < v->rank && i < BP_MAX_RANK; i++)
        if (v->dim[i].symbol) return cuda_fail(error, BP_E_INVALID, "cuda: %.100s: a weight's size must be fixed", v->name);
    if (!cuda_tensor_shape(v, NULL, t->n) || !cuda_tensor_size(t->type, t->n, &t->bytes))
        return cuda_fail(error, BP_E_INVALID, "cuda: %.100s: not a valid type and shape", v->name);
    return BP_OK;
}

bp_status cuda_layout(bp_device *d, const bp_graph *g, uint32_t value, bp_weight_layout *out, bp_error *error) {
    cuda_tensor t;
    if (value >= g->n_values) return cuda_fail(error, BP_E_INVALID, "cuda: there is no value %u", value);
    bp_status s = weight_of(bp_graph_value(g, value), &t, error);
    if (s) return s;
    bp_weight_layout l = { sizeof l, BP_LAYOUT_ROWS, t.bytes, CUDA_ALIGN, 1 };
    bool multiplied = false, embedded = false, other = false;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *n = bp_graph_node(g, i);
        for (uint32_t k = 0; k < n->n_in; k++) {
            if (n->in[k] != value) continue;
            bool product = k == 0 && (n->op == BP_OP_MATMUL || n->op == BP_OP_MATMUL_EXPERTS);
            multiplied |= product;
            embedded |= n->op == BP_OP_EMBED_ROWS;
            other |= !product && n->op != BP_OP_EMBED_ROWS;
        }
    }
    t.layout = BP_LAYOUT_ROWS;
    if (multiplied && !other) cuda_weight_layout(d, &t, embedded, &l);
    uint32_t size = l.size = out->size;
    memcpy(out, &l, size < sizeof l ? size : sizeof l);
    return BP_OK;
}

/* ---- Packing ---- */

typedef struct packing {
    bp_device *device;
    CUfunction kernel; /* NULL: rows stay as they are */
    CUdeviceptr to;
    uint64_t row_bytes;
    int64_t n_in, n_rows;
} packing;

static bp_status launch_pack(const packing *p, CUdeviceptr rows, int64_t first, int64_t n, bp_error *error) {
    void *args[] = { &rows, &first, &n, (void *)&p->n_in, (void *)&p->n_rows, (void *)&p->to };
    const bp_device *d = p->device;
    uint32_t blocks = (uint32_t)d->n_sm * 4;
    return cuda_result(p->device, d->cu->LaunchKernel(p->kernel, blocks, 1, 1, 256, 1, 1, 0, d->copies, args, NULL), "packing weights", error);
}

static bp_status pack_slot(const packing *p, const char *rows, int64_t first, int64_t n, bp_error *error) {
    bp_device *d = p->device;
    uint64_t bytes = p->row_bytes * (uint64_t)n;
    cuda_slot *slot;
    bp_status s = cuda_slot_take(d, &slot, error);
    if (s) return s;
    if (p->kernel && !slot->staged) s = cuda_take(d, CUDA_SLOT_BYTES, &slot->staged, error);
    if (!s) memcpy(slot->memory, rows, bytes);
    CUdeviceptr to = p->kernel ? slot->staged : p->to + (uint64_t)first * p->row_bytes;
    bool begun = !s;
    if (!s) s = cuda_result(d, d->cu->MemcpyHtoDAsync(to, slot->memory, bytes, d->copies), "copying weights", error);
    if (!s && p->kernel) s = launch_pack(p, slot->staged, first, n, error);
    bp_status given = cuda_slot_give(d, slot, begun, s ? NULL : error);
    return s ? s : given;
}

/* Rows that do not fit in a slot: memory of their own for the time. */
static bp_status pack_large(const packing *p, const char *rows, int64_t first, int64_t n, bp_error *error) {
    bp_device *d = p->device;
    uint64_t bytes = p->row_bytes * (uint64_t)n;
    CUdeviceptr staged = 0;
    bp_status s = p->kernel ? cuda_take(d, bytes, &staged, error) : BP_OK;
    if (s) return s;
    bp_buffer whole = { p->kernel ? staged : p->to + (uint64_t)first * p->row_bytes, bytes };
    s = cuda_write(d, &whole, 0, rows, bytes, error);
    if (!s && p->kernel) s = launch_pack(p, staged, first, n, error);
    bp_status done = cuda_result(d, d->cu->StreamSynchronize(d->copies), "packing weights", s ? NULL : error);
    cuda_give(d, staged, bytes);
    return s ? s : done;
}

static bp_status find_kernel(bp_device *d, const cuda_tensor *t, CUfunction *kernel, bp_error *error) {
    cuda_pack_kernel name = { 0 };
    *kernel = NULL;
    if (t->layout == BP_LAYOUT_ROWS) return BP_OK;
    cuda_weight_pack(d, t, &name);
    if (!name.source) return cuda_fail(error, BP_E_INVALID, "cuda: not a layout of this device");
    cuda_want want = { name.source, name.function, name.options, 0, NULL };
    bp_status s = cuda_modules_get(d->modules, &want, 1, error);
    *kernel = want.handle;
    return s;
}

bp_status cuda_pack(bp_device *d, const bp_value *v, const void *rows, int64_t first, int64_t n, bp_buffer *b, uint64_t offset,
                    bp_error *error) {
    cuda_tensor t;
    bp_status s = weight_of(v, &t, error);
    if (!s) s = cuda_enter(d, error);
    if (s) return s;
    bp_weight_layout l = { sizeof l, BP_LAYOUT_ROWS, t.bytes, CUDA_ALIGN, 1 };
    if (t.layout != BP_LAYOUT_ROWS) cuda_weight_layout(d, &t, false, &l);
    if (l.layout != t.layout) return cuda_fail(error, BP_E_INVALID, "cuda: %.100s: not a layout of this device", v->name);
    int64_t step = l.row_multiple > 0 ? l.row_multiple : 1, n_rows = cuda_rows(&t);
    s = cuda_in_range(b, offset, l.bytes, error);
    if (!s && (first < 0 || n < 0 || first > n_rows || n > n_rows - first))
        s = cuda_fail(error, BP_E_INVALID, "cuda: %.100s: rows outside the tensor", v->name);
    packing p = { .device = d, .to = b->address + offset, .row_bytes = bp_row_bytes(t.type, t.n[0]), .n_in = t.n[0], .n_rows = n_rows };
    if (!s) s = find_kernel(d, &t, &p.kernel, error);
    int64_t each = p.row_bytes ? (int64_t)(CUDA_SLOT_BYTES / p.row_bytes) / step * step : n;
    for (int64_t at = 0; !s && at < n && p.row_bytes;) {
        if (d->host->cancelled && d->host->cancelled(d->host->self)) return cuda_fail(error, BP_E_CANCELLED, "cuda: cancelled");
        int64_t part = each > 0 ? each : step;
        if (part > n - at) part = n - at;
        const char *from = (const char *)rows + (uint64_t)at * p.row_bytes;
        s = each > 0 ? pack_slot(&p, from, first + at, part, error) : pack_large(&p, from, first + at, part, error);
        at += part;
    }
    return s;
}
