/* Matrix times vector: bytes of weights read a second, beside the memory's measured read bandwidth. */
#define _GNU_SOURCE
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/parallel.h"
#include "core/conformance/check_run.h"
#include "core/device/bandwidth.h"

enum { SIDE = 4096, ROUNDS = 15 };

static void bench_type(const bp_open_device *device, bp_stream *stream, uint32_t type, double peak) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_MATMUL, 1, "bench");
    bp_check_in(&c, type, BP_ROLE_WEIGHT, BP_DIMS(SIDE, SIDE));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(SIDE, BP_TOK(1)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(SIDE, BP_TOK(1)));
    bp_check_run run;
    enum bp_check_outcome outcome = bp_check_open(&run, device, stream, &c, true, false, true);
    if (outcome == BP_CHECK_SAME) {
        bp_check_close(&run);
        outcome = bp_check_open(&run, device, stream, &c, false, false, true);
    }
    double best = 1e30;
    for (int i = 0; outcome == BP_CHECK_OK && i < ROUNDS; i++) {
        double start = bp_now();
        outcome = bp_check_go(&run);
        double time = bp_now() - start;
        best = time < best ? time : best;
    }
    double rate = (double)c.value[0].bytes / best;
    if (outcome != BP_CHECK_OK) fprintf(stderr, "%-5s %s\n", bp_type(type).name, run.why);
    else
        fprintf(stderr, "%-5s %8.2f GB/s  %5.1f%% of the memory's read bandwidth\n", bp_type(type).name, rate / 1e9,
                100 * rate / peak);
    bp_check_close(&run);
    bp_check_end(&c);
}

void bp_check_bench(const bp_open_device *device) {
    bp_stream *stream = NULL;
    if (device->api->stream_new(device->handle, &stream, NULL)) return;
    double peak = bp_device_bandwidth(device, bp_cpu_count());
    fprintf(stderr, "memory: %.2f GB/s read; matrix %dx%d times a vector:\n", peak / 1e9, SIDE, SIDE);
    for (uint32_t type = 0; type < BP_TYPE_LIMIT; type++)
        if (bp_type_is_float(type)) bench_type(device, stream, type, peak);
    device->api->stream_free(device->handle, stream);
}
