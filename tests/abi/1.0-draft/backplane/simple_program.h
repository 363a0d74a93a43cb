/* Part of backend_simple.h, which includes it: how a graph becomes a program. Not to be included alone. */
#ifndef BACKPLANE_SIMPLE_PROGRAM_H
#define BACKPLANE_SIMPLE_PROGRAM_H

#include "backplane/backend_simple.h"

static inline void bp_simple_program_free(bp_device *d, bp_program *p) {
    const bp_host *host = d->plugin->host;
    if (!p) return;
    host->free(host->self, p->values);
    host->free(host->self, p->nodes);
    host->free(host->self, p->ranges);
    host->free(host->self, p->places);
    host->free(host->self, p->names);
    host->free(host->self, p->scratch);
    host->free(host->self, p);
}

static inline int bp_simple_copy_values(bp_program *p, const bp_graph *g, const bp_host *host) {
    uint64_t text = 0;
    for (uint32_t i = 0; i < g->n_values; i++) text += __builtin_strlen(bp_graph_value(g, i)->name) + 1;
    p->values = bp_simple_new(host, g->n_values, sizeof *p->values);
    p->names = bp_simple_new(host, text, 1);
    p->places = bp_simple_new(host, g->n_values, sizeof *p->places);
    if (!p->values || !p->names || !p->places) return 0;
    char *name = p->names;
    for (uint32_t i = 0; i < g->n_values; i++) {
        p->values[i] = *bp_graph_value(g, i);
        uint64_t n = __builtin_strlen(p->values[i].name) + 1;
        bp_simple_copy(name, p->values[i].name, n);
        p->values[i].name = name;
        name += n;
    }
    return 1;
}

static inline int bp_simple_copy_nodes(bp_program *p, const bp_graph *g, const bp_host *host) {
    p->nodes = bp_simple_new(host, g->n_nodes, sizeof *p->nodes);
    if (!p->nodes) return 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *from = bp_graph_node(g, i);
        bp_simple_node *to = &p->nodes[i];
        to->entry = bp_simple_find(p->device->plugin, from->op);
        to->n_in = from->n_in;
        to->n_out = from->n_out;
        for (uint32_t k = 0; k < BP_SIMPLE_MAX_IN; k++) to->in[k] = bp_node_in(from, k);
        for (uint32_t k = 0; k < BP_SIMPLE_MAX_OUT; k++) to->out[k] = bp_node_out(from, k);
        to->params_size = from->params_size < BP_SIMPLE_MAX_PARAMS ? from->params_size : BP_SIMPLE_MAX_PARAMS;
        if (from->params) bp_simple_copy(to->params.bytes, from->params, to->params_size);
    }
    return 1;
}

/* Bytes of a value at its largest: a dimension grows or shrinks with one symbol, so one end of the range is the top.
 */
static inline int bp_simple_largest(const bp_program *p, const bp_value *v, uint64_t *bytes) {
    bp_value top = *v;
    for (uint32_t i = 0; i < v->rank; i++) {
        const bp_dim *d = &v->dim[i];
        if (!d->symbol) continue;
        int64_t end = d->value < 0 ? p->ranges[d->symbol].min : p->ranges[d->symbol].max, n;
        if (__builtin_mul_overflow(d->value, end, &n) || __builtin_add_overflow(n, d->plus, &n)) return 0;
        top.dim[i].value = n;
        top.dim[i].symbol = 0;
    }
    int64_t ne[BP_MAX_RANK];
    return bp_simple_shape(&top, NULL, ne, bytes);
}

static inline void bp_simple_lifetimes(bp_program *p) {
    for (uint32_t i = 0; i < p->n_values; i++) p->places[i].first = BP_NONE;
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const bp_simple_node *n = &p->nodes[i];
        for (uint32_t k = 0; k < BP_SIMPLE_MAX_IN + BP_SIMPLE_MAX_OUT; k++) {
            uint32_t v = k < BP_SIMPLE_MAX_IN ? n->in[k] : n->out[k - BP_SIMPLE_MAX_IN];
            if (v == BP_NONE) continue;
            if (p->places[v].first == BP_NONE) p->places[v].first = i;
            p->places[v].last = i;
        }
    }
}

/* The lowest offset at which temporary v meets none placed before it that lives at the same time. */
static inline uint64_t bp_simple_fit(const bp_program *p, uint32_t v) {
    const bp_simple_place *me = &p->places[v];
    uint64_t at = 0;
    for (uint32_t i = 0; i < v; i++) {
        const bp_simple_place *o = &p->places[i];
        int meets = o->bytes && o->first <= me->last && me->first <= o->last && at < o->offset + o->bytes &&
                    o->offset < at + me->bytes;
        if (!meets) continue;
        at = o->offset + o->bytes;
        i = BP_NONE; /* look at all again, from the first */
    }
    return at;
}

/* Place all temporaries in one piece of scratch memory and take it. */
static inline bp_status bp_simple_plan(bp_program *p, uint64_t limit, bp_error *error) {
    const bp_host *host = p->device->plugin->host;
    bp_simple_lifetimes(p);
    for (uint32_t i = 0; i < p->n_values; i++) {
        const bp_value *v = &p->values[i];
        uint64_t bytes;
        if (v->role != BP_ROLE_TEMP || p->places[i].first == BP_NONE) continue;
        if (!bp_simple_largest(p, v, &bytes) || bytes > INT64_MAX / 4)
            return bp_simple_fail(error, BP_E_INVALID, v->name, ": bad type or shape");
        p->places[i].bytes = (bytes + BP_SIMPLE_ALIGN) / BP_SIMPLE_ALIGN * BP_SIMPLE_ALIGN;
        p->places[i].offset = bp_simple_fit(p, i);
        uint64_t end = p->places[i].offset + p->places[i].bytes;
        if (end > INT64_MAX / 4) return bp_simple_fail(error, BP_E_NO_MEMORY, v->name, ": temporaries are too large");
        if (end > p->scratch_bytes) p->scratch_bytes = end;
    }
    if (limit && p->scratch_bytes > limit)
        return bp_simple_fail(error, BP_E_NO_MEMORY, "temporaries need more than the memory limit", NULL);
    p->scratch = host->alloc(host->self, p->scratch_bytes ? p->scratch_bytes : 1, BP_SIMPLE_ALIGN);
    return p->scratch ? BP_OK : bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for temporaries", NULL);
}

static inline bp_status bp_simple_copy_graph(bp_program *p, const bp_graph *g, const bp_options *options,
                                             bp_error *error) {
    const bp_host *host = p->device->plugin->host;
    p->ranges = bp_simple_new(host, g->n_symbols, sizeof *p->ranges);
    if (!p->ranges || !bp_simple_copy_values(p, g, host) || !bp_simple_copy_nodes(p, g, host))
        return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a program", NULL);
    for (uint32_t i = 1; i < g->n_symbols; i++) {
        p->ranges[i] = options->ranges[i];
        if (p->ranges[i].min > p->ranges[i].max)
            return bp_simple_fail(error, BP_E_INVALID, "an empty range for symbol ", g->symbols[i]);
    }
    p->n_values = g->n_values;
    p->n_nodes = g->n_nodes;
    p->n_symbols = g->n_symbols;
    return BP_OK;
}

static inline bp_status bp_simple_compile(bp_device *d, const bp_graph *g, const bp_options *options,
                                          bp_program **out, bp_error *error) {
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const char *why = bp_simple_why(d->plugin, g, bp_graph_node(g, i));
        if (why) return bp_simple_fail(error, BP_E_UNSUPPORTED, "compile: ", why);
    }
    if (g->n_symbols > 1 && (!options || !BP_HAS(bp_options, options, ranges)))
        return bp_simple_fail(error, BP_E_INVALID, "compile: no ranges for the graph's symbols", NULL);
    bp_program *p = bp_simple_new(d->plugin->host, 1, sizeof *p);
    if (!p) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a program", NULL);
    p->device = d;
    atomic_flag_clear(&p->busy);
    uint64_t limit = options && BP_HAS(bp_options, options, memory_limit) ? options->memory_limit : 0;
    bp_status status = bp_simple_copy_graph(p, g, options, error);
    if (!status) status = bp_simple_plan(p, limit, error);
    if (status)
        bp_simple_program_free(d, p);
    else
        *out = p;
    return status;
}

#endif
