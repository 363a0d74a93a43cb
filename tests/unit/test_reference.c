/* The reference backend against values worked out by hand, through its shared object as any engine would load it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backplane/backend.h"
#include "backplane/blocks.h"

enum { MAX_VALUES = 12 };

static void *host_alloc(void *self, uint64_t bytes, uint64_t align) {
    (void)self;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}
static void host_free(void *self, void *memory) {
    (void)self;
    free(memory);
}
static const bp_host host = { .size = sizeof host, .alloc = host_alloc, .free = host_free };

static bp_device *device;
static const bp_device_api *api;

static int load(void **state) {
    (void)state;
    bp_error error = BP_ERROR_INIT;
    void *library = dlopen(BP_BUILD "/backends/reference.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) return -1;
    bp_backend_query_fn *query;
    *(void **)&query = dlsym(library, BP_QUERY_SYMBOL);
    const bp_backend *backend;
    if (!query || query(&host, &backend, &error)) return -1;
    return backend->open(0, &device, &api, &error);
}

static int unload(void **state) {
    (void)state;
    api->close(device);
    return 0;
}

/* A graph of one node. Values are bound to the memory that they are made with. */
typedef struct one {
    bp_value values[MAX_VALUES];
    void *data[MAX_VALUES];
    uint64_t bytes[MAX_VALUES];
    uint32_t n_values, in[9], out[2];
    bp_node node;
} one;

static uint32_t add(one *o, uint32_t role, uint32_t type, void *data, int64_t a, int64_t b, int64_t c, int64_t d) {
    int64_t ne[4] = { a, b, c, d };
    bp_value *v = &o->values[o->n_values];
    v->type = type;
    v->role = role;
    v->rank = d ? 4 : c ? 3 : b ? 2 : 1;
    v->name = "value";
    o->data[o->n_values] = data;
    o->bytes[o->n_values] = bp_row_bytes(type, a);
    for (uint32_t i = 0; i < v->rank; i++) v->dim[i].value = ne[i];
    for (uint32_t i = 1; i < v->rank; i++) o->bytes[o->n_values] *= (uint64_t)ne[i];
    return o->n_values++;
}

static bp_status run(one *o, uint32_t op, const void *params, uint32_t size, uint32_t n_in, uint32_t n_out) {
    bp_error error = BP_ERROR_INIT;
    o->node = (bp_node){ op, size, params, o->in, o->out, n_in, n_out };
    bp_graph g = { sizeof g, sizeof(bp_value), sizeof(bp_node), o->n_values, 1, 1, o->values, &o->node, NULL };
    bp_program *program;
    bp_stream *stream;
    bp_binding bindings[MAX_VALUES] = { 0 };
    uint64_t sequence;
    bp_status status = api->compile(device, &g, NULL, &program, &error);
    if (status) return status;
    assert_int_equal(api->stream_new(device, &stream, &error), BP_OK);
    for (uint32_t i = 0; i < o->n_values; i++) {
        bindings[i].value = i;
        assert_int_equal(api->buffer_import(device, o->data[i], o->bytes[i], &bindings[i].buffer, &error), BP_OK);
    }
    assert_int_equal(api->submit(stream, program, NULL, bindings, o->n_values - 1, &sequence, &error), BP_E_INVALID);
    status = api->submit(stream, program, NULL, bindings, o->n_values, &sequence, &error);
    if (!status) status = api->wait(stream, sequence, -1, &error);
    for (uint32_t i = 0; i < o->n_values; i++) api->buffer_free(device, bindings[i].buffer);
    api->stream_free(device, stream);
    api->program_free(device, program);
    return status;
}

static void test_rms_norm(void **state) {
    (void)state;
    one o = { 0 };
    float x[2] = { 3, 4 }, w[2] = { 1, 2 }, y[2];
    bp_norm_params p = { 0, 0 };
    o.in[0] = add(&o, BP_ROLE_INPUT, BP_TYPE_F32, x, 2, 1, 0, 0);
    o.in[1] = BP_NONE;
    o.in[2] = add(&o, BP_ROLE_WEIGHT, BP_TYPE_F32, w, 2, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, y, 2, 1, 0, 0);
    assert_int_equal(run(&o, BP_OP_RMS_NORM, &p, sizeof p, 3, 1), BP_OK);
    assert_float_equal(y[0], 3 / sqrt(12.5), 1e-6);
    assert_float_equal(y[1], 8 / sqrt(12.5), 1e-6);
}

static void rope(uint32_t pairing, float *y) {
    one o = { 0 };
    float x[4] = { 1, 2, 3, 4 };
    int32_t position[1] = { 2 };
    bp_rope_params p = { .head_dim = 4, .n_dims = 4, .pairing = pairing, .base = 10000 };
    o.in[0] = add(&o, BP_ROLE_INPUT, BP_TYPE_F32, x, 4, 1, 0, 0);
    o.in[1] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, position, 1, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, y, 4, 1, 0, 0);
    assert_int_equal(run(&o, BP_OP_ROPE, &p, sizeof p, 2, 1), BP_OK);
}

static void test_rope(void **state) {
    (void)state;
    float y[4];
    rope(BP_ROPE_ADJACENT, y);
    assert_float_equal(y[0], cos(2) - 2 * sin(2), 1e-6);
    assert_float_equal(y[1], sin(2) + 2 * cos(2), 1e-6);
    assert_float_equal(y[2], 3 * cos(0.02) - 4 * sin(0.02), 1e-6);
    rope(BP_ROPE_HALVES, y);
    assert_float_equal(y[0], cos(2) - 3 * sin(2), 1e-6);
    assert_float_equal(y[2], sin(2) + 3 * cos(2), 1e-6);
    assert_float_equal(y[3], 2 * sin(0.02) + 4 * cos(0.02), 1e-6);
}

/* Two tokens in block 1 of a cache of two blocks; one query of two heads that share a KV head. */
static void test_attention(void **state) {
    (void)state;
    one o = { 0 };
    float q[4] = { 1, 0, 0, 1 }, k[8] = { 9, 9, 9, 9, 1, 0, 0, 1 }, v[8] = { 9, 9, 9, 9, 1, 2, 3, 4 }, y[4];
    int32_t position[1] = { 1 }, sequence[1] = { 0 }, table[1] = { 1 }, kv_len[1] = { 2 };
    bp_attention_params p = { .n_head = 2, .n_head_kv = 1, .head_dim = 2, .head_dim_v = 2, .causal = 1, .scale = 1 };
    o.in[0] = add(&o, BP_ROLE_INPUT, BP_TYPE_F32, q, 4, 1, 0, 0);
    o.in[1] = add(&o, BP_ROLE_STATE, BP_TYPE_F32, k, 2, 2, 1, 2);
    o.in[2] = add(&o, BP_ROLE_STATE, BP_TYPE_F32, v, 2, 2, 1, 2);
    o.in[3] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, position, 1, 0, 0, 0);
    o.in[4] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, sequence, 1, 0, 0, 0);
    o.in[5] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, table, 1, 1, 0, 0);
    o.in[6] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, kv_len, 1, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, y, 4, 1, 0, 0);
    assert_int_equal(run(&o, BP_OP_ATTENTION, &p, sizeof p, 7, 1), BP_OK);
    double a = exp(1) / (exp(1) + 1), b = 1 - a;
    assert_float_equal(y[0], a * 1 + b * 3, 1e-6);
    assert_float_equal(y[3], b * 2 + a * 4, 1e-6);
    position[0] = 0; /* now only the first key is visible */
    assert_int_equal(run(&o, BP_OP_ATTENTION, &p, sizeof p, 7, 1), BP_OK);
    assert_float_equal(y[2], 1, 1e-6);
    table[0] = 7; /* no such block: no visible key */
    assert_int_equal(run(&o, BP_OP_ATTENTION, &p, sizeof p, 7, 1), BP_OK);
    assert_float_equal(y[2], 0, 0);
}

static void test_q4_k(void **state) {
    (void)state;
    one o = { 0 };
    float y[256];
    int32_t id[2] = { 0, 5 };
    bp_block_q4_k block = { .d = 0x3c00, .dmin = 0x3800 }; /* 1 and 0.5 */
    bp_embed_rows_params p = { 0 };
    block.scales[0] = 3 | 1 << 6; /* scale[0] = 3; high bits of scale[4] */
    block.scales[4] = 2 | 2 << 6; /* min[0] = 2; high bits of min[4] */
    block.scales[8] = 5 | 7 << 4; /* low bits of scale[4] = 5, of min[4] = 7 */
    block.qs[0] = 0xa4;           /* y[0]: 4; y[32]: 10, whose scale is 0 */
    block.qs[64] = 0x0f;          /* y[128]: 15, sub-block 4 */
    float two[512];
    o.in[0] = add(&o, BP_ROLE_WEIGHT, BP_TYPE_Q4_K, &block, 256, 1, 0, 0);
    o.in[1] = add(&o, BP_ROLE_INPUT, BP_TYPE_I32, id, 2, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, two, 256, 2, 0, 0);
    assert_int_equal(run(&o, BP_OP_EMBED_ROWS, &p, sizeof p, 2, 1), BP_OK);
    memcpy(y, two, sizeof y);
    assert_float_equal(y[0], 3 * 4 - 0.5 * 2, 0);
    assert_float_equal(y[1], -1, 0);
    assert_float_equal(y[32], 0, 0);
    assert_float_equal(y[128], (5 + 16) * 15 - 0.5 * (7 + 32), 0);
    assert_float_equal(two[256], 0, 0); /* an id out of range */
}

static void test_matmul_and_cache_types(void **state) {
    (void)state;
    one o = { 0 }, c = { 0 };
    float w[6] = { 1, 2, 3, 4, 5, 6 }, x[3] = { 1, 0, -1 }, bias[2] = { 10, 20 }, y[2], row[32] = { 127, -1, 0.4f };
    bp_block_q8_0 cache[4] = { 0 };
    int32_t slot[1] = { 3 };
    bp_kv_write_params p = { 1 };
    o.in[0] = add(&o, BP_ROLE_WEIGHT, BP_TYPE_F32, w, 3, 2, 0, 0);
    o.in[1] = add(&o, BP_ROLE_INPUT, BP_TYPE_F32, x, 3, 1, 0, 0);
    o.in[2] = add(&o, BP_ROLE_WEIGHT, BP_TYPE_F32, bias, 2, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, y, 2, 1, 0, 0);
    assert_int_equal(run(&o, BP_OP_MATMUL, NULL, 0, 3, 1), BP_OK);
    assert_float_equal(y[0], 8, 0);
    assert_float_equal(y[1], 18, 0);
    c.in[0] = add(&c, BP_ROLE_INPUT, BP_TYPE_F32, row, 32, 1, 0, 0);
    c.in[1] = BP_NONE;
    c.in[2] = add(&c, BP_ROLE_INPUT, BP_TYPE_I32, slot, 1, 0, 0, 0);
    c.out[0] = add(&c, BP_ROLE_STATE, BP_TYPE_Q8_0, cache, 32, 2, 1, 2);
    assert_int_equal(run(&c, BP_OP_KV_WRITE, &p, sizeof p, 3, 1), BP_OK);
    assert_int_equal(cache[3].d, 0x3c00);
    assert_int_equal(cache[3].qs[0], 127);
    assert_int_equal(cache[3].qs[1], -1);
    assert_int_equal(cache[3].qs[2], 0);
}

static void test_refusals(void **state) {
    (void)state;
    one o = { 0 };
    float x[2] = { 1, 2 }, y[2];
    o.in[0] = add(&o, BP_ROLE_INPUT, BP_TYPE_F32, x, 2, 0, 0, 0);
    o.out[0] = add(&o, BP_ROLE_OUTPUT, BP_TYPE_F32, y, 2, 0, 0, 0);
    assert_int_equal(run(&o, 9999, NULL, 0, 1, 1), BP_E_UNSUPPORTED);
    assert_int_equal(run(&o, BP_OP_MATMUL, NULL, 0, 1, 1), BP_E_UNSUPPORTED);
    o.bytes[1] = 4; /* smaller than the value */
    assert_int_equal(run(&o, BP_OP_SCALE, NULL, 0, 1, 1), BP_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rms_norm),  cmocka_unit_test(test_rope),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_q4_k),
        cmocka_unit_test(test_matmul_and_cache_types), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
