/* ROUTE_EXPERTS and COMBINE_EXPERTS. */
#include "backends/cuda/norm_plan.h"

enum { THREADS = 256, BLOCK_LIMIT = 1 << 20, MAX_EXPERTS = 1024, MAX_GROUPS = 128 };

const char *cuda_refuse_route(const bp_device *d, const cuda_node *n) {
    (void)d;
    if (n->in[0]->n[0] > MAX_EXPERTS) return "more than 1024 experts";
    return n->params.route.n_groups > MAX_GROUPS ? "more than 128 groups of experts" : NULL;
}

void cuda_route_rules(cuda_launch *l, const bp_route_experts_params *r) {
    cuda_arg_int(l, (int32_t)r->n_used);
    cuda_arg_int(l, (int32_t)r->gating);
    cuda_arg_int(l, (int32_t)r->normalise);
    cuda_arg_int(l, (int32_t)r->n_groups);
    cuda_arg_int(l, (int32_t)r->n_groups_used);
    cuda_arg_float(l, r->scale == 0 ? 1 : r->scale);
}

void cuda_plan_route(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = cuda_add(p, n, "route.cu", "route", THREADS, "%s", "");
    l->waits = true;
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_ROWS, 1, 1, BLOCK_LIMIT };
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_write(l, n->out[1]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    cuda_route_rules(l, &n->params.route);
}

void cuda_plan_combine(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = cuda_add(p, n, "rows.cu", "combine", THREADS, "%s", "");
    l->grid[0] = (cuda_extent){ n->out[0], CUDA_COUNT, THREADS, 1, BLOCK_LIMIT };
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_1);
    cuda_arg_size(l, n->out[0], CUDA_ROWS);
}
