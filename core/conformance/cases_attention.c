/* Cases of the paged cache: shuffled blocks, several sequences, every cache type. */
#include <math.h>

#include "core/base/size.h"
#include "core/conformance/check_case.h"

static const uint32_t cache_types[] = { BP_TYPE_F32, BP_TYPE_F16, BP_TYPE_Q8_0 };
static const bp_attention_params kinds[] = {
    { 4, 4, 32, 32, 1, 0, 0, 0.18f, 0, 0 },   { 8, 2, 64, 64, 1, 0, 0, 0.125f, 0, 0 },
    { 6, 3, 32, 64, 1, 5, 0, 0.2f, 0, 0 },    { 4, 1, 64, 32, 1, 0, 8, 0.125f, 20, 0 },
    { 6, 2, 32, 32, 1, 0, 0, 0.18f, 0, 8 },   { 4, 2, 32, 32, 0, 0, 0, 0.18f, 0, 0 },
    { 4, 2, 96, 96, 0, 6, 0, 0.1f, 0, 0 },    { 5, 5, 32, 32, 1, 7, 0, 0.18f, 30, 4 },
    { 8, 1, 128, 128, 1, 0, 0, 0.09f, 0, 0 }, { 6, 2, 32, 32, 0, 9, 0, 0.18f, 0, 8 },
    { 4, 1, 96, 64, 1, 0, 0, 0.1f, 0, 0 },
};
enum { SHARED_KIND = 10 }; /* V is part of K's rows */
static const bp_attention_params long_kinds[] = {
    { 8, 2, 64, 64, 1, 0, 0, 0.125f, 0, 0 },    { 16, 1, 128, 128, 1, 0, 0, 0.09f, 0, 0 },
    { 6, 2, 80, 80, 1, 0, 0, 0.1f, 30, 0 },     { 4, 4, 128, 64, 1, 0, 0, 0.09f, 0, 8 },
    { 8, 1, 256, 256, 1, 300, 0, 0.06f, 0, 0 }, { 9, 1, 96, 128, 0, 0, 0, 0.1f, 0, 0 },
    { 24, 1, 128, 128, 1, 0, 500, 0.09f, 0, 0 }, { 5, 1, 72, 72, 1, 0, 0, 0.12f, 0, 0 },
};
enum { BLOCK = 16, BLOCKS = 13, WIDTH = 4, LONG_WIDTH = 50 }; /* a long sequence has blocks more than once */

typedef struct setup {
    const bp_attention_params *a;
    uint32_t type;
    int64_t tokens, sequences, width; /* width: of the block table */
    bool start, sinks, holes, shared;
} setup;

static void shuffle(int64_t *order, int64_t n) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = bp_check_below(i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

static int64_t length_of(const setup *s, int64_t q) {
    if (s->width == LONG_WIDTH) return 700 + (q * 61 + s->tokens * 17) % 100;
    return s->holes && q == 1 ? 0 : 17 + (q * 23 + s->tokens * 5) % 45;
}

static void add_cache(bp_check_case *c, const setup *s, uint32_t width) {
    bp_check_in(c, s->type, BP_ROLE_STATE, BP_DIMS(width, BLOCK, s->a->n_head_kv, BLOCKS));
}

static void add_tables(bp_check_case *c, const setup *s, bool positions, bool start) {
    uint32_t at = positions ? bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(s->tokens))) : 0;
    uint32_t sequences = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(s->tokens)));
    uint32_t table = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(s->width, BP_SYM(BP_SYM_SEQUENCES, s->sequences)));
    uint32_t len = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_SYM(BP_SYM_SEQUENCES, s->sequences)));
    int64_t order[BLOCKS];
    shuffle(order, BLOCKS);
    for (int64_t i = 0; i < s->sequences * s->width; i++) {
        bp_check_set(c, table, i, s->holes && i == 1 ? BLOCKS + 5 : (double)order[i % BLOCKS]);
    }
    for (int64_t q = 0; q < s->sequences; q++) bp_check_set(c, len, q, (double)length_of(s, q));
    for (int64_t t = 0; t < s->tokens; t++) {
        int64_t q = t % s->sequences, n = length_of(s, q), from = start ? 3 * q : 0;
        bp_check_set(c, sequences, t, (double)q);
        if (positions) bp_check_set(c, at, t, (double)(from + (n ? n - 1 - t / s->sequences % n : 0)));
    }
    if (!start) return;
    uint32_t first = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_SYM(BP_SYM_SEQUENCES, s->sequences)));
    for (int64_t q = 0; q < s->sequences; q++) bp_check_set(c, first, q, (double)(3 * q));
}

static void begin(bp_check_case *c, uint32_t op, const setup *s, size_t kind) {
    double tolerance = s->type == BP_TYPE_F32 ? 1e-9 : s->type == BP_TYPE_F16 ? 1e-6 : 5e-4;
    bp_check_begin(c, op, tolerance, "%s %skind %zu tokens %ld sequences %ld%s%s%s", bp_check_type_name(s->type),
                   s->width == LONG_WIDTH ? "long " : "", kind, (long)s->tokens, (long)s->sequences, s->start ? " start" : "", s->sinks ? " sinks" : "",
                   s->holes ? " holes" : "");
    c->params.attention = *s->a;
}

static void attention(const bp_check_maker *m, const setup *s, size_t kind) {
    bp_check_case c;
    const bp_attention_params *a = s->a;
    begin(&c, BP_OP_ATTENTION, s, kind);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(a->n_head * a->head_dim, BP_TOK(s->tokens)));
    add_cache(&c, s, a->head_dim);
    if (s->shared) bp_check_again(&c, 1);
    else add_cache(&c, s, a->head_dim_v);
    add_tables(&c, s, true, s->start);
    if (s->sinks && !s->start) bp_check_none(&c);
    if (s->sinks) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(a->n_head));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(a->n_head * a->head_dim_v, BP_TOK(s->tokens)));
    bp_check_emit(m, &c);
}

static void scores(const bp_check_maker *m, const setup *s, size_t kind) {
    bp_check_case c;
    const bp_attention_params *a = s->a;
    begin(&c, BP_OP_ATTENTION_SCORES, s, kind);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(a->n_head * a->head_dim, BP_TOK(s->tokens)));
    add_cache(&c, s, a->head_dim);
    add_tables(&c, s, true, s->start);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(BP_SYM(BP_SYM_KV, 63), a->n_head, BP_TOK(s->tokens)));
    bp_check_emit(m, &c);
}

static void mix(const bp_check_maker *m, const setup *s, size_t kind) {
    bp_check_case c;
    const bp_attention_params *a = s->a;
    begin(&c, BP_OP_ATTENTION_MIX, s, kind);
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(BP_SYM(BP_SYM_KV, 63), a->n_head, BP_TOK(s->tokens)));
    add_cache(&c, s, s->shared ? a->head_dim : a->head_dim_v);
    add_tables(&c, s, false, false);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(a->n_head * a->head_dim_v, BP_TOK(s->tokens)));
    bp_check_emit(m, &c);
}

static void kv_write(const bp_check_maker *m, uint32_t type, int64_t n, uint32_t heads, bool values) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_KV_WRITE,
                   type == BP_TYPE_F32   ? 0
                   : type == BP_TYPE_F16 ? 1e-6
                                         : 1e-4,
                   "%s tokens %ld heads %u%s", bp_check_type_name(type), (long)n, heads, values ? " values" : "");
    c.params.kv.n_head_kv = heads;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(64 * heads, BP_TOK(n)));
    if (values) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(32 * heads, BP_TOK(n)));
    else bp_check_none(&c);
    uint32_t slots = bp_check_in(&c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(n)));
    int64_t order[BLOCK * BLOCKS];
    shuffle(order, BLOCK * BLOCKS);
    for (int64_t t = 0; t < n; t++)
        bp_check_set(&c, slots, t, t == 1 ? -1 : t == 3 ? BLOCK * BLOCKS : (double)order[t]);
    bp_check_out(&c, type, BP_ROLE_STATE, BP_DIMS(64, BLOCK, heads, BLOCKS));
    if (values) bp_check_out(&c, type, BP_ROLE_STATE, BP_DIMS(32, BLOCK, heads, BLOCKS));
    bp_check_emit(m, &c);
}

static void softmax(const bp_check_maker *m, int64_t n, int64_t heads, int64_t k, bool sinks) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_SOFTMAX, 1e-10, "%ldx%ldx%ld%s", (long)n, (long)heads, (long)k, sinks ? " sinks" : "");
    uint32_t x = bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, heads, BP_TOK(k)));
    for (int64_t i = 0; i < n * heads * k; i++) {
        if (i < n || bp_check_below(4) == 0) bp_check_set(&c, x, i, -INFINITY);
    }
    if (sinks) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(heads));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, heads, BP_TOK(k)));
    bp_check_emit(m, &c);
}

void bp_check_attention_cases(const bp_check_maker *m) {
    static const int64_t tokens[] = { 1, 2, 5, 33 };
    for (size_t i = 0; i < BP_COUNT(kinds) * 3 * 4 * 2; i++) {
        size_t kind = i / 24;
        int64_t n = tokens[i / 2 % 4];
        setup s = {
            &kinds[kind], cache_types[i / 8 % 3], n, i % 2 ? BP_MIN(n, 3) : 1, WIDTH, i % 3 == 0, i % 5 < 2, i % 7 == 3,
            kind == SHARED_KIND
        };
        if (bp_check_wanted(m, BP_OP_ATTENTION)) attention(m, &s, kind);
        s.sinks = false;
        if (bp_check_wanted(m, BP_OP_ATTENTION_SCORES) && i % 3 < 2) scores(m, &s, kind);
        if (bp_check_wanted(m, BP_OP_ATTENTION_MIX) && i % 3 < 2) mix(m, &s, kind);
    }
    for (size_t i = 0; i < BP_COUNT(long_kinds) * 9 && bp_check_wanted(m, BP_OP_ATTENTION); i++) {
        int64_t n = (const int64_t[]){ 1, 3, 16 }[i / 3 % 3];
        setup s = { &long_kinds[i / 9], cache_types[i % 3], n, BP_MIN(n, 3), LONG_WIDTH, i % 4 == 0, i % 5 < 2, i % 7 == 3,
                    false };
        if (s.type != BP_TYPE_Q8_0 || s.a->head_dim % 32 == 0) attention(m, &s, i / 9); /* blocks of 32 */
    }
    for (size_t i = 0; i < 48 && bp_check_wanted(m, BP_OP_KV_WRITE); i++) {
        kv_write(m, cache_types[i % 3], tokens[i / 3 % 4], i / 12 % 2 ? 3 : 1, i >= 24);
    }
    for (size_t i = 0; i < 24 && bp_check_wanted(m, BP_OP_SOFTMAX); i++) {
        softmax(m, (const int64_t[]){ 1, 37, 256 }[i % 3], i % 2 ? 5 : 1, tokens[i / 6], i % 4 > 1);
    }
}
