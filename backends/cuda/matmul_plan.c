/* MATMUL: which way a product goes, and which later nodes it takes along. */
#include "backends/cuda/matmul_plan.h"

#include "backends/cuda/cuda_check.h"

const char *cuda_refuse_matmul(const bp_device *d, const cuda_node *n) {
    (void)d;
    const cuda_tensor *w = n->in[0];
    if (w->layout != BP_LAYOUT_ROWS && w->layout != CUDA_LAYOUT_PLANES) return "the weight's layout is unknown";
    return w->n[0] * w->n[1] / 32 < UINT32_MAX / 32 ? NULL : "the weight is too large";
}

bool matmul_rounds(const cuda_plan *p, const cuda_tensor *w) {
    return cuda_has_planes(w->type) && !cuda_plan_device(p)->exact;
}

int matmul_aligned(const cuda_tensor *w) {
    return bp_row_bytes(w->type, w->n[0]) % 16 == 0 || cuda_has_planes(w->type);
}

/* A quantised weight that is not packed. */
static bool loose(const cuda_tensor *w) { return cuda_has_planes(w->type) && w->layout == BP_LAYOUT_ROWS; }

bool matmul_packed(const cuda_tensor *w) { return !loose(w); }

static bool ready(const cuda_plan *p, const cuda_node *n) {
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !cuda_available(p, n->in[i])) return false;
    return !cuda_planned(p, n->index);
}

/* n and the other products of its input that can be made at the same time. */
static matmul_group group_of(const cuda_plan *p, const cuda_node *n, uint32_t most) {
    matmul_group g = { { n }, 1 };
    const cuda_tensor *x = n->in[1];
    for (uint32_t i = 0; i < cuda_reader_count(p, x) && g.n < most; i++) {
        const cuda_node *other = cuda_reader(p, x, i);
        if (other == n || other->op != BP_OP_MATMUL || other->in[1] != x || !ready(p, other)) continue;
        if (loose(other->in[0]) || cuda_has_planes(other->in[0]->type) != cuda_has_planes(n->in[0]->type)) continue;
        if (matmul_aligned(other->in[0]) != matmul_aligned(n->in[0])) continue;
        bool twice = false;
        for (uint32_t k = 0; k < g.n; k++) twice = twice || g.node[k] == other;
        if (!twice) g.node[g.n++] = other;
    }
    return g;
}

/* The node that alone reads what n makes, if it is a GLU. */
static const cuda_node *glu_after(const cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *out = n->out[0];
    if (cuda_reader_count(p, out) != 1) return NULL;
    const cuda_node *glu = cuda_reader(p, out, 0);
    return glu->op == BP_OP_GLU && cuda_private_to(p, out, glu) && !cuda_planned(p, glu->index) ? glu : NULL;
}

static bool same_shape(const cuda_tensor *a, const cuda_tensor *b) {
    return a->type == b->type && a->layout == b->layout && a->n[0] == b->n[0] && a->n[1] == b->n[1] &&
           a->n[2] == b->n[2];
}

gated_pair matmul_gated(const cuda_plan *p, const cuda_node *n) {
    gated_pair none = { NULL, NULL, NULL };
    const cuda_node *glu = glu_after(p, n);
    if (!glu || !glu->in[0] || glu->n_in < 2 || !glu->in[1]) return none;
    const cuda_tensor *other = glu->in[0] == n->out[0] ? glu->in[1] : glu->in[0];
    uint32_t f = glu->params.glu.f;
    if (f > BP_ACT_TANH || other == n->out[0]) return none;
    for (uint32_t i = 0; i < cuda_reader_count(p, n->in[1]); i++) {
        const cuda_node *m = cuda_reader(p, n->in[1], i);
        if (m == n || m->op != n->op || m->out[0] != other || m->in[1] != n->in[1] || !ready(p, m)) continue;
        if (n->op == BP_OP_MATMUL_EXPERTS && m->in[2] != n->in[2]) continue;
        if (glu_after(p, m) != glu || !same_shape(m->in[0], n->in[0])) continue;
        bool first = glu->in[0] == n->out[0];
        return (gated_pair){ first ? n : m, first ? m : n, glu };
    }
    return none;
}

void cuda_plan_matmul(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *w = n->in[0];
    const int64_t tokens = cuda_rows(n->in[1]);
    if (w->n[0] == 0 || w->n[1] == 0 || loose(w)) {
        matmul_rows(p, n);
        return;
    }
    bool few = tokens <= MATMUL_FEW || cuda_plan_deterministic(p);
    gated_pair gated = few ? matmul_gated(p, n) : (gated_pair){ NULL, NULL, NULL };
    matmul_group g = group_of(p, n, few ? 3 : MATMUL_GROUP);
    if (gated.glu) {
        cuda_claim(p, gated.gate->index), cuda_claim(p, gated.up->index), cuda_claim(p, gated.glu->index);
        matmul_gemv_glu(p, &gated);
        return;
    }
    for (uint32_t i = 0; i < g.n; i++) cuda_claim(p, g.node[i]->index);
    if (few) matmul_gemv(p, &g);
    else matmul_gemm(p, &g);
}
