/* Extension "bp.profile/1" of a device: time spent in each node of a program. */
#ifndef BACKPLANE_PROFILE_H
#define BACKPLANE_PROFILE_H

#include "backplane/device.h"

#define BP_PROFILE_ID "bp.profile/1"

typedef struct bp_profile_entry {
    uint32_t node;        /* index of the (first) node in the graph that was compiled */
    uint32_t n_nodes;     /* consecutive or fused nodes that this entry covers; at least 1 */
    const char *what;     /* "matmul q4_K avx512vnni": lives as long as the program */
    uint64_t calls;       /* submits counted */
    uint64_t nanoseconds; /* in all */
    uint64_t bytes;       /* read and written in all, by the backend's own count; 0 = not known */
} bp_profile_entry;

typedef struct bp_profile_api {
    uint32_t size;
    /* Start (on = 1, counters at zero) or stop measuring submits of a program; may slow them down. */
    bp_status (*enable)(bp_device *, bp_program *, int32_t on, bp_error *);
    /* Fill up to capacity entries; *count is how many there are. */
    bp_status (*read)(bp_device *, bp_program *, bp_profile_entry *, uint32_t capacity, uint32_t *count, bp_error *);
} bp_profile_api;

#endif
