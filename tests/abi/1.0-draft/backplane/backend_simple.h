/* A backend from a table of functions, one an op: a header-only adapter for plugins that compute in host memory.
 *
 * The plugin writes functions that are given plain tensors, lists them in an array, and ends one source file with
 *     BP_SIMPLE_BACKEND("name", "1.0", "one line", table)
 * The adapter does the rest of the interface: buffers, weights as the file has them, a copy of the graph, memory for
 * temporaries, checks of bindings and sizes, and running the nodes in order, before submit returns. It uses C11, the
 * compiler's builtins and the host's table; no library. A worked example: plugins/reference. */
#ifndef BACKPLANE_BACKEND_SIMPLE_H
#define BACKPLANE_BACKEND_SIMPLE_H

#include "backplane/backend.h"

#include <stdatomic.h>

enum { BP_SIMPLE_MAX_PARAMS = 128, BP_SIMPLE_MAX_IN = 12, BP_SIMPLE_MAX_OUT = 4, BP_SIMPLE_ALIGN = 64 };

typedef struct bp_simple_tensor {
    void *data; /* NULL: this input or output was left out; inputs of role weight and input are read only */
    uint32_t type, rank;
    int64_t ne[BP_MAX_RANK]; /* ne[0] varies fastest; 1 past the rank */
    const char *name;
} bp_simple_tensor;

/* One node to run. params has BP_SIMPLE_MAX_PARAMS bytes: the node's, then zeros. in and out may be read up to
 * BP_SIMPLE_MAX_IN and _OUT whatever n_in and n_out are. All outputs must be written in full; an output of role state
 * is updated. */
typedef struct bp_simple_call {
    const bp_host *host;
    uint32_t op, params_size;
    const void *params;
    uint32_t n_in, n_out;
    const bp_simple_tensor *in, *out;
} bp_simple_call;

/* A row of the plugin's table. check (NULL allowed) says in words, that live as long as the process, why a node
 * cannot be run, and NULL where it can. run may be called from several threads at once. */
typedef struct bp_simple_op {
    uint32_t op;
    bp_status (*run)(const bp_simple_call *, bp_error *);
    const char *(*check)(const bp_graph *, const bp_node *);
} bp_simple_op;

typedef struct bp_simple_plugin {
    const bp_host *host;
    const char *name, *description;
    const bp_simple_op *ops;
    uint32_t n_ops;
} bp_simple_plugin;

struct bp_device {
    const bp_simple_plugin *plugin;
};

struct bp_buffer {
    uint8_t *data;
    uint64_t bytes;
    int owned;
};

struct bp_stream {
    bp_device *device;
    uint64_t sequence; /* of the last submit; its work is done */
};

typedef struct bp_simple_node {
    const bp_simple_op *entry;
    uint32_t n_in, n_out, params_size;
    uint32_t in[BP_SIMPLE_MAX_IN], out[BP_SIMPLE_MAX_OUT];
    union {
        uint8_t bytes[BP_SIMPLE_MAX_PARAMS];
        uint64_t align;
    } params;
} bp_simple_node;

/* Of a temporary: the nodes that it lives through, and its place in the scratch memory. */
typedef struct bp_simple_place {
    uint32_t first, last;
    uint64_t offset, bytes;
} bp_simple_place;

struct bp_program {
    bp_device *device;
    uint32_t n_values, n_nodes, n_symbols;
    bp_value *values;
    bp_simple_node *nodes;
    bp_range *ranges;
    bp_simple_place *places; /* one a value */
    char *names;
    uint8_t *scratch;
    uint64_t scratch_bytes;
    atomic_flag busy; /* scratch is in use; a second submit at the same time takes memory of its own */
};

/* Write status and the text a followed by b (either may be NULL) into error; returns status. */
static inline bp_status bp_simple_fail(bp_error *error, bp_status status, const char *a, const char *b) {
    if (!error || error->size < sizeof *error) return status;
    const char *parts[2] = { a ? a : "", b ? b : "" };
    size_t n = 0;
    for (int i = 0; i < 2; i++)
        for (const char *c = parts[i]; *c && n + 1 < BP_ERROR_TEXT; c++) error->message[n++] = *c;
    error->message[n] = 0;
    error->status = status;
    return status;
}

static inline void bp_simple_copy(void *to, const void *from, uint64_t bytes) {
    if (bytes) __builtin_memcpy(to, from, bytes);
}

/* Zeroed memory for n elements (at least one byte), NULL where there is none. */
static inline void *bp_simple_new(const bp_host *host, uint64_t n, uint64_t size) {
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > INT64_MAX) return NULL;
    void *memory = host->alloc(host->self, bytes ? bytes : 1, BP_SIMPLE_ALIGN);
    if (memory) __builtin_memset(memory, 0, bytes ? bytes : 1);
    return memory;
}

/* Shape and bytes of a value, given the symbols; 0 where they are negative or too large, or the row is no whole
 * number of blocks. */
static inline int bp_simple_shape(const bp_value *v, const int64_t *symbols, int64_t ne[BP_MAX_RANK],
                                  uint64_t *bytes) {
    bp_type_info type = bp_type(v->type);
    if (!type.name || v->rank < 1 || v->rank > BP_MAX_RANK) return 0;
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) {
        const bp_dim *d = &v->dim[i];
        ne[i] = i < v->rank ? d->value : 1;
        if (i < v->rank && d->symbol) {
            if (__builtin_mul_overflow(d->value, symbols[d->symbol], &ne[i])) return 0;
            if (__builtin_add_overflow(ne[i], d->plus, &ne[i])) return 0;
        }
        if (ne[i] < 0) return 0;
    }
    if (ne[0] % type.block_values) return 0;
    int64_t total;
    if (__builtin_mul_overflow(ne[0] / type.block_values, (int64_t)type.block_bytes, &total)) return 0;
    for (uint32_t i = 1; i < BP_MAX_RANK; i++)
        if (__builtin_mul_overflow(total, ne[i], &total)) return 0;
    *bytes = (uint64_t)total;
    return 1;
}

static inline const bp_simple_op *bp_simple_find(const bp_simple_plugin *p, uint32_t op) {
    for (uint32_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].op == op) return &p->ops[i];
    return NULL;
}

/* Why the values a node names cannot be used, NULL where they can. */
static inline const char *bp_simple_why_values(const bp_graph *g, const uint32_t *list, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] == BP_NONE) continue;
        if (list[i] >= g->n_values) return "the node names a value that the graph does not have";
        const bp_value *v = bp_graph_value(g, list[i]);
        if (!bp_type(v->type).name) return "a tensor type that this backend does not know";
        if (v->rank < 1 || v->rank > BP_MAX_RANK) return "a tensor of a rank that this backend does not know";
        if (v->layout != BP_LAYOUT_ROWS) return "a weight layout that is not this backend's";
        for (uint32_t d = 0; d < v->rank; d++)
            if (v->dim[d].symbol && v->dim[d].symbol >= g->n_symbols)
                return "a dimension's symbol is not in the graph";
    }
    return NULL;
}

/* Why a node cannot be run, NULL where it can. */
static inline const char *bp_simple_why(const bp_simple_plugin *p, const bp_graph *g, const bp_node *n) {
    const bp_simple_op *entry = bp_simple_find(p, n->op);
    if (!entry) return "this backend does not have the op";
    if (n->n_in > BP_SIMPLE_MAX_IN || n->n_out > BP_SIMPLE_MAX_OUT)
        return "more inputs or outputs than this backend takes";
    const char *why = bp_simple_why_values(g, n->in, n->n_in);
    if (!why) why = bp_simple_why_values(g, n->out, n->n_out);
    return why || !entry->check ? why : entry->check(g, n);
}

static inline bp_status bp_simple_info(bp_device *d, bp_device_info *out, bp_error *error) {
    (void)error;
    bp_device_info info = { 0 };
    info.size = out->size;
    info.name = d->plugin->name;
    info.detail = d->plugin->description;
    info.host_memory = 1;
    bp_simple_copy(out, &info, out->size < sizeof info ? out->size : sizeof info);
    return BP_OK;
}

static inline void bp_simple_close(bp_device *d) { d->plugin->host->free(d->plugin->host->self, d); }

static inline bp_status bp_simple_buffer_new(bp_device *d, uint64_t bytes, uint32_t use, bp_buffer **out,
                                             bp_error *error) {
    (void)use;
    const bp_host *host = d->plugin->host;
    bp_buffer *b = bp_simple_new(host, 1, sizeof *b);
    void *data = b && bytes <= INT64_MAX ? host->alloc(host->self, bytes ? bytes : 1, BP_SIMPLE_ALIGN) : NULL;
    if (!data) {
        host->free(host->self, b);
        return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a buffer", NULL);
    }
    b->data = data;
    b->bytes = bytes;
    b->owned = 1;
    *out = b;
    return BP_OK;
}

static inline bp_status bp_simple_buffer_import(bp_device *d, const void *memory, uint64_t bytes, bp_buffer **out,
                                                bp_error *error) {
    bp_buffer *b = bp_simple_new(d->plugin->host, 1, sizeof *b);
    if (!b) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a buffer", NULL);
    b->data = (uint8_t *)(uintptr_t)memory;
    b->bytes = bytes;
    *out = b;
    return BP_OK;
}

static inline void bp_simple_buffer_free(bp_device *d, bp_buffer *b) {
    const bp_host *host = d->plugin->host;
    if (b && b->owned) host->free(host->self, b->data);
    host->free(host->self, b);
}

static inline int bp_simple_inside(const bp_buffer *b, uint64_t offset, uint64_t bytes) {
    return offset <= b->bytes && bytes <= b->bytes - offset;
}

static inline bp_status bp_simple_write(bp_device *d, bp_buffer *b, uint64_t offset, const void *from, uint64_t bytes,
                                        bp_error *error) {
    (void)d;
    if (!bp_simple_inside(b, offset, bytes))
        return bp_simple_fail(error, BP_E_INVALID, "write past the buffer's end", NULL);
    bp_simple_copy(b->data + offset, from, bytes);
    return BP_OK;
}

static inline bp_status bp_simple_read(bp_device *d, const bp_buffer *b, uint64_t offset, void *to, uint64_t bytes,
                                       bp_error *error) {
    (void)d;
    if (!bp_simple_inside(b, offset, bytes))
        return bp_simple_fail(error, BP_E_INVALID, "read past the buffer's end", NULL);
    bp_simple_copy(to, b->data + offset, bytes);
    return BP_OK;
}

static inline void *bp_simple_address(bp_device *d, bp_buffer *b) {
    (void)d;
    return b->data;
}

static inline bp_status bp_simple_layout(bp_device *d, const bp_graph *g, uint32_t value, bp_weight_layout *out,
                                         bp_error *error) {
    (void)d;
    int64_t ne[BP_MAX_RANK];
    uint64_t bytes;
    if (value >= g->n_values) return bp_simple_fail(error, BP_E_INVALID, "layout: no such value", NULL);
    const bp_value *v = bp_graph_value(g, value);
    for (uint32_t i = 0; i < BP_MAX_RANK; i++)
        if (i < v->rank && v->dim[i].symbol)
            return bp_simple_fail(error, BP_E_INVALID, v->name, ": a weight with a symbol");
    if (!bp_simple_shape(v, NULL, ne, &bytes))
        return bp_simple_fail(error, BP_E_INVALID, v->name, ": bad type or shape");
    bp_weight_layout layout = { out->size, BP_LAYOUT_ROWS, bytes, BP_SIMPLE_ALIGN, 1 };
    bp_simple_copy(out, &layout, out->size < sizeof layout ? out->size : sizeof layout);
    return BP_OK;
}

static inline bp_status bp_simple_pack(bp_device *d, const bp_value *v, const void *rows, int64_t first, int64_t n,
                                       bp_buffer *b, uint64_t offset, bp_error *error) {
    int64_t ne[BP_MAX_RANK];
    uint64_t total;
    int dense = v->rank >= 1 && v->rank <= BP_MAX_RANK;
    for (uint32_t i = 0; dense && i < v->rank; i++) dense = !v->dim[i].symbol;
    if (!dense || !bp_simple_shape(v, NULL, ne, &total))
        return bp_simple_fail(error, BP_E_INVALID, v->name, ": bad type or shape");
    uint64_t row = bp_row_bytes(v->type, ne[0]), n_rows = row ? total / row : 0;
    if (first < 0 || n < 0 || (uint64_t)first > n_rows || (uint64_t)n > n_rows - (uint64_t)first)
        return bp_simple_fail(error, BP_E_INVALID, v->name, ": rows past the tensor's end");
    if (!bp_simple_inside(b, offset, total))
        return bp_simple_fail(error, BP_E_INVALID, v->name, ": past the buffer's end");
    return bp_simple_write(d, b, offset + (uint64_t)first * row, rows, (uint64_t)n * row, error);
}

static inline bp_status bp_simple_assess(bp_device *d, const bp_graph *g, bp_verdict *verdicts, bp_error *error) {
    (void)error;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const char *why = bp_simple_why(d->plugin, g, bp_graph_node(g, i));
        bp_verdict verdict = { why ? BP_VERDICT_NO : BP_VERDICT_YES, 0, why };
        verdicts[i] = verdict;
    }
    return BP_OK;
}

#include "backplane/simple_program.h" /* compile: the copy of the graph, and the plan of its temporaries */

static inline bp_status bp_simple_stream_new(bp_device *d, bp_stream **out, bp_error *error) {
    bp_stream *s = bp_simple_new(d->plugin->host, 1, sizeof *s);
    if (!s) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a stream", NULL);
    s->device = d;
    *out = s;
    return BP_OK;
}

static inline void bp_simple_stream_free(bp_device *d, bp_stream *s) {
    d->plugin->host->free(d->plugin->host->self, s);
}

/* Fill tensors (one a value): shapes from the symbols, data from the bindings and the scratch memory. */
static inline bp_status bp_simple_bind(const bp_program *p, const int64_t *symbols, const bp_binding *b, uint32_t n_b,
                                       uint8_t *scratch, bp_simple_tensor *tensors, bp_error *error) {
    for (uint32_t i = 0; i < n_b; i++)
        if (b[i].value >= p->n_values || !b[i].buffer)
            return bp_simple_fail(error, BP_E_INVALID, "submit: a binding without its value or buffer", NULL);
    for (uint32_t i = 0; i < n_b; i++)
        tensors[b[i].value].data =
            b[i].buffer->data ? b[i].buffer->data : scratch; /* a mark; the address comes below */
    for (uint32_t i = 0; i < p->n_values; i++) {
        const bp_value *v = &p->values[i];
        bp_simple_tensor *t = &tensors[i];
        uint64_t bytes;
        if (p->places[i].first == BP_NONE) continue;
        if (!bp_simple_shape(v, symbols, t->ne, &bytes))
            return bp_simple_fail(error, BP_E_INVALID, v->name, ": bad shape");
        t->type = v->type;
        t->rank = v->rank;
        t->name = v->name;
        if (v->role == BP_ROLE_TEMP) t->data = scratch + p->places[i].offset;
        if (!t->data) return bp_simple_fail(error, BP_E_INVALID, v->name, ": not bound");
        if (v->role == BP_ROLE_TEMP && bytes > p->places[i].bytes)
            return bp_simple_fail(error, BP_E_INTERNAL, v->name, ": larger than planned");
    }
    for (uint32_t i = 0; i < n_b; i++) {
        const bp_value *v = &p->values[b[i].value];
        bp_simple_tensor *t = &tensors[b[i].value];
        uint64_t bytes = 0;
        if (v->role == BP_ROLE_TEMP || p->places[b[i].value].first == BP_NONE) continue;
        if (!bp_simple_shape(v, symbols, t->ne, &bytes) || !bp_simple_inside(b[i].buffer, b[i].offset, bytes))
            return bp_simple_fail(error, BP_E_INVALID, v->name, ": larger than the buffer that it is bound to");
        t->data = b[i].buffer->data + b[i].offset;
    }
    return BP_OK;
}

static inline bp_status bp_simple_run(const bp_program *p, const bp_simple_tensor *tensors, bp_error *error) {
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const bp_simple_node *n = &p->nodes[i];
        bp_simple_tensor none = { 0 }, in[BP_SIMPLE_MAX_IN], out[BP_SIMPLE_MAX_OUT];
        for (uint32_t k = 0; k < BP_SIMPLE_MAX_IN; k++) in[k] = n->in[k] == BP_NONE ? none : tensors[n->in[k]];
        for (uint32_t k = 0; k < BP_SIMPLE_MAX_OUT; k++) out[k] = n->out[k] == BP_NONE ? none : tensors[n->out[k]];
        bp_simple_call call = {
            p->device->plugin->host, n->entry->op, n->params_size, n->params.bytes, n->n_in, n->n_out, in, out
        };
        bp_status status = n->entry->run(&call, error);
        if (status) return status;
    }
    return BP_OK;
}

static inline bp_status bp_simple_submit(bp_stream *s, bp_program *p, const int64_t *symbols,
                                         const bp_binding *bindings, uint32_t n_bindings, uint64_t *sequence,
                                         bp_error *error) {
    const bp_host *host = s->device->plugin->host;
    for (uint32_t i = 1; i < p->n_symbols; i++)
        if (!symbols || symbols[i] < p->ranges[i].min || symbols[i] > p->ranges[i].max)
            return bp_simple_fail(error, BP_E_INVALID, "submit: a symbol is out of its range", NULL);
    int mine = !atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire);
    uint8_t *scratch = p->scratch;
    if (!mine) scratch = host->alloc(host->self, p->scratch_bytes ? p->scratch_bytes : 1, BP_SIMPLE_ALIGN);
    bp_simple_tensor *tensors = bp_simple_new(host, p->n_values, sizeof *tensors);
    bp_status status = BP_E_NO_MEMORY;
    if (!scratch || !tensors)
        bp_simple_fail(error, status, "no memory for a submit", NULL);
    else
        status = bp_simple_bind(p, symbols, bindings, n_bindings, scratch, tensors, error);
    if (!status) status = bp_simple_run(p, tensors, error);
    host->free(host->self, tensors);
    if (mine)
        atomic_flag_clear_explicit(&p->busy, memory_order_release);
    else
        host->free(host->self, scratch);
    if (status) return status;
    s->sequence++;
    if (sequence) *sequence = s->sequence;
    return BP_OK;
}

static inline bp_status bp_simple_wait(bp_stream *s, uint64_t sequence, int64_t timeout_ns, bp_error *error) {
    (void)timeout_ns;
    if (sequence <= s->sequence) return BP_OK;
    return bp_simple_fail(error, BP_E_INVALID, "wait: no such submit", NULL);
}

static inline const void *bp_simple_extension(bp_device *d, const char *id) {
    (void)d;
    (void)id;
    return NULL;
}

static inline bp_status bp_simple_devices(uint32_t *count, const char **why, bp_error *error) {
    (void)error;
    *count = 1;
    if (why) *why = NULL;
    return BP_OK;
}

static inline bp_status bp_simple_open(const bp_simple_plugin *plugin, uint32_t index, bp_device **out,
                                       const bp_device_api **api, bp_error *error) {
    static const bp_device_api functions = {
        .size = sizeof(bp_device_api),
        .info = bp_simple_info,
        .close = bp_simple_close,
        .buffer_new = bp_simple_buffer_new,
        .buffer_import = bp_simple_buffer_import,
        .buffer_free = bp_simple_buffer_free,
        .write = bp_simple_write,
        .read = bp_simple_read,
        .buffer_address = bp_simple_address,
        .layout = bp_simple_layout,
        .pack = bp_simple_pack,
        .assess = bp_simple_assess,
        .compile = bp_simple_compile,
        .program_free = bp_simple_program_free,
        .stream_new = bp_simple_stream_new,
        .stream_free = bp_simple_stream_free,
        .submit = bp_simple_submit,
        .wait = bp_simple_wait,
        .extension = bp_simple_extension,
    };
    if (index) return bp_simple_fail(error, BP_E_NOT_FOUND, plugin->name, " has one device, number 0");
    bp_device *d = bp_simple_new(plugin->host, 1, sizeof *d);
    if (!d) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a device", NULL);
    d->plugin = plugin;
    *out = d;
    *api = &functions;
    return BP_OK;
}

/* Put once, with a semicolon after it, into the source file that has the table (an array of bp_simple_op). */
#define BP_SIMPLE_BACKEND(name_, version_, description_, table_)                                                \
    BP_PLUGIN_NOTE;                                                                                             \
    static bp_simple_plugin bp_simple_self = { NULL, name_, description_, table_,                               \
                                               sizeof(table_) / sizeof((table_)[0]) };                          \
    static bp_status bp_simple_self_open(uint32_t index, bp_device **device, const bp_device_api **api,         \
                                         bp_error *error) {                                                     \
        return bp_simple_open(&bp_simple_self, index, device, api, error);                                      \
    }                                                                                                           \
    BP_EXPORT bp_status bp_backend_query_v1(const bp_host *host, const bp_backend **backend, bp_error *error) { \
        static const bp_backend self = { sizeof(bp_backend),  name_, version_, description_, bp_simple_devices, \
                                         bp_simple_self_open, NULL };                                           \
        (void)error;                                                                                            \
        bp_simple_self.host = host;                                                                             \
        *backend = &self;                                                                                       \
        return BP_OK;                                                                                           \
    }                                                                                                           \
    typedef int bp_simple_backend_end

#endif
