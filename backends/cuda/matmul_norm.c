/* A norm between two products of one token: which norms may go without a launch (kernels/gemv_norm.cuh tells how).
 * Measured on one H200: it pays where the products after it read floats; where they read 8-bit activations, every block
 * would round the row anew, and a launch that does it once is quicker. */
#include <stdio.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

enum { MOST_SQUARES = 2048, MOST_BLOCK_ROWS = 32 };

static bool plain_row_norm(const cuda_node *n) {
    const int64_t width = n->in[0]->n[0], group = n->params.norm.group;
    return n->op == BP_OP_RMS_NORM && (!group || group == width) && width % 32 == 0 && width <= 16384 && !n->in[3] &&
           (!n->in[2] || n->in[2]->n[0] == width);
}

/* True where only products that gemv.cu makes read y. */
static bool read_by_products(const cuda_plan *p, const cuda_tensor *y) {
    const uint32_t n = cuda_reader_count(p, y);
    for (uint32_t i = 0; i < n; i++) {
        const cuda_node *m = cuda_reader(p, y, i);
        if (m->op != BP_OP_MATMUL || m->in[1] != y || m->in[0] == y || m->in[2] == y || cuda_planned(p, m->index)) return false;
        const cuda_tensor *w = m->in[0];
        if (matmul_rounds(p, w) || !matmul_packed(w) || w->n[0] == 0 || w->n[1] == 0 || !cuda_available(p, w)) return false;
        if (m->in[2] && !cuda_available(p, m->in[2])) return false;
    }
    return n > 0 && y->role == BP_ROLE_TEMP;
}

const cuda_node *matmul_norm_after(const cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *out = n->out[0];
    if (cuda_rows(out) != 1 || cuda_plan_deterministic(p) || cuda_reader_count(p, out) != 1) return NULL;
    const cuda_node *norm = cuda_reader(p, out, 0);
    if (cuda_planned(p, norm->index) || norm->in[1] != out || norm->in[0] == out || !plain_row_norm(norm)) return NULL;
    if (!cuda_private_to(p, out, norm) || !cuda_available(p, norm->in[0])) return NULL;
    return read_by_products(p, norm->out[0]) ? norm : NULL;
}

bool matmul_link_fits(int block_rows, int64_t blocks) { return block_rows <= MOST_BLOCK_ROWS && blocks <= MOST_SQUARES; }

void matmul_option(cuda_plan *p, cuda_launch *l, const char *name, int value) {
    size_t at = strlen(l->options);
    int n = snprintf(l->options + at, sizeof l->options - at, " -D%s=%d", name, value);
    if (n < 0 || (size_t)n >= sizeof l->options - at) cuda_plan_fail(p, BP_E_INTERNAL, "cuda: too many options for gemv");
}

void matmul_link(cuda_plan *p, cuda_launch *l, cuda_tensor *x, const cuda_node *norm, cuda_tensor *scaled, int64_t blocks) {
    const cuda_unnormed *before = cuda_unnormed_of(p, x);
    if (!before && !norm) return;
    const uint32_t threads = l->block[0];
    if (before) matmul_option(p, l, "BP_NORM", (int)((before->n_squares + threads - 1) / threads));
    if (norm) matmul_option(p, l, "BP_SUM", 1);
    cuda_arg_read(l, before ? before->squares : NULL);
    cuda_arg_int(l, before ? (int32_t)before->n_squares : 0);
    cuda_arg_float(l, before ? before->eps : 0);
    cuda_arg_read(l, norm ? norm->in[0] : NULL);
    cuda_arg_read(l, norm ? norm->in[2] : NULL);
    cuda_tensor *sum = norm ? norm->out[1] : NULL, *squares = norm ? cuda_scratch(p, (uint64_t)blocks * 4) : NULL;
    if (norm && !sum) sum = cuda_scratch(p, norm->in[0]->bytes);
    cuda_arg_write(l, sum);
    cuda_arg_write(l, squares);
    if (!norm) return;
    cuda_claim(p, norm->index);
    l->n_nodes++;
    cuda_leave_norm(p, norm->out[0], (cuda_unnormed){ scaled, squares, blocks, norm->params.norm.eps });
}
