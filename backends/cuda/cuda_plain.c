/* Plain planners of products and attention, for any type and shape: weak, so that faster ones take their place. */
#include "backends/cuda/cuda_check.h"

#define WEAK __attribute__((weak))

WEAK const char *cuda_refuse_matmul(const bp_device *d, const cuda_node *n) {
    (void)d, (void)n;
    return NULL;
}
WEAK const char *cuda_refuse_experts(const bp_device *d, const cuda_node *n) {
    (void)d, (void)n;
    return NULL;
}
WEAK const char *cuda_refuse_attention(const bp_device *d, const cuda_node *n) {
    (void)d;
    return n->params.attention.head_dim_v > 512 ? "heads of more than 512 values" : NULL;
}
WEAK void cuda_weight_layout(const bp_device *d, const cuda_tensor *w, bool embedded, bp_weight_layout *out) {
    (void)d, (void)w, (void)embedded, (void)out;
}
WEAK void cuda_weight_pack(const bp_device *d, const cuda_tensor *w, cuda_pack_kernel *out) { (void)d, (void)w, (void)out; }

static void product(cuda_plan *p, const cuda_node *n, bool experts) {
    cuda_tensor *w = n->in[0], *x = n->in[1], *ids = experts ? n->in[2] : NULL, *bias = n->in[experts ? 3 : 2], *out = n->out[0];
    cuda_launch *l = cuda_add(p, n, "plain.cu", "matmul", 256, "-DTYPE=%u", w->type);
    l->grid[0] = (cuda_extent){ out, CUDA_COUNT, 8, 1, 1 << 20 };
    l->waits = true;
    cuda_arg_read(l, w);
    cuda_arg_read(l, x);
    cuda_arg_read(l, ids);
    cuda_arg_read(l, bias);
    cuda_arg_write(l, out);
    cuda_arg_size(l, out, CUDA_ROWS);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, experts ? (int32_t)w->n[2] : 1);
    cuda_arg_int(l, experts && x->rank != 3 ? (int32_t)ids->n[0] : 1);
    cuda_arg_int64(l, (int64_t)bp_row_bytes(w->type, w->n[0]));
}
WEAK void cuda_plan_matmul(cuda_plan *p, const cuda_node *n) { product(p, n, false); }
WEAK void cuda_plan_experts(cuda_plan *p, const cuda_node *n) { product(p, n, true); }

WEAK void cuda_plan_attention(cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    cuda_tensor *k = n->in[1], *v = n->in[2];
    cuda_launch *l = cuda_add(p, n, "plain.cu", "attention", 128, "-DTYPE=%u -DVTYPE=%u", k->type, v->type);
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_AXIS_1, 1, (a->n_head + 3) / 4, 0 };
    l->waits = true;
    for (int i = 0; i < 9; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_1);
    cuda_arg_size(l, n->in[5], CUDA_AXIS_1);
    cuda_arg_size(l, n->in[5], CUDA_AXIS_0);
    int32_t numbers[] = { (int32_t)a->n_head, (int32_t)a->n_head_kv, (int32_t)a->head_dim, (int32_t)a->head_dim_v, (int32_t)k->n[1],
                          (int32_t)k->n[3], (int32_t)a->causal, (int32_t)a->window, (int32_t)a->chunk };
    for (int i = 0; i < 9; i++) cuda_arg_int(l, numbers[i]);
    cuda_arg_int64(l, (int64_t)bp_row_bytes(k->type, k->n[0]));
    cuda_arg_int64(l, (int64_t)bp_row_bytes(v->type, v->n[0]));
    cuda_arg_float(l, a->scale);
    cuda_arg_float(l, a->softcap);
    cuda_arg_float(l, a->alibi);
}
