/* The CPU backend as a plugin: a small graph of norm, matmul, kv_write, attention and argmax against plain loops. */
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

static const char *threads_text = "1";
static void *host_alloc(void *self, uint64_t n, uint64_t align) {
    (void)self;
    return aligned_alloc(align, (n + align - 1) / align * align);
}
static void host_free(void *self, void *p) { (void)self, free(p); }
static const char *host_config(void *self, const char *key) {
    (void)self;
    return strcmp(key, "threads") == 0 ? threads_text : NULL;
}
static uint32_t host_threads(void *self) { (void)self; return 1; }
static const bp_host host = { .size = sizeof host, .alloc = host_alloc, .free = host_free, .config = host_config,
                              .threads = host_threads };

enum { N = 32, T = 3, KV = 600, BS = 16, BLOCKS = 40, VALUES = 13 };
enum { X, W, NW, Y, Q, KC, VC, SLOTS, POS, SEQ, TABLE, LEN, OUT };
static float fx[N * T], fw[N * N], fnw[N], kc[N * BS * BLOCKS], vc[N * BS * BLOCKS], out[N * T];
static int32_t slots[T], pos[T], seq[T], table[BLOCKS], len[1];

#define VALUE(i, ty, ro, ra, a, b, c, d) \
    v[i] = (bp_value){ .type = BP_TYPE_##ty, .role = BP_ROLE_##ro, .rank = ra, .name = #i, .dim = { { .value = a }, { .value = b }, { .value = c }, { .value = d } } }

static void fill(float *p, int n, unsigned s) {
    for (int i = 0; i < n; i++) s = s * 1664525u + 1013904223u, p[i] = (float)(s >> 8) / 8388608.0f - 1;
}

static void values(bp_value *v) {
    VALUE(X, F32, INPUT, 2, N, T, 1, 1);
    VALUE(W, F32, WEIGHT, 2, N, N, 1, 1);
    VALUE(NW, F32, WEIGHT, 1, N, 1, 1, 1);
    VALUE(Y, F32, TEMP, 2, N, T, 1, 1);
    VALUE(Q, F32, TEMP, 2, N, T, 1, 1);
    VALUE(KC, F32, STATE, 4, N / 2, BS, 2, BLOCKS);
    VALUE(VC, F32, STATE, 4, N / 2, BS, 2, BLOCKS);
    VALUE(SLOTS, I32, INPUT, 1, T, 1, 1, 1);
    VALUE(POS, I32, INPUT, 1, T, 1, 1, 1);
    VALUE(SEQ, I32, INPUT, 1, T, 1, 1, 1);
    VALUE(TABLE, I32, INPUT, 2, BLOCKS, 1, 1, 1);
    VALUE(LEN, I32, INPUT, 1, 1, 1, 1, 1);
    VALUE(OUT, F32, OUTPUT, 2, N, T, 1, 1);
}

static void inputs(void) {
    fill(fx, N * T, 1), fill(fw, N * N, 2), fill(fnw, N, 3), fill(kc, N * BS * BLOCKS, 4), fill(vc, N * BS * BLOCKS, 5);
    for (int i = 0; i < BLOCKS; i++) table[i] = BLOCKS - 1 - i;
    for (int t = 0; t < T; t++) {
        int j = KV - T + t;
        pos[t] = j, seq[t] = 0, slots[t] = table[j / BS] * BS + j % BS;
    }
    len[0] = KV;
}

static void run(const char *n_threads, float *result) {
    bp_error e = BP_ERROR_INIT;
    const bp_backend *backend;
    const bp_device_api *api;
    bp_device *d;
    bp_program *p;
    bp_stream *s;
    threads_text = n_threads;
    void *so = dlopen(BP_BUILD "/backends/cpu.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    assert_non_null(so);
    bp_backend_query_fn *query;
    *(void **)&query = dlsym(so, BP_QUERY_SYMBOL);
    assert_int_equal(query(&host, &backend, &e), BP_OK);
    assert_int_equal(backend->open(0, &d, &api, &e), BP_OK);
    bp_value v[VALUES];
    values(v);
    inputs();
    bp_norm_params norm = { 1e-5f, 0 };
    bp_kv_write_params kv = { 2 };
    bp_attention_params at = { .n_head = 2, .n_head_kv = 2, .head_dim = N / 2, .head_dim_v = N / 2, .causal = 1, .scale = 0.25f };
    uint32_t i0[] = { X, BP_NONE, NW }, o0[] = { Y }, i1[] = { W, Y }, o1[] = { Q }, i2[] = { Q, Y, SLOTS }, o2[] = { KC, VC };
    uint32_t i3[] = { Q, KC, VC, POS, SEQ, TABLE, LEN }, o3[] = { OUT };
    bp_node nodes[] = { { BP_OP_RMS_NORM, sizeof norm, &norm, i0, o0, 3, 1 }, { BP_OP_MATMUL, 0, NULL, i1, o1, 2, 1 },
                        { BP_OP_KV_WRITE, sizeof kv, &kv, i2, o2, 3, 2 }, { BP_OP_ATTENTION, sizeof at, &at, i3, o3, 7, 1 } };
    bp_graph g = { sizeof g, sizeof *v, sizeof *nodes, VALUES, 4, 1, v, nodes, NULL };
    bp_options o = { .size = sizeof o };
    bp_verdict verdicts[4];
    assert_int_equal(api->assess(d, &g, verdicts, &e), BP_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(verdicts[i].level, BP_VERDICT_YES);
    assert_int_equal(api->compile(d, &g, &o, &p, &e), BP_OK);
    assert_int_equal(api->stream_new(d, &s, &e), BP_OK);
    void *data[VALUES] = { fx, fw, fnw, NULL, NULL, kc, vc, slots, pos, seq, table, len, out };
    size_t bytes[VALUES] = { sizeof fx, sizeof fw, sizeof fnw, 0, 0, sizeof kc, sizeof vc, sizeof slots, sizeof pos, sizeof seq,
                             sizeof table, sizeof len, sizeof out };
    bp_binding b[VALUES] = { 0 };
    uint32_t n = 0;
    for (uint32_t i = 0; i < VALUES; i++) {
        if (!data[i]) continue;
        b[n].value = i;
        assert_int_equal(api->buffer_import(d, data[i], bytes[i], &b[n++].buffer, &e), BP_OK);
    }
    uint64_t sequence;
    assert_int_equal(api->submit(s, p, NULL, b, n - 1, &sequence, &e), BP_E_INVALID);
    assert_int_equal(api->submit(s, p, NULL, b, n, &sequence, &e), BP_OK);
    assert_int_equal(api->wait(s, sequence, -1, &e), BP_OK);
    memcpy(result, out, sizeof out);
    for (uint32_t i = 0; i < n; i++) api->buffer_free(d, b[i].buffer);
    api->stream_free(d, s);
    api->program_free(d, p);
    api->close(d);
}

static const float *row(const float *c, int j, int h) { return c + ((table[j / BS] * 2 + h) * BS + j % BS) * (N / 2); }

static void query_of(int t, double *q) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += (double)fx[t * N + i] * fx[t * N + i];
    for (int o = 0; o < N; o++) {
        q[o] = 0;
        for (int i = 0; i < N; i++) q[o] += fw[o * N + i] * (fx[t * N + i] / sqrt(sum / N + 1e-5) * fnw[i]);
    }
}

static void test_graph(void **state) {
    (void)state;
    float one[N * T], three[N * T];
    run("3", three);
    run("1", one);
    assert_memory_equal(one, three, sizeof one);
    for (int t = 0; t < T; t++) {
        double q[N];
        query_of(t, q);
        for (int h = 0; h < 2; h++) {
            double acc[N / 2] = { 0 }, sum = 0;
            for (int j = 0; j <= pos[t]; j++) {
                double s = 0;
                for (int i = 0; i < N / 2; i++) s += q[h * N / 2 + i] * row(kc, j, h)[i];
                s = exp(0.25 * s), sum += s;
                for (int i = 0; i < N / 2; i++) acc[i] += s * row(vc, j, h)[i];
            }
            for (int i = 0; i < N / 2; i++) assert_true(fabs(acc[i] / sum - one[t * N + h * N / 2 + i]) < 1e-4);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_graph) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
