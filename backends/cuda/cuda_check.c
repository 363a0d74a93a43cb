/* Shapes and types: every op's inputs, outputs and parameters are looked at before any kernel sees them. */
#include "backends/cuda/cuda_check.h"

bool cuda_tensor_shape(const bp_value *v, const int64_t *symbols, int64_t n[BP_MAX_RANK]) {
    if (v->rank < 1 || v->rank > BP_MAX_RANK) return false;
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) {
        const bp_dim *d = &v->dim[i];
        n[i] = 1;
        if (i >= v->rank) continue;
        n[i] = d->value;
        if (d->symbol && (!symbols || __builtin_mul_overflow(d->value, symbols[d->symbol], &n[i]) ||
                          __builtin_add_overflow(n[i], d->plus, &n[i]))) return false;
        if (n[i] < 0 || n[i] > INT32_MAX) return false;
    }
    return true;
}

bool cuda_tensor_size(uint32_t type, const int64_t n[BP_MAX_RANK], uint64_t *bytes) {
    bp_type_info t = bp_type(type);
    if (!t.name || n[0] % t.block_values) return false;
    uint64_t all = (uint64_t)(n[0] / t.block_values) * t.block_bytes;
    for (int i = 1; i < BP_MAX_RANK; i++) {
        if (__builtin_mul_overflow(all, (uint64_t)n[i], &all)) return false;
    }
    *bytes = all;
    return all < (uint64_t)INT64_MAX / 2;
}

#define NEED(condition, why) \
    do {                     \
        if (!(condition)) return why; \
    } while (0)

static bool is(const cuda_tensor *t, uint32_t type) { return t && t->type == type && t->layout == BP_LAYOUT_ROWS; }
static bool f32(const cuda_tensor *t) { return is(t, BP_TYPE_F32); }
static bool i32(const cuda_tensor *t) { return is(t, BP_TYPE_I32); }
static bool f32_or_none(const cuda_tensor *t) { return !t || f32(t); }
static int64_t count(const cuda_tensor *t) { return t->n[0] * cuda_rows(t); }
static bool shape(const cuda_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    return t->n[0] == a && t->n[1] == b && t->n[2] == c && t->n[3] == d;
}
static bool same(const cuda_tensor *a, const cuda_tensor *b) { return shape(a, b->n[0], b->n[1], b->n[2], b->n[3]); }
static bool weight(const cuda_tensor *t) { return t && bp_type_is_float(t->type); }

static const char *check_embed(const cuda_node *t) {
    NEED(weight(t->in[0]) && i32(t->in[1]) && f32(t->out[0]), "needs a float table, I32 ids and an F32 output");
    NEED(t->in[0]->rank <= 2 && shape(t->out[0], t->in[0]->n[0], count(t->in[1]), 1, 1), "shapes do not fit");
    return NULL;
}

static const char *check_matmul(const cuda_node *t) {
    const cuda_tensor *w = t->in[0], *x = t->in[1], *out = t->out[0];
    NEED(weight(w) && f32(x) && f32_or_none(t->in[2]) && f32(out), "needs a float weight, F32 activations, bias and output");
    NEED(w->rank <= 2 && x->n[0] == w->n[0], "the activations' width is not the weight's");
    NEED(shape(out, w->n[1], x->n[1], x->n[2], x->n[3]), "the output's shape does not fit");
    NEED(!t->in[2] || count(t->in[2]) == w->n[1], "the bias does not fit");
    return NULL;
}

static const char *check_experts(const cuda_node *t) {
    const cuda_tensor *w = t->in[0], *x = t->in[1], *ids = t->in[2], *out = t->out[0];
    NEED(weight(w) && f32(x) && i32(ids) && f32_or_none(t->in[3]) && f32(out), "types do not fit");
    NEED(w->n[3] == 1 && w->n[2] > 0 && x->n[0] == w->n[0] && ids->n[2] * ids->n[3] == 1, "shapes do not fit");
    NEED(x->rank == 3 ? shape(x, w->n[0], ids->n[0], ids->n[1], 1) : shape(x, w->n[0], ids->n[1], 1, 1), "rows do not fit");
    NEED(shape(out, w->n[1], ids->n[0], ids->n[1], 1), "the output's shape does not fit");
    NEED(!t->in[3] || shape(t->in[3], w->n[1], w->n[2], 1, 1), "the bias does not fit");
    return count(ids) < INT32_MAX && w->n[2] < INT32_MAX ? NULL : "too many tokens or experts";
}

static const char *check_route(const cuda_node *t) {
    const bp_route_experts_params *p = &t->params.route;
    const cuda_tensor *x = t->in[0], *ids = t->out[0], *out = t->out[1];
    NEED(f32(x) && f32_or_none(t->in[1]) && i32(ids) && f32(out), "types do not fit");
    NEED(p->gating <= BP_GATING_SOFTMAX_CHOSEN, "an unknown gating");
    NEED(p->n_used > 0 && p->n_used <= x->n[0] && cuda_rows(x) == x->n[1], "more experts used than there are");
    NEED(shape(ids, p->n_used, x->n[1], 1, 1) && same(ids, out), "shapes do not fit");
    NEED(!t->in[1] || count(t->in[1]) == x->n[0], "the bias does not fit");
    if (p->n_groups <= 1) return NULL;
    NEED(x->n[0] % p->n_groups == 0 && p->n_groups_used > 0 && p->n_groups_used <= p->n_groups, "groups do not fit");
    NEED(p->n_used <= x->n[0] / p->n_groups * p->n_groups_used, "the chosen groups have too few experts");
    return NULL;
}

static const char *check_combine(const cuda_node *t) {
    const cuda_tensor *x = t->in[0], *w = t->in[1];
    NEED(f32(x) && f32(w) && f32(t->out[0]) && x->n[3] == 1, "types do not fit");
    return shape(w, x->n[1], x->n[2], 1, 1) && shape(t->out[0], x->n[0], x->n[2], 1, 1) ? NULL : "shapes do not fit";
}

static const char *check_norm(const cuda_node *t) {
    const cuda_tensor *x = t->in[0];
    int64_t n = x ? x->n[0] : 0, group = t->params.norm.group ? (int64_t)t->params.norm.group : n;
    NEED(f32(x) && f32(t->out[0]) && f32_or_none(t->in[1]) && f32_or_none(t->in[2]) && f32_or_none(t->in[3]) &&
         f32_or_none(t->out[1]), "needs F32 values");
    NEED(group > 0 && n % group == 0, "the group does not divide the row");
    NEED(same(x, t->out[0]) && (!t->in[1] || same(x, t->in[1])) && (!t->out[1] || same(x, t->out[1])), "shapes differ");
    for (int i = 2; i < 4; i++) {
        int64_t m = t->in[i] ? t->in[i]->n[0] : n;
        NEED((m == group || m == n) && (!t->in[i] || cuda_rows(t->in[i]) == 1), "weight or bias does not fit");
    }
    return NULL;
}

static const char *check_rope(const cuda_node *t) {
    const bp_rope_params *p = &t->params.rope;
    const cuda_tensor *x = t->in[0];
    bool sections = p->sections[0] || p->sections[1] || p->sections[2] || p->sections[3];
    NEED(f32(x) && i32(t->in[1]) && f32_or_none(t->in[2]) && f32(t->out[0]), "types do not fit");
    NEED(p->head_dim > 0 && p->n_dims <= p->head_dim && p->n_dims % 2 == 0 && p->n_dims <= 1024, "head sizes do not fit");
    NEED(p->pairing <= BP_ROPE_HALVES && p->base > 0, "an unknown pairing or no base");
    NEED(x->n[0] % p->head_dim == 0 && cuda_rows(x) == x->n[1] && same(x, t->out[0]), "shapes do not fit");
    NEED(count(t->in[1]) == x->n[1] * (sections ? 4 : 1), "positions do not fit");
    return !t->in[2] || count(t->in[2]) >= p->n_dims / 2 ? NULL : "factors do not fit";
}

static bool cache(const cuda_tensor *c) {
    return c && c->layout == BP_LAYOUT_ROWS && c->n[1] > 0 &&
           (c->type == BP_TYPE_F32 || c->type == BP_TYPE_F16 || c->type == BP_TYPE_Q8_0);
}

static const char *check_kv(const cuda_node *t) {
    int64_t heads = t->params.kv.n_head_kv, tokens = t->in[0] ? t->in[0]->n[1] : 0;
    NEED(f32(t->in[0]) && i32(t->in[2]) && heads > 0 && count(t->in[2]) == tokens, "types or slots do not fit");
    NEED(!t->in[1] == !t->out[1], "v and its cache go together");
    for (int i = 0; i < 2; i++) {
        const cuda_tensor *x = t->in[i], *c = t->out[i];
        if (i && !x) continue;
        NEED(f32(x) && cache(c) && c->n[2] == heads && shape(x, c->n[0] * heads, tokens, 1, 1), "the cache does not fit");
    }
    return NULL;
}

static const char *check_heads(const bp_attention_params *p) {
    NEED(p->n_head > 0 && p->n_head_kv > 0 && p->n_head % p->n_head_kv == 0, "heads do not fit");
    return p->n_head <= 65536 && p->head_dim <= 65536 && p->head_dim_v <= 65536 ? NULL : "heads are too large";
}

static const char *check_paging(const cuda_node *t, const cuda_tensor *c, int at, int64_t tokens, uint32_t dim) {
    const cuda_tensor *seq = t->in[at], *table = t->in[at + 1], *len = t->in[at + 2];
    NEED(cache(c) && c->n[0] == dim && c->n[2] == t->params.attention.n_head_kv, "the cache does not fit");
    NEED(i32(seq) && i32(table) && i32(len) && count(seq) == tokens, "sequences do not fit");
    return cuda_rows(table) == table->n[1] && count(len) == table->n[1] ? NULL : "the block table does not fit";
}

static const char *check_attention(const cuda_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const cuda_tensor *q = t->in[0], *out = t->out[0];
    const char *why = check_heads(p);
    NEED(!why, why);
    NEED(f32(q) && f32(out) && shape(q, (int64_t)p->n_head * p->head_dim, q->n[1], 1, 1), "queries do not fit");
    NEED(shape(out, (int64_t)p->n_head * p->head_dim_v, q->n[1], 1, 1), "the output does not fit");
    why = check_paging(t, t->in[1], 4, q->n[1], p->head_dim);
    NEED(!why, why);
    why = check_paging(t, t->in[2], 4, q->n[1], p->head_dim_v);
    NEED(!why, why);
    NEED(t->in[1]->n[1] == t->in[2]->n[1] && i32(t->in[3]) && count(t->in[3]) == q->n[1], "positions do not fit");
    NEED(!t->in[7] || (i32(t->in[7]) && count(t->in[7]) == t->in[5]->n[1]), "kv_start does not fit");
    return !t->in[8] || (f32(t->in[8]) && count(t->in[8]) == p->n_head) ? NULL : "sinks do not fit";
}

static const char *check_scores(const cuda_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const cuda_tensor *q = t->in[0];
    const char *why = check_heads(p);
    NEED(!why, why);
    NEED(f32(q) && f32(t->out[0]) && shape(q, (int64_t)p->n_head * p->head_dim, q->n[1], 1, 1), "queries do not fit");
    NEED(shape(t->out[0], t->out[0]->n[0], p->n_head, q->n[1], 1), "the output does not fit");
    NEED(i32(t->in[2]) && count(t->in[2]) == q->n[1], "positions do not fit");
    why = check_paging(t, t->in[1], 3, q->n[1], p->head_dim);
    NEED(!why, why);
    return !t->in[6] || (i32(t->in[6]) && count(t->in[6]) == t->in[4]->n[1]) ? NULL : "kv_start does not fit";
}

static const char *check_mix(const cuda_node *t) {
    const bp_attention_params *p = &t->params.attention;
    const cuda_tensor *x = t->in[0];
    const char *why = check_heads(p);
    NEED(!why, why);
    NEED(f32(x) && f32(t->out[0]) && x->n[1] == p->n_head && x->n[3] == 1, "scores do not fit");
    NEED(shape(t->out[0], (int64_t)p->n_head * p->head_dim_v, x->n[2], 1, 1), "the output does not fit");
    return check_paging(t, t->in[1], 2, x->n[2], p->head_dim_v);
}

static const char *check_binary(const cuda_node *t) {
    const cuda_tensor *a = t->in[0], *b = t->in[1];
    NEED(f32(a) && f32(b) && f32(t->out[0]) && same(a, t->out[0]), "needs F32 values of one shape");
    for (int i = 0; i < BP_MAX_RANK; i++) NEED(b->n[i] == a->n[i] || b->n[i] == 1, "the second input does not fit");
    return NULL;
}

static const char *check_unary(const cuda_node *t) {
    NEED(f32(t->in[0]) && f32(t->out[0]) && same(t->in[0], t->out[0]), "needs F32 values of one shape");
    if (t->op == BP_OP_SOFTMAX) return !t->in[1] || (f32(t->in[1]) && count(t->in[1]) == t->in[0]->n[1]) ? NULL : "sinks do not fit";
    return t->op != BP_OP_ACTIVATION || t->params.activation.f <= BP_ACT_CLAMP ? NULL : "an unknown function";
}

static const char *check_glu(const cuda_node *t) {
    const cuda_tensor *gate = t->in[0], *out = t->out[0];
    NEED(f32(gate) && f32_or_none(t->in[1]) && f32(out) && t->params.glu.f < BP_ACT_CLAMP, "types or function do not fit");
    NEED(!t->in[1] || same(gate, t->in[1]), "gate and up differ in shape");
    int64_t n = t->in[1] ? gate->n[0] : gate->n[0] / 2;
    NEED(t->in[1] || gate->n[0] % 2 == 0, "the row's length is odd");
    return shape(out, n, gate->n[1], gate->n[2], gate->n[3]) ? NULL : "the output does not fit";
}

static const char *check_rows(const cuda_node *t) {
    const cuda_tensor *x = t->in[0], *b = t->in[1], *out = t->out[0];
    bool outer = x && out && x->n[1] == out->n[1] && x->n[2] == out->n[2] && x->n[3] == out->n[3];
    if (t->op == BP_OP_CONVERT) {
        NEED(x && out && same(x, out) && x->layout == BP_LAYOUT_ROWS && out->layout == BP_LAYOUT_ROWS, "shapes differ");
        bool ok = out->type == BP_TYPE_F32 || out->type == BP_TYPE_F16 || out->type == BP_TYPE_BF16 || out->type == BP_TYPE_Q8_0;
        return ok ? NULL : "cannot convert to this type";
    }
    NEED(f32(x) && (t->op == BP_OP_ARGMAX ? i32(out) : f32(out)), "types do not fit");
    switch (t->op) {
    case BP_OP_REDUCE: return outer && out->n[0] == 1 && t->params.reduce.kind <= BP_REDUCE_MAX ? NULL : "shapes do not fit";
    case BP_OP_GATHER_ROWS:
        return i32(b) && cuda_rows(x) == x->n[1] && shape(out, x->n[0], count(b), 1, 1) ? NULL : "shapes do not fit";
    case BP_OP_SLICE: return outer && out->n[0] <= x->n[0] && (int64_t)t->params.slice.first <= x->n[0] - out->n[0] ? NULL : "the slice is outside the row";
    case BP_OP_CONCAT:
        return f32(b) && outer && shape(b, out->n[0] - x->n[0], x->n[1], x->n[2], x->n[3]) ? NULL : "shapes do not fit";
    case BP_OP_POOL:
        NEED(i32(b) && count(b) == x->n[1] && cuda_rows(x) == x->n[1], "sequences do not fit");
        return out->n[0] == x->n[0] && cuda_rows(out) == out->n[1] && t->params.pool.kind <= BP_POOL_LAST ? NULL : "shapes do not fit";
    case BP_OP_TOP_K:
        NEED(i32(t->out[1]) && same(out, t->out[1]) && cuda_rows(x) == x->n[1], "shapes do not fit");
        return out->n[0] <= x->n[0] && x->n[0] <= INT32_MAX && shape(out, out->n[0], x->n[1], 1, 1) ? NULL : "k does not fit";
    default: return x->n[0] > 0 && x->n[0] <= INT32_MAX && cuda_rows(x) == x->n[1] && count(out) == x->n[1] ? NULL : "shapes do not fit";
    }
}

/* Of a recurrent op: positions, sequences and state_slots from input `first` on, and its state. */
static const char *check_state(const cuda_node *t, int first, int64_t tokens) {
    for (int i = 0; i < 3; i++) NEED(i32(t->in[first + i]), "positions, sequences or slots are missing");
    NEED(count(t->in[first]) == tokens && count(t->in[first + 1]) == tokens, "positions or sequences do not fit");
    NEED(cuda_rows(t->in[first + 2]) == 1 && f32(t->out[0]) && f32(t->out[1]), "slots, output or state do not fit");
    return NULL;
}

static const char *check_conv(const cuda_node *t) {
    const cuda_tensor *x = t->in[0], *w = t->in[1];
    NEED(f32(x) && f32(w) && f32_or_none(t->in[2]) && t->params.conv.f < BP_ACT_CLAMP, "types or function do not fit");
    NEED(w->n[0] >= 2 && w->n[0] <= CUDA_MAX_TAPS, "the kernel's width is not in 2 to 32");
    const char *why = check_state(t, 3, x->n[1]);
    NEED(!why, why);
    NEED(same(x, t->out[0]) && cuda_rows(x) == x->n[1] && shape(w, w->n[0], x->n[0], 1, 1), "shapes do not fit");
    NEED(!t->in[2] || count(t->in[2]) == x->n[0], "the bias does not fit");
    return shape(t->out[1], x->n[0], w->n[0] - 1, t->out[1]->n[2], 1) ? NULL : "the state does not fit";
}

static const char *check_scan(const cuda_node *t) {
    int64_t heads = t->params.scan.n_head, groups = t->params.scan.n_group;
    const cuda_tensor *x = t->in[0], *dt = t->in[1], *a = t->in[2], *b = t->in[3], *state = t->out[1];
    for (int i = 0; i < 7; i++) NEED(i < 5 ? f32(t->in[i]) : f32_or_none(t->in[i]), "types do not fit");
    const char *why = check_state(t, 7, x->n[1]);
    NEED(!why, why);
    NEED(heads > 0 && groups > 0 && heads % groups == 0 && x->n[0] % heads == 0, "heads do not fit");
    NEED(same(x, t->out[0]) && shape(x, x->n[0], x->n[1], 1, 1) && shape(dt, heads, x->n[1], 1, 1), "shapes do not fit");
    NEED(shape(state, state->n[0], x->n[0], state->n[2], 1), "the state does not fit");
    NEED((a->n[0] == 1 || a->n[0] == state->n[0]) && shape(a, a->n[0], heads, 1, 1), "a does not fit");
    NEED(shape(b, state->n[0] * groups, x->n[1], 1, 1) && same(b, t->in[4]), "b or c does not fit");
    for (int i = 5; i < 7; i++) NEED(!t->in[i] || count(t->in[i]) == heads, "d or dt_bias does not fit");
    return NULL;
}

static const char *check_delta(const cuda_node *t) {
    int64_t heads = t->params.delta.n_head, heads_k = t->params.delta.n_head_k;
    const cuda_tensor *q = t->in[0], *v = t->in[2], *state = t->out[1];
    for (int i = 0; i < 5; i++) NEED(f32(t->in[i]), "types do not fit");
    const char *why = check_state(t, 5, v->n[1]);
    NEED(!why, why);
    NEED(heads > 0 && heads_k > 0 && heads % heads_k == 0 && state->n[2] == heads, "heads do not fit");
    NEED(shape(q, state->n[0] * heads_k, v->n[1], 1, 1) && same(q, t->in[1]), "q or k does not fit");
    NEED(shape(v, state->n[1] * heads, v->n[1], 1, 1) && same(v, t->out[0]), "v does not fit");
    for (int i = 3; i < 5; i++) NEED(shape(t->in[i], heads, v->n[1], 1, 1), "decay or beta does not fit");
    return NULL;
}

static const char *check_reshape(const cuda_node *t) {
    const cuda_tensor *x = t->in[0], *out = t->out[0];
    NEED(x && out && is(x, out->type) && out->layout == BP_LAYOUT_ROWS, "types differ");
    NEED(bp_type(x->type).block_values == 1 || x->n[0] == out->n[0], "rows of blocks are not reshaped");
    return count(x) == count(out) ? NULL : "the number of values differs";
}

const char *cuda_check(const cuda_node *t) {
    switch (t->op) {
    case BP_OP_EMBED_ROWS: return check_embed(t);
    case BP_OP_MATMUL: return check_matmul(t);
    case BP_OP_MATMUL_EXPERTS: return check_experts(t);
    case BP_OP_ROUTE_EXPERTS: return check_route(t);
    case BP_OP_COMBINE_EXPERTS: return check_combine(t);
    case BP_OP_RMS_NORM: case BP_OP_LAYER_NORM: return check_norm(t);
    case BP_OP_ROPE: return check_rope(t);
    case BP_OP_KV_WRITE: return check_kv(t);
    case BP_OP_ATTENTION: return check_attention(t);
    case BP_OP_ATTENTION_SCORES: return check_scores(t);
    case BP_OP_ATTENTION_MIX: return check_mix(t);
    case BP_OP_ADD: case BP_OP_MUL: return check_binary(t);
    case BP_OP_SCALE: case BP_OP_ACTIVATION: case BP_OP_SOFTCAP: case BP_OP_SOFTMAX: return check_unary(t);
    case BP_OP_GLU: return check_glu(t);
    case BP_OP_RESHAPE: return check_reshape(t);
    case BP_OP_CAUSAL_CONV: return check_conv(t);
    case BP_OP_SSM_SCAN: return check_scan(t);
    case BP_OP_DELTA_RULE: return check_delta(t);
    default: return check_rows(t);
    }
}
