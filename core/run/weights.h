/* A graph's weights on a device: mapped as the file has them where the device wants that, else packed once, in parallel. */
#ifndef BP_RUN_WEIGHTS_H
#define BP_RUN_WEIGHTS_H

#include "core/device/plugin.h"
#include "core/gguf/gguf.h"

typedef struct bp_weights {
    bp_binding *bindings; /* one a weight value of the graph */
    uint32_t count;
    bp_buffer **buffers; /* freed with the weights */
    uint32_t n_buffers;
    uint64_t mapped_bytes, packed_bytes;
} bp_weights;

/* Place every weight value of the graph; sets the values' layouts. threads: for packing. The file outlives the weights. */
bp_status bp_weights_load(const bp_open_device *device, const bp_gguf *file, bp_graph *graph, uint32_t threads, bp_weights *out,
                          bp_error *error);
void bp_weights_free(const bp_open_device *device, bp_weights *weights);

#endif
