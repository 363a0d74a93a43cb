#include "reference.h"

static double value_at(const bp_simple_call *c, int64_t i) {
    const float *x = c->in[0].data, *residual = c->in[1].data;
    return (double)x[i] + (residual ? (double)residual[i] : 0);
}

/* The group of n values from `at` on; j0 is where it begins within its row. */
static void norm_group(const bp_simple_call *c, int centred, int64_t at, int64_t n, int64_t j0) {
    const bp_simple_tensor *w = &c->in[2], *b = &c->in[3];
    double mean = 0, square = 0, eps = ((const bp_norm_params *)c->params)->eps;
    for (int64_t i = 0; centred && i < n; i++) mean += value_at(c, at + i) / (double)n;
    for (int64_t i = 0; i < n; i++) square += (value_at(c, at + i) - mean) * (value_at(c, at + i) - mean) / (double)n;
    double scale = 1 / sqrt(square + eps);
    for (int64_t i = 0; i < n; i++) {
        double s = value_at(c, at + i), y = (s - mean) * scale;
        if (w->data) y *= (double)((float *)w->data)[(j0 + i) % w->ne[0]];
        if (b->data) y += (double)((float *)b->data)[(j0 + i) % b->ne[0]];
        ((float *)c->out[0].data)[at + i] = (float)y;
        if (c->out[1].data) ((float *)c->out[1].data)[at + i] = (float)s;
    }
}

static bp_status norm(const bp_simple_call *c, int centred, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *w = &c->in[2], *b = &c->in[3];
    int64_t n = x->ne[0], group = ((const bp_norm_params *)c->params)->group;
    if (!group) group = n;
    REF_NEED(ref_same(x, &c->out[0]) && (!c->in[1].data || ref_same(x, &c->in[1])));
    REF_NEED(!c->out[1].data || ref_same(x, &c->out[1]));
    REF_NEED(group == 0 || n % group == 0);
    REF_NEED(!w->data || w->ne[0] == n || w->ne[0] == group);
    REF_NEED(!b->data || b->ne[0] == n || b->ne[0] == group);
    for (int64_t at = 0; at < ref_count(x); at += group) norm_group(c, centred, at, group, at % n);
    return BP_OK;
}

bp_status ref_run_RMS_NORM(const bp_simple_call *c, bp_error *error) { return norm(c, 0, error); }
bp_status ref_run_LAYER_NORM(const bp_simple_call *c, bp_error *error) { return norm(c, 1, error); }

static double pi(void) { return 3.14159265358979323846; }

static double yarn_corr(const bp_rope_params *p, double beta) {
    return p->n_dims * log(p->n_ctx_orig / (beta * 2 * pi())) / (2 * log(p->base));
}

static double yarn_ramp(const bp_rope_params *p, int64_t i) {
    double low = floor(yarn_corr(p, p->beta_fast)), high = ceil(yarn_corr(p, p->beta_slow));
    if (low < 0) low = 0;
    if (high > p->n_dims - 1.0) high = p->n_dims - 1.0;
    double ramp = ((double)i - low) / (high - low > 0.001 ? high - low : 0.001);
    return ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
}

/* The angle by which pair i turns at a position, and the factor of its length. */
static double rope_angle(const bp_rope_params *p, int64_t i, double position, const float *factors,
                         double *magnitude) {
    double freq_scale = p->freq_scale != 0 ? p->freq_scale : 1;
    double theta = position * pow(p->base, -2.0 * (double)i / p->n_dims) / (factors ? (double)factors[i] : 1);
    double plain = freq_scale * theta;
    *magnitude = p->attn_scale != 0 ? p->attn_scale : 1;
    if (p->yarn_factor == 0) return plain;
    double mix = p->yarn_factor * (1 - yarn_ramp(p, i));
    *magnitude *= 1 + 0.1 * log(1 / freq_scale);
    return plain * (1 - mix) + theta * mix;
}

/* Which row of positions pair i reads. */
static int64_t rope_section(const bp_rope_params *p, int64_t i) {
    int64_t sum = (int64_t)p->sections[0] + p->sections[1] + p->sections[2] + p->sections[3], end = 0;
    for (int64_t k = 0; sum && k < 4; k++) {
        end += p->sections[k];
        if (i % sum < end) return k;
    }
    return 0;
}

static void rope_row(const bp_rope_params *p, const float *x, float *y, int64_t n, const int32_t *positions,
                     const float *f) {
    memcpy(y, x, (size_t)n * sizeof *y);
    for (int64_t i = 0; i < p->n_dims / 2; i++) {
        double magnitude, angle = rope_angle(p, i, positions[rope_section(p, i)], f, &magnitude);
        double cosine = cos(angle) * magnitude, sine = sin(angle) * magnitude;
        int64_t first = p->pairing == BP_ROPE_HALVES ? i : 2 * i;
        int64_t second = p->pairing == BP_ROPE_HALVES ? i + p->n_dims / 2 : 2 * i + 1;
        for (int64_t h = 0; h < n; h += p->head_dim) {
            double a = x[h + first], b = x[h + second];
            y[h + first] = (float)(a * cosine - b * sine);
            y[h + second] = (float)(a * sine + b * cosine);
        }
    }
}

bp_status ref_run_ROPE(const bp_simple_call *c, bp_error *error) {
    const bp_rope_params *p = c->params;
    const bp_simple_tensor *x = &c->in[0], *positions = &c->in[1];
    int sections = p->sections[0] || p->sections[1] || p->sections[2] || p->sections[3];
    int64_t stride = sections ? 4 : 1;
    REF_NEED(ref_same(x, &c->out[0]) && p->head_dim && x->ne[0] % p->head_dim == 0);
    REF_NEED(p->n_dims <= p->head_dim && p->n_dims % 2 == 0);
    REF_NEED(ref_count(positions) == stride * ref_rows(x));
    REF_NEED(!c->in[2].data || ref_count(&c->in[2]) >= p->n_dims / 2);
    for (int64_t t = 0; t < ref_rows(x); t++)
        rope_row(p, ref_row(x, t), ref_row(&c->out[0], t), x->ne[0], (int32_t *)positions->data + t * stride,
                 c->in[2].data);
    return BP_OK;
}
