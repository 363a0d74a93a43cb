/* ops_matmul: activations are prepared, then rows are multiplied. A thread begins with rows of its own; the last quarter of all
 * rows is taken in pieces by whoever is free, so that a thread that the machine holds up keeps nobody waiting. Which thread
 * makes a row changes nothing in it. */
#include "backends/cpu/cpu.h"

void cpu_run_prepare(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t n = t->in[1]->n[0], m = cpu_rows(t->in[1]), first, last;
    cpu_share(m, thread, n_threads, &first, &last);
    if (first >= last) return;
    cpu_activation_prepare(t->device->level, t->format, cpu_f32(t->in[1]), n, m, first, last, t->scratch[0]->data);
}

/* All rows in steps: those that are shared out beforehand, how many each thread has, and the fewest to take at once. */
typedef struct sharing {
    uint32_t steps, each, least;
} sharing;

static sharing share(int64_t n_out, int64_t n_tokens, uint32_t n_threads) {
    const uint32_t steps = (uint32_t)((n_out + CPU_ROW_STEP - 1) / CPU_ROW_STEP), each = (uint32_t)((uint64_t)steps * 3 / 4 / n_threads);
    return (sharing){ steps, each, n_tokens > 8 ? 16 : 2 };
}

/* A quarter (of two threads) of what is left, never under `least` steps; false: nothing is left. */
static bool take(atomic_uint *taken, sharing s, uint32_t n_threads, int64_t *first, int64_t *last) {
    const uint32_t shared = s.steps - s.each * n_threads;
    uint32_t at = atomic_load_explicit(taken, memory_order_relaxed), n;
    do {
        if (at >= shared) return false;
        n = (shared - at) / (2 * n_threads);
        if (n < s.least) n = s.least;
        if (n > shared - at) n = shared - at;
    } while (!atomic_compare_exchange_weak_explicit(taken, &at, at + n, memory_order_relaxed, memory_order_relaxed));
    *first = s.each * n_threads + at, *last = *first + n;
    return true;
}

static void multiply(const cpu_task *t, uint32_t thread, int64_t first, int64_t last) {
    const cpu_tensor *weight = t->in[0];
    const cpu_weight w = { weight->data, weight->type, weight->layout, weight->n[0], weight->n[1] };
    const int64_t m = cpu_rows(t->in[1]), end = last * CPU_ROW_STEP < w.n_out ? last * CPU_ROW_STEP : w.n_out;
    cpu_matmul(t->device->level, &w, t->format, t->scratch[0]->data, m, first * CPU_ROW_STEP, end, cpu_f32(t->in[2]),
               cpu_f32_out(t->out[0]), t->scratch[1]->data + cpu_matmul_room(t->format, w.n_in, m) * thread);
}

void cpu_run_matmul(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    const int64_t m = cpu_rows(t->in[1]);
    const sharing s = share(t->in[0]->n[1], m, n_threads);
    int64_t first = (int64_t)s.each * thread, last = first + s.each;
    if (m == 0) return;
    if (s.each) multiply(t, thread, first, last);
    while (take(t->taken, s, n_threads, &first, &last)) multiply(t, thread, first, last);
}
