/* The ops that carry a state from token to token. */
#include "reference.h"

/* The three last inputs of every recurrent op, and the slots of its state. */
typedef struct slots {
    const int32_t *positions, *sequences, *state_slots;
    int64_t n_sequences, n_slots, n_tokens;
} slots;

static slots slots_of(const bp_simple_call *c, uint32_t first, int64_t n_slots) {
    slots s = { c->in[first].data, c->in[first + 1].data, c->in[first + 2].data, ref_count(&c->in[first + 2]),
                n_slots, ref_count(&c->in[first]) };
    return s;
}

static bp_status check_slots(const bp_simple_call *c, uint32_t first, int64_t n_tokens, bp_error *error) {
    REF_NEED(ref_count(&c->in[first]) == n_tokens && ref_count(&c->in[first + 1]) == n_tokens);
    return BP_OK;
}

/* The state of token t's slot, `size` values, cleared where a sequence begins; NULL where the token has none. */
static float *state_of(const slots *s, int64_t t, float *states, int64_t size) {
    int64_t q = s->sequences[t], slot = q >= 0 && q < s->n_sequences ? s->state_slots[q] : -1;
    if (slot < 0 || slot >= s->n_slots) return NULL;
    float *state = states + slot * size;
    if (s->positions[t] == 0) memset(state, 0, (size_t)size * sizeof *state);
    return state;
}

static float conv_channel(const bp_simple_call *c, int64_t i, int64_t t, float *state) {
    const bp_simple_tensor *x = &c->in[0], *weight = &c->in[1];
    int64_t n = x->ne[0], k = weight->ne[0];
    const float *w = (const float *)weight->data + i * k, *bias = c->in[2].data;
    float now = ((const float *)x->data)[t * n + i];
    double sum = (bias ? (double)bias[i] : 0) + (double)w[k - 1] * now;
    for (int64_t j = 0; j < k - 1; j++) sum += (double)w[j] * state[j * n + i];
    for (int64_t j = 0; j + 1 < k - 1; j++) state[j * n + i] = state[(j + 1) * n + i];
    state[(k - 2) * n + i] = now;
    return (float)ref_activate(((const bp_causal_conv_params *)c->params)->f, sum, 0, 0);
}

bp_status ref_run_CAUSAL_CONV(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *w = &c->in[1], *out = &c->out[0], *state = &c->out[1];
    int64_t n = x->ne[0], k = w->ne[0];
    bp_status status = check_slots(c, 3, ref_rows(x), error);
    if (status) return status;
    REF_NEED(((const bp_causal_conv_params *)c->params)->f < BP_ACT_CLAMP);
    REF_NEED(ref_same(x, out) && k >= 2 && ref_rows(w) == n && (!c->in[2].data || ref_count(&c->in[2]) == n));
    REF_NEED(state->ne[0] == n && state->ne[1] == k - 1 && state->ne[3] == 1);
    slots s = slots_of(c, 3, state->ne[2]);
    for (int64_t t = 0; t < s.n_tokens; t++) {
        float *at = state_of(&s, t, state->data, n * (k - 1)), *y = ref_row(out, t);
        for (int64_t i = 0; i < n; i++) y[i] = at ? conv_channel(c, i, t, at) : 0;
    }
    return BP_OK;
}

/* Value i of head h of token t. */
static float scan_value(const bp_simple_call *c, int64_t i, int64_t h, int64_t t, float *state) {
    const bp_simple_tensor *x = &c->in[0], *a = &c->in[2], *b = &c->in[3];
    const bp_ssm_scan_params *p = c->params;
    int64_t n = c->out[1].ne[0], g = h / (p->n_head / p->n_group);
    const float *d = c->in[5].data, *bias = c->in[6].data;
    const float *bt = (const float *)ref_row(b, t) + g * n, *ct = (const float *)ref_row(&c->in[4], t) + g * n;
    double now = ((const float *)ref_row(x, t))[i], dt = ((const float *)ref_row(&c->in[1], t))[h];
    double step = ref_activate(BP_ACT_SOFTPLUS, dt + (bias ? (double)bias[h] : 0), 0, 0);
    double sum = d ? (double)d[h] * now : 0;
    for (int64_t j = 0; j < n; j++) {
        double rate = ((const float *)ref_row(a, h))[a->ne[0] == 1 ? 0 : j];
        state[j] = (float)(exp(step * rate) * state[j] + step * bt[j] * now);
        sum += (double)ct[j] * state[j];
    }
    return (float)sum;
}

bp_status ref_run_SSM_SCAN(const bp_simple_call *c, bp_error *error) {
    const bp_ssm_scan_params *p = c->params;
    const bp_simple_tensor *x = &c->in[0], *a = &c->in[2], *b = &c->in[3], *out = &c->out[0], *state = &c->out[1];
    int64_t n = state->ne[0], width = x->ne[0], n_tokens = ref_rows(x);
    bp_status status = check_slots(c, 7, n_tokens, error);
    if (status) return status;
    REF_NEED(p->n_head && p->n_group && p->n_head % p->n_group == 0 && width % p->n_head == 0);
    REF_NEED(ref_same(x, out) && c->in[1].ne[0] == p->n_head && ref_rows(&c->in[1]) == n_tokens);
    REF_NEED((a->ne[0] == 1 || a->ne[0] == n) && ref_rows(a) == p->n_head);
    REF_NEED(b->ne[0] == n * p->n_group && ref_rows(b) == n_tokens && ref_same(b, &c->in[4]));
    REF_NEED(!c->in[5].data || ref_count(&c->in[5]) == p->n_head);
    REF_NEED(!c->in[6].data || ref_count(&c->in[6]) == p->n_head);
    REF_NEED(state->ne[1] == width && state->ne[3] == 1);
    slots s = slots_of(c, 7, state->ne[2]);
    for (int64_t t = 0; t < n_tokens; t++) {
        float *at = state_of(&s, t, state->data, n * width), *y = ref_row(out, t);
        for (int64_t i = 0; i < width; i++)
            y[i] = at ? scan_value(c, i, i / (width / p->n_head), t, at + i * n) : 0;
    }
    return BP_OK;
}

/* What divides a head's q or k. */
static double length_of(const float *x, int64_t n, double eps) {
    double sum = 0;
    for (int64_t i = 0; eps > 0 && i < n; i++) sum += (double)x[i] * x[i];
    return eps > 0 ? sqrt(sum + eps) : 1;
}

static void delta_head(const bp_simple_call *c, int64_t h, int64_t t, float *state) {
    const bp_delta_rule_params *p = c->params;
    int64_t n = c->out[1].ne[0], m = c->out[1].ne[1], from = h / (p->n_head / p->n_head_k) * n;
    const float *q = (const float *)ref_row(&c->in[0], t) + from, *k = (const float *)ref_row(&c->in[1], t) + from;
    const float *v = (const float *)ref_row(&c->in[2], t) + h * m;
    double decay = exp(((const float *)ref_row(&c->in[3], t))[h]), beta = ((const float *)ref_row(&c->in[4], t))[h];
    double q_length = length_of(q, n, p->l2_eps), k_length = length_of(k, n, p->l2_eps);
    double scale = p->scale != 0 ? p->scale : 1;
    float *y = (float *)ref_row(&c->out[0], t) + h * m;
    for (int64_t j = 0; j < m; j++) {
        float *column = state + j * n;
        double found = 0, sum = 0;
        for (int64_t i = 0; i < n; i++) found += decay * column[i] * (k[i] / k_length);
        for (int64_t i = 0; i < n; i++) {
            column[i] = (float)(decay * column[i] + k[i] / k_length * beta * (v[j] - found));
            sum += column[i] * (q[i] / q_length);
        }
        y[j] = (float)(scale * sum);
    }
}

bp_status ref_run_DELTA_RULE(const bp_simple_call *c, bp_error *error) {
    const bp_delta_rule_params *p = c->params;
    const bp_simple_tensor *q = &c->in[0], *v = &c->in[2], *out = &c->out[0], *state = &c->out[1];
    int64_t n = state->ne[0], m = state->ne[1], n_tokens = ref_rows(v);
    bp_status status = check_slots(c, 5, n_tokens, error);
    if (status) return status;
    REF_NEED(p->n_head && p->n_head_k && p->n_head % p->n_head_k == 0 && state->ne[2] == p->n_head);
    REF_NEED(q->ne[0] == n * p->n_head_k && ref_rows(q) == n_tokens && ref_same(q, &c->in[1]));
    REF_NEED(v->ne[0] == m * p->n_head && ref_same(v, out));
    for (int i = 3; i < 5; i++) REF_NEED(c->in[i].ne[0] == p->n_head && ref_rows(&c->in[i]) == n_tokens);
    slots s = slots_of(c, 5, state->ne[3]);
    for (int64_t t = 0; t < n_tokens; t++) {
        float *at = state_of(&s, t, state->data, n * m * p->n_head);
        if (!at) memset(ref_row(out, t), 0, (size_t)out->ne[0] * sizeof(float));
        for (int64_t h = 0; at && h < p->n_head; h++) delta_head(c, h, t, at + h * n * m);
    }
    return BP_OK;
}
