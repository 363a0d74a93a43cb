/* ops_select: top_k, argmax, route_experts, combine_experts and pool. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"

typedef struct pick {
    float value;
    int32_t id;
} pick;

static bool better(pick a, pick b) { return a.value > b.value || (a.value == b.value && a.id < b.id); }
static pick pick_of(const float *x, int64_t i) { return (pick){ isnan(x[i]) ? -INFINITY : x[i], (int32_t)i }; }
static pick get(const float *v, const int32_t *id, int64_t i) { return (pick){ v[i], id[i] }; }
static void put(float *v, int32_t *id, int64_t i, pick p) { v[i] = p.value, id[i] = p.id; }

/* Put p at the root of a heap of n whose root is the worst, and restore the order. */
static void sift(float *v, int32_t *id, int64_t n, int64_t at, pick p) {
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && better(get(v, id, child), get(v, id, child + 1))) child++;
        if (!better(p, get(v, id, child))) break;
        put(v, id, at, get(v, id, child));
        at = child;
    }
    put(v, id, at, p);
}

static void top_k(const float *x, int64_t n, int64_t k, float *v, int32_t *id) {
    if (k == 0) return;
    for (int64_t i = 0; i < k; i++) put(v, id, i, pick_of(x, i));
    for (int64_t i = k / 2; i-- > 0;) sift(v, id, k, i, get(v, id, i));
    for (int64_t i = k; i < n; i++) {
        if (better(pick_of(x, i), get(v, id, 0))) sift(v, id, k, 0, pick_of(x, i));
    }
    for (int64_t i = k - 1; i > 0; i--) {
        pick worst = get(v, id, 0);
        sift(v, id, i, 0, get(v, id, i));
        put(v, id, i, worst);
    }
}

void cpu_run_top_k(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[0]->n[0], k = t->out[0]->n[0], first, last;
    cpu_share(t->in[0]->n[1], thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        int32_t *ids = (int32_t *)(void *)t->out[1]->data;
        top_k(cpu_f32(t->in[0]) + r * n, n, k, cpu_f32_out(t->out[0]) + r * k, ids + r * k);
    }
}

void cpu_run_argmax(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[0]->n[0], first, last;
    cpu_share(t->in[0]->n[1], thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        float value;
        top_k(cpu_f32(t->in[0]) + r * n, n, 1, &value, (int32_t *)(void *)t->out[0]->data + r);
    }
}

/* One token's rows in the thread's scratch: p, p with the bias, and room for groups. */
typedef struct route_rows {
    float *p, *rank, *group;
    int32_t *ids;
} route_rows;

static void gate(const cpu_task *t, const float *x, int64_t n, float *p) {
    uint32_t gating = t->params.route.gating;
    memcpy(p, x, (size_t)n * sizeof *p);
    if (gating == BP_GATING_SIGMOID) {
        for (int64_t i = 0; i < n; i++) p[i] = 1 / (1 + expf(-x[i]));
    } else if (gating == BP_GATING_SOFTMAX) {
        float most = -INFINITY;
        for (int64_t i = 0; i < n; i++) most = x[i] > most || isnan(x[i]) ? x[i] : most;
        t->device->vec->scale(p, 1 / t->device->vec->exp_sum(p, most, n), n);
    }
}

static float best_two(const float *x, int64_t n) {
    float a = -INFINITY, b = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] > a) b = a, a = x[i];
        else if (x[i] > b) b = x[i];
    }
    return n > 1 ? a + b : a;
}

static void limit_groups(const cpu_task *t, const route_rows *r, int64_t n) {
    int64_t groups = t->params.route.n_groups, each = n / groups, used = t->params.route.n_groups_used;
    for (int64_t g = 0; g < groups; g++) r->group[g] = best_two(r->rank + g * each, each);
    top_k(r->group, groups, used, r->group + groups, r->ids);
    for (int64_t g = 0; g < groups; g++) {
        bool chosen = false;
        for (int64_t i = 0; i < used; i++) chosen = chosen || r->ids[i] == g;
        for (int64_t i = 0; !chosen && i < each; i++) r->rank[g * each + i] = -INFINITY;
    }
}

static void weigh(const cpu_task *t, const route_rows *r, const int32_t *ids, float *weights) {
    const bp_route_experts_params *p = &t->params.route;
    float sum = 0, scale = p->scale == 0 ? 1 : p->scale;
    for (int64_t u = 0; u < p->n_used; u++) weights[u] = r->p[ids[u]];
    if (p->gating == BP_GATING_SOFTMAX_CHOSEN) {
        float most = -INFINITY;
        for (int64_t u = 0; u < p->n_used; u++) most = weights[u] > most || isnan(weights[u]) ? weights[u] : most;
        t->device->vec->scale(weights, 1 / t->device->vec->exp_sum(weights, most, p->n_used), p->n_used);
    }
    for (int64_t u = 0; u < p->n_used; u++) sum += weights[u];
    for (int64_t u = 0; u < p->n_used; u++) weights[u] = (p->normalise ? weights[u] / sum : weights[u]) * scale;
}

void cpu_run_route(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[0]->n[0], used = t->params.route.n_used, first, last;
    float *own = cpu_f32_out(t->scratch[0]) + thread * 5 * n;
    route_rows r = { own, own + n, own + 2 * n, (int32_t *)(void *)(own + 4 * n) };
    cpu_share(t->in[0]->n[1], thread, n_threads, &first, &last);
    for (int64_t token = first; token < last; token++) {
        int32_t *ids = (int32_t *)(void *)t->out[0]->data + token * used;
        float *weights = cpu_f32_out(t->out[1]) + token * used;
        gate(t, cpu_f32(t->in[0]) + token * n, n, r.p);
        for (int64_t i = 0; i < n; i++) r.rank[i] = r.p[i] + (t->in[1] ? cpu_f32(t->in[1])[i] : 0);
        if (t->params.route.n_groups > 1) limit_groups(t, &r, n);
        top_k(r.rank, n, used, weights, ids);
        weigh(t, &r, ids, weights);
    }
}

void cpu_run_combine(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[0]->n[0], used = t->in[0]->n[1];
    cpu_span s = cpu_split(n, t->in[0]->n[2], thread, n_threads);
    for (int64_t r = s.row0; r < s.row1; r++) {
        float *out = cpu_f32_out(t->out[0]) + r * n + s.col0;
        memset(out, 0, (size_t)(s.col1 - s.col0) * sizeof *out);
        for (int64_t u = 0; u < used; u++) {
            const float *x = cpu_f32(t->in[0]) + (r * used + u) * n + s.col0;
            t->device->vec->axpy(out, x, cpu_f32(t->in[1])[r * used + u], s.col1 - s.col0);
        }
    }
}

static void pool_sequence(const cpu_task *t, int64_t sequence, int64_t c0, int64_t c1) {
    int64_t n = t->in[0]->n[0], tokens = t->in[0]->n[1], count = 0, width = c1 - c0;
    float *out = cpu_f32_out(t->out[0]) + sequence * n + c0;
    memset(out, 0, (size_t)width * sizeof *out);
    for (int64_t i = 0; i < tokens; i++) {
        const float *x = cpu_f32(t->in[0]) + i * n + c0;
        if (cpu_i32(t->in[1])[i] != sequence) continue;
        count++;
        if (t->params.pool.kind == BP_POOL_MEAN) t->device->vec->axpy(out, x, 1, width);
        else if (t->params.pool.kind == BP_POOL_LAST || count == 1) memcpy(out, x, (size_t)width * sizeof *out);
    }
    if (t->params.pool.kind == BP_POOL_MEAN && count > 1) t->device->vec->scale(out, 1 / (float)count, width);
}

void cpu_run_pool(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    cpu_span s = cpu_split(t->out[0]->n[0], t->out[0]->n[1], thread, n_threads);
    for (int64_t r = s.row0; r < s.row1; r++) pool_sequence(t, r, s.col0, s.col1);
}
