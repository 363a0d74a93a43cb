/* Which device computes which node. Layers are split in order between the devices of the list ([placement] in the
 * configuration); a node that its device refuses is split into finer ops where that helps (docs/ops.md), else given to
 * a fallback device or refused, as [engine] fallback says. Nothing moves in silence. */
#ifndef BP_RUN_PLACEMENT_H
#define BP_RUN_PLACEMENT_H

#include <stdio.h>

#include "core/device/plugin.h"
#include "core/graph/partition.h"

enum { BP_MAX_DEVICES = 16 };

/* Open devices; the first is the one that computes most. Closed with bp_devices_close. */
typedef struct bp_devices {
    bp_open_device list[BP_MAX_DEVICES];
    uint32_t count;
} bp_devices;

/* Open what [engine] backend and [placement] devices name. The configuration lives as long as the process. */
bp_status bp_devices_open(bp_config *config, bp_devices *out, bp_error *error);
void bp_devices_close(bp_devices *devices);

typedef struct bp_placement {
    uint32_t *owner;        /* [n_nodes]: index in the list of devices */
    bp_verdict *verdicts;   /* [n_nodes], of the owner */
    int32_t *layer;         /* [n_nodes]: the layer that a node belongs to; -1 before the first, n_layers after the last */
    uint32_t n_moved;       /* nodes that a device refused and another computes */
    int64_t n_layers, first_layer; /* layers from first_layer on are on devices->list[0] */
} bp_placement;

/* Place all nodes; may open further devices for what is refused. cache_bytes_a_layer: of the KV cache; n_layers: of the
 * model. The graph's weights have no layouts yet. */
bp_status bp_placement_new(bp_config *config, bp_devices *devices, const bp_graph *graph, int64_t n_layers,
                           uint64_t cache_bytes_a_layer, bp_placement *out, bp_error *error);
void bp_placement_free(bp_placement *placement);

#endif
