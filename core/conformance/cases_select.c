/* Cases of the ops that pick, join, convert and order rows. */
#include <math.h>

#include "core/base/size.h"
#include "core/conformance/check_case.h"

static const int64_t tokens[] = { 1, 2, 5, 33 }, widths[] = { 1, 33, 256 };

static void gather(const bp_check_maker *m, int64_t n, int64_t k, int64_t count) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_GATHER_ROWS, 0, "%ldx%ld rows %ld", (long)n, (long)k, (long)count);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    uint32_t ids = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_SYM(BP_SYM_OUTPUTS, count)));
    for (int64_t i = 0; i < count; i++)
        bp_check_set(&c, ids, i, i == 2 ? -7 : i == 3 ? (double)k : (double)bp_check_below(k));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_SYM(BP_SYM_OUTPUTS, count)));
    bp_check_emit(m, &c);
}

static void slice(const bp_check_maker *m, int64_t n, int64_t first, int64_t count, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_SLICE, 0, "%ld of %ld from %ld tokens %ld", (long)count, (long)n, (long)first, (long)k);
    c.params.slice.first = (uint32_t)first;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(count, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void reshape(const bp_check_maker *m, uint32_t type, int64_t n, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_RESHAPE, 0, "%s %ld tokens %ld", bp_check_type_name(type), (long)n, (long)k);
    int64_t block = bp_type(type).block_values;
    bp_check_in(&c, type, BP_ROLE_INPUT, block > 1 ? BP_DIMS(block, 6 * n, BP_TOK(k)) : BP_DIMS(6 * n, BP_TOK(k)));
    bp_check_out(&c, type, BP_ROLE_OUTPUT, block > 1 ? BP_DIMS(block, 2 * n, 3, BP_TOK(k)) : BP_DIMS(2, n, 3, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void concat(const bp_check_maker *m, int64_t n, int64_t other, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_CONCAT, 0, "%ld + %ld tokens %ld", (long)n, (long)other, (long)k);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(other, BP_TOK(k)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n + other, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void convert(const bp_check_maker *m, uint32_t from, uint32_t to, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_CONVERT, to == BP_TYPE_Q8_0 ? 1e-4 : 0, "%s to type %u tokens %ld",
                   bp_check_type_name(from), to, (long)k);
    uint32_t x = bp_check_in(&c, from, BP_ROLE_INPUT, BP_DIMS(256, BP_TOK(k)));
    if (from == BP_TYPE_F32 && to != BP_TYPE_Q8_0) {
        bp_check_set(&c, x, 0, 1e6);
        bp_check_set(&c, x, 1, -65520);
        bp_check_set(&c, x, 2, 1e-7);
    }
    for (int64_t i = 0; from == BP_TYPE_I32 && i < 256 * k; i++) bp_check_set(&c, x, i, floor(3000 * bp_check_random()));
    bp_check_out(&c, to, BP_ROLE_OUTPUT, BP_DIMS(256, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void pool(const bp_check_maker *m, uint32_t kind, int64_t n, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_POOL, kind == BP_POOL_MEAN ? 1e-10 : 0, "%ld tokens %ld kind %u", (long)n, (long)k, kind);
    c.params.pool.kind = kind;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    uint32_t ids = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(k)));
    for (int64_t t = 0; t < k; t++) bp_check_set(&c, ids, t, (double)bp_check_below(3));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_SYM(BP_SYM_SEQUENCES, 3)));
    bp_check_emit(m, &c);
}

/* Values on a coarse grid, so that there are ties; and a NaN. */
static uint32_t ordered(bp_check_case *c, int64_t n, int64_t k, int64_t rows) {
    uint32_t x = bp_check_in(c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, rows));
    for (int64_t i = 0; i < n * k; i++) bp_check_set(c, x, i, i % 41 == 7 ? NAN : (double)bp_check_below(50) / 4 - 6);
    return x;
}

static void top_k(const bp_check_maker *m, int64_t n, int64_t count, int64_t k, bool varies) {
    bp_check_case c;
    const int64_t rows = varies ? BP_TOK(k) : k;
    bp_check_begin(&c, BP_OP_TOP_K, 0, "%ld of %ld %s %ld", (long)count, (long)n, varies ? "tokens" : "rows", (long)k);
    ordered(&c, n, k, rows);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(count, rows));
    bp_check_out(&c, BP_TYPE_I32, BP_ROLE_OUTPUT, BP_DIMS(count, rows));
    bp_check_emit(m, &c);
}

static void argmax(const bp_check_maker *m, int64_t n, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_ARGMAX, 0, "%ld tokens %ld", (long)n, (long)k);
    ordered(&c, n, k, BP_TOK(k));
    bp_check_out(&c, BP_TYPE_I32, BP_ROLE_OUTPUT, BP_DIMS(BP_TOK(k)));
    bp_check_emit(m, &c);
}

void bp_check_select_cases(const bp_check_maker *m) {
    static const uint32_t to[] = { BP_TYPE_F32, BP_TYPE_F16, BP_TYPE_BF16, BP_TYPE_Q8_0 };
    for (uint32_t i = 0; i < 12; i++) {
        int64_t n = widths[i % 3], k = tokens[i / 3];
        if (bp_check_wanted(m, BP_OP_GATHER_ROWS)) gather(m, n, k, 1 + i % 6);
        if (bp_check_wanted(m, BP_OP_SLICE)) slice(m, n + 9, 1 + i % 4, n, k);
        if (bp_check_wanted(m, BP_OP_RESHAPE)) reshape(m, i % 2 ? BP_TYPE_F32 : BP_TYPE_Q8_0, n, k);
        if (bp_check_wanted(m, BP_OP_CONCAT)) concat(m, n, 1 + i * 5, k);
        if (bp_check_wanted(m, BP_OP_TOP_K)) top_k(m, n + 4, i % 3 + 2, k, true);
        if (bp_check_wanted(m, BP_OP_ARGMAX)) argmax(m, n, k);
        for (uint32_t kind = 0; kind < 3 && bp_check_wanted(m, BP_OP_POOL); kind++) pool(m, kind, n, k);
    }
    for (int64_t n = 5003; n < 50000 && bp_check_wanted(m, BP_OP_ARGMAX); n += 30000) argmax(m, n, 3); /* as vocabularies are */
    for (uint32_t i = 0; i < 8 && bp_check_wanted(m, BP_OP_TOP_K); i++) /* vocabularies */
        top_k(m, i % 2 ? 33000 : 5003, (const int64_t[]){ 1, 40, 200, 256 }[i / 2], tokens[i % 3], i >= 6);
    for (uint32_t id = 0; id < BP_TYPE_LIMIT && bp_check_wanted(m, BP_OP_CONVERT); id++) {
        for (uint32_t i = 0; i < 8 && (bp_type_is_float(id) || id == BP_TYPE_I32); i++) convert(m, id, to[i % 4], i / 4 ? 5 : 1);
    }
}
