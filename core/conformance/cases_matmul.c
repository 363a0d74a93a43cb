/* Cases of the ops that read weights. */
#include "core/base/size.h"
#include "core/conformance/check_case.h"

/* Tolerances allow for activations rounded to the weight's own precision (8 bits for quantised types). */
static const struct { uint32_t type; double tolerance;
} weights[] = {
    { BP_TYPE_F32, 1e-10 }, { BP_TYPE_F16, 1e-6 },  { BP_TYPE_BF16, 1e-5 }, { BP_TYPE_Q4_0, 5e-4 },
    { BP_TYPE_Q4_1, 5e-4 }, { BP_TYPE_Q5_0, 5e-4 }, { BP_TYPE_Q5_1, 5e-4 }, { BP_TYPE_Q8_0, 5e-4 },
    { BP_TYPE_Q2_K, 5e-4 }, { BP_TYPE_Q3_K, 5e-4 }, { BP_TYPE_Q4_K, 5e-4 }, { BP_TYPE_Q5_K, 5e-4 },
    { BP_TYPE_Q6_K, 5e-4 }, { BP_TYPE_MXFP4, 5e-4 },
};
static const int64_t tokens[] = { 1, 2, 5, 33 };

static int64_t width_of(uint32_t type, int k) {
    static const int64_t widths[3][3] = { { 7, 256, 333 }, { 32, 96, 416 }, { 256, 512, 1280 } };
    uint32_t block = bp_type(type).block_values;
    return widths[block == 1 ? 0 : block == 32 ? 1 : 2][k];
}

static void matmul(const bp_check_maker *m, size_t w, int64_t n_in, int64_t n_out, int64_t n, bool bias) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_MATMUL, weights[w].tolerance, "%s %ldx%ld tokens %ld%s",
                   bp_check_type_name(weights[w].type), (long)n_in, (long)n_out, (long)n, bias ? " bias" : "");
    bp_check_in(&c, weights[w].type, BP_ROLE_WEIGHT, BP_DIMS(n_in, n_out));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n_in, BP_TOK(n)));
    if (bias) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n_out));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n_out, BP_TOK(n)));
    bp_check_emit(m, &c);
}

static void embed(const bp_check_maker *m, size_t w, int64_t n, int64_t k, float scale) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_EMBED_ROWS, 1e-10, "%s %ld tokens %ld scale %g", bp_check_type_name(weights[w].type),
                   (long)n, (long)k, (double)scale);
    c.params.embed.scale = scale;
    bp_check_in(&c, weights[w].type, BP_ROLE_WEIGHT, BP_DIMS(n, 37));
    uint32_t ids = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(k)));
    for (int64_t i = 0; i < k; i++) bp_check_set(&c, ids, i, i == 3 ? -1 : i == 4 ? 37 : (double)bp_check_below(37));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_emit(m, &c);
}

void bp_check_matmul_cases(const bp_check_maker *m) {
    static const int64_t rows[] = { 1, 7, 33, 64 };
    for (size_t w = 0; w < BP_COUNT(weights); w++) {
        for (int i = 0; i < 48 && bp_check_wanted(m, BP_OP_MATMUL); i++) {
            int64_t n_in = width_of(weights[w].type, i % 3);
            for (int bias = 0; bias < 2; bias++) matmul(m, w, n_in, rows[i / 3 % 4], tokens[i / 12], bias);
        }
        for (int i = 0; i < 12 && bp_check_wanted(m, BP_OP_EMBED_ROWS); i++) {
            embed(m, w, width_of(weights[w].type, i % 3), tokens[i / 3], i % 2 ? 3.5f : 0);
        }
    }
}

static void experts(const bp_check_maker *m, size_t w, int64_t n, bool wide, bool bias, int k) {
    bp_check_case c;
    int64_t n_in = width_of(weights[w].type, k), used = 3, n_expert = 5;
    bp_check_begin(&c, BP_OP_MATMUL_EXPERTS, weights[w].tolerance, "%s %ld tokens %ld%s%s",
                   bp_check_type_name(weights[w].type), (long)n_in, (long)n, wide ? " per expert" : "",
                   bias ? " bias" : "");
    bp_check_in(&c, weights[w].type, BP_ROLE_WEIGHT, BP_DIMS(n_in, 19, n_expert));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, wide ? BP_DIMS(n_in, used, BP_TOK(n)) : BP_DIMS(n_in, BP_TOK(n)));
    uint32_t ids = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(used, BP_TOK(n)));
    for (int64_t i = 0; i < used * n; i++) {
        bp_check_set(&c, ids, i, i == 4 ? -1 : i == 5 ? (double)n_expert : (double)bp_check_below(n_expert));
    }
    if (bias) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(19, n_expert));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(19, used, BP_TOK(n)));
    bp_check_emit(m, &c);
}

/* Many tokens, and which experts they choose: all the same one; every third one, so that others have none; mostly one and
 * sometimes none. */
enum crowd { CROWD_ONE, CROWD_THIRDS, CROWD_UNEVEN, CROWDS };

static void crowd(const bp_check_maker *m, size_t w, enum crowd kind, int64_t n, int64_t n_out, int64_t n_expert) {
    static const char *const names[CROWDS] = { "one for all", "a third of them", "uneven" };
    bp_check_case c;
    int64_t n_in = width_of(weights[w].type, 1), used = 2;
    bp_check_begin(&c, BP_OP_MATMUL_EXPERTS, weights[w].tolerance, "%s %ldx%ld of %ld tokens %ld, %s",
                   bp_check_type_name(weights[w].type), (long)n_in, (long)n_out, (long)n_expert, (long)n, names[kind]);
    bp_check_in(&c, weights[w].type, BP_ROLE_WEIGHT, BP_DIMS(n_in, n_out, n_expert));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n_in, BP_TOK(n)));
    uint32_t ids = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(used, BP_TOK(n)));
    for (int64_t i = 0; i < used * n; i++) {
        int64_t any = bp_check_below(n_expert), thirds = any / 3 * 3, rarely = bp_check_below(8) ? 1 : any - 1;
        bp_check_set(&c, ids, i, kind == CROWD_ONE ? 2 : kind == CROWD_THIRDS ? (double)thirds : (double)rarely);
    }
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n_out, n_expert));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n_out, used, BP_TOK(n)));
    bp_check_emit(m, &c);
}

static void heads(const bp_check_maker *m, size_t w, int64_t n, int k) {
    bp_check_case c;
    int64_t n_in = width_of(weights[w].type, k), n_head = 3;
    bp_check_begin(&c, BP_OP_MATMUL_EXPERTS, weights[w].tolerance, "%s %ld tokens %ld, one a head", bp_check_type_name(weights[w].type),
                   (long)n_in, (long)n);
    bp_check_in(&c, weights[w].type, BP_ROLE_WEIGHT, BP_DIMS(n_in, 19, n_head));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n_in, n_head, BP_TOK(n)));
    bp_check_none(&c);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(19, n_head, BP_TOK(n)));
    bp_check_emit(m, &c);
}

static void route(const bp_check_maker *m, bp_route_experts_params p, int64_t n_expert, int64_t n, bool bias) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_ROUTE_EXPERTS, 1e-10, "%u of %ld gating %u groups %u/%u tokens %ld%s", p.n_used,
                   (long)n_expert, p.gating, p.n_groups_used, p.n_groups, (long)n, bias ? " bias" : "");
    c.params.route = p;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n_expert, BP_TOK(n)));
    if (bias) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n_expert));
    bp_check_out(&c, BP_TYPE_I32, BP_ROLE_OUTPUT, BP_DIMS(p.n_used, BP_TOK(n)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(p.n_used, BP_TOK(n)));
    bp_check_emit(m, &c);
}

static void combine(const bp_check_maker *m, int64_t n, int64_t used, int64_t k) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_COMBINE_EXPERTS, 1e-10, "%ld used %ld tokens %ld", (long)n, (long)used, (long)k);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, used, BP_TOK(k)));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(used, BP_TOK(k)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(k)));
    bp_check_emit(m, &c);
}

void bp_check_moe_cases(const bp_check_maker *m) {
    static const bp_route_experts_params kinds[] = {
        { 2, 0, 0, 0, 0, 0 }, { 4, 0, 1, 0, 0, 2.5f }, { 8, 1, 1, 4, 2, 2.5f },
        { 4, 2, 0, 1, 1, 0 }, { 1, 1, 0, 8, 3, 0 },
    };
    for (size_t w = 0; w < BP_COUNT(weights) && bp_check_wanted(m, BP_OP_MATMUL_EXPERTS); w++) {
        for (int i = 0; i < 16; i++) experts(m, w, tokens[i / 4], i & 1, i & 2, i % 3);
        for (int i = 0; i < 4; i++) heads(m, w, tokens[i], i % 3);
        for (int i = 0; i < CROWDS; i++) crowd(m, w, (enum crowd)i, 70, 7, i == CROWD_ONE ? 3 : 16);
        crowd(m, w, CROWD_UNEVEN, 40, 131, 4);
    }
    for (int i = 0; i < 40 && bp_check_wanted(m, BP_OP_ROUTE_EXPERTS); i++) {
        bp_route_experts_params p = kinds[i % 5];
        route(m, p, p.n_groups > 1 ? 32 : 17, tokens[i / 5 % 4], i >= 20 && p.gating != BP_GATING_SOFTMAX_CHOSEN);
    }
    for (int i = 0; i < 12 && bp_check_wanted(m, BP_OP_COMBINE_EXPERTS); i++) {
        combine(m, (const int64_t[]){ 1, 65, 256 }[i % 3], 1 + i % 4, tokens[i / 3]);
    }
}
