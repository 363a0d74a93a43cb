/* ops_experts: matmul_experts, in phases. (token, choice) pairs are sorted by expert; the rows that one
 * expert reads are gathered, prepared, multiplied together, and its results put in their places. */
#include <string.h>

#include "backends/cpu/cpu.h"

static void *room_of(const cpu_task *t, int slot, int64_t n_tokens, uint32_t thread) {
    return t->scratch[slot]->data + cpu_matmul_room(t->format, t->in[0]->n[0], n_tokens) * thread;
}

/* scratch[0]: I32: [n_expert + 1] where each expert's pairs begin, then the pairs in that order.
 * scratch[1]: gathered rows; scratch[2]: prepared rows, `unit` bytes each; scratch[3]: results of more than one pair. */
static int32_t *starts_of(const cpu_task *t) { return (int32_t *)(void *)t->scratch[0]->data; }
static int32_t *order_of(const cpu_task *t) { return starts_of(t) + t->in[0]->n[2] + 1; }
static int64_t pairs_of(const cpu_task *t) { return t->out[0]->n[1] * t->out[0]->n[2]; }
/* The expert of a pair; without ids each choice has its own. */
static int64_t expert_of(const cpu_task *t, int64_t pair) {
    return t->in[2] ? cpu_i32(t->in[2])[pair] : pair % t->out[0]->n[1];
}

void cpu_run_experts_group(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int32_t *starts = starts_of(t), *order = order_of(t);
    int64_t n = t->in[0]->n[2], pairs = pairs_of(t);
    (void)n_threads;
    if (thread != 0) return;
    memset(starts, 0, (size_t)(n + 1) * sizeof *starts);
    for (int64_t i = 0; i < pairs; i++) {
        int64_t id = expert_of(t, i);
        if (id >= 0 && id < n) starts[id + 1]++;
    }
    for (int64_t e = 0; e < n; e++) starts[e + 1] += starts[e];
    for (int64_t i = 0; i < pairs; i++) {
        int64_t id = expert_of(t, i);
        if (id >= 0 && id < n) order[starts[id]++] = (int32_t)i;
    }
    for (int64_t e = n; e > 0; e--) starts[e] = starts[e - 1];
    starts[0] = 0;
}

static const float *pair_row(const cpu_task *t, int64_t pair) {
    const cpu_tensor *x = t->in[1];
    int64_t row = x->rank == 3 ? pair : pair / t->out[0]->n[1];
    return cpu_f32(x) + row * x->n[0];
}

void cpu_run_experts_prepare(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const int32_t *starts = starts_of(t), *order = order_of(t);
    int64_t n_in = t->in[1]->n[0], n = t->in[0]->n[2], first, last;
    float *rows = cpu_f32_out(t->scratch[1]);
    cpu_share(starts[n], thread, n_threads, &first, &last);
    for (int64_t i = first; i < last; i++) memcpy(rows + i * n_in, pair_row(t, order[i]), (size_t)n_in * sizeof *rows);
    for (int64_t e = 0; e < n && starts[e] < last; e++) {
        int64_t from = starts[e] > first ? starts[e] : first, to = starts[e + 1] < last ? starts[e + 1] : last;
        if (from >= to) continue;
        cpu_activation_prepare(t->device->level, t->format, rows + starts[e] * n_in, n_in, starts[e + 1] - starts[e],
                               from - starts[e], to - starts[e], t->scratch[2]->data + (uint64_t)starts[e] * t->unit);
    }
}

/* Rows [first, last) of one expert for all pairs that chose it. */
static void run_expert(const cpu_task *t, int64_t e, int64_t first, int64_t last, uint32_t thread) {
    const cpu_tensor *weight = t->in[0];
    int64_t start = starts_of(t)[e], count = starts_of(t)[e + 1] - start, n_out = weight->n[1];
    const int32_t *order = order_of(t) + start;
    const char *data = weight->data + weight->bytes / (uint64_t)weight->n[2] * (uint64_t)e;
    cpu_weight w = { data, weight->type, weight->layout, weight->n[0], n_out };
    const float *bias = t->in[3] ? cpu_f32(t->in[3]) + e * n_out : NULL;
    float *out = cpu_f32_out(t->out[0]), *room = cpu_f32_out(t->scratch[3]) + start * n_out;
    if (first >= last || count == 0) return;
    cpu_matmul(t->device->level, &w, t->format, t->scratch[2]->data + (uint64_t)start * t->unit, count, first, last, bias,
               count == 1 ? out + order[0] * n_out : room, room_of(t, 4, count, thread));
    for (int64_t i = 0; count > 1 && i < count; i++) {
        memcpy(out + order[i] * n_out + first, room + i * n_out + first, (size_t)(last - first) * sizeof *out);
    }
}

static void zero_unchosen(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n_out = t->in[0]->n[1], first, last;
    cpu_share(pairs_of(t), thread, n_threads, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t id = expert_of(t, i);
        if (id < 0 || id >= t->in[0]->n[2]) memset(cpu_f32_out(t->out[0]) + i * n_out, 0, (size_t)n_out * sizeof(float));
    }
}

/* Few pairs: steps of rows of all chosen experts in one line, a piece of it for each thread. */
static void run_flat(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const int32_t *starts = starts_of(t);
    int64_t n = t->in[0]->n[2], n_out = t->in[0]->n[1], steps = (n_out + CPU_ROW_STEP - 1) / CPU_ROW_STEP;
    int64_t chosen = 0, first, last, at = 0;
    for (int64_t e = 0; e < n; e++) chosen += starts[e + 1] > starts[e];
    cpu_share(chosen * steps, thread, n_threads, &first, &last);
    for (int64_t e = 0; e < n && at < last; e++) {
        if (starts[e + 1] == starts[e]) continue;
        int64_t from = first > at ? first - at : 0, to = last - at < steps ? last - at : steps;
        int64_t end = to * CPU_ROW_STEP < n_out ? to * CPU_ROW_STEP : n_out;
        run_expert(t, e, from * CPU_ROW_STEP, end, thread);
        at += steps;
    }
}

void cpu_run_experts(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n_out = t->in[0]->n[1], first, last;
    zero_unchosen(t, thread, n_threads);
    if (n_out < 2 * CPU_ROW_STEP * (int64_t)n_threads || t->out[0]->n[2] == 1) {
        run_flat(t, thread, n_threads);
        return;
    }
    cpu_share_rows(n_out, thread, n_threads, &first, &last);
    for (int64_t e = 0; e < t->in[0]->n[2]; e++) run_expert(t, e, first, last, thread);
}
