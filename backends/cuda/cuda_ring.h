/* Slots of pinned memory: a thread takes one, fills it, begins work that reads it, and gives it back. */
#ifndef BP_CUDA_RING_H
#define BP_CUDA_RING_H

#include "backends/cuda/cuda_device.h"

enum { CUDA_RING_SLOTS = 16, CUDA_SLOT_BYTES = 2 << 20 };

typedef struct cuda_slot {
    char *memory;       /* pinned, CUDA_SLOT_BYTES; taken on first use */
    CUdeviceptr staged; /* as many bytes on the card, for rows to pack; 0 until first needed */
    CUevent done;
    bool held, used;
} cuda_slot;

/* Wait for a free slot whose earlier work is done. */
bp_status cuda_slot_take(bp_device *d, cuda_slot **out, bp_error *error);
/* begun: work on d->copies uses the slot. */
bp_status cuda_slot_give(bp_device *d, cuda_slot *slot, bool begun, bp_error *error);
/* How many slots' work was begun so far. */
uint64_t cuda_copies_begun(bp_device *d);
bp_status cuda_in_range(const bp_buffer *b, uint64_t offset, uint64_t bytes, bp_error *error);

#endif
