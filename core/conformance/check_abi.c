/* The walk through the ABI: errors, reuse, streams, the same bits twice. */
#include <stdio.h>
#include <string.h>

#include "core/conformance/check_run.h"

typedef struct walk {
    const bp_open_device *device;
    bp_stream *stream;
    bp_check_report *report;
    bool walked;
    bp_check_run run;
} walk;

static void expect(walk *w, const char *name, bool ok) {
    bp_check_note(w->report, ok ? BP_CHECK_OK : BP_CHECK_FAIL, name, "not as device.h says");
}

static bp_status submit(walk *w, bp_stream *stream, const int64_t *symbols, uint32_t n, uint64_t *sequence) {
    return w->device->api->submit(stream, w->run.program, symbols, w->run.bindings, n, sequence, NULL);
}

static void buffers(walk *w) {
    const bp_device_api *api = w->device->api;
    uint32_t out = w->run.c->out[0];
    uint64_t end = w->run.offset[out] + w->run.span[out] + 64;
    uint8_t bytes[16] = { 0 };
    bp_buffer *b = w->run.buffers[out];
    expect(w, "ABI read past the end", api->read(w->device->handle, b, end - 8, bytes, 16, NULL) == BP_E_INVALID);
    expect(w, "ABI write past the end", api->write(w->device->handle, b, end - 8, bytes, 16, NULL) == BP_E_INVALID);
    expect(w, "ABI read at a wrapping offset",
           api->read(w->device->handle, b, UINT64_MAX - 3, bytes, 16, NULL) == BP_E_INVALID);
    expect(w, "ABI write at a wrapping offset",
           api->write(w->device->handle, b, UINT64_MAX - 3, bytes, 16, NULL) == BP_E_INVALID);
    expect(w, "ABI read of nothing at the end", api->read(w->device->handle, b, end, bytes, 0, NULL) == BP_OK);
}

static void submits(walk *w) {
    uint64_t first = 0, second = 0;
    int64_t symbols[BP_SYM_COUNT];
    uint32_t n = w->run.c->n_values;
    memcpy(symbols, w->run.c->symbols, sizeof symbols);
    const bp_device_api *api = w->device->api;
    expect(w, "ABI missing binding", submit(w, w->stream, symbols, n - 1, &first) == BP_E_INVALID);
    symbols[BP_SYM_TOKENS] = 65;
    expect(w, "ABI symbol above its range", submit(w, w->stream, symbols, n, &first) == BP_E_INVALID);
    symbols[BP_SYM_TOKENS] = 0;
    expect(w, "ABI symbol below its range", submit(w, w->stream, symbols, n, &first) == BP_E_INVALID);
    symbols[BP_SYM_TOKENS] = w->run.c->symbols[BP_SYM_TOKENS];
    bool ok = !submit(w, w->stream, symbols, n, &first) && !submit(w, w->stream, symbols, n, &second);
    expect(w, "ABI sequence counts up", ok && second > first);
    expect(w, "ABI wait", ok && api->wait(w->stream, second, -1, NULL) == BP_OK);
    expect(w, "ABI wait twice", ok && api->wait(w->stream, second, -1, NULL) == BP_OK);
    expect(w, "ABI wait for an earlier one", ok && api->wait(w->stream, first, 0, NULL) == BP_OK);
}

static void repeats(walk *w) {
    uint8_t once[2][16384];
    uint32_t out = w->run.c->out[0];
    bool ok = w->run.span[out] <= sizeof once[0];
    for (int i = 0; ok && i < 2; i++) {
        ok = bp_check_go(&w->run) == BP_CHECK_OK &&
             !w->device->api->read(w->device->handle, w->run.buffers[out], w->run.offset[out], once[i],
                                   w->run.span[out], NULL);
    }
    expect(w, "ABI the same bits twice", ok && !memcmp(once[0], once[1], w->run.span[out]));
}

/* A smaller batch through the same program: the first tokens get the expected values, nothing behind them is written.
 */
static void reuse(walk *w) {
    bp_check_case *c = w->run.c;
    bp_check_value *out = &c->value[c->out[0]];
    int64_t full = c->symbols[BP_SYM_TOKENS], count = out->count;
    uint64_t bytes = out->bytes;
    c->symbols[BP_SYM_TOKENS] = 2;
    bool ok = bp_check_go(&w->run) == BP_CHECK_OK;
    uint8_t got[16384];
    uint32_t i = c->out[0];
    uint64_t used = bytes / (uint64_t)full * 2;
    ok = ok && bytes <= sizeof got &&
         !w->device->api->read(w->device->handle, w->run.buffers[i], w->run.offset[i], got, bytes, NULL);
    for (uint64_t k = used; ok && k < bytes; k++) ok = got[k] == 0xff;
    expect(w, "ABI a smaller batch writes its own tokens alone", ok);
    double error = 0, norm = 0;
    for (int64_t j = 0; ok && j < count / full * 2; j++) {
        float f;
        memcpy(&f, got + 4 * j, sizeof f);
        error += (f - out->real[j]) * (f - out->real[j]);
        norm += out->real[j] * out->real[j];
    }
    expect(w, "ABI program reused for a smaller batch", ok && error <= c->tolerance * norm);
    c->symbols[BP_SYM_TOKENS] = full;
    expect(w, "ABI program reused for the first batch", bp_check_go(&w->run) == BP_CHECK_OK &&
                                                            bp_check_compare(&w->run) == BP_CHECK_OK);
}

static void streams(walk *w) {
    const bp_device_api *api = w->device->api;
    bp_stream *other = NULL;
    uint64_t a = 0, b = 0;
    bool ok = !api->stream_new(w->device->handle, &other, NULL);
    uint32_t n = w->run.c->n_values;
    ok = ok && !submit(w, w->stream, w->run.c->symbols, n, &a) && !api->wait(w->stream, a, -1, NULL);
    ok = ok && !submit(w, other, w->run.c->symbols, n, &b) && !api->wait(other, b, -1, NULL);
    expect(w, "ABI two streams", ok && bp_check_compare(&w->run) == BP_CHECK_OK);
    if (other) api->stream_free(w->device->handle, other);
}

static void run_walk(void *self, bp_check_case *c) {
    walk *w = self;
    if (c->symbols[BP_SYM_TOKENS] != 33 || strcmp(c->name, "MATMUL Q8_0 96x33 tokens 33")) return;
    enum bp_check_outcome outcome = bp_check_open(&w->run, w->device, w->stream, c, false, true, false);
    bp_check_note(w->report, outcome, "ABI compile", w->run.why);
    w->walked = true;
    if (outcome == BP_CHECK_OK) {
        buffers(w);
        submits(w);
        repeats(w);
        reuse(w);
        streams(w);
    }
    bp_check_close(&w->run);
}

void bp_check_abi(const bp_open_device *device, bp_check_report *report) {
    walk w = { .device = device, .report = report };
    bp_error error = BP_ERROR_INIT;
    bp_device_info info = { .size = sizeof info };
    expect(&w, "ABI info", device->api->info(device->handle, &info, &error) == BP_OK && info.name && *info.name);
    if (device->api->stream_new(device->handle, &w.stream, &error)) {
        bp_check_note(report, BP_CHECK_FAIL, "ABI stream_new", error.message);
        return;
    }
    bp_check_maker maker = { run_walk, &w, BP_OP_MATMUL, NULL };
    bp_check_seed(1);
    bp_check_matmul_cases(&maker);
    expect(&w, "ABI walk found its case", w.walked);
    device->api->stream_free(device->handle, w.stream);
}
