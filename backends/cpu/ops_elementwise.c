/* ops_elementwise: add, mul, scale, activation, softcap, glu, reduce, slice, reshape, concat, gather, convert and embed. */
#include <math.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "backplane/blocks.h"

static const float *broadcast_row(const cpu_tensor *a, const cpu_tensor *b, int64_t row) {
    int64_t i1 = row % a->n[1], i2 = row / a->n[1] % a->n[2], i3 = row / a->n[1] / a->n[2];
    if (b->n[1] == 1) i1 = 0;
    if (b->n[2] == 1) i2 = 0;
    if (b->n[3] == 1) i3 = 0;
    return cpu_f32(b) + ((i3 * b->n[2] + i2) * b->n[1] + i1) * b->n[0];
}

static void binary_row(bool mul, const float *a, const float *b, bool one, float *out, int64_t n) {
    if (one && mul) {
        for (int64_t i = 0; i < n; i++) out[i] = a[i] * b[0];
    } else if (one) {
        for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[0];
    } else if (mul) {
        for (int64_t i = 0; i < n; i++) out[i] = a[i] * b[i];
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[i];
    }
}

void cpu_run_binary(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *a = t->in[0], *b = t->in[1];
    cpu_span s = cpu_split(a->n[0], cpu_rows(a), thread, n_threads);
    bool one = b->n[0] == 1;
    for (int64_t r = s.row0; r < s.row1; r++) {
        int64_t at = r * a->n[0] + s.col0;
        const float *b_row = broadcast_row(a, b, r) + (one ? 0 : s.col0);
        binary_row(t->op == BP_OP_MUL, cpu_f32(a) + at, b_row, one, cpu_f32_out(t->out[0]) + at, s.col1 - s.col0);
    }
}

static void unary_row(const cpu_task *t, const float *x, float *y, int64_t n) {
    const bp_any_params *p = &t->params;
    if (t->op == BP_OP_ACTIVATION) {
        t->device->vec->activate(p->activation.f, x, y, n, p->activation.low, p->activation.high);
    } else if (t->op == BP_OP_SCALE) {
        for (int64_t i = 0; i < n; i++) y[i] = x[i] * p->scale.scale + p->scale.bias;
    } else {
        for (int64_t i = 0; i < n; i++) y[i] = p->softcap.cap * tanhf(x[i] / p->softcap.cap);
    }
}

void cpu_run_unary(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0];
    cpu_span s = cpu_split(x->n[0], cpu_rows(x), thread, n_threads);
    for (int64_t r = s.row0; r < s.row1; r++) {
        int64_t at = r * x->n[0] + s.col0;
        unary_row(t, cpu_f32(x) + at, cpu_f32_out(t->out[0]) + at, s.col1 - s.col0);
    }
}

static void glu_limited(const cpu_task *t, const float *gate, const float *up, float *y, int64_t n) {
    const bp_glu_params *p = &t->params.glu;
    float piece[64], limit = p->limit;
    for (int64_t at = 0; at < n; at += 64) {
        int64_t m = n - at < 64 ? n - at : 64;
        for (int64_t i = 0; i < m; i++) {
            float g = gate[at + i];
            piece[i] = limit > 0 && g > limit ? limit : g;
        }
        t->device->vec->activate(p->f, piece, piece, m, 0, 0);
        for (int64_t i = 0; i < m; i++) {
            float u = up[at + i];
            if (limit > 0) u = u < -limit ? -limit : u > limit ? limit : u;
            y[at + i] = piece[i] * (u + p->up_bias);
        }
    }
}

void cpu_run_glu(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *out = t->out[0];
    int64_t n = out->n[0], stride = t->in[0]->n[0];
    cpu_span s = cpu_split(n, cpu_rows(out), thread, n_threads);
    for (int64_t r = s.row0; r < s.row1; r++) {
        const float *gate = cpu_f32(t->in[0]) + r * stride;
        const float *up = t->in[1] ? cpu_f32(t->in[1]) + r * n : gate + n;
        glu_limited(t, gate + s.col0, up + s.col0, cpu_f32_out(out) + r * n + s.col0, s.col1 - s.col0);
    }
}

static float row_max(const float *x, int64_t n) {
    float best = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] > best || isnan(x[i])) best = x[i];
        if (isnan(best)) break;
    }
    return best;
}

void cpu_run_reduce(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0];
    int64_t first, last, n = x->n[0];
    cpu_share(cpu_rows(x), thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        const float *row = cpu_f32(x) + r * n;
        float y = t->params.reduce.kind == BP_REDUCE_MAX ? row_max(row, n) : t->device->vec->sum(row, n);
        if (t->params.reduce.kind == BP_REDUCE_MEAN) y /= (float)n;
        cpu_f32_out(t->out[0])[r] = y;
    }
}

static void copy_floats(float *to, const float *from, int64_t n) {
    if (n > 0) memcpy(to, from, (size_t)n * sizeof *to);
}

void cpu_run_slice(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0], *out = t->out[0];
    cpu_span s = cpu_split(out->n[0], cpu_rows(out), thread, n_threads);
    for (int64_t r = s.row0; r < s.row1; r++) {
        const float *from = cpu_f32(x) + r * x->n[0] + t->params.slice.first;
        copy_floats(cpu_f32_out(out) + r * out->n[0] + s.col0, from + s.col0, s.col1 - s.col0);
    }
}

void cpu_run_reshape(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t first, last;
    cpu_share((int64_t)t->in[0]->bytes, thread, n_threads, &first, &last);
    if (last > first) memcpy(t->out[0]->data + first, t->in[0]->data + first, (size_t)(last - first));
}

void cpu_run_concat(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *a = t->in[0], *b = t->in[1], *out = t->out[0];
    int64_t first, last;
    cpu_share(cpu_rows(out), thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        float *to = cpu_f32_out(out) + r * out->n[0];
        copy_floats(to, cpu_f32(a) + r * a->n[0], a->n[0]);
        copy_floats(to + a->n[0], cpu_f32(b) + r * b->n[0], b->n[0]);
    }
}

void cpu_run_gather(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0], *out = t->out[0];
    cpu_span s = cpu_split(out->n[0], out->n[1], thread, n_threads);
    size_t bytes = (size_t)(s.col1 - s.col0) * sizeof(float);
    for (int64_t r = s.row0; r < s.row1; r++) {
        int32_t id = cpu_i32(t->in[1])[r];
        float *to = cpu_f32_out(out) + r * out->n[0] + s.col0;
        if (id < 0 || id >= x->n[1]) memset(to, 0, bytes);
        else memcpy(to, cpu_f32(x) + id * x->n[0] + s.col0, bytes);
    }
}

void cpu_run_embed(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *table = t->in[0], *out = t->out[0];
    int64_t first, last, n = table->n[0];
    float scale = t->params.embed.scale == 0 ? 1 : t->params.embed.scale;
    cpu_share(out->n[1], thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        int32_t id = cpu_i32(t->in[1])[r];
        float *to = cpu_f32_out(out) + r * n;
        if (id < 0 || id >= table->n[1]) memset(to, 0, (size_t)n * sizeof *to);
        else cpu_load_row(table, id, to);
        if (scale != 1) t->device->vec->scale(to, scale, n);
    }
}

void cpu_load_row(const cpu_tensor *t, int64_t row, float *out) {
    int64_t n = t->n[0];
    if (t->type == BP_TYPE_I32) {
        for (int64_t i = 0; i < n; i++) out[i] = (float)cpu_i32(t)[row * n + i];
        return;
    }
    cpu_weight w = { t->data, t->type, t->layout, n, cpu_rows(t) };
    cpu_weight_row(&w, row, out);
}

static void store_q8(const float *x, bp_block_q8_0 *out) {
    float most = 0;
    for (int j = 0; j < BP_QK; j++) most = fabsf(x[j]) > most || isnan(x[j]) ? fabsf(x[j]) : most;
    float d = most / 127, inverse = d > 0 && isfinite(d) ? 1 / d : 0;
    out->d = cpu_float_to_half(d);
    for (int j = 0; j < BP_QK; j++) {
        float q = nearbyintf(x[j] * inverse);
        out->qs[j] = (int8_t)(q >= 127 ? 127 : q <= -127 ? -127 : q == q ? q : 0);
    }
}

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void cpu_store_row(uint32_t type, const float *x, int64_t n, void *out) {
    uint16_t *half = out;
    if (type == BP_TYPE_F32) copy_floats(out, x, n);
    if (type == BP_TYPE_F16) {
        for (int64_t i = 0; i < n; i++) half[i] = cpu_float_to_half(x[i]);
    } else if (type == BP_TYPE_BF16) {
        for (int64_t i = 0; i < n; i++) half[i] = to_bf16(x[i]);
    } else if (type == BP_TYPE_Q8_0) {
        for (int64_t i = 0; i < n / BP_QK; i++) store_q8(x + i * BP_QK, (bp_block_q8_0 *)out + i);
    }
}

void cpu_run_convert(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const cpu_tensor *x = t->in[0], *out = t->out[0];
    int64_t first, last, n = x->n[0];
    float *row = cpu_f32_out(t->scratch[0]) + thread * n;
    cpu_share(cpu_rows(x), thread, n_threads, &first, &last);
    for (int64_t r = first; r < last; r++) {
        cpu_load_row(x, r, row);
        cpu_store_row(out->type, row, n, out->data + (uint64_t)r * bp_row_bytes(out->type, n));
    }
}
