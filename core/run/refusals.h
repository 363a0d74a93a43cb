/* What a device refuses in coarse form, taken apart where the device takes the finer ops. */
#ifndef BP_RUN_REFUSALS_H
#define BP_RUN_REFUSALS_H

#include "core/device/plugin.h"
#include "core/graph/builder.h"

/* Replaces *builder and *graph (the old ones are freed) where that helps; a node whose finer ops are refused as well stays
 * whole. *n_split: nodes of the graph given that were taken apart. */
bp_status bp_refusals_split(const bp_open_device *device, bp_builder **builder, bp_graph **graph, uint32_t *n_split, bp_error *error);

#endif
