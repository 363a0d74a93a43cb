/* Products of many tokens. Quantised weights are decoded into a panel of half precision (F32 where activations are
 * exact), part by part, and multiplied on the tensor cores: by cuBLASLt where it is there, else by gemm_half.cu; F32
 * weights in F32 (gemm_float.cu without cuBLASLt, which also splits long sums of few results among more blocks). */
#include <stdio.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/matmul_plan.h"

enum { PANEL_BYTES = 128 << 20, HALF_TILE = 128, FLOAT_TILE = 64, HALF_SHARED = 4 * 2 * 128 * 32 * 2 };

uint32_t matmul_form(const cuda_plan *p, const cuda_tensor *w) {
    const bp_device *d = cuda_plan_device(p);
    if (d->exact || w->type == BP_TYPE_F32 || w->n[0] % 8 || d->major < 8) return BP_TYPE_F32;
    return w->type == BP_TYPE_BF16 ? BP_TYPE_BF16 : BP_TYPE_F16;
}

/* What an earlier launch has made of x. */
static cuda_tensor *converted(const cuda_plan *p, const cuda_tensor *x, const char *options) {
    for (uint32_t i = 0; i < p->n_launches; i++) {
        const cuda_launch *l = &p->launches[i];
        if (l->source && !strcmp(l->source, "gemm_convert.cu") && l->args[0].tensor == x &&
            !strcmp(l->options, options))
            return l->args[1].tensor;
    }
    return NULL;
}

cuda_tensor *matmul_convert(cuda_plan *p, const cuda_node *n, uint32_t form) {
    cuda_tensor *x = n->in[1];
    char options[32];
    if (form == BP_TYPE_F32) return x;
    snprintf(options, sizeof options, "-DBP_TO=%u", form);
    cuda_tensor *made = converted(p, x, options);
    if (!made) made = matmul_experts_halves(p, n, x, form);
    if (made) return made;
    cuda_tensor *to = cuda_scratch(p, (uint64_t)x->n[0] * (uint64_t)cuda_rows(x) * 2);
    if (!to) return x;
    cuda_launch *l = cuda_add(p, n, "gemm_convert.cu", "gemm_convert", 256, "%s", options);
    l->waits = true;
    cuda_arg_read(l, x);
    cuda_arg_write(l, to);
    cuda_arg_int(l, (int32_t)x->n[0]);
    cuda_arg_size(l, x, CUDA_ROWS);
    l->grid[0] = (cuda_extent){ x, CUDA_COUNT, 2048, 1, 4096 };
    return to;
}

static void unpack(cuda_plan *p, const cuda_node *n, uint32_t form, int64_t first, int64_t rows, cuda_tensor *panel) {
    cuda_tensor *w = n->in[0];
    cuda_launch *l = cuda_add(p, n, "matmul_unpack.cu", "matmul_unpack", 256, "-DBP_TYPE=%u -DBP_TO=%u -DBP_ALIGNED=%d",
                              w->type, form, matmul_aligned(w));
    l->waits = true;
    cuda_arg_read(l, w);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, (int32_t)first);
    cuda_arg_int(l, (int32_t)rows);
    cuda_arg_write(l, panel);
    int64_t blocks = (w->n[0] * rows / 32 + 255) / 256;
    l->grid[0] = (cuda_extent){ .times = blocks < 1 ? 1 : blocks > 8192 ? 8192 : blocks };
}

/* Rows [first, first + rows) of n's result; w has these alone. */
static void multiply(cuda_plan *p, const cuda_node *n, uint32_t form, cuda_tensor *w, int64_t first, int64_t rows,
                     cuda_tensor *x) {
    if (matmul_lt(p, n, form, w, first, rows, x)) return;
    const bool half = form != BP_TYPE_F32;
    const int64_t tile = half ? HALF_TILE : FLOAT_TILE;
    cuda_launch *l = half ? cuda_add(p, n, "gemm_half.cu", "gemm_half", 256, "-DBP_BF16=%d", form == BP_TYPE_BF16)
                          : cuda_add(p, n, "gemm_float.cu", "gemm_float", 256, "%s", "");
    if (half) l->shared = HALF_SHARED;
    l->waits = true;
    l->what = "matmul";
    cuda_arg_read(l, w);
    cuda_arg_read(l, x);
    cuda_arg_read(l, n->in[2]);
    cuda_arg_update(l, n->out[0]);
    cuda_arg_int(l, (int32_t)n->in[0]->n[0]);
    cuda_arg_int(l, (int32_t)rows);
    cuda_arg_int(l, (int32_t)n->in[0]->n[1]);
    cuda_arg_int(l, (int32_t)first);
    cuda_arg_size(l, n->in[1], CUDA_ROWS);
    l->grid[0] = (cuda_extent){ .times = (rows + tile - 1) / tile };
    cuda_grid(l, 1, n->in[1], CUDA_ROWS, tile);
}

static void product(cuda_plan *p, const cuda_node *n, uint32_t form, cuda_tensor *x) {
    cuda_tensor *w = n->in[0];
    const int64_t all = w->n[1], row_bytes = w->n[0] * (form == BP_TYPE_F32 ? 4 : 2);
    if (w->type == form) {
        multiply(p, n, form, w, 0, all, x);
        return;
    }
    int64_t each = PANEL_BYTES / row_bytes / 256 * 256;
    if (each < 256) each = 256;
    if (each > all) each = all;
    cuda_tensor *panel = cuda_scratch(p, (uint64_t)(each * row_bytes));
    for (int64_t first = 0; panel && first < all; first += each) {
        int64_t rows = all - first < each ? all - first : each;
        unpack(p, n, form, first, rows, panel);
        multiply(p, n, form, panel, first, rows, x);
    }
}

void matmul_gemm(cuda_plan *p, const matmul_group *g) {
    for (uint32_t i = 0; i < g->n; i++) {
        const cuda_node *n = g->node[i];
        const uint32_t form = matmul_form(p, n->in[0]);
        product(p, n, form, matmul_convert(p, n, form));
    }
}
