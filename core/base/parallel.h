/* Work shared among threads. */
#ifndef BP_BASE_PARALLEL_H
#define BP_BASE_PARALLEL_H

#include <stdint.h>

/* CPUs that this process may run on (its affinity mask), at least 1. */
uint32_t bp_cpu_count(void);

/* Call work(self, i) once for each i in [0, n), on up to n_threads threads including the caller's; returns when all are
 * done. Where threads cannot be made, the caller does all of it. */
void bp_parallel(uint32_t n_threads, uint64_t n, void (*work)(void *self, uint64_t i), void *self);

#endif
