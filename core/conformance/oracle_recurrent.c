/* What the recurrent ops compute, in double precision: each sequence on its own, from its first token in the batch on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformance/check_case.h"

/* The tokens of one sequence, and its state of `size` values; false where the sequence has no slot. */
typedef struct walk {
    const double *positions, *sequences;
    int64_t sequence, n_tokens, t;
    double *state;
    int64_t size;
} walk;

static bool walk_begin(const bp_check_case *c, uint32_t first, int64_t sequence, bp_check_value *state, walk *w) {
    const bp_check_value *positions = bp_check_arg(c, first), *slots = bp_check_arg(c, first + 2);
    int64_t n_slots = state->dim[state->rank - 1], slot = (int64_t)slots->real[sequence];
    *w = (walk){ positions->real, bp_check_real(c, first + 1), sequence, positions->count, -1, NULL, state->count / n_slots };
    if (slot < 0 || slot >= n_slots) return false;
    w->state = state->real + slot * w->size;
    return true;
}

/* The next token of the sequence; false at the end. */
static bool walk_next(walk *w) {
    while (++w->t < w->n_tokens && (int64_t)w->sequences[w->t] != w->sequence) continue;
    if (w->t >= w->n_tokens) return false;
    if (w->positions[w->t] == 0) memset(w->state, 0, sizeof *w->state * (size_t)w->size);
    return true;
}

void bp_oracle_conv(bp_check_case *c) {
    const bp_check_value *x = bp_check_arg(c, 0), *w = bp_check_arg(c, 1);
    const double *bias = bp_check_real(c, 2);
    bp_check_value *out = bp_check_result(c, 0), *state = bp_check_result(c, 1);
    int64_t n = x->dim[0], k = w->dim[0];
    for (int64_t q = 0; q < bp_check_arg(c, 5)->count; q++) {
        walk at;
        if (!walk_begin(c, 3, q, state, &at)) continue;
        while (walk_next(&at)) {
            double *past = at.state;
            for (int64_t i = 0; i < n; i++) {
                double now = x->real[at.t * n + i], sum = bias ? bias[i] : 0;
                for (int64_t j = 0; j < k; j++) sum += w->real[i * k + j] * (j == k - 1 ? now : past[j * n + i]);
                out->real[at.t * n + i] = bp_oracle_activate(c->params.conv.f, sum, 0, 0);
            }
            memmove(past, past + n, sizeof *past * (size_t)(n * (k - 2)));
            memcpy(past + n * (k - 2), x->real + at.t * n, sizeof *past * (size_t)n);
        }
    }
}

static void scan_token(const bp_check_case *c, int64_t t, double *state, double *y) {
    const bp_check_value *x = bp_check_arg(c, 0), *a = bp_check_arg(c, 2);
    const double *d = bp_check_real(c, 5), *bias = bp_check_real(c, 6);
    int64_t heads = c->params.scan.n_head, groups = c->params.scan.n_group, width = x->dim[0];
    int64_t n = bp_check_arg(c, 3)->dim[0] / groups;
    for (int64_t i = 0; i < width; i++) {
        int64_t h = i / (width / heads), g = h / (heads / groups);
        double now = x->real[t * width + i];
        double s = bp_oracle_activate(BP_ACT_SOFTPLUS, bp_check_real(c, 1)[t * heads + h] + (bias ? bias[h] : 0), 0, 0);
        y[i] = d ? d[h] * now : 0;
        for (int64_t j = 0; j < n; j++) {
            double rate = a->real[h * a->dim[0] + (a->dim[0] == 1 ? 0 : j)], *at = state + i * n + j;
            *at = exp(s * rate) * *at + s * bp_check_real(c, 3)[(t * groups + g) * n + j] * now;
            y[i] += bp_check_real(c, 4)[(t * groups + g) * n + j] * *at;
        }
    }
}

void bp_oracle_scan(bp_check_case *c) {
    bp_check_value *out = bp_check_result(c, 0), *state = bp_check_result(c, 1);
    for (int64_t q = 0; q < bp_check_arg(c, 9)->count; q++) {
        walk at;
        if (!walk_begin(c, 7, q, state, &at)) continue;
        while (walk_next(&at)) scan_token(c, at.t, at.state, out->real + at.t * out->dim[0]);
    }
}

static double length_of(const double *x, int64_t n, double eps) {
    double sum = eps;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    return eps > 0 ? sqrt(sum) : 1;
}

static void delta_head(const bp_check_case *c, int64_t t, int64_t h, int64_t m, double *state, double *y) {
    const bp_delta_rule_params *p = &c->params.delta;
    int64_t heads = p->n_head, n = bp_check_arg(c, 0)->dim[0] / p->n_head_k, row = (t * p->n_head_k + h / (heads / p->n_head_k)) * n;
    const double *q = bp_check_real(c, 0) + row, *k = bp_check_real(c, 1) + row, *v = bp_check_real(c, 2) + (t * heads + h) * m;
    double decay = exp(bp_check_real(c, 3)[t * heads + h]), beta = bp_check_real(c, 4)[t * heads + h];
    double q_by = (p->scale != 0 ? p->scale : 1) / length_of(q, n, p->l2_eps), k_by = 1 / length_of(k, n, p->l2_eps);
    for (int64_t j = 0; j < m; j++) {
        double *s = state + j * n, have = 0;
        for (int64_t i = 0; i < n; i++) have += k[i] * k_by * (s[i] *= decay);
        for (int64_t i = 0; i < n; i++) s[i] += k[i] * k_by * beta * (v[j] - have);
        y[j] = 0;
        for (int64_t i = 0; i < n; i++) y[j] += q[i] * q_by * s[i];
    }
}

void bp_oracle_delta(bp_check_case *c) {
    bp_check_value *out = bp_check_result(c, 0), *state = bp_check_result(c, 1);
    int64_t heads = c->params.delta.n_head, n = state->dim[0], m = state->dim[1];
    for (int64_t q = 0; q < bp_check_arg(c, 7)->count; q++) {
        walk at;
        if (!walk_begin(c, 5, q, state, &at)) continue;
        while (walk_next(&at)) {
            for (int64_t h = 0; h < heads; h++)
                delta_head(c, at.t, h, m, at.state + h * n * m, out->real + (at.t * heads + h) * m);
        }
    }
}
