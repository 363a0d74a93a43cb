/* Conformance cases run on a device, and the walk through the ABI. */
#ifndef BP_CHECK_RUN_H
#define BP_CHECK_RUN_H

#include "core/base/text.h"
#include "core/conformance/check_share.h"
#include "core/device/plugin.h"

/* One case on a device: its graph, buffers and program. */
typedef struct bp_check_run {
    const bp_open_device *device;
    bp_stream *stream;
    bp_check_case *c;
    bp_value values[BP_CHECK_VALUES];
    bp_node node;
    bp_graph graph;
    bp_buffer *buffers[BP_CHECK_VALUES];
    uint64_t offset[BP_CHECK_VALUES],
        span[BP_CHECK_VALUES]; /* span: bytes at the offset, packed where it is a weight */
    bp_binding bindings[BP_CHECK_VALUES];
    bp_program *program;
    bp_error error;
    char why[400];
} bp_check_run;

enum bp_check_outcome { BP_CHECK_OK, BP_CHECK_SKIP, BP_CHECK_FAIL, BP_CHECK_SAME };

/* Build, assess and compile; native: weights as the device lays them out (BP_CHECK_SAME where that is rows anyway).
 * few: compile for no more than 1 or 8 tokens where the case has no more, as engines do. Close whatever it answered. */
enum bp_check_outcome bp_check_open(bp_check_run *run, const bp_open_device *device, bp_stream *stream,
                                    bp_check_case *c, bool native, bool deterministic, bool few);
/* Poison the outputs, submit and wait; then compare with what is expected, canaries included. */
enum bp_check_outcome bp_check_go(bp_check_run *run);
enum bp_check_outcome bp_check_compare(bp_check_run *run);
void bp_check_close(bp_check_run *run);

/* Results of all. failed and skipped are the insides of JSON arrays. */
typedef struct bp_check_report {
    uint64_t executed, passed, n_failed, n_skipped;
    bp_text failed, skipped;
} bp_check_report;
void bp_check_note(bp_check_report *r, enum bp_check_outcome outcome, const char *name, const char *why);

void bp_check_conformance(const bp_open_device *device, uint32_t only, bp_check_share *share,
                          bp_check_report *report); /* only 0: all ops; share NULL: all cases */
void bp_check_abi(const bp_open_device *device, bp_check_report *report);
void bp_check_bench(const bp_open_device *device);

#endif
