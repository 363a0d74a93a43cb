/* What the weight ops compute, in double precision. */
#include <math.h>
#include <stdlib.h>

#include "core/conformance/check_case.h"

void bp_oracle_embed(bp_check_case *c) {
    const bp_check_value *table = bp_check_arg(c, 0);
    bp_check_value *out = bp_check_result(c, 0);
    const double *ids = bp_check_real(c, 1);
    double scale = c->params.embed.scale != 0 ? c->params.embed.scale : 1;
    for (int64_t j = 0, n = out->dim[0]; j < out->count; j++) {
        double id = ids[j / n];
        bool there = id >= 0 && id < (double)table->dim[1];
        out->real[j] = there ? scale * table->real[(int64_t)id * n + j % n] : 0;
    }
}

/* The product of one row; the squares of its terms are added to *energy. */
static double dot(const double *w, const double *x, int64_t n, double *energy) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += w[i] * x[i];
        *energy += w[i] * w[i] * x[i] * x[i];
    }
    return sum;
}

void bp_oracle_matmul(bp_check_case *c) {
    const double *w = bp_check_real(c, 0), *x = bp_check_real(c, 1), *bias = bp_check_real(c, 2);
    bp_check_value *out = bp_check_result(c, 0);
    int64_t n = bp_check_arg(c, 0)->dim[0], rows = out->dim[0];
    for (int64_t j = 0; j < out->count; j++) {
        int64_t o = j % rows;
        out->real[j] = dot(w + o * n, x + j / rows * n, n, &out->energy) + (bias ? bias[o] : 0);
    }
}

void bp_oracle_experts(bp_check_case *c) {
    const bp_check_value *w = bp_check_arg(c, 0), *x = bp_check_arg(c, 1);
    const double *ids = bp_check_real(c, 2), *bias = bp_check_real(c, 3);
    bp_check_value *out = bp_check_result(c, 0);
    int64_t n = w->dim[0], rows = w->dim[1], used = out->dim[1];
    for (int64_t j = 0; j < out->count; j++) {
        int64_t o = j % rows, ut = j / rows, e = ids ? (int64_t)ids[ut] : ut % used;
        const double *row = x->real + (x->rank == 3 ? ut : ut / used) * n;
        out->real[j] = 0;
        if (e < 0 || e >= w->dim[2]) continue;
        out->real[j] = dot(w->real + (e * rows + o) * n, row, n, &out->energy) + (bias ? bias[e * rows + o] : 0);
    }
}

void bp_oracle_combine(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    const double *weights = bp_check_real(c, 1);
    bp_check_value *out = bp_check_result(c, 0);
    int64_t n = x->dim[0], used = x->dim[1];
    for (int64_t j = 0; j < out->count; j++) {
        int64_t t = j / n;
        for (int64_t u = 0; u < used; u++) {
            double term = weights[t * used + u] * x->real[(t * used + u) * n + j % n];
            out->real[j] += term;
            out->energy += term * term;
        }
    }
}

static void softmax(const double *x, int64_t n, double *p) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fmax(top, x[i]);
    for (int64_t i = 0; i < n; i++) sum += p[i] = exp(x[i] - top);
    for (int64_t i = 0; i < n; i++) p[i] /= sum;
}

static int64_t best(const double *score, int64_t n) {
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++) if (score[i] > score[at]) at = i;
    return at;
}

/* Scores of experts outside the best groups become -infinity. */
static void keep_groups(const bp_route_experts_params *p, double *score, int64_t n) {
    int64_t width = n / p->n_groups;
    double sum[64];
    for (uint32_t g = 0; g < p->n_groups; g++) {
        double first = -INFINITY, second = -INFINITY;
        for (int64_t i = g * width; i < (g + 1) * width; i++) {
            if (score[i] > first) {
                second = first;
                first = score[i];
            } else if (score[i] > second) {
                second = score[i];
            }
        }
        sum[g] = width > 1 ? first + second : first;
    }
    bool kept[64] = { false };
    for (uint32_t k = 0; k < p->n_groups_used; k++) {
        int64_t g = best(sum, p->n_groups);
        kept[g] = true;
        sum[g] = -INFINITY;
    }
    for (int64_t i = 0; i < n; i++) if (!kept[i / width]) score[i] = -INFINITY;
}

static void route(const bp_route_experts_params *r, const double *x, const double *bias, int64_t n, double *ids,
                  double *out) {
    double p[256], score[256], sum = 0;
    if (r->gating == BP_GATING_SOFTMAX) softmax(x, n, p);
    for (int64_t i = 0; i < n; i++) {
        if (r->gating == BP_GATING_SIGMOID) p[i] = 1 / (1 + exp(-x[i]));
        if (r->gating == BP_GATING_SOFTMAX_CHOSEN) p[i] = x[i];
        score[i] = p[i] + (bias ? bias[i] : 0);
    }
    if (r->n_groups > 1) keep_groups(r, score, n);
    for (uint32_t u = 0; u < r->n_used; u++) {
        int64_t e = best(score, n);
        ids[u] = (double)e;
        out[u] = p[e];
        score[e] = -INFINITY;
    }
    if (r->gating == BP_GATING_SOFTMAX_CHOSEN) softmax(out, r->n_used, out);
    for (uint32_t u = 0; u < r->n_used; u++) sum += out[u];
    for (uint32_t u = 0; u < r->n_used; u++) {
        out[u] = (r->normalise ? out[u] / sum : out[u]) * (r->scale != 0 ? r->scale : 1);
    }
}

void bp_oracle_route(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0);
    const bp_route_experts_params *r = &c->params.route;
    for (int64_t t = 0; t < x->dim[1]; t++) {
        route(r, x->real + t * x->dim[0], bp_check_real(c, 1), x->dim[0], bp_check_result(c, 0)->real + t * r->n_used,
              bp_check_result(c, 1)->real + t * r->n_used);
    }
}
