/* Products with a quantised weight as the file has it (a table that is also embedded, or a graph whose weights were
 * given no layout): decoded value by value. */
#include "backends/cuda/cuda_check.h"
#include "backends/cuda/matmul_plan.h"

void matmul_rows(cuda_plan *p, const cuda_node *n) {
    const bool experts = n->op == BP_OP_MATMUL_EXPERTS;
    cuda_tensor *w = n->in[0], *x = n->in[1], *bias = n->in[experts ? 3 : 2], *out = n->out[0];
    cuda_launch *l = cuda_add(p, n, "matmul_rows.cu", "matmul_rows", 128, "-DBP_TYPE=%u", w->type);
    l->waits = true;
    cuda_arg_read(l, w);
    cuda_arg_read(l, x);
    cuda_arg_read(l, bias);
    cuda_arg_read(l, experts ? n->in[2] : NULL);
    cuda_arg_write(l, out);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, experts ? (int32_t)w->n[2] : 1);
    cuda_arg_int64(l, (int64_t)bp_row_bytes(w->type, w->n[0]));
    cuda_arg_size(l, out, CUDA_ROWS);
    cuda_arg_int(l, experts && x->rank < 3 ? (int32_t)n->in[2]->n[0] : 1);
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + 3) / 4 };
    l->grid[1] = (cuda_extent){ out, CUDA_ROWS, experts ? 1 : 8, 1, 32768 };
}
