/* The last product of the experts of a few tokens together with their weighted sum (experts_sum.cu). */
#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

enum { WARPS = 4, ROWS = 2, DEPTH = 3, MOST_USED = 32 };

/* The COMBINE_EXPERTS that alone reads n's result. */
static const cuda_node *sum_after(const cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *out = n->out[0];
    if (cuda_reader_count(p, out) != 1) return NULL;
    const cuda_node *sum = cuda_reader(p, out, 0);
    bool fits = sum->op == BP_OP_COMBINE_EXPERTS && sum->in[0] == out && !cuda_planned(p, sum->index) &&
                cuda_private_to(p, out, sum) && cuda_available(p, sum->in[1]);
    return fits ? sum : NULL;
}

bool matmul_experts_sum(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *w = n->in[0], *x = n->in[1];
    const cuda_node *sum = sum_after(p, n);
    if (!sum || x->rank < 3 || x->n[2] > MATMUL_FEW || cuda_plan_deterministic(p) || x->n[1] > MOST_USED) return false;
    const bool round = matmul_rounds(p, w);
    cuda_q8 q = round ? cuda_quantised(p, n, x) : (cuda_q8){ x, NULL };
    cuda_claim(p, sum->index);
    cuda_launch *l = cuda_add(p, n, "experts_sum.cu", "experts_sum", 32 * WARPS,
                              "-DBP_TYPE=%u -DBP_EXACT=%d -DBP_ALIGNED=%d -DBP_ROWS=%d -DBP_DEPTH=%d", w->type, !round,
                              matmul_aligned(w), ROWS, !round && cuda_has_planes(w->type) ? 1 : DEPTH);
    l->waits = true;
    l->what = "matmul experts sum";
    l->n_nodes = 2;
    l->bytes = w->bytes / (uint64_t)w->n[2] * (uint64_t)(x->n[1] * x->n[2]);
    cuda_arg_read(l, q.codes);
    cuda_arg_read(l, q.scales);
    cuda_arg_read(l, w);
    cuda_arg_read(l, n->in[3]);
    cuda_arg_read(l, n->in[2]);
    cuda_arg_read(l, sum->in[1]);
    cuda_arg_write(l, sum->out[0]);
    cuda_arg_size(l, x, CUDA_AXIS_2);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, (int32_t)w->n[2]);
    cuda_arg_int(l, (int32_t)x->n[1]);
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + WARPS * ROWS - 1) / (WARPS * ROWS) };
    cuda_grid(l, 1, x, CUDA_AXIS_2, 1);
    return true;
}
