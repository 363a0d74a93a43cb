#include "core/conformance/check_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/quant.h"

enum { GUARD = 64, CANARY = 0xa5, POISON = 0xff };
static const char *const symbol_names[BP_SYM_COUNT] = { "", BP_SYMBOL_N_TOKENS, BP_SYMBOL_N_OUTPUTS,
                                                        BP_SYMBOL_N_SEQUENCES, BP_SYMBOL_N_KV };

static enum bp_check_outcome fail(bp_check_run *run, const char *where) {
    snprintf(run->why, sizeof run->why, "%s: %s", where, run->error.message);
    return BP_CHECK_FAIL;
}

static void build(bp_check_run *run) {
    bp_check_case *c = run->c;
    for (uint32_t i = 0; i < c->n_values; i++) {
        const bp_check_value *v = &c->value[i];
        bp_value *to = &run->values[i];
        *to = (bp_value){ .type = v->type, .role = v->role, .rank = v->rank, .name = "value" };
        for (uint32_t k = 0; k < BP_MAX_RANK; k++) {
            to->dim[k] = (bp_dim){ v->symbol[k] ? 1 : v->dim[k], 0, v->symbol[k], 0 };
        }
    }
    for (uint32_t s = 0; s < BP_SYM_COUNT; s++) if (!c->symbols[s]) c->symbols[s] = 1;
    run->node = (bp_node){ c->op, bp_check_params_size(c->op), &c->params, c->in, c->out, c->n_in, c->n_out };
    run->graph = (bp_graph){ sizeof(bp_graph), sizeof(bp_value), sizeof(bp_node), c->n_values, 1, BP_SYM_COUNT,
                             run->values, &run->node, symbol_names };
}

static bool new_buffer(bp_check_run *run, uint32_t i, uint64_t align) {
    static const uint32_t uses[] = { 0, BP_USE_WEIGHTS, BP_USE_INPUT, BP_USE_OUTPUT, BP_USE_STATE };
    const bp_device_api *api = run->device->api;
    run->offset[i] = bp_round_up(GUARD, align > GUARD ? align : GUARD);
    uint64_t total = run->offset[i] + run->span[i] + GUARD;
    uint8_t *bytes = malloc(total);
    if (!bytes) return false;
    memset(bytes, CANARY, total);
    bool ok = !api->buffer_new(run->device->handle, total, uses[run->values[i].role], &run->buffers[i], &run->error) &&
              !api->write(run->device->handle, run->buffers[i], 0, bytes, total, &run->error);
    run->bindings[i] = (bp_binding){ i, 0, run->buffers[i], run->offset[i] };
    free(bytes);
    return ok;
}

/* A weight in the device's own layout, packed as two ranges of rows where it may be. */
static bool pack(bp_check_run *run, uint32_t i, const bp_weight_layout *layout) {
    const bp_device_api *api = run->device->api;
    const bp_check_value *v = &run->c->value[i];
    int64_t rows = v->count / v->dim[0], step = layout->row_multiple > 0 ? layout->row_multiple : 1;
    int64_t half = rows / 2 / step * step;
    run->span[i] = layout->bytes;
    if (!new_buffer(run, i, layout->align)) return false;
    const uint8_t *bytes = v->data;
    bp_device *d = run->device->handle;
    bp_value *value = &run->values[i];
    if (half && api->pack(d, value, bytes, 0, half, run->buffers[i], run->offset[i], &run->error)) return false;
    return !api->pack(d, value, bytes + bp_row_bytes(v->type, v->dim[0]) * (uint64_t)half, half, rows - half,
                      run->buffers[i], run->offset[i], &run->error);
}

static bool place(bp_check_run *run, uint32_t i, const bp_weight_layout *layout) {
    const bp_check_value *v = &run->c->value[i];
    if (run->values[i].layout != BP_LAYOUT_ROWS) return pack(run, i, layout);
    run->span[i] = v->bytes;
    if (!new_buffer(run, i, GUARD)) return false;
    return !run->device->api->write(run->device->handle, run->buffers[i], run->offset[i], v->data, v->bytes,
                                    &run->error);
}

static enum bp_check_outcome assess(bp_check_run *run) {
    bp_verdict verdict = { BP_VERDICT_NO, 0, NULL };
    if (run->device->api->assess(run->device->handle, &run->graph, &verdict, &run->error)) return fail(run, "assess");
    if (verdict.level != BP_VERDICT_NO) return BP_CHECK_OK;
    snprintf(run->why, sizeof run->why, "%s", verdict.why ? verdict.why : "no reason given");
    return verdict.why ? BP_CHECK_SKIP : BP_CHECK_FAIL;
}

static enum bp_check_outcome lay_out(bp_check_run *run, bp_weight_layout *layouts) {
    bool own = false;
    for (uint32_t i = 0; i < run->c->n_values; i++) {
        if (run->values[i].role != BP_ROLE_WEIGHT) continue;
        layouts[i] = (bp_weight_layout){ .size = sizeof *layouts, .align = 1, .row_multiple = 1 };
        if (run->device->api->layout(run->device->handle, &run->graph, i, &layouts[i], &run->error))
            return fail(run, "layout");
        if (!layouts[i].align || layouts[i].align & (layouts[i].align - 1))
            return fail(run, "layout: align is no power of 2");
        own |= layouts[i].layout != BP_LAYOUT_ROWS;
    }
    for (uint32_t i = 0; own && i < run->c->n_values; i++) run->values[i].layout = layouts[i].layout;
    return own ? BP_CHECK_OK : BP_CHECK_SAME;
}

static int64_t most_of(int64_t n, bool few) { return n > 64 ? 512 : !few || n > 8 ? 64 : n > 1 ? 8 : 1; }

enum bp_check_outcome bp_check_open(bp_check_run *run, const bp_open_device *device, bp_stream *stream,
                                    bp_check_case *c, bool native, bool deterministic, bool few) {
    *run = (bp_check_run){ .device = device, .stream = stream, .c = c, .error = BP_ERROR_INIT };
    bp_weight_layout layouts[BP_CHECK_VALUES] = { { 0 } };
    build(run);
    if (c->failed) return fail(run, "out of memory");
    enum bp_check_outcome outcome = native ? lay_out(run, layouts) : BP_CHECK_OK;
    if (outcome == BP_CHECK_OK) outcome = assess(run);
    if (outcome != BP_CHECK_OK) return outcome;
    for (uint32_t i = 0; i < c->n_values; i++) if (!place(run, i, &layouts[i])) return fail(run, "placing values");
    bp_range ranges[BP_SYM_COUNT];
    for (uint32_t s = 0; s < BP_SYM_COUNT; s++) {
        const int64_t n = c->symbols[s];
        ranges[s] = (bp_range){ 1, most_of(n, few && s == BP_SYM_TOKENS), n };
    }
    bp_options options = { sizeof options, deterministic, ranges, 0 };
    if (device->api->compile(device->handle, &run->graph, &options, &run->program, &run->error))
        return fail(run, "compile");
    return BP_CHECK_OK;
}

void bp_check_close(bp_check_run *run) {
    const bp_device_api *api = run->device->api;
    if (run->program) api->program_free(run->device->handle, run->program);
    for (uint32_t i = 0; i < run->c->n_values; i++) {
        if (run->buffers[i]) api->buffer_free(run->device->handle, run->buffers[i]);
    }
}

/* Outputs become NaN, states what they were. */
static bool poison(bp_check_run *run, uint32_t i) {
    const bp_check_value *v = &run->c->value[i];
    if (v->role != BP_ROLE_OUTPUT && v->role != BP_ROLE_STATE) return true;
    uint8_t *bytes = malloc(v->bytes);
    if (!bytes) return false;
    memset(bytes, POISON, v->bytes);
    const void *from = v->role == BP_ROLE_STATE ? v->data : bytes;
    bp_status s =
        run->device->api->write(run->device->handle, run->buffers[i], run->offset[i], from, v->bytes, &run->error);
    free(bytes);
    return s == BP_OK;
}

enum bp_check_outcome bp_check_go(bp_check_run *run) {
    const bp_device_api *api = run->device->api;
    uint64_t sequence = 0;
    for (uint32_t i = 0; i < run->c->n_values; i++) if (!poison(run, i)) return fail(run, "write");
    if (api->submit(run->stream, run->program, run->c->symbols, run->bindings, run->c->n_values, &sequence,
                    &run->error)) {
        return fail(run, "submit");
    }
    return api->wait(run->stream, sequence, -1, &run->error) ? fail(run, "wait") : BP_CHECK_OK;
}

static bool guarded(const uint8_t *bytes, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) if (bytes[i] != CANARY) return false;
    return true;
}

static bool near(bp_check_run *run, const bp_check_value *v, const uint8_t *bytes) {
    double error = 0, norm = 0, tolerance = v->type == BP_TYPE_I32 ? 0 : run->c->tolerance;
    float *got = malloc(sizeof *got * (size_t)v->count);
    if (!got) return false;
    bp_decode_row(v->type, bytes, v->count, got);
    bool ok = true;
    for (int64_t j = 0; ok && j < v->count; j++) {
        if (isinf(v->real[j]) || !isfinite(got[j])) ok = got[j] == v->real[j];
        else error += (got[j] - v->real[j]) * (got[j] - v->real[j]);
        if (!ok) snprintf(run->why, sizeof run->why, "element %ld is %g, not %g", (long)j, (double)got[j], v->real[j]);
        if (isfinite(v->real[j])) norm += v->real[j] * v->real[j];
    }
    free(got);
    if (!ok || error <= tolerance * fmax(norm, v->energy)) return ok;
    snprintf(run->why, sizeof run->why, "error %.3g, at most %.3g allowed", error / fmax(norm, v->energy), tolerance);
    return false;
}

static enum bp_check_outcome compare(bp_check_run *run, uint32_t i, uint8_t *bytes, uint64_t total) {
    const bp_check_value *v = &run->c->value[i];
    if (run->device->api->read(run->device->handle, run->buffers[i], 0, bytes, total, &run->error))
        return fail(run, "read");
    if (!guarded(bytes, run->offset[i]) || !guarded(bytes + run->offset[i] + run->span[i], GUARD)) {
        return fail(run, "bytes outside a value were overwritten");
    }
    bool result = false;
    for (uint32_t k = 0; k < run->c->n_out; k++) result |= run->c->out[k] == i;
    if (result) return near(run, v, bytes + run->offset[i]) ? BP_CHECK_OK : BP_CHECK_FAIL;
    if (run->values[i].layout != BP_LAYOUT_ROWS || !memcmp(bytes + run->offset[i], v->data, v->bytes))
        return BP_CHECK_OK;
    return fail(run, "an input was changed");
}

enum bp_check_outcome bp_check_compare(bp_check_run *run) {
    enum bp_check_outcome outcome = BP_CHECK_OK;
    for (uint32_t i = 0; outcome == BP_CHECK_OK && i < run->c->n_values; i++) {
        uint64_t total = run->offset[i] + run->span[i] + GUARD;
        uint8_t *bytes = malloc(total);
        if (!bytes) return fail(run, "out of memory");
        outcome = compare(run, i, bytes, total);
        free(bytes);
    }
    return outcome;
}

static void add_text(bp_text *list, const char *name, const char *why) {
    bp_text_adds(list, list->size ? ",\n  \"" : "\n  \"");
    bp_text_json(list, name, strlen(name));
    bp_text_adds(list, ": ");
    bp_text_json(list, why, strlen(why));
    bp_text_adds(list, "\"");
}

void bp_check_note(bp_check_report *r, enum bp_check_outcome outcome, const char *name, const char *why) {
    if (outcome == BP_CHECK_SAME) return;
    r->executed += outcome != BP_CHECK_SKIP;
    r->passed += outcome == BP_CHECK_OK;
    r->n_failed += outcome == BP_CHECK_FAIL;
    r->n_skipped += outcome == BP_CHECK_SKIP;
    if (outcome == BP_CHECK_FAIL) add_text(&r->failed, name, why);
    if (outcome == BP_CHECK_SKIP) add_text(&r->skipped, name, why);
}

typedef struct session {
    const bp_open_device *device;
    bp_stream *stream;
    bp_check_report *report;
    uint32_t cases;
} session;

static void run_case(void *self, bp_check_case *c) {
    session *s = self;
    /* Bits that follow no pattern of the cases: every kind of case meets both kinds of program. */
    const uint32_t chance = ++s->cases * 2654435761u >> 16;
    for (int native = 0; native < 2; native++) {
        bp_check_run run;
        char name[200];
        snprintf(name, sizeof name, "%s%s", c->name, native ? " packed" : "");
        enum bp_check_outcome outcome =
            bp_check_open(&run, s->device, s->stream, c, native, (chance & 1) != (uint32_t)native, chance & 2);
        if (outcome == BP_CHECK_OK) outcome = bp_check_go(&run);
        if (outcome == BP_CHECK_OK) outcome = bp_check_compare(&run);
        bp_check_note(s->report, outcome, name, run.why);
        bp_check_close(&run);
    }
}

void bp_check_conformance(const bp_open_device *device, uint32_t only, bp_check_share *share,
                          bp_check_report *report) {
    session s = { device, NULL, report, 0 };
    bp_error error = BP_ERROR_INIT;
    if (device->api->stream_new(device->handle, &s.stream, &error)) {
        bp_check_note(report, BP_CHECK_FAIL, "stream_new", error.message);
        return;
    }
    bp_check_maker maker = { run_case, &s, only, share };
    const uint64_t before = report->executed;
    bp_check_all(&maker);
    if (report->executed == before) { /* nothing was shown: that is no pass */
        report->n_failed++;
        add_text(&report->failed, "cases", "not one was executed: the device refuses every op");
    }
    device->api->stream_free(device->handle, s.stream);
}
