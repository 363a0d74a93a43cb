#include "core/run/refusals.h"

#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/graph/decompose.h"

enum { MAX_STEPS = 16 }; /* from a coarse op to its finest */

/* A graph on the way, and for each of its nodes the node of the first graph that it comes from. */
typedef struct stage {
    bp_builder *builder; /* NULL: the first graph, the caller's */
    const bp_graph *graph;
    uint32_t *origin;
} stage;

static void drop(stage *s) {
    bp_builder_free(s->builder);
    free(s->origin);
    *s = (stage){ 0 };
}

/* One step: flags of nodes to split in, the next stage out. *stuck: refused nodes that have no decomposition. */
static bp_status advance(const bp_open_device *d, stage *s, const bool *whole, bool *any, bool *stuck_origin, bp_error *error) {
    const uint32_t n = s->graph->n_nodes;
    bp_verdict *verdicts = bp_new_array(n, sizeof *verdicts);
    bool *flags = bp_new_array(n, sizeof *flags);
    stage next = { 0 };
    uint32_t *from = NULL, n_split = 0;
    bp_status status = verdicts && flags ? d->api->assess(d->handle, s->graph, verdicts, error) : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    *any = false;
    for (uint32_t i = 0; !status && i < n; i++) {
        if (verdicts[i].level != BP_VERDICT_NO || whole[s->origin[i]]) continue;
        flags[i] = *any = true;
        stuck_origin[s->origin[i]] = true; /* until a later stage shows that its parts are taken */
    }
    if (!status && *any) {
        bp_graph *graph;
        status = bp_decompose(s->graph, flags, &next.builder, &graph, &from, &n_split, error);
        if (!status) {
            next.graph = graph;
            next.origin = from;
            for (uint32_t i = 0; i < graph->n_nodes; i++) from[i] = s->origin[from[i]];
            drop(s);
            *s = next;
        }
    }
    *any = *any && n_split;
    free(verdicts);
    free(flags);
    return status;
}

static bp_status first_stage(const bp_graph *g, stage *s, bp_error *error) {
    *s = (stage){ .graph = g, .origin = bp_new_array(g->n_nodes, sizeof *s->origin) };
    if (!s->origin) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < g->n_nodes; i++) s->origin[i] = i;
    return BP_OK;
}

/* Take apart what is refused until nothing changes. whole: nodes of the first graph to leave alone; refused: those of
 * which something is refused in the end. */
static bp_status settle(const bp_open_device *d, const bp_graph *g, const bool *whole, bool *refused, stage *s, bp_error *error) {
    bp_status status = first_stage(g, s, error);
    bool any = true;
    for (int i = 0; !status && any && i < MAX_STEPS; i++) {
        for (uint32_t k = 0; k < g->n_nodes; k++) refused[k] = false;
        status = advance(d, s, whole, &any, refused, error);
    }
    if (status) drop(s);
    return status;
}

bp_status bp_refusals_split(const bp_open_device *device, bp_builder **builder, bp_graph **graph, uint32_t *n_split, bp_error *error) {
    const uint32_t n = (*graph)->n_nodes;
    bool *whole = bp_new_array(n, sizeof *whole), *refused = bp_new_array(n, sizeof *refused);
    stage s = { 0 };
    bp_status status = whole && refused ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (bool again = true; !status && again;) {
        again = false;
        drop(&s);
        status = settle(device, *graph, whole, refused, &s, error);
        for (uint32_t i = 0; !status && i < n; i++)
            if (refused[i] && !whole[i]) whole[i] = again = true;
    }
    *n_split = 0;
    if (!status && s.builder) {
        uint32_t *pieces = bp_new_array(n, sizeof *pieces);
        for (uint32_t i = 0; pieces && i < s.graph->n_nodes; i++) *n_split += ++pieces[s.origin[i]] == 2;
        free(pieces);
        bp_builder_free(*builder);
        *builder = s.builder;
        *graph = (bp_graph *)s.graph;
        s.builder = NULL;
    }
    drop(&s);
    free(whole);
    free(refused);
    return status;
}
