/* ROPE and KV_WRITE, and both in one launch (heads.cu) where queries, keys and values go to attention as usual; the norms
 * of the heads before the rotation are taken along. */
#include "backends/cuda/heads_plan.h"

#include <math.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"

enum { THREADS = 256, BLOCK_LIMIT = 1 << 20, WIDEST = 512, LOOK_AHEAD = 6 };

cuda_tensor *cuda_rope_turns(cuda_plan *p, const bp_rope_params *r, float *magnitude) {
    const double pi = 3.14159265358979323846, scale = r->freq_scale == 0 ? 1 : r->freq_scale;
    double low = 0, high = 0, turns[512], by = r->attn_scale == 0 ? 1 : r->attn_scale;
    if (r->yarn_factor != 0) {
        double corner[2] = { r->beta_fast, r->beta_slow };
        for (int i = 0; i < 2; i++) corner[i] = r->n_dims * log(r->n_ctx_orig / (corner[i] * 2 * pi)) / (2 * log(r->base));
        low = fmax(0, floor(corner[0]));
        high = fmin((double)r->n_dims - 1, ceil(corner[1]));
        by *= 1 + 0.1 * log(1 / scale);
    }
    for (uint32_t i = 0; i < r->n_dims / 2 && i < 512; i++) {
        double ramp = fmin(1, fmax(0, ((double)i - low) / fmax(0.001, high - low))), mix = r->yarn_factor * (1 - ramp);
        double part = r->yarn_factor == 0 ? scale : scale * (1 - mix) + mix;
        turns[i] = part * pow(r->base, -2.0 * (double)i / r->n_dims) / (2 * pi);
    }
    *magnitude = (float)by;
    return cuda_constant(p, turns, r->n_dims / 2 ? r->n_dims / 2 * sizeof *turns : 8);
}

void cuda_rope_numbers(cuda_launch *l, const bp_rope_params *r) {
    cuda_arg_int(l, (int32_t)r->n_dims);
    cuda_arg_int(l, r->pairing == BP_ROPE_HALVES);
    for (int i = 0; i < 4; i++) cuda_arg_int(l, (int32_t)r->sections[i]);
}

static void cache_numbers(cuda_launch *l, const cuda_tensor *k, const cuda_tensor *v) {
    cuda_arg_int(l, (int32_t)k->n[0]);
    cuda_arg_int(l, v ? (int32_t)v->n[0] : 0);
    cuda_arg_int(l, (int32_t)k->n[1]);
    cuda_arg_int(l, (int32_t)k->n[3]);
    cuda_arg_int64(l, (int64_t)bp_row_bytes(k->type, k->n[0]));
    cuda_arg_int64(l, v ? (int64_t)bp_row_bytes(v->type, v->n[0]) : 0);
}

/* ---- All in one launch ---- */

static bool same_rope(const cuda_node *a, const cuda_node *b) {
    return b->op == BP_OP_ROPE && b->in[1] == a->in[1] && b->in[2] == a->in[2] &&
           !memcmp(&a->params.rope, &b->params.rope, sizeof a->params.rope);
}

/* A plain norm of each head, which only `rope` reads. */
static bool norms_heads(const cuda_plan *p, const cuda_node *n, const cuda_node *rope) {
    const uint32_t width = rope->params.rope.head_dim;
    return n->op == BP_OP_RMS_NORM && n->out[0] == rope->in[0] && !n->in[1] && !n->in[3] && !n->out[1] &&
           (n->params.norm.group ? n->params.norm.group : n->in[0]->n[0]) == width &&
           (!n->in[2] || n->in[2]->n[0] == width) && cuda_private_to(p, n->out[0], rope);
}

/* The KV_WRITE soon after the rope of the queries, before any attention. */
static const cuda_node *find_write(const cuda_plan *p, const cuda_node *q) {
    for (uint32_t i = q->index + 1; i < cuda_node_count(p) && i < q->index + LOOK_AHEAD; i++) {
        const cuda_node *w = cuda_node_at(p, i);
        if (w->op == BP_OP_ATTENTION || w->op == BP_OP_ATTENTION_SCORES || w->op == BP_OP_ATTENTION_MIX) return NULL;
        if (w->op == BP_OP_KV_WRITE && !cuda_planned(p, i) && w->in[1]) return w;
    }
    return NULL;
}

/* The node in [from, to) that makes t, not planned yet. */
static const cuda_node *find_maker(const cuda_plan *p, uint32_t from, uint32_t to, const cuda_tensor *t) {
    for (uint32_t i = from; i < to; i++)
        if (cuda_node_at(p, i)->out[0] == t && !cuda_planned(p, i)) return cuda_node_at(p, i);
    return NULL;
}

static bool caches_fit(const cuda_node *w, const bp_rope_params *r) {
    const cuda_tensor *k = w->out[0], *v = w->out[1];
    return r->head_dim == k->n[0] && r->head_dim <= WIDEST && k->n[1] == v->n[1] && k->n[3] == v->n[3];
}

/* n: the norm or the rope of the queries, whose input is there; not those of the keys, though they look alike. */
static bool find_group(const cuda_plan *p, const cuda_node *n, head_group *g) {
    *g = (head_group){ .q = n };
    if (n->op == BP_OP_RMS_NORM) {
        if (cuda_reader_count(p, n->out[0]) != 1) return false;
        g->q_norm = n, g->q = cuda_reader(p, n->out[0], 0);
        if (g->q->op != BP_OP_ROPE || cuda_planned(p, g->q->index) || !norms_heads(p, n, g->q)) return false;
    }
    g->write = find_write(p, g->q);
    g->k = g->write ? find_maker(p, n->index + 1, g->write->index, g->write->in[0]) : NULL;
    if (!g->k || g->k == g->q || !same_rope(g->q, g->k) || !caches_fit(g->write, &g->q->params.rope)) return false;
    const cuda_tensor *keys = g->k->in[0], *factors = g->q->in[2];
    if (factors && !cuda_available(p, factors)) return false; /* made between n and the rope */
    if (!cuda_available(p, keys)) {
        g->k_norm = find_maker(p, n->index + 1, g->k->index, keys);
        if (!g->k_norm || !norms_heads(p, g->k_norm, g->k)) return false;
        keys = g->k_norm->in[0];
    }
    return cuda_private_to(p, g->k->out[0], g->write) && cuda_available(p, keys) && cuda_available(p, g->write->in[1]);
}

void cuda_head_norm_numbers(cuda_launch *l, const cuda_node *norm) {
    cuda_arg_int(l, norm != NULL);
    cuda_arg_float(l, norm ? norm->params.norm.eps : 0);
}

static void plan_group(cuda_plan *p, const cuda_node *n, const head_group *g) {
    float magnitude;
    const cuda_node *w = g->write;
    const bp_rope_params *r = &g->q->params.rope;
    cuda_tensor *turns = cuda_rope_turns(p, r, &magnitude), *q = heads_of_queries(g), *k = heads_of_keys(g);
    int64_t heads_q = q->n[0] / r->head_dim, heads = w->params.kv.n_head_kv;
    cuda_launch *l = cuda_add(p, n, "heads.cu", "heads", 128, "-DKTYPE=%u -DVTYPE=%u", w->out[0]->type, w->out[1]->type);
    l->grid[0] = (cuda_extent){ q, CUDA_AXIS_1, 1, (heads_q + 2 * heads + 3) / 4, 0 };
    l->waits = true;
    l->what = g->q_norm || g->k_norm ? "norm_rope_kv_write" : "rope_kv_write";
    l->n_nodes = 3 + (g->q_norm != NULL) + (g->k_norm != NULL);
    cuda_tensor *in[] = { q, k, w->in[1], g->q->in[1], w->in[2], turns, g->q->in[2], g->q_norm ? g->q_norm->in[2] : NULL,
                          g->k_norm ? g->k_norm->in[2] : NULL };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) cuda_arg_read(l, in[i]);
    cuda_arg_write(l, g->q->out[0]);
    cuda_arg_update(l, w->out[0]);
    cuda_arg_update(l, w->out[1]);
    cuda_arg_size(l, q, CUDA_AXIS_1);
    cuda_arg_int(l, (int32_t)heads_q);
    cuda_arg_int(l, (int32_t)heads);
    cache_numbers(l, w->out[0], w->out[1]);
    cuda_arg_float(l, magnitude);
    cuda_rope_numbers(l, r);
    cuda_head_norm_numbers(l, g->q_norm);
    cuda_head_norm_numbers(l, g->k_norm);
}

bool cuda_plan_heads(cuda_plan *p, const cuda_node *n) {
    head_group g;
    if (!find_group(p, n, &g)) return false;
    const cuda_node *all[] = { g.q_norm, g.k_norm, g.q, g.k, g.write };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) cuda_claim(p, all[i]->index);
    if (!cuda_plan_fresh_attention(p, &g)) plan_group(p, n, &g);
    return true;
}

/* ---- Each on its own ---- */

void cuda_plan_rope(cuda_plan *p, const cuda_node *n) {
    if (cuda_plan_heads(p, n)) return;
    float magnitude;
    cuda_tensor *turns = cuda_rope_turns(p, &n->params.rope, &magnitude);
    cuda_launch *l = cuda_add(p, n, "rope.cu", "rope", THREADS, "%s", "");
    l->grid[0] = (cuda_extent){ n->out[0], CUDA_COUNT, THREADS, 1, BLOCK_LIMIT };
    l->waits = true;
    cuda_arg_read(l, n->in[0]);
    cuda_arg_read(l, n->in[1]);
    cuda_arg_read(l, turns);
    cuda_arg_read(l, n->in[2]);
    cuda_arg_write(l, n->out[0]);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_0);
    cuda_arg_size(l, n->in[0], CUDA_ROWS);
    cuda_arg_float(l, magnitude);
    cuda_arg_int(l, (int32_t)n->params.rope.head_dim);
    cuda_rope_numbers(l, &n->params.rope);
}

void cuda_plan_kv(cuda_plan *p, const cuda_node *n) {
    cuda_tensor *k = n->out[0], *v = n->out[1];
    int64_t rows = (v ? 2 : 1) * (int64_t)n->params.kv.n_head_kv;
    cuda_launch *l = cuda_add(p, n, "kv_write.cu", "kv_write", 128, "-DKTYPE=%u -DVTYPE=%u", k->type, v ? v->type : k->type);
    l->grid[0] = (cuda_extent){ n->in[0], CUDA_AXIS_1, 1, (rows + 3) / 4, 0 };
    l->waits = true;
    for (int i = 0; i < 3; i++) cuda_arg_read(l, n->in[i]);
    cuda_arg_update(l, k);
    cuda_arg_update(l, v);
    cuda_arg_size(l, n->in[0], CUDA_AXIS_1);
    cuda_arg_int(l, (int32_t)n->params.kv.n_head_kv);
    cache_numbers(l, k, v);
}
