/* Cases of the ops with a state: fresh and continued sequences, mixed in one batch, and tokens without a slot. */
#include <math.h>

#include "core/base/size.h"
#include "core/conformance/check_case.h"

static const int64_t tokens[] = { 1, 2, 5, 33 };
enum { SLOTS = 5 };

/* What tokens there are: sequences take turns; odd ones begin at position 0, the others go on. */
typedef struct mix {
    int64_t tokens, sequences;
    bool holes; /* token 1 is of no sequence, sequence 1 has no slot */
} mix;

static mix mix_of(size_t i) {
    int64_t n = tokens[i % 4];
    return (mix){ n, i / 4 % 2 ? BP_MIN(n, 3) : 1, i % 3 == 2 };
}

static void add_places(bp_check_case *c, const mix *m) {
    uint32_t positions = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(m->tokens)));
    uint32_t sequences = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_TOK(m->tokens)));
    uint32_t slots = bp_check_in(c, BP_TYPE_I32, BP_ROLE_INPUT, BP_DIMS(BP_SYM(BP_SYM_SEQUENCES, m->sequences)));
    int64_t first = bp_check_below(SLOTS), fresh = bp_check_below(2);
    for (int64_t t = 0; t < m->tokens; t++) {
        int64_t q = t % m->sequences, place = t / m->sequences;
        bp_check_set(c, sequences, t, m->holes && t == 1 ? (double)m->sequences : (double)q);
        bp_check_set(c, positions, t, (double)((q + fresh) % 2 ? place : place + 7));
    }
    for (int64_t q = 0; q < m->sequences; q++) {
        bp_check_set(c, slots, q, m->holes && q == 1 ? SLOTS : (double)((first + 2 * q) % SLOTS));
    }
}

/* Values in [low, high). */
static void set_all(bp_check_case *c, uint32_t value, double low, double high) {
    for (int64_t i = 0; i < c->value[value].count; i++) {
        bp_check_set(c, value, i, low + (high - low) * (bp_check_random() + 1) / 2);
    }
}

static void conv(const bp_check_maker *maker, const mix *m, int64_t n, int64_t k, uint32_t f, bool bias) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_CAUSAL_CONV, 1e-10, "%ld kernel %ld f %u tokens %ld sequences %ld%s%s", (long)n, (long)k, f,
                   (long)m->tokens, (long)m->sequences, bias ? " bias" : "", m->holes ? " holes" : "");
    c.params.conv.f = f;
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(n, BP_TOK(m->tokens)));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(k, n));
    if (bias) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(n));
    else bp_check_none(&c);
    add_places(&c, m);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(n, BP_TOK(m->tokens)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_STATE, BP_DIMS(n, k - 1, SLOTS));
    bp_check_emit(maker, &c);
}

typedef struct scan_shape {
    int64_t heads, head_dim, groups, n_state;
    bool one; /* one row of a for all states */
} scan_shape;

static void scan(const bp_check_maker *maker, const mix *m, const scan_shape *s, bool extra) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_SSM_SCAN, 1e-9, "heads %ldx%ld groups %ld state %ld tokens %ld sequences %ld%s%s", (long)s->heads,
                   (long)s->head_dim, (long)s->groups, (long)s->n_state, (long)m->tokens, (long)m->sequences,
                   extra ? " d and dt_bias" : "", m->holes ? " holes" : "");
    c.params.scan = (bp_ssm_scan_params){ (uint32_t)s->heads, (uint32_t)s->groups };
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(s->heads * s->head_dim, BP_TOK(m->tokens)));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(s->heads, BP_TOK(m->tokens)));
    set_all(&c, bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(s->one ? 1 : s->n_state, s->heads)), -4, -0.05);
    for (int i = 0; i < 2; i++) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(s->groups * s->n_state, BP_TOK(m->tokens)));
    for (int i = 0; i < 2; i++) {
        if (!extra) bp_check_none(&c);
        else if (s->one) bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(1, s->heads));
        else bp_check_in(&c, BP_TYPE_F32, BP_ROLE_WEIGHT, BP_DIMS(s->heads));
    }
    add_places(&c, m);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(s->heads * s->head_dim, BP_TOK(m->tokens)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_STATE, BP_DIMS(s->n_state, s->heads * s->head_dim, SLOTS));
    bp_check_emit(maker, &c);
}

static void delta(const bp_check_maker *maker, const mix *m, int64_t heads, int64_t heads_k, int64_t n, int64_t n_v, float eps) {
    bp_check_case c;
    bp_check_begin(&c, BP_OP_DELTA_RULE, 1e-9, "heads %ld/%ld of %ldx%ld eps %g tokens %ld sequences %ld%s", (long)heads,
                   (long)heads_k, (long)n, (long)n_v, (double)eps, (long)m->tokens, (long)m->sequences, m->holes ? " holes" : "");
    c.params.delta = (bp_delta_rule_params){ (uint32_t)heads, (uint32_t)heads_k, eps > 0 ? 1 / sqrtf((float)n) : 0, eps };
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(heads_k * n, BP_TOK(m->tokens)));
    uint32_t k = bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(heads_k * n, BP_TOK(m->tokens)));
    if (eps <= 0) set_all(&c, k, -1 / sqrt((double)n), 1 / sqrt((double)n));
    bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(heads * n_v, BP_TOK(m->tokens)));
    set_all(&c, bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(heads, BP_TOK(m->tokens))), -2, 0);
    set_all(&c, bp_check_in(&c, BP_TYPE_F32, BP_ROLE_INPUT, BP_DIMS(heads, BP_TOK(m->tokens))), 0, 1);
    add_places(&c, m);
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_OUTPUT, BP_DIMS(heads * n_v, BP_TOK(m->tokens)));
    bp_check_out(&c, BP_TYPE_F32, BP_ROLE_STATE, BP_DIMS(n, n_v, heads, SLOTS));
    bp_check_emit(maker, &c);
}

void bp_check_recurrent_cases(const bp_check_maker *maker) {
    static const int64_t widths[] = { 1, 33, 96, 256 }, kernels[] = { 2, 3, 4, 9 };
    static const uint32_t functions[] = { BP_ACT_IDENTITY, BP_ACT_SILU };
    static const scan_shape shapes[] = { { 37, 1, 1, 16, false }, { 64, 1, 1, 8, false }, { 4, 16, 1, 16, true },
                                         { 6, 10, 2, 33, true },  { 8, 4, 4, 64, false }, { 3, 32, 3, 128, true } };
    for (size_t i = 0; i < 64; i++) {
        mix m = mix_of(i);
        if (bp_check_wanted(maker, BP_OP_CAUSAL_CONV))
            conv(maker, &m, widths[i / 8 % 4], kernels[(i + i / 8) % 4], functions[i / 2 % 2], i % 5 < 3);
        if (bp_check_wanted(maker, BP_OP_SSM_SCAN) && i < 48) scan(maker, &m, &shapes[i / 8], i % 5 < 3);
        if (bp_check_wanted(maker, BP_OP_DELTA_RULE) && i < 32)
            delta(maker, &m, i / 8 % 2 ? 6 : 4, i / 8 % 2 ? 3 : 4, i / 16 ? 64 : 17, i / 16 ? 32 : 40, i % 2 ? 1e-6f : 0);
    }
}
