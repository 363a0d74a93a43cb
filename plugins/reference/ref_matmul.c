#include "reference.h"

double ref_dot(const double *a, const float *b, int64_t n) {
    double part[8] = { 0 }, sum = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) part[k] += a[i + k] * (double)b[i + k];
    for (; i < n; i++) sum += a[i] * (double)b[i];
    for (int k = 0; k < 8; k++) sum += part[k];
    return sum;
}

/* Decode row r of w: to f (scratch) and d, both n values. */
static void weight_row(const bp_simple_tensor *w, int64_t r, float *f, double *d) {
    ref_decode(w->type, ref_row(w, r), w->ne[0], f);
    for (int64_t i = 0; i < w->ne[0]; i++) d[i] = f[i];
}

bp_status ref_run_EMBED_ROWS(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *w = &c->in[0], *out = &c->out[0];
    float scale = ((const bp_embed_rows_params *)c->params)->scale;
    const int32_t *ids = c->in[1].data;
    REF_NEED(ref_count(&c->in[1]) == ref_rows(out) && w->ne[0] == out->ne[0]);
    for (int64_t t = 0; t < ref_rows(out); t++) {
        float *y = ref_row(out, t);
        int known = ids[t] >= 0 && ids[t] < ref_rows(w);
        if (known) ref_decode(w->type, ref_row(w, ids[t]), w->ne[0], y);
        for (int64_t i = 0; i < w->ne[0]; i++) y[i] = known ? y[i] * (scale != 0 ? scale : 1) : 0;
    }
    return BP_OK;
}

bp_status ref_run_MATMUL(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *w = &c->in[0], *x = &c->in[1], *out = &c->out[0];
    const float *bias = c->in[2].data;
    int64_t n_in = w->ne[0], n_out = ref_rows(w), n_rows = ref_rows(x);
    REF_NEED(x->ne[0] == n_in && out->ne[0] == n_out && ref_rows(out) == n_rows);
    REF_NEED(!bias || ref_count(&c->in[2]) == n_out);
    float *f = ref_alloc(c, n_in, sizeof *f);
    double *row = ref_alloc(c, n_in, sizeof *row);
    for (int64_t o = 0; f && row && o < n_out; o++) {
        weight_row(w, o, f, row);
        for (int64_t t = 0; t < n_rows; t++)
            ((float *)out->data)[t * n_out + o] = (float)(ref_dot(row, ref_row(x, t), n_in) + (bias ? bias[o] : 0.0));
    }
    bp_status status = f && row ? BP_OK : bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a row", NULL);
    ref_free(c, f);
    ref_free(c, row);
    return status;
}

/* The expert of row i of the output; without ids each of n_used rows has its own. */
static int64_t expert_of(const bp_simple_call *c, int64_t i) {
    const int32_t *ids = c->in[2].data;
    return ids ? ids[i] : i % c->out[0].ne[1];
}

/* All uses of expert e: for each output row, one decode. */
static void one_expert(const bp_simple_call *c, int64_t e, float *f, double *row) {
    const bp_simple_tensor *w = &c->in[0], *x = &c->in[1], *bias = &c->in[3], *out = &c->out[0];
    int64_t n_used = out->ne[1], n = ref_rows(out), uses = 0;
    for (int64_t i = 0; i < n; i++) uses += expert_of(c, i) == e;
    for (int64_t o = 0; uses && o < w->ne[1]; o++) {
        weight_row(w, e * w->ne[1] + o, f, row);
        double b = bias->data ? ((float *)bias->data)[e * w->ne[1] + o] : 0;
        for (int64_t i = 0; i < n; i++)
            if (expert_of(c, i) == e)
                ((float *)ref_row(out, i))[o] =
                    (float)(ref_dot(row, ref_row(x, x->rank < 3 ? i / n_used : i), w->ne[0]) + b);
    }
}

bp_status ref_run_MATMUL_EXPERTS(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *w = &c->in[0], *x = &c->in[1], *ids = &c->in[2], *out = &c->out[0];
    REF_NEED(x->ne[0] == w->ne[0] && out->ne[0] == w->ne[1] && out->ne[3] == 1);
    REF_NEED(!ids->data || (ids->ne[0] == out->ne[1] && ids->ne[1] == out->ne[2]));
    REF_NEED(ids->data || (x->rank == 3 && out->ne[1] == w->ne[2]));
    REF_NEED(ref_rows(x) == (x->rank < 3 ? out->ne[2] : ref_rows(out)));
    REF_NEED(!c->in[3].data || ref_count(&c->in[3]) == w->ne[1] * w->ne[2]);
    float *f = ref_alloc(c, w->ne[0], sizeof *f);
    double *row = ref_alloc(c, w->ne[0], sizeof *row);
    memset(out->data, 0, (size_t)ref_count(out) * sizeof(float));
    for (int64_t e = 0; f && row && e < w->ne[2]; e++) one_expert(c, e, f, row);
    bp_status status = f && row ? BP_OK : bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a row", NULL);
    ref_free(c, f);
    ref_free(c, row);
    return status;
}
