/* Cutting a graph between devices: each run of consecutive nodes with one owner becomes a graph of its own. A value that
 * crosses a cut is an output of the part that writes it and an input of those that read it. */
#ifndef BP_GRAPH_PARTITION_H
#define BP_GRAPH_PARTITION_H

#include "backplane/graph.h"
#include "backplane/status.h"

typedef struct bp_part {
    uint32_t owner; /* as given for its nodes */
    bp_graph graph; /* values that its nodes name, and its nodes; symbols are the whole graph's */
    uint32_t *whole_value; /* [graph.n_values]: the value's index in the whole graph */
    uint32_t *whole_node;  /* [graph.n_nodes] */
    uint32_t *local_value; /* [values of the whole graph]: the value's index here, BP_NONE where the part has none */
} bp_part;

typedef struct bp_partition bp_partition;

/* owner: one a node. The whole graph outlives the partition. A state that nodes of two owners name is BP_E_UNSUPPORTED:
 * caches do not move. */
bp_status bp_partition_new(const bp_graph *whole, const uint32_t *owner, bp_partition **out, bp_error *error);
void bp_partition_free(bp_partition *partition);
uint32_t bp_partition_count(const bp_partition *partition);
bp_part *bp_partition_part(bp_partition *partition, uint32_t i);

#endif
