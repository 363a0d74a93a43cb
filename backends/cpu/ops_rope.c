/* ops_rope: rotary position embedding, with YaRN and sections. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"

enum { MAX_PAIRS = 512 };
static const double PI = 3.14159265358979323846;

typedef struct rotation {
    double frequency[MAX_PAIRS]; /* of the plain rotation */
    float cosine[MAX_PAIRS], sine[MAX_PAIRS];
} rotation;

typedef struct yarn_range {
    double low, high;
} yarn_range;

static double yarn_corr(const bp_rope_params *p, double b) {
    return p->n_dims * log(p->n_ctx_orig / (b * 2 * PI)) / (2 * log(p->base));
}

static yarn_range yarn_of(const bp_rope_params *p) {
    yarn_range y = { 0, 0 };
    if (p->yarn_factor == 0) return y;
    y.low = fmax(0, floor(yarn_corr(p, p->beta_fast)));
    y.high = fmin((double)p->n_dims - 1, ceil(yarn_corr(p, p->beta_slow)));
    return y;
}

static int64_t position_of(const cpu_task *t, int64_t token, int64_t pair) {
    const uint32_t *s = t->params.rope.sections;
    int64_t sum = (int64_t)s[0] + s[1] + s[2] + s[3];
    if (sum == 0) return cpu_i32(t->in[1])[token];
    int64_t at = pair % sum, k = 0;
    while (at >= s[k]) at -= s[k++];
    return cpu_i32(t->in[1])[token * 4 + k];
}

static void rotation_of(const cpu_task *t, int64_t token, rotation *r) {
    const bp_rope_params *p = &t->params.rope;
    double freq_scale = p->freq_scale == 0 ? 1 : p->freq_scale, magnitude = p->attn_scale == 0 ? 1 : p->attn_scale;
    yarn_range y = yarn_of(p);
    if (p->yarn_factor != 0) magnitude *= 1 + 0.1 * log(1 / freq_scale);
    for (int64_t i = 0; i < p->n_dims / 2; i++) {
        double theta = (double)position_of(t, token, i) * r->frequency[i];
        if (t->in[2]) theta /= cpu_f32(t->in[2])[i];
        double ramp = fmin(1, fmax(0, ((double)i - y.low) / fmax(0.001, y.high - y.low)));
        double mix = p->yarn_factor * (1 - ramp), plain = freq_scale * theta;
        double angle = p->yarn_factor == 0 ? plain : plain * (1 - mix) + theta * mix;
        r->cosine[i] = (float)(magnitude * cos(angle));
        r->sine[i] = (float)(magnitude * sin(angle));
    }
}

static void rotate_head(const bp_rope_params *p, const rotation *r, const float *x, float *y) {
    int64_t half = p->n_dims / 2, step = p->pairing == BP_ROPE_HALVES ? 1 : 2, other = p->pairing == BP_ROPE_HALVES ? half : 1;
    for (int64_t i = 0; i < half; i++) {
        float a = x[i * step], b = x[i * step + other];
        y[i * step] = a * r->cosine[i] - b * r->sine[i];
        y[i * step + other] = a * r->sine[i] + b * r->cosine[i];
    }
    if (half * 2 < p->head_dim) memcpy(y + half * 2, x + half * 2, (size_t)(p->head_dim - half * 2) * sizeof *y);
}

void cpu_run_rope(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const bp_rope_params *p = &t->params.rope;
    int64_t heads = t->in[0]->n[0] / p->head_dim, first, last, before = -1;
    rotation r;
    for (int64_t i = 0; i < p->n_dims / 2; i++) r.frequency[i] = pow(p->base, -2.0 * (double)i / p->n_dims);
    cpu_share(heads * t->in[0]->n[1], thread, n_threads, &first, &last);
    for (int64_t u = first; u < last; u++) {
        if (u / heads != before) rotation_of(t, before = u / heads, &r);
        rotate_head(p, &r, cpu_f32(t->in[0]) + u * p->head_dim, cpu_f32_out(t->out[0]) + u * p->head_dim);
    }
}
