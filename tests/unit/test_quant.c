#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/quant.h"

static const struct { uint32_t type; double nmse;
} kinds[] = {
    { BP_TYPE_F32, 0 },     { BP_TYPE_F16, 1e-6 },  { BP_TYPE_BF16, 1e-5 }, { BP_TYPE_Q4_0, 1e-2 },
    { BP_TYPE_Q4_1, 1e-2 }, { BP_TYPE_Q5_0, 3e-3 }, { BP_TYPE_Q5_1, 3e-3 }, { BP_TYPE_Q8_0, 1e-4 },
    { BP_TYPE_Q2_K, 0.2 },  { BP_TYPE_Q3_K, 0.05 }, { BP_TYPE_Q4_K, 1e-2 }, { BP_TYPE_Q5_K, 3e-3 },
    { BP_TYPE_Q6_K, 1e-3 }, { BP_TYPE_MXFP4, 2e-2 },
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0], N = 1024 };

static void decodes_as_gguf(void **state) {
    (void)state;
    for (size_t k = 1; k < N_KINDS; k++) {
        bp_type_info t = bp_type(kinds[k].type);
        size_t blocks = t.block_values == 256 ? 4 : 8, n = blocks * t.block_values, bytes = blocks * t.block_bytes;
        char path[512];
        snprintf(path, sizeof path, "%s/quant/%s.bin", BP_FIXTURES, t.name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        uint8_t row[4096];
        static float want[N], got[N];
        assert_int_equal(fread(row, 1, bytes, f), bytes);
        assert_int_equal(fread(want, sizeof *want, n, f), n);
        fclose(f);
        bp_decode_row(kinds[k].type, row, (int64_t)n, got);
        for (size_t j = 0; j < n; j++) {
            if (fabsf(got[j] - want[j]) > 1e-6f * fabsf(want[j]) + 1e-5f)
                fail_msg("%s[%zu]: %g, not %g", t.name, j, got[j], want[j]);
        }
    }
}

static void encodes_near(void **state) {
    (void)state;
    static float x[N], y[N];
    static uint8_t row[N * 4];
    srand(3);
    for (int j = 0; j < N; j++) x[j] = (float)(rand() % 2001 - 1000) / 700.0f;
    for (size_t k = 0; k < N_KINDS; k++) {
        assert_int_equal(bp_encode_row(kinds[k].type, x, N, row), BP_OK);
        bp_decode_row(kinds[k].type, row, N, y);
        double error = 0, norm = 0;
        for (int j = 0; j < N; j++) {
            error += (double)(x[j] - y[j]) * (x[j] - y[j]);
            norm += (double)x[j] * x[j];
        }
        if (!(error <= kinds[k].nmse * norm)) fail_msg("%s: error %g", bp_type(kinds[k].type).name, error / norm);
    }
}

static void halves_round_trip(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = bp_half_to_float((uint16_t)h), b = bp_bfloat_to_float((uint16_t)h);
        if (f == f) assert_int_equal(bp_float_to_half(f), h);
        else assert_true((bp_float_to_half(f) & 0x7fff) > 0x7c00);
        if (b == b) assert_int_equal(bp_float_to_bfloat(b), h);
    }
    assert_int_equal(bp_float_to_half(65519.0f), 0x7bff);
    assert_int_equal(bp_float_to_half(65520.0f), 0x7c00);
    assert_int_equal(bp_float_to_half(1.0f + 0x1p-11f), 0x3c00);
    assert_int_equal(bp_float_to_half(1.0f + 0x1.8p-10f), 0x3c02);
}

static void refuses(void **state) {
    (void)state;
    float x[33] = { 0 }, y[4] = { 1, 1, 1, 1 };
    uint8_t row[64];
    assert_int_equal(bp_encode_row(99, x, 32, row), BP_E_UNSUPPORTED);
    assert_int_equal(bp_encode_row(4, x, 32, row), BP_E_UNSUPPORTED);
    assert_int_equal(bp_encode_row(BP_TYPE_Q8_0, x, 33, row), BP_E_INVALID);
    bp_decode_row(99, row, 4, y);
    assert_true(y[0] == 0 && y[3] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_gguf),
        cmocka_unit_test(encodes_near),
        cmocka_unit_test(halves_round_trip),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
