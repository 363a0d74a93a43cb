/* One part of a model's graph on one device: its weights, its share of the cache, its programs, the memory of its inputs
 * and outputs. One thread at a time. */
#ifndef BP_RUN_EXECUTOR_H
#define BP_RUN_EXECUTOR_H

#include "backplane/profile.h"
#include "core/device/plugin.h"
#include "core/gguf/gguf.h"
#include "core/graph/partition.h"

/* Programs are compiled for a few ranges of n_tokens; single tokens also for few keys, where a device may do without
 * splitting them. */
enum { BP_N_CLASSES = 5 };
typedef struct bp_class_range {
    const char *name;
    int64_t min, max, longest; /* n_tokens, and n_kv at most; the last ones' maximum: the batch, the context */
} bp_class_range;
extern const bp_class_range bp_class_ranges[BP_N_CLASSES];

/* The largest numbers that the symbols will take. */
typedef struct bp_run_limits {
    int64_t batch, context, sequences;
    uint32_t threads; /* for packing weights */
} bp_run_limits;

typedef struct bp_executor bp_executor;

/* device, file and part outlive the executor; sets the layouts of the part's weights. */
bp_status bp_executor_new(const bp_open_device *device, const bp_gguf *file, bp_part *part, const bp_run_limits *limits,
                          bp_executor **out, bp_error *error);
void bp_executor_free(bp_executor *executor);

/* A step: begin with the symbols' numbers (by index; copied), fill every input of the part, submit, wait, look at the
 * outputs. Values are named by their indices in the whole graph. */
bp_status bp_executor_begin(bp_executor *e, const int64_t *symbols, bp_error *error);
/* Room for an input's content (bytes by its shape), to be filled before submit; NULL where the part has no such input. */
void *bp_executor_input(bp_executor *e, uint32_t whole, uint64_t *bytes);
bp_status bp_executor_submit(bp_executor *e, bp_error *error);
bp_status bp_executor_wait(bp_executor *e, bp_error *error);
/* The content of an output on the host, valid until the next begin: the device's own memory where the host can read it. */
bp_status bp_executor_output(bp_executor *e, uint32_t whole, const void **data, uint64_t *bytes, bp_error *error);

/* Copy index `from` to `to` along the outermost dimension of a state: a block of the KV cache, a slot. */
bp_status bp_executor_copy_state(bp_executor *e, uint32_t whole, int64_t from, int64_t to, bp_error *error);
/* Bytes of one index along the outermost dimension of a state, and their transfer to and from the host. */
uint64_t bp_executor_state_bytes(const bp_executor *e, uint32_t whole);
bp_status bp_executor_read_state(bp_executor *e, uint32_t whole, int64_t index, void *to, bp_error *error);
bp_status bp_executor_write_state(bp_executor *e, uint32_t whole, int64_t index, const void *from, bp_error *error);

bp_status bp_executor_profile(bp_executor *e, bool on, bp_error *error);
/* Entries of the program of one class since profiling began; *count 0 where it was not compiled. */
bp_status bp_executor_profile_read(bp_executor *e, int class, bp_profile_entry *entries, uint32_t capacity, uint32_t *count,
                                   bp_error *error);

typedef struct bp_executor_memory {
    uint64_t mapped, packed, state, inputs, outputs; /* bytes */
} bp_executor_memory;
bp_executor_memory bp_executor_memory_of(const bp_executor *e);
const bp_part *bp_executor_part(const bp_executor *e);
const bp_open_device *bp_executor_device(const bp_executor *e);

#endif
