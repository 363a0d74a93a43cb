/* What a device does: memory, weights, and graphs compiled to programs.
 *
 * Threads. Calls on one stream come from one thread at a time. All else may be called from any thread at any time,
 * except that nothing is called on an object while or after it is freed.
 * Ownership. What a call returns through a `**` belongs to the caller, who frees it with the call named beside it.
 * Arrays and structs passed in are read during the call alone unless it says otherwise.
 * Failure. On a status other than BP_OK nothing was created, and the device is as before; after BP_E_DEVICE_LOST only
 * the free and close calls are made. */
#ifndef BACKPLANE_DEVICE_H
#define BACKPLANE_DEVICE_H

#include <stdint.h>

#include "backplane/graph.h"
#include "backplane/status.h"

/* The plugin's own types, opaque to the engine. */
typedef struct bp_device bp_device;
typedef struct bp_buffer bp_buffer;
typedef struct bp_program bp_program;
typedef struct bp_stream bp_stream;

/* The caller sets size; the callee fills the members that fit. Texts live as long as the device. */
typedef struct bp_device_info {
    uint32_t size;
    uint32_t index;
    const char *name;      /* "AMD EPYC 9454", "NVIDIA H200" */
    const char *detail;    /* "avx512vnni, 2 threads": what a person wants to know beside the name */
    uint64_t memory_total; /* bytes; 0 = not known */
    uint64_t memory_free;
    uint32_t host_memory;  /* 1: buffers are ordinary host memory, and buffer_import takes a mapped file */
    uint32_t reserved;
} bp_device_info;

enum bp_buffer_use { BP_USE_WEIGHTS = 1, BP_USE_STATE = 2, BP_USE_INPUT = 3, BP_USE_OUTPUT = 4 };

/* How a device wants one weight. */
typedef struct bp_weight_layout {
    uint32_t size;         /* set by the caller */
    uint32_t layout;       /* BP_LAYOUT_ROWS: as the file has it; else the device's own number for bp_value.layout */
    uint64_t bytes;        /* that `pack` fills, from the offset on */
    uint64_t align;        /* of that offset; a power of two */
    int64_t row_multiple;  /* pack is called with ranges of rows that start at a multiple of this */
} bp_weight_layout;

enum bp_verdict_level { BP_VERDICT_NO = 0, BP_VERDICT_SLOW = 1, BP_VERDICT_YES = 2 };
typedef struct bp_verdict {
    int32_t level;   /* bp_verdict_level */
    uint32_t reserved;
    const char *why; /* for NO and SLOW, in words; NULL for YES; lives as long as the device */
} bp_verdict;

/* The numbers that one symbol will take in the submits of a program: min <= number <= max, most often `usual`. */
typedef struct bp_range {
    int64_t min, max, usual;
} bp_range;

typedef struct bp_options {
    uint32_t size;
    int32_t deterministic;  /* 1: a row's result must not depend on what else is in the batch */
    const bp_range *ranges; /* n_symbols of them; [0] is unused */
    uint64_t memory_limit;  /* bytes for temporaries; 0 = none */
} bp_options;

/* Where a value's memory is: buffer from offset on. Weights, inputs, outputs and states need one each at every submit. */
typedef struct bp_binding {
    uint32_t value, reserved;
    bp_buffer *buffer;
    uint64_t offset; /* a multiple of 64 (weights: of bp_weight_layout.align; mapped ones: as the file has them) */
} bp_binding;

typedef struct bp_device_api {
    uint32_t size;

    bp_status (*info)(bp_device *, bp_device_info *, bp_error *);
    void (*close)(bp_device *); /* last of all */

    /* Memory. Contents of a new buffer are undefined. buffer_import makes a buffer of memory that the engine owns and
     * keeps until buffer_free: no copy, never written to unless it is bound as output or state. Optional: NULL where
     * host_memory is 0. buffer_free is called after the last submit that uses it is done. */
    bp_status (*buffer_new)(bp_device *, uint64_t bytes, uint32_t use, bp_buffer **, bp_error *);
    bp_status (*buffer_import)(bp_device *, const void *memory, uint64_t bytes, bp_buffer **, bp_error *);
    void (*buffer_free)(bp_device *, bp_buffer *);

    /* Copy bytes into or out of a buffer; a range past its end is BP_E_INVALID. Complete on return, and ordered after
     * submits that wait has seen the end of. */
    bp_status (*write)(bp_device *, bp_buffer *, uint64_t offset, const void *, uint64_t bytes, bp_error *);
    bp_status (*read)(bp_device *, const bp_buffer *, uint64_t offset, void *, uint64_t bytes, bp_error *);
    /* Optional: the address of a buffer whose memory the host can use as it is, else NULL. */
    void *(*buffer_address)(bp_device *, bp_buffer *);

    /* Weights. layout says how the device wants weight `value`, given all nodes of the graph that use it; every graph
     * that uses the weight gives the same answer. pack stores rows [first, first + n) into a buffer: `rows` are those
     * rows as the file has them (rank 2 or 3: rows counted through all outer dimensions), v is the value with its layout set, and
     * offset is where the tensor, not the range, begins. Called from several threads for disjoint ranges. */
    bp_status (*layout)(bp_device *, const bp_graph *, uint32_t value, bp_weight_layout *, bp_error *);
    bp_status (*pack)(bp_device *, const bp_value *v, const void *rows, int64_t first, int64_t n, bp_buffer *,
                      uint64_t offset, bp_error *);

    /* Work. assess gives every node a verdict (verdicts[n_nodes]) and does not fail because of one. compile does all
     * planning; the program is valid for symbols within options->ranges. Layouts in the graph are final by then. */
    bp_status (*assess)(bp_device *, const bp_graph *, bp_verdict *verdicts, bp_error *);
    bp_status (*compile)(bp_device *, const bp_graph *, const bp_options *, bp_program **, bp_error *);
    void (*program_free)(bp_device *, bp_program *);

    bp_status (*stream_new)(bp_device *, bp_stream **, bp_error *);
    void (*stream_free)(bp_device *, bp_stream *);

    /* submit starts the program after all earlier submits of the stream. symbols[n_symbols] ([0] unused) are copied, as
     * are the bindings; buffers must live, and inputs stay as they are, until the work is done. *sequence counts up
     * within the stream. A device may also finish the work before it returns. A missing binding, or a symbol out of its
     * range, is BP_E_INVALID. wait returns once submit `sequence` and all before it are done, BP_E_TIMEOUT after
     * timeout_ns (0: at once, negative: never); a failure of the work itself is returned here. */
    bp_status (*submit)(bp_stream *, bp_program *, const int64_t *symbols, const bp_binding *, uint32_t n_bindings,
                        uint64_t *sequence, bp_error *);
    bp_status (*wait)(bp_stream *, uint64_t sequence, int64_t timeout_ns, bp_error *);

    /* Tables of extensions: "bp.profile/1" (profile.h); NULL where there is none. */
    const void *(*extension)(bp_device *, const char *id);
} bp_device_api;

#endif
