#include "core/graph/partition.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/fail.h"
#include "core/base/size.h"

struct bp_partition {
    bp_arena arena;
    bp_part *parts;
    uint32_t n_parts;
};

/* What is known of each value of the whole graph while parts are made. */
typedef struct traffic {
    uint32_t *writer;     /* part that writes it, BP_NONE: none */
    uint32_t *last_reader; /* last part that reads it, BP_NONE: none */
    uint32_t *user;       /* a node that names it, for states */
} traffic;

static uint32_t count_parts(const bp_graph *g, const uint32_t *owner) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) n += i == 0 || owner[i] != owner[i - 1];
    return n;
}

static bp_status note_traffic(const bp_graph *g, const uint32_t *owner, traffic *t, bp_error *error) {
    uint32_t part = BP_NONE;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *n = bp_graph_node(g, i);
        if (i == 0 || owner[i] != owner[i - 1]) part = i == 0 ? 0 : part + 1;
        for (uint32_t k = 0; k < n->n_in + n->n_out; k++) {
            const bool reads = k < n->n_in;
            const uint32_t v = reads ? n->in[k] : n->out[k - n->n_in];
            if (v == BP_NONE) continue;
            const bp_value *value = bp_graph_value(g, v);
            if (value->role == BP_ROLE_STATE) {
                uint32_t *user = &t->user[v];
                if (*user != BP_NONE && owner[*user] != owner[i])
                    return bp_fail(error, BP_E_UNSUPPORTED, "%s: its nodes are placed on two devices, and a cache cannot move", value->name);
                *user = i;
            } else if (reads) {
                t->last_reader[v] = part;
            } else {
                t->writer[v] = part;
            }
        }
    }
    return BP_OK;
}

static uint32_t role_in(const bp_value *v, uint32_t index, uint32_t part, const traffic *t) {
    if (v->role != BP_ROLE_TEMP && v->role != BP_ROLE_OUTPUT) return v->role;
    if (t->writer[index] != part) return BP_ROLE_INPUT;
    const bool crosses = t->last_reader[index] != BP_NONE && t->last_reader[index] != part;
    return crosses ? BP_ROLE_OUTPUT : v->role;
}

/* The local index of value v, added to the part where it is new. */
static uint32_t local_value(const bp_graph *g, bp_part *p, uint32_t part, uint32_t v, traffic *t) {
    if (v == BP_NONE) return BP_NONE;
    if (p->local_value[v] != BP_NONE) return p->local_value[v];
    const uint32_t at = p->local_value[v] = p->graph.n_values++;
    bp_value *to = (bp_value *)bp_graph_value(&p->graph, at);
    *to = *bp_graph_value(g, v);
    to->role = role_in(to, v, part, t);
    p->whole_value[at] = v;
    return at;
}

static uint32_t *local_list(bp_partition *set, const bp_graph *g, bp_part *p, uint32_t part, const uint32_t *list, uint32_t n, traffic *t) {
    uint32_t *out = bp_arena_alloc(&set->arena, (n + 1) * sizeof *out);
    for (uint32_t i = 0; out && i < n; i++) out[i] = local_value(g, p, part, list[i], t);
    return out;
}

/* Nodes [first, last) as part `part`. */
static bool fill_part(bp_partition *set, const bp_graph *g, uint32_t part, uint32_t first, uint32_t last, traffic *t) {
    bp_part *p = &set->parts[part];
    uint32_t named = 0;
    for (uint32_t i = first; i < last; i++) named += bp_graph_node(g, i)->n_in + bp_graph_node(g, i)->n_out;
    bp_value *values = bp_arena_alloc(&set->arena, (named + 1) * sizeof *values);
    bp_node *nodes = bp_arena_alloc(&set->arena, (last - first) * sizeof *nodes);
    p->whole_value = bp_arena_alloc(&set->arena, (named + 1) * sizeof *p->whole_value);
    p->whole_node = bp_arena_alloc(&set->arena, (last - first) * sizeof *p->whole_node);
    p->local_value = bp_arena_alloc(&set->arena, (g->n_values + 1) * sizeof *p->local_value);
    if (!values || !nodes || !p->whole_value || !p->whole_node || !p->local_value) return false;
    memset(p->local_value, 0xff, g->n_values * sizeof *p->local_value);
    p->graph = (bp_graph){ .size = sizeof p->graph, .value_size = sizeof *values, .node_size = sizeof *nodes, .n_symbols = g->n_symbols,
                           .values = values, .nodes = nodes, .symbols = g->symbols };
    for (uint32_t i = first; i < last; i++) {
        bp_node *to = &nodes[p->graph.n_nodes];
        p->whole_node[p->graph.n_nodes++] = i;
        *to = *bp_graph_node(g, i);
        to->in = local_list(set, g, p, part, to->in, to->n_in, t);
        to->out = local_list(set, g, p, part, to->out, to->n_out, t);
        if (!to->in || !to->out) return false;
    }
    return true;
}

static bp_status fill(bp_partition *set, const bp_graph *g, const uint32_t *owner, bp_error *error) {
    const size_t n = g->n_values + 1;
    traffic t = { malloc(n * sizeof(uint32_t)), malloc(n * sizeof(uint32_t)), malloc(n * sizeof(uint32_t)) };
    set->n_parts = count_parts(g, owner);
    set->parts = bp_arena_alloc(&set->arena, (set->n_parts + 1) * sizeof *set->parts);
    bool good = t.writer && t.last_reader && t.user && set->parts;
    bp_status status = BP_OK;
    if (good) {
        memset(t.writer, 0xff, n * sizeof(uint32_t));
        memset(t.last_reader, 0xff, n * sizeof(uint32_t));
        memset(t.user, 0xff, n * sizeof(uint32_t));
        status = note_traffic(g, owner, &t, error);
    }
    for (uint32_t part = 0, first = 0, last; !status && good && part < set->n_parts; part++, first = last) {
        for (last = first + 1; last < g->n_nodes && owner[last] == owner[first]; last++) {}
        set->parts[part].owner = owner[first];
        good = fill_part(set, g, part, first, last, &t);
    }
    free(t.writer);
    free(t.last_reader);
    free(t.user);
    return status || good ? status : bp_fail(error, BP_E_NO_MEMORY, "out of memory while cutting the graph");
}

bp_status bp_partition_new(const bp_graph *whole, const uint32_t *owner, bp_partition **out, bp_error *error) {
    bp_partition *set = calloc(1, sizeof *set);
    if (!set) return bp_fail(error, BP_E_NO_MEMORY, "out of memory while cutting the graph");
    bp_status status = fill(set, whole, owner, error);
    if (status) bp_partition_free(set);
    else *out = set;
    return status;
}

void bp_partition_free(bp_partition *set) {
    if (!set) return;
    bp_arena_free(&set->arena);
    free(set);
}

uint32_t bp_partition_count(const bp_partition *set) { return set->n_parts; }
bp_part *bp_partition_part(bp_partition *set, uint32_t i) { return &set->parts[i]; }
