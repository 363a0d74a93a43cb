/* Coarse ops as finer ones, as docs/ops.md writes them down, for devices that refuse the coarse form. */
#ifndef BP_GRAPH_DECOMPOSE_H
#define BP_GRAPH_DECOMPOSE_H

#include <stdbool.h>

#include "core/graph/builder.h"

/* A copy of the graph in which each node of `split` (one flag a node) that has a decomposition is taken one step apart;
 * the others are as they were. Values keep their indices, new temporaries follow. from: for each node of the result the
 * node that it comes from ([*n_from], the caller's to free). *n_split: how many were taken apart. */
bp_status bp_decompose(const bp_graph *graph, const bool *split, bp_builder **builder, bp_graph **result, uint32_t **from,
                       uint32_t *n_split, bp_error *error);

#endif
