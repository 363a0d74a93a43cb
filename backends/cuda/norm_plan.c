/* RMS_NORM and LAYER_NORM, and what a norm of a whole row takes along: the sum and the choice of rows before it
 * (norm_row.cu), the router and the choice of experts after it (router.cu). */
#include "backends/cuda/norm_plan.h"

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

enum { BLOCK_LIMIT = 1 << 20, ROUTER_WIDEST = 8192, ROUTER_THREADS = 256, ROUTER_EXPERTS = 8 /* a block */ };

/* ---- Whole rows that fit in the registers of a block ---- */

static bool whole_row(const cuda_node *n) {
    int64_t width = n->in[0]->n[0], group = n->params.norm.group;
    bool fits = n->op == BP_OP_RMS_NORM && (!group || group == width) && width % 32 == 0 && width > 0 && width <= 16384;
    for (int i = 2; i < 4; i++) fits = fits && (!n->in[i] || n->in[i]->n[0] == width);
    return fits;
}

static cuda_launch *add_row(cuda_plan *p, const cuda_node *n) {
    int64_t width = n->in[0]->n[0], each = width <= 4096 ? 1 : width <= 8192 ? 2 : 4;
    uint32_t threads = (uint32_t)((width / 4 + 32 * each - 1) / (32 * each) * 32);
    cuda_launch *l = cuda_add(p, n, "norm_row.cu", "norm_row", threads, "-DEACH=%d", (int)each);
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_ROWS, 1, 1, 0 };
    l->waits = true;
    return l;
}

/* y, sum, codes, scales. */
static void row_targets(cuda_plan *p, cuda_launch *l, const cuda_node *n) {
    cuda_arg_write(l, n->out[0]);
    cuda_arg_write(l, n->out[1]);
    cuda_can_round(p, n->out[0], l->n_args);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, NULL);
}

static void row_numbers(cuda_launch *l, const cuda_node *n) {
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    cuda_arg_int(l, (int32_t)n->in[0]->n[0]);
    cuda_arg_float(l, n->params.norm.eps);
}

static void plan_row(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = add_row(p, n);
    l->what = "rms_norm";
    for (int i = 0; i < 4; i++) cuda_arg_read(l, n->in[i]);
    row_targets(p, l, n);
    row_numbers(l, n);
    cuda_arg_read(l, NULL);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
}

/* ---- Of some rows of a sum ---- */

static bool same_size(const cuda_tensor *a, const cuda_tensor *b) {
    bool same = true;
    for (int i = 0; i < BP_MAX_RANK; i++) same = same && a->n[i] == b->n[i] && a->varies[i] == b->varies[i];
    return same;
}

bool cuda_plan_gathered_norm(cuda_plan *p, const cuda_node *add) {
    if (cuda_reader_count(p, add->out[0]) != 1 || !same_size(add->in[0], add->in[1])) return false;
    const cuda_node *gather = cuda_reader(p, add->out[0], 0);
    if (gather->op != BP_OP_GATHER_ROWS || gather->in[0] != add->out[0] || cuda_planned(p, gather->index)) return false;
    if (!cuda_private_to(p, add->out[0], gather) || cuda_reader_count(p, gather->out[0]) != 1) return false;
    const cuda_node *n = cuda_reader(p, gather->out[0], 0);
    if (cuda_planned(p, n->index) || n->in[0] != gather->out[0] || n->in[1] || n->out[1] || !whole_row(n)) return false;
    if (!cuda_private_to(p, gather->out[0], n) || !cuda_available(p, gather->in[1])) return false;
    cuda_claim(p, gather->index), cuda_claim(p, n->index);
    cuda_launch *l = add_row(p, n);
    l->what = "add_gather_norm";
    l->node = add->index, l->n_nodes = 3;
    cuda_arg_read(l, add->in[0]);
    cuda_arg_read(l, add->in[1]);
    for (int i = 2; i < 4; i++) cuda_arg_read(l, n->in[i]);
    row_targets(p, l, n);
    row_numbers(l, n);
    cuda_arg_read(l, gather->in[1]);
    cuda_arg_size(l, add->in[0], CUDA_ROWS);
    return true;
}

/* ---- With the router and the choice of experts after it ---- */

/* The product that alone is routed, of what the norm n makes. */
static const cuda_node *router_of(const cuda_plan *p, const cuda_node *n, const cuda_node **route) {
    for (uint32_t i = 0; i < cuda_reader_count(p, n->out[0]); i++) {
        const cuda_node *m = cuda_reader(p, n->out[0], i);
        if (m->op != BP_OP_MATMUL || m->in[1] != n->out[0] || cuda_planned(p, m->index)) continue;
        if (m->in[0]->type != BP_TYPE_F32 || m->in[0]->role != BP_ROLE_WEIGHT || cuda_reader_count(p, m->out[0]) != 1) continue;
        *route = cuda_reader(p, m->out[0], 0);
        if ((*route)->op == BP_OP_ROUTE_EXPERTS && (*route)->in[0] == m->out[0] && cuda_private_to(p, m->out[0], *route)) return m;
    }
    return NULL;
}

static bool plan_router(cuda_plan *p, const cuda_node *n) {
    const cuda_node *route = NULL, *m = router_of(p, n, &route);
    const int64_t width = n->in[0]->n[0];
    if (!m || cuda_rows(n->in[0]) > MATMUL_FEW || cuda_plan_deterministic(p) || width > ROUTER_WIDEST) return false;
    if ((route->in[1] && !cuda_available(p, route->in[1])) || (m->in[2] && !cuda_available(p, m->in[2]))) return false;
    static const uint32_t none[MATMUL_FEW];
    int64_t need = (width + 4 * ROUTER_THREADS - 1) / (4 * ROUTER_THREADS), each = 1, experts = m->in[0]->n[1];
    while (each < need) each *= 2;
    cuda_claim(p, m->index), cuda_claim(p, route->index);
    cuda_launch *l = cuda_add(p, n, "router.cu", "router", ROUTER_THREADS, "-DEACH=%d", (int)each);
    l->grid[0] = (cuda_extent){ .times = (experts + ROUTER_EXPERTS - 1) / ROUTER_EXPERTS };
    cuda_grid(l, 1, n->in[0], CUDA_ROWS, 1);
    l->waits = true;
    l->what = "norm_router";
    l->n_nodes = 3;
    l->bytes = m->in[0]->bytes;
    cuda_tensor *in[] = { n->in[0], n->in[1], n->in[2], n->in[3], m->in[0], m->in[2], route->in[1] };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) cuda_arg_read(l, in[i]);
    row_targets(p, l, n);
    cuda_arg_write(l, m->out[0]);
    cuda_arg_write(l, route->out[0]);
    cuda_arg_write(l, route->out[1]);
    cuda_arg_update(l, cuda_constant(p, none, sizeof none));
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    cuda_arg_int(l, (int32_t)width);
    cuda_arg_int(l, (int32_t)experts);
    cuda_arg_float(l, n->params.norm.eps);
    cuda_route_rules(l, &route->params.route);
    return true;
}

/* ---- Any norm ---- */

void cuda_plan_norm(cuda_plan *p, const cuda_node *n) {
    if (cuda_plan_heads(p, n)) return;
    if (whole_row(n)) {
        if (!plan_router(p, n)) plan_row(p, n);
        return;
    }
    cuda_tensor *x = n->in[0];
    int64_t group = n->params.norm.group ? (int64_t)n->params.norm.group : x->n[0];
    uint32_t threads = (uint32_t)(((group < 4096 ? group : 4096) + 127) / 128 * 32);
    cuda_launch *l = cuda_add(p, n, "norm.cu", "norm_rows", threads, "-DLAYER=%d", n->op == BP_OP_LAYER_NORM);
    l->grid[0] = (cuda_extent){ x, CUDA_COUNT, group, 1, BLOCK_LIMIT };
    l->waits = true;
    l->what = n->op == BP_OP_LAYER_NORM ? "layer_norm" : "rms_norm";
    for (int i = 0; i < 4; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_write(l, n->out[1]);
    if (group % 32 == 0) cuda_can_round(p, n->out[0], l->n_args);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, NULL);
    cuda_arg_size(l, x, CUDA_AXIS_0);
    cuda_arg_size(l, x, CUDA_ROWS);
    cuda_arg_int(l, (int32_t)group);
    cuda_arg_int(l, n->in[2] ? (int32_t)n->in[2]->n[0] : 0);
    cuda_arg_int(l, n->in[3] ? (int32_t)n->in[3]->n[0] : 0);
    cuda_arg_float(l, n->params.norm.eps);
}
