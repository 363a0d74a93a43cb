/* The backend's entry points, as the device's table has them. */
#ifndef BP_CUDA_ENTRY_H
#define BP_CUDA_ENTRY_H

#include "backends/cuda/cuda_plan.h"

extern const bp_device_api cuda_device_api;
/* card: the driver's number of it. */
bp_status cuda_open(const bp_host *host, uint32_t index, uint32_t card, bp_device **, bp_error *);

bp_status cuda_buffer_new(bp_device *, uint64_t bytes, uint32_t use, bp_buffer **, bp_error *);
void cuda_buffer_free(bp_device *, bp_buffer *);
bp_status cuda_write(bp_device *, bp_buffer *, uint64_t offset, const void *, uint64_t bytes, bp_error *);
bp_status cuda_read(bp_device *, const bp_buffer *, uint64_t offset, void *, uint64_t bytes, bp_error *);
bp_status cuda_layout(bp_device *, const bp_graph *, uint32_t value, bp_weight_layout *, bp_error *);
bp_status cuda_pack(bp_device *, const bp_value *v, const void *rows, int64_t first, int64_t n, bp_buffer *, uint64_t offset,
                    bp_error *);
bp_status cuda_assess(bp_device *, const bp_graph *, bp_verdict *, bp_error *);
bp_status cuda_compile(bp_device *, const bp_graph *, const bp_options *, bp_program **, bp_error *);
void cuda_program_free(bp_device *, bp_program *);
bp_status cuda_stream_new(bp_device *, bp_stream **, bp_error *);
void cuda_stream_free(bp_device *, bp_stream *);
bp_status cuda_submit(bp_stream *, bp_program *, const int64_t *symbols, const bp_binding *, uint32_t n_bindings,
                      uint64_t *sequence, bp_error *);
bp_status cuda_wait(bp_stream *, uint64_t sequence, int64_t timeout_ns, bp_error *);
const void *cuda_device_extension(bp_device *, const char *id);

/* Pinned memory and events for copies, made with the device. */
bp_status cuda_ring_new(bp_device *d, bp_error *error);
void cuda_ring_free(bp_device *d);
void cuda_pool_free(bp_device *d);
/* Let a stream wait for all copies that were begun so far. */
bp_status cuda_after_copies(bp_device *d, CUstream stream, bp_error *error);

#endif
