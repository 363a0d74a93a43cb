/* Today's backends in an engine of an older day: the host's table ends earlier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>

#include "backplane/backend.h"

static void say(void *self, int32_t level, const char *message) { (void)self, (void)level, (void)message; }
static void *get(void *self, uint64_t bytes, uint64_t align) {
    (void)self;
    return aligned_alloc(align < 16 ? 16 : align, (bytes + align) / (align ? align : 1) * (align ? align : 1));
}
static void give(void *self, void *memory) {
    (void)self;
    free(memory);
}
static const char *setting(void *self, const char *key) {
    (void)self, (void)key;
    return NULL;
}
static uint32_t threads(void *self) {
    (void)self;
    return 2;
}

/* Its table ends before `cancelled`; what follows in memory must not be called. */
static bp_host host = { .size = offsetof(bp_host, cancelled), .log = say, .alloc = get, .free = give, .config = setting, .threads = threads,
                        .cancelled = (int32_t (*)(void *))(uintptr_t)1, .progress = (void (*)(void *, const char *, uint64_t, uint64_t))(uintptr_t)1,
                        .extension = (const void *(*)(void *, const char *))(uintptr_t)1 };

static void add_two_rows(const bp_device_api *api, bp_device *device) {
    const bp_value values[3] = {
        { BP_TYPE_F32, BP_ROLE_INPUT, 1, 0, { { 4, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 } }, "a" },
        { BP_TYPE_F32, BP_ROLE_INPUT, 1, 0, { { 4, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 } }, "b" },
        { BP_TYPE_F32, BP_ROLE_OUTPUT, 1, 0, { { 4, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 0, 0, 0 } }, "c" },
    };
    const uint32_t in[2] = { 0, 1 }, out[1] = { 2 };
    const bp_no_params none = { 0 };
    const bp_node node = { BP_OP_ADD, sizeof none, &none, in, out, 2, 1 };
    const char *symbols[1] = { "" };
    const bp_graph graph = { sizeof graph, sizeof values[0], sizeof node, 3, 1, 1, values, &node, symbols };
    const bp_options options = { .size = sizeof options };
    const float a[4] = { 1, 2, 3, 4 }, b[4] = { 10, 20, 30, 40 };
    float c[4];
    bp_buffer *buffer;
    bp_program *program;
    bp_stream *stream;
    uint64_t sequence;
    const int64_t numbers[1] = { 0 };
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(api->buffer_new(device, 256, BP_USE_INPUT, &buffer, &error), BP_OK);
    assert_int_equal(api->write(device, buffer, 0, a, sizeof a, &error), BP_OK);
    assert_int_equal(api->write(device, buffer, 64, b, sizeof b, &error), BP_OK);
    if (api->compile(device, &graph, &options, &program, &error)) fail_msg("%s", error.message);
    assert_int_equal(api->stream_new(device, &stream, &error), BP_OK);
    const bp_binding bindings[3] = { { 0, 0, buffer, 0 }, { 1, 0, buffer, 64 }, { 2, 0, buffer, 128 } };
    assert_int_equal(api->submit(stream, program, numbers, bindings, 3, &sequence, &error), BP_OK);
    assert_int_equal(api->wait(stream, sequence, -1, &error), BP_OK);
    assert_int_equal(api->read(device, buffer, 128, c, sizeof c, &error), BP_OK);
    for (int i = 0; i < 4; i++) assert_true(c[i] == a[i] + b[i]);
    api->stream_free(device, stream);
    api->program_free(device, program);
    api->buffer_free(device, buffer);
}

static void use(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_msg("%s", dlerror());
    bp_backend_query_fn *query;
    *(void **)&query = dlsym(library, BP_QUERY_SYMBOL);
    const bp_backend *backend;
    const bp_device_api *api;
    bp_device *device;
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(query(&host, &backend, &error), BP_OK);
    if (backend->open(0, &device, &api, &error)) fail_msg("%s", error.message);
    add_two_rows(api, device);
    api->close(device);
}

static void cpu_runs_in_an_older_engine(void **state) {
    (void)state;
    use(BP_BUILD "/backends/cpu.so");
}

static void reference_runs_in_an_older_engine(void **state) {
    (void)state;
    use(BP_BUILD "/backends/reference.so");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_runs_in_an_older_engine),
        cmocka_unit_test(reference_runs_in_an_older_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
