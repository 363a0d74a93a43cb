/* A compiled graph. */
#ifndef BP_CPU_PROGRAM_H
#define BP_CPU_PROGRAM_H

#include <pthread.h>

#include "backends/cpu/cpu.h"

struct bp_program {
    bp_device *device;
    cpu_tensor *tensors; /* the graph's values, then scratch */
    bp_value *values;    /* copies; names are gone */
    uint64_t *offset, *need; /* of temporaries and scratch: place and greatest size */
    uint32_t *first, *last;  /* between which barriers a temporary lives */
    bool *bound;
    cpu_task *tasks;
    atomic_uint *taken; /* one a task */
    bp_range *ranges;
    uint64_t *nanoseconds, *calls; /* one a node */
    uint32_t n_values, n_tensors, n_tasks, n_nodes, n_symbols;
    int32_t profile, deterministic;
    char *memory;
    pthread_mutex_t lock;
};

#endif
