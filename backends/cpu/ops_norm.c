/* ops_norm: rms_norm, layer_norm and softmax. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"

typedef struct norm_group {
    const float *x, *residual, *weight, *bias;
    float *y, *sum;
} norm_group;

static void normalise(const cpu_task *t, const norm_group *g, int64_t n) {
    const cpu_vec *vec = t->device->vec;
    const float *s = g->x;
    if (g->residual) {
        float *sum = g->sum ? g->sum : g->y;
        for (int64_t i = 0; i < n; i++) sum[i] = g->x[i] + g->residual[i];
        s = sum;
    } else if (g->sum) {
        memcpy(g->sum, g->x, (size_t)n * sizeof *g->sum);
    }
    float mean = t->op == BP_OP_LAYER_NORM ? vec->sum(s, n) / (float)n : 0;
    float factor = 1.0f / sqrtf(vec->square_sum(s, mean, n) / (float)n + t->params.norm.eps);
    for (int64_t i = 0; i < n; i++) {
        float v = (s[i] - mean) * factor;
        if (g->weight) v *= g->weight[i];
        if (g->bias) v += g->bias[i];
        g->y[i] = v;
    }
}

static const float *part_of(const cpu_tensor *v, int64_t group, int64_t at) {
    return v ? cpu_f32(v) + (v->n[0] == group ? 0 : at) : NULL;
}

void cpu_run_norm(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[0]->n[0], first, last;
    int64_t group = t->params.norm.group ? (int64_t)t->params.norm.group : n;
    if (n == 0) return;
    cpu_share(cpu_rows(t->in[0]) * (n / group), thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        int64_t at = u * group, column = at % n;
        norm_group g = { cpu_f32(t->in[0]) + at, t->in[1] ? cpu_f32(t->in[1]) + at : NULL, part_of(t->in[2], group, column),
                         part_of(t->in[3], group, column), cpu_f32_out(t->out[0]) + at,
                         t->out[1] ? cpu_f32_out(t->out[1]) + at : NULL };
        normalise(t, &g, group);
    }
}

static void softmax_row(const cpu_vec *vec, const float *x, float *y, int64_t n, const float *sink) {
    float most = sink ? *sink : -INFINITY;
    for (int64_t i = 0; i < n; i++) most = x[i] > most || isnan(x[i]) ? x[i] : most;
    if (most == -INFINITY) {
        memset(y, 0, (size_t)n * sizeof *y);
        return;
    }
    memcpy(y, x, (size_t)n * sizeof *y);
    float sum = vec->exp_sum(y, most, n) + (sink ? expf(*sink - most) : 0);
    vec->scale(y, 1 / sum, n);
}

void cpu_run_softmax(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0];
    int64_t first, last, n = x->n[0];
    cpu_share(cpu_rows(x), thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        const float *sink = t->in[1] ? cpu_f32(t->in[1]) + r % x->n[1] : NULL;
        softmax_row(t->device->vec, cpu_f32(x) + r * n, cpu_f32_out(t->out[0]) + r * n, n, sink);
    }
}
