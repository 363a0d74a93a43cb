/* Submit: one parallel region; every thread walks all tasks and takes its own part of each. */
#define _GNU_SOURCE
#include <limits.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "backends/cpu/program.h"
#include "backplane/profile.h"

struct bp_stream {
    uint64_t sequence;
};

bp_status cpu_stream_new(bp_device *d, bp_stream **out, bp_error *error) {
    (void)d;
    *out = calloc(1, sizeof **out);
    return *out ? BP_OK : cpu_fail(error, BP_E_NO_MEMORY, "cpu: out of memory");
}

void cpu_stream_free(bp_device *d, bp_stream *s) {
    (void)d;
    free(s);
}

/* Threads turn `sense` over together. Who has waited for a while sleeps, so that a shared machine runs the others. */
typedef struct barrier {
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint sense;
    atomic_uint sleepers;
} barrier;

enum { SPINS = 2000 };

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

#if defined(__linux__)
static void sleep_until_not(barrier *b, unsigned sense) {
    atomic_fetch_add(&b->sleepers, 1);
    syscall(SYS_futex, &b->sense, FUTEX_WAIT_PRIVATE, sense, NULL, NULL, 0);
    atomic_fetch_sub(&b->sleepers, 1);
}

static void wake_all(barrier *b) {
    if (atomic_load(&b->sleepers)) syscall(SYS_futex, &b->sense, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
static void sleep_until_not(barrier *b, unsigned sense) { (void)b, (void)sense, sched_yield(); }
static void wake_all(barrier *b) { (void)b; }
#endif

static void barrier_wait(barrier *b, uint32_t n_threads) {
    unsigned sense = atomic_load_explicit(&b->sense, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 == n_threads) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_store(&b->sense, sense ^ 1);
        wake_all(b);
        return;
    }
    for (uint32_t spins = 0; atomic_load(&b->sense) == sense; spins++) {
        if (spins < SPINS) pause_cpu();
        else sleep_until_not(b, sense);
    }
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void walk(bp_program *p, barrier *b, uint32_t thread, uint32_t n_threads) {
    uint64_t before = p->profile ? now_ns() : 0;
    for (uint32_t i = 0; i < p->n_tasks; i++) {
        const cpu_task *t = &p->tasks[i];
        if (t->barrier && n_threads > 1 && !p->profile) barrier_wait(b, n_threads);
        t->run(t, thread, n_threads);
        if (!p->profile) continue;
        if (n_threads > 1) barrier_wait(b, n_threads);
        if (thread != 0) continue;
        uint64_t now = now_ns();
        p->nanoseconds[t->node] += now - before;
        before = now;
    }
}

static void run_program(bp_program *p) {
    barrier b = { 0 };
    for (uint32_t i = 0; i < p->n_tasks; i++) atomic_store_explicit(&p->taken[i], 0, memory_order_relaxed);
#pragma omp parallel num_threads((int)p->device->threads)
    walk(p, &b, (uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads());
    for (uint32_t i = 0; p->profile && i < p->n_nodes; i++) p->calls[i]++;
}

static bp_status bind_shapes(bp_program *p, const int64_t *symbols, bp_error *error) {
    for (uint32_t i = 1; i < p->n_symbols; i++) {
        if (symbols[i] < p->ranges[i].min || symbols[i] > p->ranges[i].max) {
            return cpu_fail(error, BP_E_INVALID, "cpu: symbol %u is %lld, outside its range", i, (long long)symbols[i]);
        }
    }
    for (uint32_t i = 0; i < p->n_values; i++) {
        cpu_tensor *t = &p->tensors[i];
        p->bound[i] = t->role == BP_ROLE_TEMP;
        if (!bp_value_numbers(&p->values[i], symbols, t->n) || !cpu_weight_size(p->device, t, &t->bytes)) {
            return cpu_fail(error, BP_E_INVALID, "cpu: value %u has no valid shape", i);
        }
    }
    for (uint32_t i = 0; i < p->n_tasks; i++) {
        const char *why = cpu_check(&p->tasks[i]);
        if (why) return cpu_fail(error, BP_E_INVALID, "cpu: node %u (%s): %s", p->tasks[i].node, cpu_op_name(p->tasks[i].op), why);
    }
    return BP_OK;
}

static bp_status bind_memory(bp_program *p, const bp_binding *bindings, uint32_t n, bp_error *error) {
    for (uint32_t i = 0; i < n; i++) {
        const bp_binding *b = &bindings[i];
        if (b->value >= p->n_values || p->tensors[b->value].role == BP_ROLE_TEMP || !b->buffer) {
            return cpu_fail(error, BP_E_INVALID, "cpu: binding %u: value %u cannot be bound", i, b->value);
        }
        cpu_tensor *t = &p->tensors[b->value];
        if (b->offset > b->buffer->bytes || t->bytes > b->buffer->bytes - b->offset) {
            return cpu_fail(error, BP_E_INVALID, "cpu: value %u does not fit in the buffer bound to it", b->value);
        }
        t->data = b->buffer->memory + b->offset;
        p->bound[b->value] = true;
    }
    for (uint32_t i = 0; i < p->n_values; i++) {
        if (!p->bound[i] && p->first[i]) return cpu_fail(error, BP_E_INVALID, "cpu: value %u has no binding", i);
    }
    return BP_OK;
}

bp_status cpu_submit(bp_stream *s, bp_program *p, const int64_t *symbols, const bp_binding *bindings, uint32_t n_bindings,
                     uint64_t *sequence, bp_error *error) {
    pthread_mutex_lock(&p->lock);
    bp_status status = bind_shapes(p, symbols, error);
    if (!status) status = bind_memory(p, bindings, n_bindings, error);
    if (!status) {
        run_program(p);
        *sequence = ++s->sequence;
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

bp_status cpu_wait(bp_stream *s, uint64_t sequence, int64_t timeout_ns, bp_error *error) {
    (void)timeout_ns;
    if (sequence <= s->sequence) return BP_OK;
    return cpu_fail(error, BP_E_INVALID, "cpu: there was no submit %llu", (unsigned long long)sequence);
}

static bp_status profile_enable(bp_device *d, bp_program *p, int32_t on, bp_error *error) {
    (void)d, (void)error;
    pthread_mutex_lock(&p->lock);
    if (on) {
        memset(p->nanoseconds, 0, p->n_nodes * sizeof *p->nanoseconds);
        memset(p->calls, 0, p->n_nodes * sizeof *p->calls);
    }
    p->profile = on;
    pthread_mutex_unlock(&p->lock);
    return BP_OK;
}

static bp_status profile_read(bp_device *d, bp_program *p, bp_profile_entry *entries, uint32_t capacity, uint32_t *count,
                              bp_error *error) {
    (void)d, (void)error;
    pthread_mutex_lock(&p->lock);
    *count = 0;
    for (uint32_t i = 0; i < p->n_tasks; i++) {
        uint32_t node = p->tasks[i].node;
        if (i && p->tasks[i - 1].node == node) continue;
        if (*count < capacity) {
            entries[*count] = (bp_profile_entry){ node, 1, cpu_op_name(p->tasks[i].op), p->calls[node], p->nanoseconds[node], 0 };
        }
        ++*count;
    }
    pthread_mutex_unlock(&p->lock);
    return BP_OK;
}

static const bp_profile_api profile_api = { sizeof profile_api, profile_enable, profile_read };

const void *cpu_device_extension(bp_device *d, const char *id) {
    (void)d;
    return strcmp(id, BP_PROFILE_ID) == 0 ? &profile_api : NULL;
}
