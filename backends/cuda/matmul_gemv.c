/* Products of few tokens: one launch of gemv.cu for up to three weights, or for a gate and its up. */
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

/* Found by measuring all forms on the shapes of an 8B model (one H200). */
gemv_form gemv_form_of(uint32_t type, int64_t n_in, int64_t rows, int64_t tokens, bool glu) {
    const bool wide = rows >= 6144, deep = n_in >= 8192;
    gemv_form f = { 2, 1, 4, 8, 1 }; /* F32, F16, BF16, Q8_0 */
    if (type == BP_TYPE_Q8_0) {
        if (glu) f = (gemv_form){ 4, 2, 1, 4, 1 };
        else if (wide && !deep) f = (gemv_form){ 4, 2, 2, 8, 1 };
    } else if (type == BP_TYPE_Q6_K) {
        f = glu || wide ? (gemv_form){ 4, 1, 2, 8, 1 } : (gemv_form){ 4, 2, 2, deep ? 4 : 8, 1 };
    } else if (cuda_has_planes(type)) {
        f = glu             ? (gemv_form){ 4, 1, 1, 8, 1 }
            : wide && !deep ? (gemv_form){ 2, 2, 1, 8, 1 }
                            : (gemv_form){ 2, 1, 2, 8, 1 };
    } else if (glu) {
        f = (gemv_form){ 4, 2, 2, 8, 1 };
    }
    if (tokens > 2) f = (gemv_form){ 4, 1, 2, 8, 1 };
    if (glu && cuda_has_planes(type)) f.steps = 32 / gemv_block_rows(f, true) > 1 ? 32 / gemv_block_rows(f, true) : 1;
    return f;
}

static uint32_t most_tokens(int64_t tokens) {
    uint32_t t = 1;
    while (t < MATMUL_FEW && t < tokens) t *= 2;
    return t;
}

static void options_of(cuda_launch *l, cuda_plan *p, const uint32_t type[3], bool exact, int aligned, uint32_t tokens,
                       bool glu, bool experts, gemv_form f) {
    if (exact && cuda_has_planes(type[0])) f.depth = 1; /* decoded values take more registers */
    int n = snprintf(
        l->options, sizeof l->options,
        "-DBP_TYPE_A=%u -DBP_TYPE_B=%u -DBP_TYPE_C=%u -DBP_EXACT=%d -DBP_TOKENS=%u -DBP_GLU=%d -DBP_EXPERTS=%d "
        "-DBP_ROWS=%d -DBP_DEPTH=%d -DBP_SPLIT=%d -DBP_WARPS=%d -DBP_STEPS=%d -DBP_ALIGNED=%d",
        type[0], type[1], type[2], exact, tokens, glu, experts, f.rows, f.depth, f.split, f.warps, f.steps, aligned);
    if (n < 0 || (size_t)n >= sizeof l->options) cuda_plan_fail(p, BP_E_INTERNAL, "cuda: too many options for gemv");
}

/* Weight, bias, output and rows of a part; n NULL: none. */
static void part_args(cuda_launch *l, const cuda_node *n, int bias, cuda_tensor *out) {
    cuda_arg_read(l, n ? n->in[0] : NULL);
    cuda_arg_read(l, n ? n->in[bias] : NULL);
    cuda_arg_write(l, out);
    cuda_arg_int(l, n ? (int32_t)n->in[0]->n[1] : 0);
}

static void glu_args(cuda_plan *p, cuda_launch *l, const cuda_node *glu, gemv_form f) {
    const bp_glu_params *g = glu ? &glu->params.glu : NULL;
    cuda_arg_read(l, NULL); /* codes and scales: cuda_can_round */
    cuda_arg_read(l, NULL);
    cuda_arg_int(l, g ? (int32_t)g->f : 0);
    cuda_arg_float(l, g ? g->limit : 0);
    cuda_arg_float(l, g ? g->up_bias : 0);
    if (glu && gemv_block_rows(f, true) % 32 == 0) cuda_can_round(p, glu->out[0], l->n_args - 5);
}

/* A launch with its activations; n: the node of the first part. */
static cuda_launch *begin(cuda_plan *p, const cuda_node *n, bool glu, const uint32_t type[3], uint32_t tokens,
                          gemv_form f) {
    const bool experts = n->op == BP_OP_MATMUL_EXPERTS, round = matmul_rounds(p, n->in[0]);
    cuda_tensor *x = n->in[1];
    const cuda_unnormed *scaled = cuda_unnormed_of(p, x);
    cuda_q8 q = scaled ? (cuda_q8){ scaled->scaled, NULL } : round ? cuda_quantised(p, n, x) : (cuda_q8){ x, NULL };
    cuda_launch *l = cuda_add(p, n, "gemv.cu", "gemv", 32u * (uint32_t)f.warps, "%s", "");
    options_of(l, p, type, !round, matmul_aligned(n->in[0]), tokens, glu, experts, f);
    if (scaled && round) l->shared = (uint32_t)(x->n[0] + x->n[0] / 32 * 8);
    l->waits = true;
    l->what = glu ? "matmul glu" : "matmul";
    cuda_arg_read(l, q.codes);
    cuda_arg_read(l, q.scales);
    if (experts) cuda_arg_size(l, n->in[2], CUDA_COUNT);
    else cuda_arg_size(l, x, CUDA_ROWS);
    cuda_arg_int(l, (int32_t)x->n[0]);
    return l;
}

void matmul_gemv(cuda_plan *p, const matmul_group *g) {
    const cuda_node *n = g->node[0];
    int64_t rows = 0, blocks = 0;
    uint32_t type[3];
    for (uint32_t i = 0; i < 3; i++) {
        type[i] = g->node[i < g->n ? i : 0]->in[0]->type;
        rows += i < g->n ? g->node[i]->in[0]->n[1] : 0;
    }
    const uint32_t tokens = most_tokens(cuda_rows(n->in[1]));
    const gemv_form f = gemv_form_of(type[0], n->in[0]->n[0], rows, cuda_plan_deterministic(p) ? 1 : tokens, false);
    cuda_launch *l = begin(p, n, false, type, tokens, f);
    const cuda_node *norm = g->n == 1 && f.steps == 1 ? matmul_norm_after(p, n) : NULL;
    const int per = gemv_block_rows(f, false);
    if (norm && !matmul_link_fits(per, (n->in[0]->n[1] + per - 1) / per)) norm = NULL;
    cuda_tensor *scaled = norm ? cuda_scratch(p, n->out[0]->bytes) : NULL;
    l->n_nodes = g->n;
    for (uint32_t i = 0; i < 3; i++) {
        const cuda_node *m = i < g->n ? g->node[i] : NULL;
        part_args(l, m, 2, norm && i == 0 ? scaled : m ? m->out[0] : NULL);
        blocks += m ? (m->in[0]->n[1] + per - 1) / per : 0;
        if (m) l->bytes += m->in[0]->bytes;
    }
    cuda_arg_read(l, NULL); /* ids */
    cuda_arg_int(l, 1);
    cuda_arg_int(l, 1);
    glu_args(p, l, NULL, f);
    matmul_link(p, l, n->in[1], norm, scaled, blocks);
    matmul_ahead(p, l, cuda_rows(n->in[1]), n->in[0], g->n > 1 ? g->node[1]->in[0] : NULL);
    l->grid[0] = (cuda_extent){ .times = blocks };
    cuda_grid(l, 2, n->in[1], CUDA_ROWS, tokens);
}

void matmul_gemv_glu(cuda_plan *p, const gated_pair *g) {
    const cuda_node *n = g->gate;
    const cuda_tensor *w = n->in[0];
    const uint32_t type[3] = { w->type, w->type, w->type };
    const bool experts = n->op == BP_OP_MATMUL_EXPERTS;
    const uint32_t tokens = experts ? 1 : most_tokens(cuda_rows(n->in[1]));
    gemv_form f = gemv_form_of(w->type, w->n[0], w->n[1], cuda_plan_deterministic(p) ? 1 : tokens, true);
    if (experts && cuda_has_planes(w->type)) f = (gemv_form){ 4, 1, 1, 16, 1 }; /* few blocks: all of their rows at once */
    cuda_launch *l = begin(p, n, true, type, tokens, f);
    const int bias = experts ? 3 : 2, per = gemv_block_rows(f, true);
    l->n_nodes = 3;
    l->bytes = 2 * w->bytes;
    part_args(l, n, bias, g->glu->out[0]);
    part_args(l, g->up, bias, NULL);
    part_args(l, NULL, bias, NULL);
    cuda_arg_read(l, experts ? n->in[2] : NULL);
    cuda_arg_int(l, experts && n->in[1]->rank < 3 ? (int32_t)n->in[2]->n[0] : 1);
    cuda_arg_int(l, (int32_t)w->n[2]);
    glu_args(p, l, g->glu, f);
    matmul_link(p, l, n->in[1], NULL, NULL, 0);
    if (!experts) matmul_ahead(p, l, cuda_rows(n->in[1]), n->in[0], g->up->in[0]);
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + per - 1) / per };
    if (experts) l->grid[1] = (cuda_extent){ n->in[2], CUDA_COUNT, 1, 1, 32768 };
    else cuda_grid(l, 2, n->in[1], CUDA_ROWS, tokens);
}

/* ---- Experts ---- */

const char *cuda_refuse_experts(const bp_device *d, const cuda_node *n) {
    (void)d;
    const cuda_tensor *w = n->in[0];
    if (w->layout != BP_LAYOUT_ROWS && w->layout != CUDA_LAYOUT_PLANES) return "the weight's layout is unknown";
    return w->n[0] * w->n[1] / 32 * w->n[2] < UINT32_MAX / 32 ? NULL : "the weight is too large";
}

static void plan_pairs(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *w = n->in[0];
    const uint32_t type[3] = { w->type, w->type, w->type };
    const gemv_form f = gemv_form_of(w->type, w->n[0], w->n[1], 1, false);
    cuda_launch *l = begin(p, n, false, type, 1, f);
    const int per = gemv_block_rows(f, false);
    l->what = "matmul experts";
    l->bytes = w->bytes / (uint64_t)w->n[2] * (uint64_t)(n->in[2]->n[0] * n->in[2]->n[1]);
    part_args(l, n, 3, n->out[0]);
    part_args(l, NULL, 3, NULL);
    part_args(l, NULL, 3, NULL);
    cuda_arg_read(l, n->in[2]);
    cuda_arg_int(l, n->in[1]->rank < 3 ? (int32_t)n->in[2]->n[0] : 1);
    cuda_arg_int(l, (int32_t)w->n[2]);
    glu_args(p, l, NULL, f);
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + per - 1) / per };
    l->grid[1] = (cuda_extent){ n->in[2], CUDA_COUNT, 1, 1, 32768 };
}

void cuda_plan_experts(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *w = n->in[0];
    if (w->n[0] == 0 || w->n[1] == 0 || (cuda_has_planes(w->type) && w->layout == BP_LAYOUT_ROWS)) {
        matmul_rows(p, n);
        return;
    }
    if (matmul_experts(p, n)) return;
    gated_pair gated = matmul_gated(p, n);
    if (!gated.glu) {
        if (!matmul_experts_sum(p, n)) plan_pairs(p, n);
        return;
    }
    cuda_claim(p, gated.gate->index), cuda_claim(p, gated.up->index), cuda_claim(p, gated.glu->index);
    matmul_gemv_glu(p, &gated);
}
