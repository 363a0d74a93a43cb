/* ops_recurrent: causal_conv, ssm_scan and delta_rule. Each thread takes some of the channels and walks all tokens in order,
 * so that states need no locks and results do not depend on the number of threads. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"

enum { CONV_BLOCK = 64, VALUES = 16 }; /* channels that are walked together */

/* The slot of token t, -1 where it has none. first: which input is positions; sequences and state_slots follow. */
static int64_t slot_of(const cpu_task *task, int first, int64_t t, int64_t n_slots) {
    int64_t q = cpu_i32(task->in[first + 1])[t];
    if (q < 0 || q >= task->in[first + 2]->n[0]) return -1;
    int64_t slot = cpu_i32(task->in[first + 2])[q];
    return slot < n_slots ? slot : -1;
}

static bool begins(const cpu_task *task, int first, int64_t t) { return cpu_i32(task->in[first])[t] == 0; }

/* Some channels [c0, c0 + n) of a convolution: their weights, a row a tap. */
typedef struct conv_part {
    float weight[CPU_MAX_KERNEL][CONV_BLOCK];
    int64_t c0, n, k;
} conv_part;

static void load_taps(const cpu_task *t, conv_part *p) {
    const float *w = cpu_f32(t->in[1]);
    for (int64_t j = 0; j < p->k; j++)
        for (int64_t i = 0; i < p->n; i++) p->weight[j][i] = w[(p->c0 + i) * p->k + j];
}

/* One token: rows of the state move up by one, the token's becomes the last. */
static void conv_token(const cpu_task *t, const conv_part *p, const float *x, float *state, float *y) {
    int64_t width = t->in[0]->n[0];
    const float *last = p->weight[p->k - 1], *bias = t->in[2] ? cpu_f32(t->in[2]) + p->c0 : NULL;
    for (int64_t i = 0; i < p->n; i++) y[i] = (bias ? bias[i] : 0) + last[i] * x[i];
    for (int64_t j = 0; j < p->k - 1; j++) {
        const float *w = p->weight[j], *next = j + 2 < p->k ? state + (j + 1) * width : x;
        float *row = state + j * width;
        for (int64_t i = 0; i < p->n; i++) {
            y[i] += w[i] * row[i];
            row[i] = next[i];
        }
    }
    t->device->vec->activate(t->params.conv.f, y, y, p->n, 0, 0);
}

static void conv_channels(const cpu_task *t, const conv_part *p) {
    int64_t width = t->in[0]->n[0], rows = p->k - 1;
    for (int64_t token = 0; token < t->in[0]->n[1]; token++) {
        int64_t slot = slot_of(t, 3, token, t->out[1]->n[2]);
        float *y = cpu_f32_out(t->out[0]) + token * width + p->c0;
        if (slot < 0) {
            memset(y, 0, (size_t)p->n * sizeof *y);
            continue;
        }
        float *state = cpu_f32_out(t->out[1]) + slot * rows * width + p->c0;
        for (int64_t j = 0; begins(t, 3, token) && j < rows; j++) memset(state + j * width, 0, (size_t)p->n * sizeof *state);
        conv_token(t, p, cpu_f32(t->in[0]) + token * width + p->c0, state, y);
    }
}

void cpu_run_conv(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t width = t->in[0]->n[0], first, last;
    cpu_share((width + CONV_BLOCK - 1) / CONV_BLOCK, thread, n_threads, &first, &last);
    for (int64_t b = first; b < last; b++) {
        conv_part p = { .c0 = b * CONV_BLOCK, .k = t->in[1]->n[0] };
        p.n = width - p.c0 < CONV_BLOCK ? width - p.c0 : CONV_BLOCK;
        load_taps(t, &p);
        conv_channels(t, &p);
    }
}

/* exp's argument of each head that values [v0, v1) belong to: softplus(dt + dt_bias). */
static void steps_of(const cpu_task *t, int64_t token, int64_t v0, int64_t v1, float *steps) {
    int64_t heads = t->params.scan.n_head, dim = t->in[0]->n[0] / heads, h0 = v0 / dim, n = (v1 - 1) / dim - h0 + 1;
    const float *dt = cpu_f32(t->in[1]) + token * heads + h0, *bias = t->in[6] ? cpu_f32(t->in[6]) + h0 : NULL;
    for (int64_t i = 0; i < n; i++) steps[i] = dt[i] + (bias ? bias[i] : 0);
    t->device->vec->activate(BP_ACT_SOFTPLUS, steps, steps, n, 0, 0);
}

/* Values [v0, v1) of head h, whose step is given; state is that of v0. */
static void scan_head(const cpu_task *t, int64_t token, int64_t h, float step, int64_t v0, int64_t v1, float *state) {
    const cpu_vec *vec = t->device->vec;
    int64_t width = t->in[0]->n[0], groups = t->params.scan.n_group, n = t->out[1]->n[0];
    int64_t at = (token * groups + h / (t->params.scan.n_head / groups)) * n;
    const float *a = cpu_f32(t->in[2]) + h * t->in[2]->n[0], *b = cpu_f32(t->in[3]) + at, *c = cpu_f32(t->in[4]) + at;
    const float *x = cpu_f32(t->in[0]) + token * width + v0;
    float *y = cpu_f32_out(t->out[0]) + token * width + v0, by[VALUES], d = t->in[5] ? cpu_f32(t->in[5])[h] : 0;
    for (int64_t i = 0; i < v1 - v0; i++) by[i] = step * x[i];
    if (t->in[2]->n[0] == 1) vec->decay_rows(state, v1 - v0, n, expf(step * a[0]), b, by, c, y);
    else
        for (int64_t i = 0; i < v1 - v0; i++) y[i] = vec->decays_dot(state + i * n, a, step, b, by[i], c, n);
    for (int64_t i = 0; i < v1 - v0; i++) y[i] += d * x[i];
}

/* Values [v0, v1) of one token; state is that of v0. */
static void scan_token(const cpu_task *t, int64_t token, int64_t v0, int64_t v1, float *state) {
    int64_t dim = t->in[0]->n[0] / t->params.scan.n_head, n = t->out[1]->n[0];
    float steps[VALUES];
    steps_of(t, token, v0, v1, steps);
    for (int64_t i = v0; i < v1;) {
        int64_t h = i / dim, end = (h + 1) * dim < v1 ? (h + 1) * dim : v1;
        scan_head(t, token, h, steps[h - v0 / dim], i, end, state + (i - v0) * n);
        i = end;
    }
}

void cpu_run_scan(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t width = t->in[0]->n[0], n = t->out[1]->n[0], first, last;
    cpu_share((width + VALUES - 1) / VALUES, thread, n_threads, &first, &last);
    for (int64_t block = first; block < last; block++) {
        int64_t v0 = block * VALUES, v1 = v0 + VALUES < width ? v0 + VALUES : width;
        for (int64_t token = 0; token < t->in[0]->n[1]; token++) {
            int64_t slot = slot_of(t, 7, token, t->out[1]->n[2]);
            if (slot < 0) {
                memset(cpu_f32_out(t->out[0]) + token * width + v0, 0, (size_t)(v1 - v0) * sizeof(float));
                continue;
            }
            float *state = cpu_f32_out(t->out[1]) + (slot * width + v0) * n;
            if (begins(t, 7, token)) memset(state, 0, (size_t)((v1 - v0) * n) * sizeof *state);
            scan_token(t, token, v0, v1, state);
        }
    }
}

static float inverse_length(const cpu_vec *vec, const float *x, int64_t n, float eps) {
    return eps > 0 ? 1 / sqrtf(vec->square_sum(x, 0, n) + eps) : 1;
}

/* Columns [j0, j1) of head h, one token; state is that of column j0. */
static void delta_token(const cpu_task *t, int64_t token, int64_t h, int64_t j0, int64_t j1, float *state) {
    const bp_delta_rule_params *p = &t->params.delta;
    const cpu_vec *vec = t->device->vec;
    int64_t heads = p->n_head, n = t->out[1]->n[0], m = t->out[1]->n[1];
    int64_t row = (token * p->n_head_k + h / (heads / p->n_head_k)) * n, at = token * heads + h;
    const float *q = cpu_f32(t->in[0]) + row, *k = cpu_f32(t->in[1]) + row, *v = cpu_f32(t->in[2]) + at * m;
    float decay = expf(cpu_f32(t->in[3])[at]), beta = cpu_f32(t->in[4])[at];
    float q_by = (p->scale == 0 ? 1 : p->scale) * inverse_length(vec, q, n, p->l2_eps);
    float k_by = inverse_length(vec, k, n, p->l2_eps);
    float *y = cpu_f32_out(t->out[0]) + at * m;
    float change[VALUES];
    vec->dot_rows(state, j1 - j0, n, k, change);
    for (int64_t j = j0; j < j1; j++) change[j - j0] = k_by * beta * (v[j] - decay * k_by * change[j - j0]);
    vec->decay_rows(state, j1 - j0, n, decay, k, change, q, y + j0);
    for (int64_t j = j0; j < j1; j++) y[j] *= q_by;
}

void cpu_run_delta(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *states = t->out[1];
    int64_t heads = t->params.delta.n_head, n = states->n[0], m = states->n[1], blocks = (m + VALUES - 1) / VALUES, first, last;
    cpu_share(heads * blocks, thread, n_threads, &first, &last);
    for (int64_t item = first; item < last; item++) {
        int64_t h = item / blocks, j0 = item % blocks * VALUES, j1 = j0 + VALUES < m ? j0 + VALUES : m;
        for (int64_t token = 0; token < t->in[2]->n[1]; token++) {
            int64_t slot = slot_of(t, 5, token, states->n[3]);
            if (slot < 0) {
                memset(cpu_f32_out(t->out[0]) + (token * heads + h) * m + j0, 0, (size_t)(j1 - j0) * sizeof(float));
                continue;
            }
            float *state = cpu_f32_out(states) + ((slot * heads + h) * m + j0) * n;
            if (begins(t, 5, token)) memset(state, 0, (size_t)((j1 - j0) * n) * sizeof *state);
            delta_token(t, token, h, j0, j1, state);
        }
    }
}
