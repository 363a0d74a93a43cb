#include "core/run/executor.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/weights.h"

enum { ALIGN = 64 };

const bp_class_range bp_class_ranges[BP_N_CLASSES] = {
    { "one token, few keys", 1, 1, 128 },
    { "one token", 1, 1, INT64_MAX },
    { "2 to 8 tokens", 2, 8, INT64_MAX },
    { "9 to 64 tokens", 9, 64, INT64_MAX },
    { "longer chunks", 65, INT64_MAX, INT64_MAX },
};

/* An output's memory on the device, grown when a step needs more, and its copy on the host. */
typedef struct output {
    uint32_t value, binding;
    bp_buffer *buffer;
    uint64_t room;
    void *host;
    size_t host_room;
} output;

struct bp_executor {
    const bp_open_device *device;
    const bp_part *part;
    bp_run_limits limits;
    bp_weights weights;
    bp_buffer *state, *inputs;
    uint64_t state_bytes, input_bytes, *state_at, *input_at; /* by value; input_at of the class at hand */
    uint8_t *staged;
    output *outputs;
    uint32_t n_outputs, n_bindings;
    bp_binding *bindings;
    uint32_t *binding_of; /* by value */
    bp_program *programs[BP_N_CLASSES];
    int class;
    int64_t *symbols;
    bp_stream *stream;
    uint64_t sequence;
    bool profiling;
};

static const bp_device_api *api(const bp_executor *e) { return e->device->api; }

/* The largest number that a symbol takes in a class; 0 for one that the engine does not know. */
static bp_range symbol_range(const bp_executor *e, const char *name, int class) {
    const int64_t max = BP_MIN(bp_class_ranges[class].max, e->limits.batch), min = BP_MIN(bp_class_ranges[class].min, max);
    const int64_t sequences = BP_MIN(e->limits.sequences, max);
    if (!strcmp(name, BP_SYMBOL_N_TOKENS)) return (bp_range){ min, max, max };
    const int64_t longest = BP_MIN(bp_class_ranges[class].longest, e->limits.context);
    if (!strcmp(name, BP_SYMBOL_N_OUTPUTS)) return (bp_range){ 1, max, BP_MIN(max, sequences) };
    if (!strcmp(name, BP_SYMBOL_N_SEQUENCES)) return (bp_range){ 1, sequences, 1 };
    if (!strcmp(name, BP_SYMBOL_N_KV)) return (bp_range){ 1, longest, BP_MIN(longest, 1024) };
    return (bp_range){ 0, 0, 0 };
}

/* Bytes of a value by the symbols' numbers; false on overflow. */
static bool value_bytes(const bp_value *v, const int64_t *symbols, uint64_t *bytes) {
    *bytes = bp_row_bytes(v->type, bp_dim_at(&v->dim[0], symbols));
    for (uint32_t i = 1; i < v->rank; i++)
        if (!bp_mul_u64(*bytes, (uint64_t)bp_dim_at(&v->dim[i], symbols), bytes)) return false;
    return *bytes < UINT64_MAX / 4;
}

static void add_binding(bp_executor *e, uint32_t value, bp_buffer *buffer, uint64_t offset) {
    e->binding_of[value] = e->n_bindings;
    e->bindings[e->n_bindings++] = (bp_binding){ value, 0, buffer, offset };
}

static bp_status place_states(bp_executor *e, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    for (uint32_t i = 0; i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        uint64_t bytes;
        if (v->role != BP_ROLE_STATE) continue;
        e->state_at[i] = e->state_bytes;
        if (!value_bytes(v, NULL, &bytes) || !bp_add_u64(e->state_bytes, bp_round_up(bytes, ALIGN), &e->state_bytes))
            return bp_fail(error, BP_E_INVALID, "the KV cache is too large");
    }
    if (!e->state_bytes) return BP_OK;
    bp_status status = api(e)->buffer_new(e->device->handle, e->state_bytes, BP_USE_STATE, &e->state, error);
    if (status) return bp_fail_in(error, "%llu MB for the KV cache (try a smaller --context): ", (unsigned long long)(e->state_bytes >> 20));
    for (uint32_t i = 0; i < g->n_values; i++)
        if (bp_graph_value(g, i)->role == BP_ROLE_STATE) add_binding(e, i, e->state, e->state_at[i]);
    return BP_OK;
}

/* Places of the inputs for the largest numbers of a class; the sum. */
static bp_status place_inputs(bp_executor *e, int class, uint64_t *total, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    int64_t *top = bp_new_array(g->n_symbols, sizeof *top);
    *total = 0;
    bool good = top != NULL;
    for (uint32_t i = 1; good && i < g->n_symbols; i++) top[i] = symbol_range(e, g->symbols[i], class).max;
    for (uint32_t i = 0; good && i < g->n_values; i++) {
        uint64_t bytes;
        if (bp_graph_value(g, i)->role != BP_ROLE_INPUT) continue;
        e->input_at[i] = *total;
        good = value_bytes(bp_graph_value(g, i), top, &bytes) && bp_add_u64(*total, bp_round_up(bytes, ALIGN), total);
    }
    free(top);
    return good ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "no memory for a step's inputs");
}

static bp_status make_inputs(bp_executor *e, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    bp_status status = place_inputs(e, BP_N_CLASSES - 1, &e->input_bytes, error);
    if (status) return status;
    e->staged = bp_new_array(e->input_bytes, 1);
    if (!e->staged) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    status = api(e)->buffer_new(e->device->handle, BP_MAX(e->input_bytes, ALIGN), BP_USE_INPUT, &e->inputs, error);
    for (uint32_t i = 0; !status && i < g->n_values; i++) {
        const uint32_t role = bp_graph_value(g, i)->role;
        if (role == BP_ROLE_INPUT) add_binding(e, i, e->inputs, 0);
        if (role != BP_ROLE_OUTPUT) continue;
        e->outputs[e->n_outputs++] = (output){ .value = i, .binding = e->n_bindings };
        add_binding(e, i, NULL, 0);
    }
    return status;
}

static bp_status check_symbols(const bp_executor *e, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    for (uint32_t i = 1; i < g->n_symbols; i++)
        if (!symbol_range(e, g->symbols[i], 0).max) return bp_fail(error, BP_E_INTERNAL, "the graph has a symbol '%s' that has no number", g->symbols[i]);
    return BP_OK;
}

static bp_status set_up(bp_executor *e, const bp_gguf *file, bp_part *part, bp_error *error) {
    const uint32_t n = part->graph.n_values;
    e->bindings = bp_new_array(n, sizeof *e->bindings);
    e->binding_of = bp_new_array(n, sizeof *e->binding_of);
    e->outputs = bp_new_array(n, sizeof *e->outputs);
    e->state_at = bp_new_array(n, sizeof *e->state_at);
    e->input_at = bp_new_array(n, sizeof *e->input_at);
    e->symbols = bp_new_array(part->graph.n_symbols, sizeof *e->symbols);
    if (!e->bindings || !e->binding_of || !e->outputs || !e->state_at || !e->input_at || !e->symbols) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = check_symbols(e, error);
    if (!status) status = bp_weights_load(e->device, file, &part->graph, e->limits.threads, &e->weights, error);
    for (uint32_t i = 0; !status && i < e->weights.count; i++) add_binding(e, e->weights.bindings[i].value, e->weights.bindings[i].buffer, e->weights.bindings[i].offset);
    if (!status) status = place_states(e, error);
    if (!status) status = make_inputs(e, error);
    if (!status) status = api(e)->stream_new(e->device->handle, &e->stream, error);
    return status;
}

bp_status bp_executor_new(const bp_open_device *device, const bp_gguf *file, bp_part *part, const bp_run_limits *limits, bp_executor **out,
                          bp_error *error) {
    bp_executor *e = calloc(1, sizeof *e);
    if (!e) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    e->device = device, e->part = part, e->limits = *limits, e->class = -1;
    bp_status status = set_up(e, file, part, error);
    if (status) bp_executor_free(e);
    else *out = e;
    return status;
}

void bp_executor_free(bp_executor *e) {
    if (!e) return;
    bp_device *device = e->device->handle;
    for (uint32_t i = 0; i < BP_N_CLASSES; i++)
        if (e->programs[i]) api(e)->program_free(device, e->programs[i]);
    if (e->stream) api(e)->stream_free(device, e->stream);
    if (e->state) api(e)->buffer_free(device, e->state);
    if (e->inputs) api(e)->buffer_free(device, e->inputs);
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        if (e->outputs[i].buffer) api(e)->buffer_free(device, e->outputs[i].buffer);
        free(e->outputs[i].host);
    }
    bp_weights_free(e->device, &e->weights);
    free(e->bindings);
    free(e->binding_of);
    free(e->outputs);
    free(e->state_at);
    free(e->input_at);
    free(e->symbols);
    free(e->staged);
    free(e);
}

static const bp_profile_api *profiler(const bp_executor *e) {
    return BP_HAS(bp_device_api, api(e), extension) ? api(e)->extension(e->device->handle, BP_PROFILE_ID) : NULL;
}

static bp_status enable_profile(bp_executor *e, bp_program *program, bp_error *error) {
    const bp_profile_api *p = profiler(e);
    if (!p) return bp_fail(error, BP_E_UNSUPPORTED, "backend %s cannot profile", e->device->backend->name);
    return p->enable(e->device->handle, program, 1, error);
}

/* The program of a class, compiled on first use. */
static bp_status compile(bp_executor *e, int class, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    if (e->programs[class]) return BP_OK;
    bp_range *ranges = bp_new_array(g->n_symbols, sizeof *ranges);
    if (!ranges) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 1; i < g->n_symbols; i++) ranges[i] = symbol_range(e, g->symbols[i], class);
    const bp_options options = { .size = sizeof options, .ranges = ranges };
    bp_status status = api(e)->compile(e->device->handle, g, &options, &e->programs[class], error);
    free(ranges);
    if (status) e->programs[class] = NULL;
    return !status && e->profiling ? enable_profile(e, e->programs[class], error) : status;
}

/* The first class that takes the numbers. */
static int class_of(const bp_executor *e, const int64_t *symbols) {
    const bp_graph *g = &e->part->graph;
    int64_t n_tokens = 1, n_kv = 0;
    for (uint32_t i = 1; i < g->n_symbols; i++) {
        if (!strcmp(g->symbols[i], BP_SYMBOL_N_TOKENS)) n_tokens = symbols[i];
        if (!strcmp(g->symbols[i], BP_SYMBOL_N_KV)) n_kv = symbols[i];
    }
    for (int class = 0; class < BP_N_CLASSES; class++)
        if (n_tokens <= bp_class_ranges[class].max && n_kv <= bp_class_ranges[class].longest) return class;
    return BP_N_CLASSES - 1;
}

static bp_status grow_output(bp_executor *e, output *o, bp_error *error) {
    const bp_value *v = bp_graph_value(&e->part->graph, o->value);
    uint64_t bytes;
    if (!value_bytes(v, e->symbols, &bytes)) return bp_fail(error, BP_E_INVALID, "%s: too large", v->name);
    if (o->buffer && bytes <= o->room) return BP_OK;
    if (o->buffer) api(e)->buffer_free(e->device->handle, o->buffer);
    o->buffer = NULL;
    bp_status status = api(e)->buffer_new(e->device->handle, BP_MAX(bytes, ALIGN), BP_USE_OUTPUT, &o->buffer, error);
    if (status) return bp_fail_in(error, "%llu MB for %s: ", (unsigned long long)(bytes >> 20), v->name);
    o->room = bytes;
    e->bindings[o->binding].buffer = o->buffer;
    return BP_OK;
}

bp_status bp_executor_begin(bp_executor *e, const int64_t *symbols, bp_error *error) {
    const bp_graph *g = &e->part->graph;
    const int class = class_of(e, symbols);
    bp_status status = compile(e, class, error);
    if (!status && class != e->class) {
        status = place_inputs(e, class, &e->input_bytes, error);
        for (uint32_t i = 0; i < g->n_values; i++)
            if (bp_graph_value(g, i)->role == BP_ROLE_INPUT) e->bindings[e->binding_of[i]].offset = e->input_at[i];
        e->class = status ? -1 : class;
    }
    memcpy(e->symbols, symbols, g->n_symbols * sizeof *symbols);
    for (uint32_t i = 0; !status && i < e->n_outputs; i++) status = grow_output(e, &e->outputs[i], error);
    return status;
}

void *bp_executor_input(bp_executor *e, uint32_t whole, uint64_t *bytes) {
    const uint32_t v = e->part->local_value[whole];
    if (v == BP_NONE || bp_graph_value(&e->part->graph, v)->role != BP_ROLE_INPUT) return NULL;
    return value_bytes(bp_graph_value(&e->part->graph, v), e->symbols, bytes) ? e->staged + e->input_at[v] : NULL;
}

bp_status bp_executor_submit(bp_executor *e, bp_error *error) {
    bp_status status = e->input_bytes ? api(e)->write(e->device->handle, e->inputs, 0, e->staged, e->input_bytes, error) : BP_OK;
    if (status) return status;
    return api(e)->submit(e->stream, e->programs[e->class], e->symbols, e->bindings, e->n_bindings, &e->sequence, error);
}

bp_status bp_executor_wait(bp_executor *e, bp_error *error) { return api(e)->wait(e->stream, e->sequence, -1, error); }

bp_status bp_executor_output(bp_executor *e, uint32_t whole, const void **data, uint64_t *bytes, bp_error *error) {
    const uint32_t v = e->part->local_value[whole];
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        output *o = &e->outputs[i];
        if (o->value != v) continue;
        if (!value_bytes(bp_graph_value(&e->part->graph, v), e->symbols, bytes)) break;
        *data = BP_HAS(bp_device_api, api(e), buffer_address) ? api(e)->buffer_address(e->device->handle, o->buffer) : NULL;
        if (*data) return BP_OK;
        if (!bp_grow(&o->host, &o->host_room, *bytes, 1)) return bp_fail(error, BP_E_NO_MEMORY, "out of memory for an output");
        *data = o->host;
        return api(e)->read(e->device->handle, o->buffer, 0, o->host, *bytes, error);
    }
    return bp_fail(error, BP_E_INTERNAL, "no output of this number");
}

uint64_t bp_executor_state_bytes(const bp_executor *e, uint32_t whole) {
    const uint32_t v = e->part->local_value[whole];
    if (v == BP_NONE) return 0;
    const bp_value *value = bp_graph_value(&e->part->graph, v);
    uint64_t bytes = 0;
    return value->role == BP_ROLE_STATE && value_bytes(value, NULL, &bytes) ? bytes / (uint64_t)BP_MAX(value->dim[value->rank - 1].value, 1) : 0;
}

static uint64_t state_offset(const bp_executor *e, uint32_t whole, int64_t index) {
    return e->state_at[e->part->local_value[whole]] + (uint64_t)index * bp_executor_state_bytes(e, whole);
}

bp_status bp_executor_read_state(bp_executor *e, uint32_t whole, int64_t index, void *to, bp_error *error) {
    return api(e)->read(e->device->handle, e->state, state_offset(e, whole, index), to, bp_executor_state_bytes(e, whole), error);
}

bp_status bp_executor_write_state(bp_executor *e, uint32_t whole, int64_t index, const void *from, bp_error *error) {
    return api(e)->write(e->device->handle, e->state, state_offset(e, whole, index), from, bp_executor_state_bytes(e, whole), error);
}

bp_status bp_executor_copy_state(bp_executor *e, uint32_t whole, int64_t from, int64_t to, bp_error *error) {
    void *piece = malloc(BP_MAX(bp_executor_state_bytes(e, whole), 1));
    if (!piece) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = bp_executor_read_state(e, whole, from, piece, error);
    if (!status) status = bp_executor_write_state(e, whole, to, piece, error);
    free(piece);
    return status;
}

bp_status bp_executor_profile(bp_executor *e, bool on, bp_error *error) {
    bp_status status = BP_OK;
    e->profiling = on;
    for (uint32_t i = 0; on && !status && i < BP_N_CLASSES; i++)
        if (e->programs[i]) status = enable_profile(e, e->programs[i], error);
    return status;
}

bp_status bp_executor_profile_read(bp_executor *e, int class, bp_profile_entry *entries, uint32_t capacity, uint32_t *count, bp_error *error) {
    const bp_profile_api *p = profiler(e);
    *count = 0;
    return p && e->programs[class] ? p->read(e->device->handle, e->programs[class], entries, capacity, count, error) : BP_OK;
}

bp_executor_memory bp_executor_memory_of(const bp_executor *e) {
    bp_executor_memory m = { e->weights.mapped_bytes, e->weights.packed_bytes, e->state_bytes, e->input_bytes, 0 };
    for (uint32_t i = 0; i < e->n_outputs; i++) m.outputs += e->outputs[i].room;
    return m;
}

const bp_part *bp_executor_part(const bp_executor *e) { return e->part; }
const bp_open_device *bp_executor_device(const bp_executor *e) { return e->device; }
