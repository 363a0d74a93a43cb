/* Cases of norms, rope, elementwise ops and reductions. */
#include "core/base/size.h"
#include "core/conformance/check_case.h"

static const int64_t tokens[] = { 1, 2, 5, 33 };

static void norm(const bp_check_maker *m, uint32_t op, int64_t n, uint32_t group, int64_t k, uint32_t parts) {
    bp_check_case c;
    bp_check_begin(&c, op, 1e-10, "%ld group %u tokens %ld parts %u", (long)n, group, (long)k, parts);
    c.params.norm = (bp_norm_params){ k % 2 ? 1e-2f : 1e-5f, group };
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    if (parts & 1) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    else bp_check_none(&c);
    if (parts & 2) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(group ? group : n));
    else bp_check_none(&c);
    if (parts & 4) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    if (parts & 1) bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static const bp_rope_params ropes[] = {
    { 64, 64, 0, 10000, 0, 0, 0, 0, 0, 0, { 0 } },       { 64, 64, 1, 10000, 0, 0, 0, 0, 0, 0, { 0 } },
    { 64, 32, 1, 500000, 0.5f, 0, 0, 0, 0, 0, { 0 } },   { 64, 32, 0, 10000, 0, 1.2f, 0, 0, 0, 0, { 0 } },
    { 64, 64, 1, 10000, 0.25f, 1, 1, 32, 1, 4096, { 0 } }, { 64, 64, 0, 10000, 0.1f, 0, 0.7f, 32, 1, 512, { 0 } },
    { 64, 64, 1, 10000, 0, 0, 0, 0, 0, 0, { 8, 12, 12, 0 } },
};

static void rope(const bp_check_maker *m, size_t kind, int64_t heads, int64_t n, int64_t limit, bool factors) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_ROPE, limit > 100 ? 1e-6 : 1e-9, "kind %zu heads %ld tokens %ld positions %ld%s", kind,
                   (long)heads, (long)n, (long)limit, factors ? " factors" : "");
    c.params.rope = ropes[kind];
    int64_t rows = ropes[kind].sections[0] ? 4 : 1;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(64 * heads, BP_TOK(n)));
    uint32_t p = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, rows == 4 ? BP_DIMS(4, BP_TOK(n)) : BP_DIMS(BP_TOK(n)));
    for (int64_t i = 0; i < rows * n; i++) bp_check_set(&c, p, i, (double)bp_check_below(limit));
    if (factors) {
        uint32_t f = bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(ropes[kind].n_dims / 2));
        for (int64_t i = 0; i < ropes[kind].n_dims / 2; i++) bp_check_set(&c, f, i, 1.5 + bp_check_random() / 2);
    }
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(64 * heads, BP_TOK(n)));
    bp_check_emit(m, &c);
}

static void binary(const bp_check_maker *m, uint32_t op, int64_t n, int64_t k, int form) {
    bp_check_case c;
    bp_check_begin(&c, op, 1e-12, "%ldx3x%ld form %d", (long)n, (long)k, form);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, 3, BP_TOK(k)));
    if (form == 0) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, 3, BP_TOK(k)));
    if (form == 1) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n));
    if (form == 2) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(1, 3, BP_TOK(k)));
    if (form == 3) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, 1, BP_TOK(k)));
    if (form == 4) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(1));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, 3, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void each(const bp_check_maker *m, uint32_t op, uint32_t f, int64_t n, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, op, 1e-10, "%ldx%ld f %u", (long)n, (long)k, f);
    if (op == BP_OP_SCALE) c.params.scale = (bp_scale_params){ 1.7f, f ? -0.3f : 0 };
    if (op == BP_OP_SOFTCAP) c.params.softcap.cap = 3;
    if (op == BP_OP_ACTIVATION) c.params.activation = (bp_activation_params){ f, -0.5f, 0.75f };
    uint32_t x = bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    bool positive = op == BP_OP_ACTIVATION && (f == BP_ACT_RSQRT || f == BP_ACT_RECIPROCAL || f == BP_ACT_LOG);
    for (int64_t i = 0; i < n * k; i++) {
        if (positive) bp_check_set(&c, x, i, 1.5 + bp_check_random());
        else if (i % 5 == 4 && f != BP_ACT_EXP) bp_check_set(&c, x, i, 25 * bp_check_random());
    }
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void glu(const bp_check_maker *m, uint32_t f, int64_t n, int64_t k, bool split, float limit) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_GLU, 1e-10, "%ldx%ld f %u limit %g%s", (long)n, (long)k, f, (double)limit,
                   split ? "" : " fused");
    c.params.glu = (bp_glu_params){ f, limit, limit > 0 ? 1 : 0 };
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(split ? n : 2 * n, BP_TOK(k)));
    if (split) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_emit(m, &c);
}

static void reduce(const bp_check_maker *m, uint32_t kind, int64_t n, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_REDUCE, 1e-10, "%ldx3x%ld kind %u", (long)n, (long)k, kind);
    c.params.reduce.kind = kind;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, 3, BP_TOK(k)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(1, 3, BP_TOK(k)));
    bp_check_emit(m, &c);
}

void bp_check_row_cases(const bp_check_maker *m) {
    static const int64_t widths[] = { 1, 33, 256 };
    for (uint32_t i = 0; i < 192; i++) {
        uint32_t op = i % 2 ? BP_OP_RMS_NORM : BP_OP_LAYER_NORM, group = i / 2 % 3 == 1 ? 32 : 0;
        int64_t n = group ? 96 : i / 2 % 3 ? 333 : 64;
        if (bp_check_wanted(m, op)) norm(m, op, n, group, tokens[i / 6 % 4], i / 24);
    }
    for (size_t i = 0; i < BP_COUNT(ropes) * 16 && bp_check_wanted(m, BP_OP_ROPE); i++) {
        rope(m, i / 16, i % 2 ? 3 : 1, tokens[i / 2 % 4], i % 4 > 1 ? 4000 : 50, i / 8 % 2);
    }
    for (uint32_t i = 0; i < 120; i++) {
        uint32_t op = i % 2 ? BP_OP_ADD : BP_OP_MUL;
        if (bp_check_wanted(m, op)) binary(m, op, widths[i / 2 % 3], tokens[i / 6 % 4], (int)(i / 24));
    }
    for (uint32_t i = 0; i < 12 * BP_ACT_LIMIT; i++) {
        if (bp_check_wanted(m, BP_OP_ACTIVATION)) each(m, BP_OP_ACTIVATION, i / 12, widths[i % 3], tokens[i / 3 % 4]);
        if (bp_check_wanted(m, BP_OP_SCALE) && i < 24) each(m, BP_OP_SCALE, i / 12, widths[i % 3], tokens[i / 3 % 4]);
        if (bp_check_wanted(m, BP_OP_SOFTCAP) && i < 12) each(m, BP_OP_SOFTCAP, 0, widths[i % 3], tokens[i / 3 % 4]);
        if (bp_check_wanted(m, BP_OP_REDUCE) && i < 36) reduce(m, i / 12, widths[i % 3], tokens[i / 3 % 4]);
    }
    for (uint32_t i = 0; i < 96 && bp_check_wanted(m, BP_OP_GLU); i++) {
        glu(m, 1 + i / 12 % 4, widths[i % 3], tokens[i / 3 % 4], i & 1, i >= 48 ? 0.8f : 0);
    }
}
