/* The list of ops, and the planners of all that are no products and no attention. */
#include <stdio.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/norm_plan.h"

enum { THREADS = 256, BLOCK_LIMIT = 1 << 20, FEW_ROWS = 64, ARGMAX_PART = 1024, ARGMAX_PARTS = 128 };
enum { TOP_PARTS = 32, TOP_MOST = 256, TOP_KEYS = 8192 };

static cuda_planner plan_embed, plan_scores, plan_softmax, plan_mix;
static cuda_planner plan_binary, plan_unary, plan_glu, plan_reduce, plan_gather, plan_slice, plan_concat, plan_convert, plan_pool;
static cuda_planner plan_top_k, plan_argmax, plan_reshape, plan_conv, plan_scan, plan_delta;
static cuda_refusal refuse_function;

typedef struct op_row {
    cuda_planner *plan;
    cuda_refusal *refuse;
} op_row;

static const op_row rows[BP_OP_LIMIT] = {
    [BP_OP_EMBED_ROWS] = { plan_embed, NULL },
    [BP_OP_MATMUL] = { cuda_plan_matmul, cuda_refuse_matmul },
    [BP_OP_MATMUL_EXPERTS] = { cuda_plan_experts, cuda_refuse_experts },
    [BP_OP_ROUTE_EXPERTS] = { cuda_plan_route, cuda_refuse_route },
    [BP_OP_COMBINE_EXPERTS] = { cuda_plan_combine, NULL },
    [BP_OP_RMS_NORM] = { cuda_plan_norm, NULL },
    [BP_OP_LAYER_NORM] = { cuda_plan_norm, NULL },
    [BP_OP_ROPE] = { cuda_plan_rope, NULL },
    [BP_OP_KV_WRITE] = { cuda_plan_kv, NULL },
    [BP_OP_ATTENTION] = { cuda_plan_attention, cuda_refuse_attention },
    [BP_OP_ATTENTION_SCORES] = { plan_scores, NULL },
    [BP_OP_SOFTMAX] = { plan_softmax, NULL },
    [BP_OP_ATTENTION_MIX] = { plan_mix, NULL },
    [BP_OP_ADD] = { plan_binary, NULL },
    [BP_OP_MUL] = { plan_binary, NULL },
    [BP_OP_SCALE] = { plan_unary, NULL },
    [BP_OP_ACTIVATION] = { plan_unary, refuse_function },
    [BP_OP_SOFTCAP] = { plan_unary, NULL },
    [BP_OP_GLU] = { plan_glu, refuse_function },
    [BP_OP_REDUCE] = { plan_reduce, NULL },
    [BP_OP_GATHER_ROWS] = { plan_gather, NULL },
    [BP_OP_SLICE] = { plan_slice, NULL },
    [BP_OP_CONCAT] = { plan_concat, NULL },
    [BP_OP_CONVERT] = { plan_convert, NULL },
    [BP_OP_POOL] = { plan_pool, NULL },
    [BP_OP_TOP_K] = { plan_top_k, NULL },
    [BP_OP_ARGMAX] = { plan_argmax, NULL },
    [BP_OP_RESHAPE] = { plan_reshape, NULL },
    [BP_OP_CAUSAL_CONV] = { plan_conv, refuse_function },
    [BP_OP_SSM_SCAN] = { plan_scan, NULL },
    [BP_OP_DELTA_RULE] = { plan_delta, NULL },
};

bool cuda_op_of(uint32_t op, cuda_op *out) {
    static const cuda_op names[BP_OP_LIMIT] = {
#define BP_OP(name, id, params, n_in, n_out) [id] = { #name, NULL, NULL, sizeof(params), n_in, n_out },
#include "backplane/ops.def"
#undef BP_OP
    };
    *out = op < BP_OP_LIMIT ? names[op] : (cuda_op){ 0 };
    if (op >= BP_OP_LIMIT || !rows[op].plan) return false;
    out->plan = rows[op].plan;
    out->refuse = rows[op].refuse;
    return true;
}

/* ---- Helpers ---- */

/* A launch with a thread for each of `per` values of t, and t's row length and number of rows as its last two arguments so
 * far are added by `sizes`. */
static cuda_launch *over(cuda_plan *p, const cuda_node *n, const char *source, const char *function, const cuda_tensor *t) {
    cuda_launch *l = cuda_add(p, n, source, function, THREADS, "%s", "");
    l->grid[0] = (cuda_extent){ t, CUDA_COUNT, THREADS, 1, BLOCK_LIMIT };
    l->waits = true;
    return l;
}

static void sizes(cuda_launch *l, cuda_tensor *t) {
    cuda_arg_size(l, t, CUDA_AXIS_0);
    cuda_arg_size(l, t, CUDA_ROWS);
}

static void set_options(cuda_plan *p, cuda_launch *l, const char *format, uint32_t a, uint32_t b) {
    int n = snprintf(l->options, sizeof l->options, format, a, b);
    if (n < 0 || (size_t)n >= sizeof l->options) cuda_plan_fail(p, BP_E_INTERNAL, "cuda: too many options");
}

static int64_t row_bytes(const cuda_tensor *t) { return (int64_t)bp_row_bytes(t->type, t->n[0]); }

/* ---- Weights' rows, rows, types ---- */

static void plan_embed_packed(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *table = n->in[0], *out = n->out[0];
    cuda_launch *l = cuda_add(p, n, "embed_packed.cu", "embed_packed", 128, "-DBP_TYPE=%u", table->type);
    l->grid[0] = (cuda_extent){ .times = (table->n[0] / 16 + 127) / 128 };
    l->grid[1] = (cuda_extent){ out, CUDA_ROWS, 1, 1, 4096 };
    l->waits = true;
    l->what = "embed";
    cuda_arg_read(l, table);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, out);
    cuda_arg_size(l, out, CUDA_ROWS);
    cuda_arg_int(l, (int32_t)table->n[0]);
    cuda_arg_int(l, (int32_t)table->n[1]);
    cuda_arg_float(l, n->params.embed.scale == 0 ? 1 : n->params.embed.scale);
}

static void plan_embed(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *table = n->in[0], *ids = n->in[1], *out = n->out[0];
    if (table->layout != BP_LAYOUT_ROWS) {
        plan_embed_packed(p, n);
        return;
    }
    cuda_launch *l = over(p, n, "embed.cu", "embed", out);
    set_options(p, l, "-DTYPE=%u", table->type, 0);
    l->grid[0] = (cuda_extent){ out, CUDA_ROWS, 1, 1, BLOCK_LIMIT };
    cuda_arg_read(l, table);
    cuda_arg_read(l, ids);
    cuda_arg_write(l, out);
    sizes(l, out);
    cuda_arg_int(l, (int32_t)table->n[1]);
    cuda_arg_int64(l, row_bytes(table));
    cuda_arg_float(l, n->params.embed.scale == 0 ? 1 : n->params.embed.scale);
}

/* Rows may have other lengths in x and out, but all bytes are the same. Only dim[0] has to be fixed for that. */
static void plan_reshape(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *x = n->in[0], *out = n->out[0];
    cuda_launch *l = over(p, n, "convert.cu", "copy", out);
    set_options(p, l, "-DFROM=0 -DTO=0", 0, 0);
    cuda_arg_read(l, x);
    cuda_arg_write(l, out);
    cuda_arg_size(l, out, CUDA_ROWS);
    cuda_arg_int64(l, row_bytes(out));
}

static void plan_convert(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *x = n->in[0], *out = n->out[0];
    cuda_launch *l = over(p, n, "convert.cu", "convert", out);
    set_options(p, l, "-DFROM=%u -DTO=%u", x->type, out->type);
    cuda_arg_read(l, x);
    cuda_arg_write(l, out);
    sizes(l, out);
    cuda_arg_int64(l, row_bytes(x));
    cuda_arg_int64(l, row_bytes(out));
}

static void plan_gather(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "rows.cu", "gather", n->out[0]);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_1);
    cuda_arg_size(l, n->out[0], CUDA_ROWS);
}

static void plan_slice(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "rows.cu", "slice", n->out[0]);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    sizes(l, n->out[0]);
    cuda_arg_int(l, (int32_t)n->params.slice.first);
}

static void plan_concat(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "rows.cu", "concat", n->out[0]);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[1], CUDA_AXIS_0);
    cuda_arg_size(l, n->out[0], CUDA_ROWS);
}

static void plan_pool(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "rows.cu", "pool", n->out[0]);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    sizes(l, n->in[0]);
    cuda_arg_size(l, n->out[0], CUDA_ROWS);
    cuda_arg_int(l, (int32_t)n->params.pool.kind);
}

static void plan_reduce(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "rows.cu", "reduce", n->out[0]);
    l->grid[0].per = THREADS / 32;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, n->out[0]);
    sizes(l, n->in[0]);
    cuda_arg_int(l, (int32_t)n->params.reduce.kind);
}

/* ---- Value by value ---- */

static void plan_binary(cuda_plan *p, const cuda_node *n) {
    if (n->op == BP_OP_ADD && cuda_plan_gathered_norm(p, n)) return;
    cuda_launch *l = over(p, n, "elementwise.cu", "binary", n->out[0]);
    set_options(p, l, "-DMUL=%u", n->op == BP_OP_MUL, 0);
    l->what = n->op == BP_OP_MUL ? "mul" : "add";
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < BP_MAX_RANK; k++) cuda_arg_size(l, n->in[i], (enum cuda_size_of)k);
}

/* What kernels/activation.cuh has. */
static const char *refuse_function(const bp_device *d, const cuda_node *n) {
    (void)d;
    uint32_t f = n->op == BP_OP_GLU ? n->params.glu.f : n->op == BP_OP_ACTIVATION ? n->params.activation.f : n->params.conv.f;
    return f > BP_ACT_LOG ? "a function that this backend does not have" : NULL;
}

static void plan_unary(cuda_plan *p, const cuda_node *n) {
    const char *name = n->op == BP_OP_SCALE ? "scale" : n->op == BP_OP_SOFTCAP ? "softcap" : "activation";
    cuda_launch *l = over(p, n, "elementwise.cu", name, n->out[0]);
    set_options(p, l, "-DMUL=0", 0, 0);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, n->out[0]);
    sizes(l, n->in[0]);
    if (n->op == BP_OP_SCALE) {
        cuda_arg_float(l, n->params.scale.scale);
        cuda_arg_float(l, n->params.scale.bias);
    } else if (n->op == BP_OP_SOFTCAP) {
        cuda_arg_float(l, n->params.softcap.cap);
    } else {
        cuda_arg_int(l, (int32_t)n->params.activation.f);
        cuda_arg_float(l, n->params.activation.low);
        cuda_arg_float(l, n->params.activation.high);
    }
}

static void plan_glu(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "elementwise.cu", "glu", n->out[0]);
    set_options(p, l, "-DMUL=0", 0, 0);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_can_round(p, n->out[0], l->n_args);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, NULL);
    sizes(l, n->out[0]);
    cuda_arg_int(l, (int32_t)n->params.glu.f);
    cuda_arg_float(l, n->params.glu.limit);
    cuda_arg_float(l, n->params.glu.up_bias);
}

static void plan_softmax(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = over(p, n, "softmax.cu", "softmax", n->out[0]);
    l->grid[0] = (cuda_extent){ n->out[0], CUDA_ROWS, 1, 1, BLOCK_LIMIT };
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_1);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
}

/* ---- Choosing ---- */

/* Of few rows, with many blocks each; values and keys fit as kernels/top_k.cu says. */
static bool plan_top_k_parts(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *x = n->in[0];
    const int64_t k = n->out[0]->n[0], rows = cuda_rows(x);
    int64_t parts = (x->n[0] + ARGMAX_PART - 1) / ARGMAX_PART;
    if (parts > TOP_PARTS) parts = TOP_PARTS;
    if (rows > FEW_ROWS || parts < 2 || k < 1 || k > TOP_MOST || x->n[0] > parts * TOP_KEYS) return false;
    cuda_tensor *found = cuda_scratch(p, (uint64_t)(rows * parts * k) * 8);
    cuda_launch *l = cuda_add(p, n, "top_k.cu", "top_k_parts", 1024, "%s", "");
    l->grid[0] = (cuda_extent){ .times = parts };
    cuda_grid(l, 1, x, CUDA_ROWS, 1);
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, found);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_int(l, (int32_t)k);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    l = cuda_add(p, n, "top_k.cu", "top_k_merge", 1024, "%s", "");
    cuda_grid(l, 0, x, CUDA_ROWS, 1);
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, found);
    cuda_arg_int(l, (int32_t)(parts * k));
    cuda_arg_write(l, n->out[0]);
    cuda_arg_write(l, n->out[1]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_int(l, (int32_t)k);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    return true;
}

static void plan_top_k(cuda_plan *p, const cuda_node *n) {
    if (!n->in[0]->varies[0] && plan_top_k_parts(p, n)) return;
    cuda_tensor *out = n->out[0];
    cuda_tensor *found = cuda_scratch(p, (uint64_t)(out->n[0] * cuda_rows(out)) * 8 + 8);
    cuda_launch *l = cuda_add(p, n, "select.cu", "top_k", 1024, "%s", "");
    l->grid[0] = (cuda_extent){ out, CUDA_ROWS, 1, 1, BLOCK_LIMIT };
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, out);
    cuda_arg_write(l, n->out[1]);
    cuda_arg_write(l, found);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    sizes(l, out);
}

/* Of few rows, with many blocks each. */
static bool plan_argmax_parts(cuda_plan *p, const cuda_node *n) {
    static const uint32_t none[FEW_ROWS];
    const cuda_tensor *x = n->in[0];
    const int64_t parts = (x->n[0] + ARGMAX_PART - 1) / ARGMAX_PART;
    if (cuda_rows(x) > FEW_ROWS || parts < 2) return false;
    cuda_launch *l = cuda_add(p, n, "argmax.cu", "argmax_parts", THREADS, "%s", "");
    l->grid[0] = (cuda_extent){ .times = parts < ARGMAX_PARTS ? parts : ARGMAX_PARTS };
    cuda_grid(l, 1, x, CUDA_ROWS, 1);
    l->waits = true;
    l->what = "argmax";
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_write(l, cuda_scratch(p, FEW_ROWS * ARGMAX_PARTS * 8));
    cuda_arg_update(l, cuda_constant(p, none, sizeof none));
    sizes(l, n->in[0]);
    return true;
}

static void plan_argmax(cuda_plan *p, const cuda_node *n) {
    if (plan_argmax_parts(p, n)) return;
    cuda_launch *l = cuda_add(p, n, "select.cu", "argmax", 1024, "%s", "");
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_ROWS, 1, 1, BLOCK_LIMIT };
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_write(l, n->out[0]);
    sizes(l, n->in[0]);
}

/* ---- Attention in parts ---- */

static void paging_sizes(cuda_launch *l, cuda_tensor *q, cuda_tensor *table, enum cuda_size_of tokens) {
    cuda_arg_size(l, q, tokens);
    cuda_arg_size(l, table, CUDA_AXIS_1);
    cuda_arg_size(l, table, CUDA_AXIS_0);
}

static void plan_scores(cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    cuda_tensor *cache = n->in[1];
    cuda_launch *l = cuda_add(p, n, "attention_parts.cu", "scores", 128, "-DTYPE=%u", cache->type);
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_AXIS_1, 1, a->n_head, 0 };
    l->waits = true;
    for (int i = 0; i < 7; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->out[0], CUDA_AXIS_0);
    paging_sizes(l, n->in[0], n->in[4], CUDA_AXIS_1);
    int32_t numbers[] = { (int32_t)a->n_head, (int32_t)a->n_head_kv, (int32_t)a->head_dim, (int32_t)cache->n[1], (int32_t)cache->n[3] };
    for (int i = 0; i < 5; i++) cuda_arg_int(l, numbers[i]);
    cuda_arg_int64(l, row_bytes(cache));
    cuda_arg_int(l, (int32_t)a->causal);
    cuda_arg_int(l, (int32_t)a->window);
    cuda_arg_int(l, (int32_t)a->chunk);
    cuda_arg_float(l, a->scale);
    cuda_arg_float(l, a->softcap);
    cuda_arg_float(l, a->alibi);
}

static void plan_mix(cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    cuda_tensor *cache = n->in[1];
    cuda_launch *l = cuda_add(p, n, "attention_parts.cu", "mix", 128, "-DTYPE=%u", cache->type);
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_AXIS_2, 1, a->n_head, 0 };
    l->waits = true;
    for (int i = 0; i < 5; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    paging_sizes(l, n->in[0], n->in[3], CUDA_AXIS_2);
    int32_t numbers[] = { (int32_t)a->n_head, (int32_t)a->n_head_kv, (int32_t)a->head_dim_v, (int32_t)cache->n[1], (int32_t)cache->n[3] };
    for (int i = 0; i < 5; i++) cuda_arg_int(l, numbers[i]);
    cuda_arg_int64(l, row_bytes(cache));
}

/* ---- Recurrent ---- */

/* The state is updated; sizes of the batch and the slots follow. */
static cuda_launch *recurrent(cuda_plan *p, const cuda_node *n, const char *function, int inputs, const cuda_tensor *over_tensor,
                              int64_t per) {
    cuda_launch *l = cuda_add(p, n, "recurrent.cu", function, 128, "%s", "");
    l->grid[0] = (cuda_extent){ over_tensor, CUDA_AXIS_0, per, 1, BLOCK_LIMIT };
    l->waits = true;
    for (int i = 0; i < inputs; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_update(l, n->out[1]);
    return l;
}

static void plan_conv(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = recurrent(p, n, "causal_conv", 6, n->in[0], 128);
    sizes(l, n->in[0]);
    cuda_arg_size(l, n->in[5], CUDA_AXIS_0);
    cuda_arg_size(l, n->out[1], CUDA_AXIS_2);
    cuda_arg_int(l, (int32_t)n->in[1]->n[0]);
    cuda_arg_int(l, (int32_t)n->params.conv.f);
}

static void plan_scan(cuda_plan *p, const cuda_node *n) {
    cuda_launch *l = recurrent(p, n, "ssm_scan", 10, n->in[0], 4);
    sizes(l, n->in[0]);
    cuda_arg_size(l, n->in[9], CUDA_AXIS_0);
    cuda_arg_size(l, n->out[1], CUDA_AXIS_2);
    cuda_arg_int(l, (int32_t)n->out[1]->n[0]);
    cuda_arg_int(l, (int32_t)n->in[2]->n[0]);
    cuda_arg_int(l, (int32_t)n->params.scan.n_head);
    cuda_arg_int(l, (int32_t)n->params.scan.n_group);
}

static void plan_delta(cuda_plan *p, const cuda_node *n) {
    const bp_delta_rule_params *d = &n->params.delta;
    cuda_launch *l = recurrent(p, n, "delta_rule", 8, n->in[2], 4);
    cuda_arg_size(l, n->in[2], CUDA_ROWS);
    cuda_arg_size(l, n->in[7], CUDA_AXIS_0);
    cuda_arg_size(l, n->out[1], CUDA_AXIS_3);
    cuda_arg_int(l, (int32_t)d->n_head);
    cuda_arg_int(l, (int32_t)d->n_head_k);
    cuda_arg_int(l, (int32_t)n->out[1]->n[0]);
    cuda_arg_int(l, (int32_t)n->out[1]->n[1]);
    cuda_arg_float(l, d->scale == 0 ? 1 : d->scale);
    cuda_arg_float(l, d->l2_eps);
}
