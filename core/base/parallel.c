#define _GNU_SOURCE
#include "core/base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MAX_THREADS = 256 };

typedef struct job {
    void (*work)(void *self, uint64_t i);
    void *self;
    uint64_t n;
    atomic_uint_fast64_t next;
} job;

uint32_t bp_cpu_count(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : (uint32_t)n;
}

static void *run_job(void *context) {
    job *j = context;
    for (uint64_t i; (i = atomic_fetch_add(&j->next, 1)) < j->n;) j->work(j->self, i);
    return NULL;
}

void bp_parallel(uint32_t n_threads, uint64_t n, void (*work)(void *self, uint64_t i), void *self) {
    job j = { .work = work, .self = self, .n = n };
    pthread_t helpers[MAX_THREADS];
    uint32_t made = 0;
    while (made + 1 < n_threads && made + 1 < n && made < MAX_THREADS &&
           !pthread_create(&helpers[made], NULL, run_job, &j))
        made++;
    run_job(&j);
    for (uint32_t i = 0; i < made; i++) pthread_join(helpers[i], NULL);
}
