#include "reference.h"

typedef struct router {
    const bp_route_experts_params *params;
    int64_t n;
    double *p, *key; /* gated logits; what is chosen by: p + bias */
    uint8_t *allowed;
} router;

static void gate(const router *r, const float *logits) {
    for (int64_t i = 0; i < r->n; i++) r->p[i] = logits[i];
    if (r->params->gating == BP_GATING_SOFTMAX) ref_softmax_row(r->p, r->n, NULL);
    if (r->params->gating == BP_GATING_SIGMOID)
        for (int64_t i = 0; i < r->n; i++) r->p[i] = ref_activate(BP_ACT_SIGMOID, r->p[i], 0, 0);
}

/* The two best keys of group g, summed. */
static double group_score(const router *r, int64_t g, int64_t width) {
    double best = -INFINITY, second = -INFINITY;
    for (int64_t i = g * width; i < (g + 1) * width; i++) {
        if (r->key[i] > best)
            second = best, best = r->key[i];
        else if (r->key[i] > second)
            second = r->key[i];
    }
    return width > 1 ? best + second : best;
}

/* Allow the experts of the best groups only: those with fewer than n_groups_used groups before them. */
static void choose_groups(const router *r) {
    int64_t n_groups = r->params->n_groups, width = r->n / n_groups;
    for (int64_t g = 0; g < n_groups; g++) {
        double mine = group_score(r, g, width);
        int64_t before = 0;
        for (int64_t o = 0; o < n_groups; o++) {
            double other = group_score(r, o, width);
            before += other > mine || (other == mine && o < g);
        }
        if (before >= r->params->n_groups_used) memset(r->allowed + g * width, 0, (size_t)width);
    }
}

static int64_t take_best(const router *r) {
    int64_t best = -1;
    for (int64_t i = 0; i < r->n; i++)
        if (r->allowed[i] && (best < 0 || r->key[i] > r->key[best])) best = i;
    if (best >= 0) r->allowed[best] = 0;
    return best;
}

static void weigh(const router *r, const int32_t *ids, float *weights) {
    double w[256], sum = 0, scale = r->params->scale != 0 ? r->params->scale : 1;
    int64_t n = r->params->n_used;
    for (int64_t u = 0; u < n; u++) w[u] = ids[u] >= 0 ? r->p[ids[u]] : 0;
    if (r->params->gating == BP_GATING_SOFTMAX_CHOSEN) ref_softmax_row(w, n, NULL);
    for (int64_t u = 0; u < n; u++) sum += w[u];
    for (int64_t u = 0; u < n; u++) weights[u] = (float)((r->params->normalise ? w[u] / sum : w[u]) * scale);
}

static void route(const router *r, const float *logits, const float *bias, int32_t *ids, float *weights) {
    gate(r, logits);
    for (int64_t i = 0; i < r->n; i++) {
        r->key[i] = r->p[i] + (bias ? bias[i] : 0.0);
        if (isnan(r->key[i])) r->key[i] = -INFINITY;
    }
    memset(r->allowed, 1, (size_t)r->n);
    if (r->params->n_groups > 1) choose_groups(r);
    for (uint32_t u = 0; u < r->params->n_used; u++) ids[u] = (int32_t)take_best(r);
    weigh(r, ids, weights);
}

bp_status ref_run_ROUTE_EXPERTS(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *ids = &c->out[0], *weights = &c->out[1];
    router r = { c->params, x->ne[0], NULL, NULL, NULL };
    REF_NEED(r.params->n_used <= 256 && r.params->n_used <= r.n);
    REF_NEED(ids->ne[0] == r.params->n_used && ref_same(ids, weights) && ref_rows(ids) == ref_rows(x));
    REF_NEED(!c->in[1].data || ref_count(&c->in[1]) == r.n);
    REF_NEED(r.params->n_groups <= 1 || r.n % r.params->n_groups == 0);
    r.p = ref_alloc(c, 2 * r.n, sizeof *r.p);
    r.allowed = ref_alloc(c, r.n, 1);
    r.key = r.p + (r.p ? r.n : 0);
    for (int64_t t = 0; r.p && r.allowed && t < ref_rows(x); t++)
        route(&r, ref_row(x, t), c->in[1].data, ref_row(ids, t), ref_row(weights, t));
    bp_status status = r.p && r.allowed ? BP_OK : bp_simple_fail(error, BP_E_NO_MEMORY, "no memory to route", NULL);
    ref_free(c, r.p);
    ref_free(c, r.allowed);
    return status;
}

bp_status ref_run_COMBINE_EXPERTS(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *w = &c->in[1], *out = &c->out[0];
    int64_t n = x->ne[0], n_used = w->ne[0];
    REF_NEED(out->ne[0] == n && ref_count(w) == ref_rows(x) && ref_rows(out) * n_used == ref_rows(x));
    const float *weights = w->data, *from = x->data;
    for (int64_t t = 0; t < ref_rows(out); t++)
        for (int64_t i = 0; i < n; i++) {
            double sum = 0;
            for (int64_t u = t * n_used; u < (t + 1) * n_used; u++)
                sum += (double)weights[u] * (double)from[u * n + i];
            ((float *)out->data)[t * n + i] = (float)sum;
        }
    return BP_OK;
}
