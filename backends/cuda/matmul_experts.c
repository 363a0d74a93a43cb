/* Products with experts of many tokens: pairs of a token and an expert are grouped by expert on the device
 * (experts_group.cu, once for all products of the same ids), and each expert's weights meet all its pairs at once: on
 * the tensor cores (experts_half.cu, gate and up together with their GLU), or in F32 (experts_float.cu). */
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/kernels/experts_tile.h"
#include "backends/cuda/matmul_plan.h"

enum { FLOAT_PAIRS = 32, FLOAT_ROWS = 64, SPAN_BYTES = 256, STAGES = 3, WARPS = 4, MOST_BLOCKS = 65535 };

/* Pairs in the order of experts, and tiles of them. */
typedef struct pair_list {
    cuda_tensor *order, *tiles;
} pair_list;

static int64_t pair_count(const cuda_tensor *ids) { return ids->n[0] * cuda_rows(ids); }

/* Tiles of at most `each` pairs: all full, but for one an expert (and one of no expert). */
static int64_t most_tiles(const cuda_node *n, int each) {
    const int64_t pairs = pair_count(n->in[2]), groups = n->in[0]->n[2] + 1;
    return pairs / each + (pairs < groups ? pairs : groups);
}

/* The launch that has grouped the same pairs alike. */
static const cuda_launch *grouped(const cuda_plan *p, const cuda_tensor *ids, int64_t n_expert, int each) {
    for (uint32_t i = 0; i < p->n_launches; i++) {
        const cuda_launch *l = &p->launches[i];
        if (l->source && !strcmp(l->source, "experts_group.cu") && l->args[0].tensor == ids &&
            l->args[4].number.i == n_expert && l->args[5].number.i == each)
            return l;
    }
    return NULL;
}

static pair_list group(cuda_plan *p, const cuda_node *n, int each) {
    cuda_tensor *ids = n->in[2];
    const int64_t n_expert = n->in[0]->n[2];
    const cuda_launch *made = grouped(p, ids, n_expert, each);
    if (made) return (pair_list){ made->args[1].tensor, made->args[2].tensor };
    pair_list to = { cuda_scratch(p, (uint64_t)pair_count(ids) * 4 + 4),
                     cuda_scratch(p, (uint64_t)(most_tiles(n, each) + 1) * BP_EXPERTS_TILE_INTS * 4) };
    if (!to.order || !to.tiles) return to;
    cuda_launch *l = cuda_add(p, n, "experts_group.cu", "experts_group", BP_EXPERTS_THREADS, "%s", "");
    l->waits = true;
    cuda_arg_read(l, ids);
    cuda_arg_write(l, to.order);
    cuda_arg_write(l, to.tiles);
    cuda_arg_size(l, ids, CUDA_COUNT);
    cuda_arg_int(l, (int32_t)n_expert);
    cuda_arg_int(l, each);
    l->grid[0] = (cuda_extent){ .times = n_expert + 1 };
    return to;
}

static int64_t block_count(const cuda_node *n, int each) {
    const int64_t tiles = most_tiles(n, each);
    return tiles < MOST_BLOCKS ? tiles : MOST_BLOCKS;
}

/* Pairs that share a row of x. */
static int32_t sharing(const cuda_node *n) { return n->in[1]->rank < 3 ? (int32_t)n->in[2]->n[0] : 1; }

static void plan_float(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *w = n->in[0];
    const pair_list pairs = group(p, n, FLOAT_PAIRS);
    cuda_launch *l = cuda_add(p, n, "experts_float.cu", "experts_float", 256, "-DBP_TYPE=%u -DBP_ALIGNED=%d", w->type,
                              matmul_aligned(w));
    l->waits = true;
    l->what = "matmul experts";
    l->bytes = w->bytes;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_read(l, n->in[3]);
    cuda_arg_read(l, pairs.order);
    cuda_arg_read(l, pairs.tiles);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, (int32_t)w->n[2]);
    cuda_arg_int(l, sharing(n));
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + FLOAT_ROWS - 1) / FLOAT_ROWS };
    l->grid[1] = (cuda_extent){ .times = block_count(n, FLOAT_PAIRS) };
}

/* Where experts_half's arguments stand. */
enum { EXPERTS_OUT = 7, EXPERTS_HALVES, EXPERTS_BF16 };

cuda_tensor *matmul_experts_halves(cuda_plan *p, const cuda_node *n, cuda_tensor *x, uint32_t form) {
    for (uint32_t i = 0; i < p->n_launches; i++) {
        cuda_launch *l = &p->launches[i];
        if (!l->source || strcmp(l->source, "experts_half.cu") || l->args[EXPERTS_OUT].tensor != x) continue;
        cuda_tensor *made = l->args[EXPERTS_HALVES].tensor;
        if (made || !strstr(l->options, "-DBP_GLU=1"))
            return l->args[EXPERTS_BF16].number.i == (form == BP_TYPE_BF16) ? made : NULL;
        cuda_tensor *to = cuda_scratch(p, (uint64_t)x->n[0] * (uint64_t)cuda_rows(x) * 2);
        if (!to) return x;
        l->args[EXPERTS_HALVES] = (cuda_arg){ .kind = CUDA_ARG_WRITE, .tensor = to };
        l->args[EXPERTS_BF16].number.i = form == BP_TYPE_BF16;
        if (cuda_private_to(p, x, n)) l->args[EXPERTS_OUT].kind = CUDA_ARG_NULL;
        return to;
    }
    return NULL;
}

/* Small tiles where experts have few pairs each: they take fewer registers, so that more loads are under way. */
static int half_pairs(const cuda_node *n) { return pair_count(n->in[2]) > 16 * n->in[0]->n[2] ? 64 : 32; }

/* One product, or gate and up with their GLU. */
static void plan_half(cuda_plan *p, const cuda_node *n, const cuda_node *up, const cuda_node *glu, uint32_t form) {
    const cuda_tensor *w = n->in[0];
    const bp_glu_params *g = glu ? &glu->params.glu : NULL;
    const int each = half_pairs(n), rows = WARPS * (glu ? 16 : 32);
    const pair_list pairs = group(p, n, each);
    cuda_tensor *x = matmul_convert(p, n, form);
    cuda_launch *l = cuda_add(p, n, "experts_half.cu", "experts_half", 32 * WARPS,
                              "-DBP_TYPE=%u -DBP_GLU=%d -DBP_PAIRS=%d", w->type, glu != NULL, each);
    l->shared = (uint32_t)(STAGES * each * SPAN_BYTES);
    l->waits = true;
    l->what = glu ? "matmul experts glu" : "matmul experts";
    l->n_nodes = glu ? 3 : 1;
    l->bytes = w->bytes * (glu ? 2 : 1);
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, up ? up->in[0] : n->in[0]);
    cuda_arg_read(l, n->in[3]);
    cuda_arg_read(l, up ? up->in[3] : NULL);
    cuda_arg_read(l, x);
    cuda_arg_read(l, pairs.order);
    cuda_arg_read(l, pairs.tiles);
    cuda_arg_write(l, glu ? glu->out[0] : n->out[0]); /* EXPERTS_OUT */
    cuda_arg_write(l, NULL);                          /* EXPERTS_HALVES: matmul_experts_halves */
    cuda_arg_int(l, 0);
    cuda_arg_int(l, (int32_t)w->n[0]);
    cuda_arg_int(l, (int32_t)w->n[1]);
    cuda_arg_int(l, (int32_t)w->n[2]);
    cuda_arg_int(l, sharing(n));
    cuda_arg_int(l, g ? (int32_t)g->f : 0);
    cuda_arg_float(l, g ? g->limit : 0);
    cuda_arg_float(l, g ? g->up_bias : 0);
    l->grid[0] = (cuda_extent){ .times = (w->n[1] + rows - 1) / rows };
    l->grid[1] = (cuda_extent){ .times = block_count(n, each) };
}

bool matmul_experts(cuda_plan *p, const cuda_node *n) {
    const cuda_tensor *w = n->in[0], *ids = n->in[2];
    if (cuda_rows(ids) <= MATMUL_FEW || cuda_plan_deterministic(p) || w->n[2] > BP_EXPERTS_MOST ||
        pair_count(ids) > INT32_MAX)
        return false;
    const uint32_t form = matmul_form(p, w);
    if (form == BP_TYPE_F32) {
        plan_float(p, n);
        return true;
    }
    const gated_pair g = matmul_gated(p, n);
    if (g.glu) {
        cuda_claim(p, g.gate->index), cuda_claim(p, g.up->index), cuda_claim(p, g.glu->index);
        plan_half(p, g.gate, g.up, g.glu, form);
    } else {
        plan_half(p, n, NULL, NULL, form);
    }
    return true;
}
