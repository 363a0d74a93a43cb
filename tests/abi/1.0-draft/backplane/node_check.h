/* Do the values of a node fit its op? For backends that plan their own work: every rule of ops.h on types, shapes and
 * parameters in one place, so that kernels may rely on them. Header-only and freestanding; any thread. (The adapter of
 * backend_simple.h hands its functions what the graph says; they look for themselves.) */
#ifndef BACKPLANE_NODE_CHECK_H
#define BACKPLANE_NODE_CHECK_H

#include "backplane/graph.h"

enum { BP_NODE_MAX_IN = 10, BP_NODE_MAX_OUT = 2 }; /* of all ops in ops.def */

/* The parameters of any op. */
typedef union bp_any_params {
    bp_embed_rows_params embed;
    bp_route_experts_params route;
    bp_norm_params norm;
    bp_rope_params rope;
    bp_kv_write_params kv;
    bp_attention_params attention;
    bp_scale_params scale;
    bp_activation_params activation;
    bp_glu_params glu;
    bp_softcap_params softcap;
    bp_reduce_params reduce;
    bp_slice_params slice;
    bp_pool_params pool;
    bp_causal_conv_params conv;
    bp_ssm_scan_params scan;
    bp_delta_rule_params delta;
} bp_any_params;

/* A value with its dimensions as numbers, 1 past the rank. role: bp_role. */
typedef struct bp_operand {
    int64_t n[BP_MAX_RANK];
    uint32_t type, layout, rank, role;
} bp_operand;

/* A node with its operands, NULL where one is left out. params: the node's bytes over zeros. */
typedef struct bp_checked_node {
    uint32_t op, reserved;
    bp_any_params params;
    const bp_operand *in[BP_NODE_MAX_IN], *out[BP_NODE_MAX_OUT];
} bp_checked_node;

enum { BP_DIM_BITS = 48 }; /* dimensions are below 2 to this power */

/* Dimensions of a value given the symbols' numbers; 0 where one is negative or too large. */
static inline int bp_value_numbers(const bp_value *v, const int64_t *symbols, int64_t n[BP_MAX_RANK]) {
    if (v->rank < 1 || v->rank > BP_MAX_RANK) return 0;
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) {
        const bp_dim *d = &v->dim[i];
        n[i] = 1;
        if (i >= v->rank) continue;
        n[i] = d->value;
        if (d->symbol && (!symbols || __builtin_mul_overflow(d->value, symbols[d->symbol], &n[i]) ||
                          __builtin_add_overflow(n[i], d->plus, &n[i])))
            return 0;
        if (n[i] < 0 || n[i] > INT64_C(1) << BP_DIM_BITS) return 0;
    }
    return 1;
}

/* Bytes of a value in the layout of rows; 0 where they are too many, or a row is no whole number of blocks. */
static inline int bp_numbers_bytes(uint32_t type, const int64_t n[BP_MAX_RANK], uint64_t *bytes) {
    bp_type_info t = bp_type(type);
    if (!t.name || n[0] % t.block_values) return 0;
    uint64_t all = (uint64_t)(n[0] / t.block_values) * t.block_bytes;
    for (int i = 1; i < BP_MAX_RANK; i++)
        if (__builtin_mul_overflow(all, (uint64_t)n[i], &all)) return 0;
    *bytes = all;
    return all < (uint64_t)INT64_MAX / 2;
}

static inline int64_t bp_operand_rows(const bp_operand *t) { return t->n[1] * t->n[2] * t->n[3]; }

#define BP_FITS_NEED(condition, why)                                                                                   \
    do {                                                                                                               \
        if (!(condition)) return why;                                                                                  \
    } while (0)

static inline int bp_operand_is(const bp_operand *t, uint32_t type) {
    return t && t->type == type && t->layout == BP_LAYOUT_ROWS;
}
static inline int bp_operand_f32(const bp_operand *t) { return bp_operand_is(t, BP_TYPE_F32); }
static inline int bp_operand_i32(const bp_operand *t) { return bp_operand_is(t, BP_TYPE_I32); }
static inline int bp_operand_f32_or_none(const bp_operand *t) { return !t || bp_operand_f32(t); }
static inline int64_t bp_operand_count(const bp_operand *t) { return t->n[0] * bp_operand_rows(t); }
static inline int bp_operand_shape(const bp_operand *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    return t->n[0] == a && t->n[1] == b && t->n[2] == c && t->n[3] == d;
}
static inline int bp_operand_same(const bp_operand *a, const bp_operand *b) {
    return bp_operand_shape(a, b->n[0], b->n[1], b->n[2], b->n[3]);
}
static inline int bp_operand_weight(const bp_operand *t) { return t && bp_type_is_float(t->type); }

static inline const char *bp_fits_embed(const bp_checked_node *t) {
    BP_FITS_NEED(bp_operand_weight(t->in[0]) && bp_operand_i32(t->in[1]) && bp_operand_f32(t->out[0]),
                 "needs a float table, I32 ids and an F32 output");
    BP_FITS_NEED(t->in[0]->rank <= 2 && bp_operand_shape(t->out[0], t->in[0]->n[0], bp_operand_count(t->in[1]), 1, 1),
                 "shapes do not fit");
    return NULL;
}

static inline const char *bp_fits_matmul(const bp_checked_node *t) {
    const bp_operand *w = t->in[0], *x = t->in[1], *out = t->out[0];
    BP_FITS_NEED(bp_operand_weight(w) && bp_operand_f32(x) && bp_operand_f32_or_none(t->in[2]) && bp_operand_f32(out),
                 "needs a float weight, F32 activations, bias and output");
    BP_FITS_NEED(w->rank <= 2 && x->n[0] == w->n[0], "the activations' width is not the weight's");
    BP_FITS_NEED(bp_operand_shape(out, w->n[1], x->n[1], x->n[2], x->n[3]), "the output's shape does not fit");
    BP_FITS_NEED(!t->in[2] || bp_operand_count(t->in[2]) == w->n[1], "the bias does not fit");
    return NULL;
}

static inline const char *bp_fits_experts(const bp_checked_node *t) {
    const bp_operand *w = t->in[0], *x = t->in[1], *ids = t->in[2], *out = t->out[0];
    BP_FITS_NEED(bp_operand_weight(w) && bp_operand_f32(x) && (!ids || bp_operand_i32(ids)) &&
                     bp_operand_f32_or_none(t->in[3]) && bp_operand_f32(out),
                 "types do not fit");
    BP_FITS_NEED(w->n[3] == 1 && w->n[2] > 0 && x->n[0] == w->n[0], "shapes do not fit");
    BP_FITS_NEED(bp_operand_shape(out, w->n[1], out->n[1], out->n[2], 1), "the output's shape does not fit");
    BP_FITS_NEED(ids ? bp_operand_shape(ids, out->n[1], out->n[2], 1, 1) : out->n[1] == w->n[2] && x->rank == 3,
                 "the choice of experts does not fit");
    BP_FITS_NEED(x->rank == 3 ? bp_operand_shape(x, w->n[0], out->n[1], out->n[2], 1)
                              : bp_operand_shape(x, w->n[0], out->n[2], 1, 1),
                 "rows do not fit");
    BP_FITS_NEED(!t->in[3] || bp_operand_shape(t->in[3], w->n[1], w->n[2], 1, 1), "the bias does not fit");
    return out->n[1] * out->n[2] < INT32_MAX && w->n[2] < INT32_MAX ? NULL : "too many tokens or experts";
}

static inline const char *bp_fits_route(const bp_checked_node *t) {
    const bp_route_experts_params *p = &t->params.route;
    const bp_operand *x = t->in[0], *ids = t->out[0], *out = t->out[1];
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_f32_or_none(t->in[1]) && bp_operand_i32(ids) && bp_operand_f32(out),
                 "types do not fit");
    BP_FITS_NEED(p->gating <= BP_GATING_SOFTMAX_CHOSEN, "an unknown gating");
    BP_FITS_NEED(p->n_used > 0 && p->n_used <= x->n[0] && bp_operand_rows(x) == x->n[1],
                 "more experts used than there are");
    BP_FITS_NEED(bp_operand_shape(ids, p->n_used, x->n[1], 1, 1) && bp_operand_same(ids, out), "shapes do not fit");
    BP_FITS_NEED(!t->in[1] || bp_operand_count(t->in[1]) == x->n[0], "the bias does not fit");
    if (p->n_groups <= 1) return NULL;
    BP_FITS_NEED(x->n[0] % p->n_groups == 0 && p->n_groups_used > 0 && p->n_groups_used <= p->n_groups,
                 "groups do not fit");
    BP_FITS_NEED(p->n_used <= x->n[0] / p->n_groups * p->n_groups_used, "the chosen groups have too few experts");
    return NULL;
}

static inline const char *bp_fits_combine(const bp_checked_node *t) {
    const bp_operand *x = t->in[0], *w = t->in[1];
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_f32(w) && bp_operand_f32(t->out[0]) && x->n[3] == 1,
                 "types do not fit");
    return bp_operand_shape(w, x->n[1], x->n[2], 1, 1) && bp_operand_shape(t->out[0], x->n[0], x->n[2], 1, 1)
               ? NULL
               : "shapes do not fit";
}

static inline const char *bp_fits_norm(const bp_checked_node *t) {
    const bp_operand *x = t->in[0];
    int64_t n = x ? x->n[0] : 0, group = t->params.norm.group ? (int64_t)t->params.norm.group : n;
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_f32(t->out[0]) && bp_operand_f32_or_none(t->in[1]) &&
                     bp_operand_f32_or_none(t->in[2]) && bp_operand_f32_or_none(t->in[3]) &&
                     bp_operand_f32_or_none(t->out[1]),
                 "needs F32 values");
    BP_FITS_NEED(group > 0 && n % group == 0, "the group does not divide the row");
    BP_FITS_NEED(bp_operand_same(x, t->out[0]) && (!t->in[1] || bp_operand_same(x, t->in[1])) &&
                     (!t->out[1] || bp_operand_same(x, t->out[1])),
                 "shapes differ");
    for (int i = 2; i < 4; i++) {
        int64_t m = t->in[i] ? t->in[i]->n[0] : n;
        BP_FITS_NEED((m == group || m == n) && (!t->in[i] || bp_operand_rows(t->in[i]) == 1),
                     "weight or bias does not fit");
    }
    return NULL;
}

static inline const char *bp_fits_rope(const bp_checked_node *t) {
    const bp_rope_params *p = &t->params.rope;
    const bp_operand *x = t->in[0];
    int sections = p->sections[0] || p->sections[1] || p->sections[2] || p->sections[3];
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_i32(t->in[1]) && bp_operand_f32_or_none(t->in[2]) &&
                     bp_operand_f32(t->out[0]),
                 "types do not fit");
    BP_FITS_NEED(p->head_dim > 0 && p->n_dims <= p->head_dim && p->n_dims % 2 == 0 && p->n_dims <= 1024,
                 "head sizes do not fit");
    BP_FITS_NEED(p->pairing <= BP_ROPE_HALVES && p->base > 0, "an unknown pairing or no base");
    BP_FITS_NEED(x->n[0] % p->head_dim == 0 && bp_operand_rows(x) == x->n[1] && bp_operand_same(x, t->out[0]),
                 "shapes do not fit");
    BP_FITS_NEED(bp_operand_count(t->in[1]) == x->n[1] * (sections ? 4 : 1), "positions do not fit");
    return !t->in[2] || bp_operand_count(t->in[2]) >= p->n_dims / 2 ? NULL : "factors do not fit";
}

static inline int bp_operand_cache(const bp_operand *c) {
    return c && c->layout == BP_LAYOUT_ROWS && c->n[1] > 0 &&
           (c->type == BP_TYPE_F32 || c->type == BP_TYPE_F16 || c->type == BP_TYPE_Q8_0);
}

static inline const char *bp_fits_kv(const bp_checked_node *t) {
    int64_t heads = t->params.kv.n_head_kv, tokens = t->in[0] ? t->in[0]->n[1] : 0;
    BP_FITS_NEED(bp_operand_f32(t->in[0]) && bp_operand_i32(t->in[2]) && heads > 0 &&
                     bp_operand_count(t->in[2]) == tokens,
                 "types or slots do not fit");
    BP_FITS_NEED(!t->in[1] == !t->out[1], "v and its cache go together");
    for (int i = 0; i < 2; i++) {
        const bp_operand *x = t->in[i], *c = t->out[i];
        if (i && !x) continue;
        BP_FITS_NEED(bp_operand_f32(x) && bp_operand_cache(c) && c->n[2] == heads &&
                         bp_operand_shape(x, c->n[0] * heads, tokens, 1, 1),
                     "the cache does not fit");
    }
    return NULL;
}

static inline const char *bp_fits_heads(const bp_attention_params *p) {
    BP_FITS_NEED(p->n_head > 0 && p->n_head_kv > 0 && p->n_head % p->n_head_kv == 0, "heads do not fit");
    return p->n_head <= 65536 && p->head_dim <= 65536 && p->head_dim_v <= 65536 ? NULL : "heads are too large";
}

/* Rows of the cache have dim values, or more where they are `shared` with K. */
static inline const char *bp_fits_paging(const bp_checked_node *t, const bp_operand *c, int at, int64_t tokens,
                                         uint32_t dim, int shared) {
    const bp_operand *seq = t->in[at], *table = t->in[at + 1], *len = t->in[at + 2];
    BP_FITS_NEED(bp_operand_cache(c) && (c->n[0] == dim || (shared && c->n[0] > dim)) &&
                     c->n[2] == t->params.attention.n_head_kv,
                 "the cache does not fit");
    BP_FITS_NEED(bp_operand_i32(seq) && bp_operand_i32(table) && bp_operand_i32(len) && bp_operand_count(seq) == tokens,
                 "sequences do not fit");
    return bp_operand_rows(table) == table->n[1] && bp_operand_count(len) == table->n[1]
               ? NULL
               : "the block table does not fit";
}

static inline const char *bp_fits_attention(const bp_checked_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const bp_operand *q = t->in[0], *out = t->out[0];
    const char *why = bp_fits_heads(p);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(bp_operand_f32(q) && bp_operand_f32(out) &&
                     bp_operand_shape(q, (int64_t)p->n_head * p->head_dim, q->n[1], 1, 1),
                 "queries do not fit");
    BP_FITS_NEED(bp_operand_shape(out, (int64_t)p->n_head * p->head_dim_v, q->n[1], 1, 1), "the output does not fit");
    why = bp_fits_paging(t, t->in[1], 4, q->n[1], p->head_dim, 0);
    BP_FITS_NEED(!why, why);
    why = bp_fits_paging(t, t->in[2], 4, q->n[1], p->head_dim_v, t->in[2] == t->in[1]);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(t->in[1]->n[1] == t->in[2]->n[1] && bp_operand_i32(t->in[3]) && bp_operand_count(t->in[3]) == q->n[1],
                 "positions do not fit");
    BP_FITS_NEED(!t->in[7] || (bp_operand_i32(t->in[7]) && bp_operand_count(t->in[7]) == t->in[5]->n[1]),
                 "kv_start does not fit");
    return !t->in[8] || (bp_operand_f32(t->in[8]) && bp_operand_count(t->in[8]) == p->n_head) ? NULL
                                                                                              : "sinks do not fit";
}

static inline const char *bp_fits_scores(const bp_checked_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const bp_operand *q = t->in[0];
    const char *why = bp_fits_heads(p);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(bp_operand_f32(q) && bp_operand_f32(t->out[0]) &&
                     bp_operand_shape(q, (int64_t)p->n_head * p->head_dim, q->n[1], 1, 1),
                 "queries do not fit");
    BP_FITS_NEED(bp_operand_shape(t->out[0], t->out[0]->n[0], p->n_head, q->n[1], 1), "the output does not fit");
    BP_FITS_NEED(bp_operand_i32(t->in[2]) && bp_operand_count(t->in[2]) == q->n[1], "positions do not fit");
    why = bp_fits_paging(t, t->in[1], 3, q->n[1], p->head_dim, 0);
    BP_FITS_NEED(!why, why);
    return !t->in[6] || (bp_operand_i32(t->in[6]) && bp_operand_count(t->in[6]) == t->in[4]->n[1])
               ? NULL
               : "kv_start does not fit";
}

static inline const char *bp_fits_mix(const bp_checked_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const bp_operand *x = t->in[0];
    const char *why = bp_fits_heads(p);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_f32(t->out[0]) && x->n[1] == p->n_head && x->n[3] == 1,
                 "scores do not fit");
    BP_FITS_NEED(bp_operand_shape(t->out[0], (int64_t)p->n_head * p->head_dim_v, x->n[2], 1, 1),
                 "the output does not fit");
    return bp_fits_paging(t, t->in[1], 2, x->n[2], p->head_dim_v, 1);
}

static inline const char *bp_fits_binary(const bp_checked_node *t) {
    const bp_operand *a = t->in[0], *b = t->in[1];
    BP_FITS_NEED(bp_operand_f32(a) && bp_operand_f32(b) && bp_operand_f32(t->out[0]) && bp_operand_same(a, t->out[0]),
                 "needs F32 values of one shape");
    for (int i = 0; i < BP_MAX_RANK; i++)
        BP_FITS_NEED(b->n[i] == a->n[i] || b->n[i] == 1, "the second input does not fit");
    return NULL;
}

static inline const char *bp_fits_unary(const bp_checked_node *t) {
    BP_FITS_NEED(bp_operand_f32(t->in[0]) && bp_operand_f32(t->out[0]) && bp_operand_same(t->in[0], t->out[0]),
                 "needs F32 values of one shape");
    if (t->op == BP_OP_SOFTMAX)
        return !t->in[1] || (bp_operand_f32(t->in[1]) && bp_operand_count(t->in[1]) == t->in[0]->n[1])
                   ? NULL
                   : "sinks do not fit";
    return t->op != BP_OP_ACTIVATION || t->params.activation.f < BP_ACT_LIMIT ? NULL : "an unknown function";
}

static inline const char *bp_fits_glu(const bp_checked_node *t) {
    const bp_operand *gate = t->in[0], *out = t->out[0];
    BP_FITS_NEED(bp_operand_f32(gate) && bp_operand_f32_or_none(t->in[1]) && bp_operand_f32(out) &&
                     t->params.glu.f < BP_ACT_CLAMP,
                 "types or function do not fit");
    BP_FITS_NEED(!t->in[1] || bp_operand_same(gate, t->in[1]), "gate and up differ in shape");
    int64_t n = t->in[1] ? gate->n[0] : gate->n[0] / 2;
    BP_FITS_NEED(t->in[1] || gate->n[0] % 2 == 0, "the row's length is odd");
    return bp_operand_shape(out, n, gate->n[1], gate->n[2], gate->n[3]) ? NULL : "the output does not fit";
}

static inline const char *bp_fits_rows(const bp_checked_node *t) {
    const bp_operand *x = t->in[0], *b = t->in[1], *out = t->out[0];
    int outer = x && out && x->n[1] == out->n[1] && x->n[2] == out->n[2] && x->n[3] == out->n[3];
    if (t->op == BP_OP_CONVERT) {
        BP_FITS_NEED(x && out && bp_operand_same(x, out) && x->layout == BP_LAYOUT_ROWS &&
                         out->layout == BP_LAYOUT_ROWS,
                     "shapes differ");
        int ok = out->type == BP_TYPE_F32 || out->type == BP_TYPE_F16 || out->type == BP_TYPE_BF16 ||
                 out->type == BP_TYPE_Q8_0;
        return ok ? NULL : "cannot convert to this type";
    }
    BP_FITS_NEED(bp_operand_f32(x) && (t->op == BP_OP_ARGMAX ? bp_operand_i32(out) : bp_operand_f32(out)),
                 "types do not fit");
    switch (t->op) {
    case BP_OP_REDUCE:
        return outer && out->n[0] == 1 && t->params.reduce.kind <= BP_REDUCE_MAX ? NULL : "shapes do not fit";
    case BP_OP_GATHER_ROWS:
        return bp_operand_i32(b) && bp_operand_rows(x) == x->n[1] &&
                       bp_operand_shape(out, x->n[0], bp_operand_count(b), 1, 1)
                   ? NULL
                   : "shapes do not fit";
    case BP_OP_SLICE:
        return outer && out->n[0] <= x->n[0] && (int64_t)t->params.slice.first <= x->n[0] - out->n[0]
                   ? NULL
                   : "the slice is outside the row";
    case BP_OP_CONCAT:
        return bp_operand_f32(b) && outer && bp_operand_shape(b, out->n[0] - x->n[0], x->n[1], x->n[2], x->n[3])
                   ? NULL
                   : "shapes do not fit";
    case BP_OP_POOL:
        BP_FITS_NEED(bp_operand_i32(b) && bp_operand_count(b) == x->n[1] && bp_operand_rows(x) == x->n[1],
                     "sequences do not fit");
        return out->n[0] == x->n[0] && bp_operand_rows(out) == out->n[1] && t->params.pool.kind <= BP_POOL_LAST
                   ? NULL
                   : "shapes do not fit";
    case BP_OP_TOP_K:
        BP_FITS_NEED(bp_operand_i32(t->out[1]) && bp_operand_same(out, t->out[1]) && bp_operand_rows(x) == x->n[1],
                     "shapes do not fit");
        return out->n[0] <= x->n[0] && x->n[0] <= INT32_MAX && bp_operand_shape(out, out->n[0], x->n[1], 1, 1)
                   ? NULL
                   : "k does not fit";
    default:
        return x->n[0] > 0 && x->n[0] <= INT32_MAX && bp_operand_rows(x) == x->n[1] && bp_operand_count(out) == x->n[1]
                   ? NULL
                   : "shapes do not fit";
    }
}

/* Of a recurrent op: positions, sequences and state_slots from input `first` on, and its state. */
static inline const char *bp_fits_state(const bp_checked_node *t, int first, int64_t tokens) {
    for (int i = 0; i < 3; i++)
        BP_FITS_NEED(bp_operand_i32(t->in[first + i]), "positions, sequences or slots are missing");
    BP_FITS_NEED(bp_operand_count(t->in[first]) == tokens && bp_operand_count(t->in[first + 1]) == tokens,
                 "positions or sequences do not fit");
    BP_FITS_NEED(bp_operand_rows(t->in[first + 2]) == 1 && bp_operand_f32(t->out[0]) && bp_operand_f32(t->out[1]),
                 "slots, output or state do not fit");
    return NULL;
}

static inline const char *bp_fits_conv(const bp_checked_node *t) {
    const bp_operand *x = t->in[0], *w = t->in[1];
    BP_FITS_NEED(bp_operand_f32(x) && bp_operand_f32(w) && bp_operand_f32_or_none(t->in[2]) &&
                     t->params.conv.f < BP_ACT_CLAMP,
                 "types or function do not fit");
    BP_FITS_NEED(w->n[0] >= 2, "the kernel's width is below 2");
    const char *why = bp_fits_state(t, 3, x->n[1]);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(bp_operand_same(x, t->out[0]) && bp_operand_rows(x) == x->n[1] &&
                     bp_operand_shape(w, w->n[0], x->n[0], 1, 1),
                 "shapes do not fit");
    BP_FITS_NEED(!t->in[2] || bp_operand_count(t->in[2]) == x->n[0], "the bias does not fit");
    return bp_operand_shape(t->out[1], x->n[0], w->n[0] - 1, t->out[1]->n[2], 1) ? NULL : "the state does not fit";
}

static inline const char *bp_fits_scan(const bp_checked_node *t) {
    int64_t heads = t->params.scan.n_head, groups = t->params.scan.n_group;
    const bp_operand *x = t->in[0], *dt = t->in[1], *a = t->in[2], *b = t->in[3], *state = t->out[1];
    for (int i = 0; i < 7; i++)
        BP_FITS_NEED(i < 5 ? bp_operand_f32(t->in[i]) : bp_operand_f32_or_none(t->in[i]), "types do not fit");
    const char *why = bp_fits_state(t, 7, x->n[1]);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(heads > 0 && groups > 0 && heads % groups == 0 && x->n[0] % heads == 0, "heads do not fit");
    BP_FITS_NEED(bp_operand_same(x, t->out[0]) && bp_operand_shape(x, x->n[0], x->n[1], 1, 1) &&
                     bp_operand_shape(dt, heads, x->n[1], 1, 1),
                 "shapes do not fit");
    BP_FITS_NEED(bp_operand_shape(state, state->n[0], x->n[0], state->n[2], 1), "the state does not fit");
    BP_FITS_NEED((a->n[0] == 1 || a->n[0] == state->n[0]) && bp_operand_shape(a, a->n[0], heads, 1, 1),
                 "a does not fit");
    BP_FITS_NEED(bp_operand_shape(b, state->n[0] * groups, x->n[1], 1, 1) && bp_operand_same(b, t->in[4]),
                 "b or c does not fit");
    for (int i = 5; i < 7; i++)
        BP_FITS_NEED(!t->in[i] || bp_operand_count(t->in[i]) == heads, "d or dt_bias does not fit");
    return NULL;
}

static inline const char *bp_fits_delta(const bp_checked_node *t) {
    int64_t heads = t->params.delta.n_head, heads_k = t->params.delta.n_head_k;
    const bp_operand *q = t->in[0], *v = t->in[2], *state = t->out[1];
    for (int i = 0; i < 5; i++) BP_FITS_NEED(bp_operand_f32(t->in[i]), "types do not fit");
    const char *why = bp_fits_state(t, 5, v->n[1]);
    BP_FITS_NEED(!why, why);
    BP_FITS_NEED(heads > 0 && heads_k > 0 && heads % heads_k == 0 && state->n[2] == heads, "heads do not fit");
    BP_FITS_NEED(bp_operand_shape(q, state->n[0] * heads_k, v->n[1], 1, 1) && bp_operand_same(q, t->in[1]),
                 "q or k does not fit");
    BP_FITS_NEED(bp_operand_shape(v, state->n[1] * heads, v->n[1], 1, 1) && bp_operand_same(v, t->out[0]),
                 "v does not fit");
    for (int i = 3; i < 5; i++)
        BP_FITS_NEED(bp_operand_shape(t->in[i], heads, v->n[1], 1, 1), "decay or beta does not fit");
    return NULL;
}

static inline const char *bp_fits_reshape(const bp_checked_node *t) {
    const bp_operand *x = t->in[0], *out = t->out[0];
    BP_FITS_NEED(x && out && bp_operand_is(x, out->type) && out->layout == BP_LAYOUT_ROWS, "types differ");
    BP_FITS_NEED(bp_type(x->type).block_values == 1 || x->n[0] == out->n[0], "rows of blocks are not reshaped");
    return bp_operand_count(x) == bp_operand_count(out) ? NULL : "the number of values differs";
}

/* NULL where the operands and parameters fit the op, else what is wrong, in words that live as long as the process.
 * Reads no data. An op that this header does not know never fits. */
static inline const char *bp_node_fits(const bp_checked_node *t) {
    switch (t->op) {
    case BP_OP_EMBED_ROWS: return bp_fits_embed(t);
    case BP_OP_MATMUL: return bp_fits_matmul(t);
    case BP_OP_MATMUL_EXPERTS: return bp_fits_experts(t);
    case BP_OP_ROUTE_EXPERTS: return bp_fits_route(t);
    case BP_OP_COMBINE_EXPERTS: return bp_fits_combine(t);
    case BP_OP_RMS_NORM:
    case BP_OP_LAYER_NORM: return bp_fits_norm(t);
    case BP_OP_ROPE: return bp_fits_rope(t);
    case BP_OP_KV_WRITE: return bp_fits_kv(t);
    case BP_OP_ATTENTION: return bp_fits_attention(t);
    case BP_OP_ATTENTION_SCORES: return bp_fits_scores(t);
    case BP_OP_ATTENTION_MIX: return bp_fits_mix(t);
    case BP_OP_ADD:
    case BP_OP_MUL: return bp_fits_binary(t);
    case BP_OP_SCALE:
    case BP_OP_ACTIVATION:
    case BP_OP_SOFTCAP:
    case BP_OP_SOFTMAX: return bp_fits_unary(t);
    case BP_OP_GLU: return bp_fits_glu(t);
    case BP_OP_RESHAPE: return bp_fits_reshape(t);
    case BP_OP_CAUSAL_CONV: return bp_fits_conv(t);
    case BP_OP_SSM_SCAN: return bp_fits_scan(t);
    case BP_OP_DELTA_RULE: return bp_fits_delta(t);
    case BP_OP_REDUCE:
    case BP_OP_GATHER_ROWS:
    case BP_OP_SLICE:
    case BP_OP_CONCAT:
    case BP_OP_CONVERT:
    case BP_OP_POOL:
    case BP_OP_TOP_K:
    case BP_OP_ARGMAX: return bp_fits_rows(t);
    default: return "an op that this backend does not know";
    }
}

#undef BP_FITS_NEED

#endif
