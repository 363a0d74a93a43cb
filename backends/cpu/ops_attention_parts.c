/* ops_attention_parts: the parts that attention decomposes into, a row at a time. */
#include <math.h>
#include <string.h>

#include "backends/cpu/ops_kv.h"

static const float *key_floats(const cpu_task *t, const cpu_tensor *cache, const cpu_view *v, int64_t head, int64_t j, float *room) {
    const char *row = cpu_cache_row(cache, v, head, j);
    return row ? cpu_cache_floats(t->device->vec, cache, row, room) : NULL;
}

void cpu_run_scores(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_attention_params *p = &t->params.attention;
    int64_t n_kv = t->out[0]->n[0], first, last;
    cpu_view_inputs in = { t->in[2], t->in[3], t->in[4], t->in[5], t->in[6], t->in[1]->n[1] };
    float *room = cpu_f32_out(t->scratch[0]) + thread * p->head_dim;
    cpu_share(t->in[0]->n[1] * p->n_head, thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        int64_t head = u % p->n_head;
        cpu_view v = cpu_view_of(p, &in, u / p->n_head);
        float *out = cpu_f32_out(t->out[0]) + u * n_kv, slope = cpu_alibi_slope(p, head);
        for (int64_t j = 0; j < n_kv; j++) {
            const float *k = j >= v.low && j < v.high ? key_floats(t, t->in[1], &v, head / cpu_group(p), j, room) : NULL;
            out[j] = -INFINITY;
            if (!k) continue;
            float dot = t->device->vec->dot(cpu_f32(t->in[0]) + u * p->head_dim, k, p->head_dim);
            out[j] = cpu_score(p, dot, slope, v.start + j - v.position);
        }
    }
}

void cpu_run_mix(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_attention_params *p = &t->params.attention;
    int64_t n_kv = t->in[0]->n[0], first, last;
    cpu_view_inputs in = { NULL, t->in[2], t->in[3], t->in[4], NULL, t->in[1]->n[1] };
    float *room = cpu_f32_out(t->scratch[0]) + thread * t->in[1]->n[0];
    cpu_share(t->in[0]->n[2] * p->n_head, thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        cpu_view v = cpu_view_of(p, &in, u / p->n_head);
        float *out = cpu_f32_out(t->out[0]) + u * p->head_dim_v;
        memset(out, 0, p->head_dim_v * sizeof *out);
        for (int64_t j = 0; j < v.high && j < n_kv; j++) {
            float weight = cpu_f32(t->in[0])[u * n_kv + j];
            const float *x = weight != 0 ? key_floats(t, t->in[1], &v, u % p->n_head / cpu_group(p), j, room) : NULL;
            if (x) t->device->vec->axpy(out, x, weight, p->head_dim_v);
        }
    }
}
