/* The paged KV cache: which keys a token sees and where a row lies. */
#ifndef BP_CPU_OPS_KV_H
#define BP_CPU_OPS_KV_H

#include <math.h>

#include "backends/cpu/cpu.h"

/* What one token reads. Keys [low, high) are visible. */
typedef struct cpu_view {
    const int32_t *blocks;
    int64_t n_blocks, low, high, start, position; /* n_blocks: of the table */
} cpu_view;

typedef struct cpu_view_inputs {
    const cpu_tensor *positions, *sequences, *table, *lengths, *starts; /* positions, starts: may be NULL */
    int64_t block_size;
} cpu_view_inputs;

/* With positions NULL every cached key is visible. */
cpu_view cpu_view_of(const bp_attention_params *p, const cpu_view_inputs *in, int64_t token);
/* Row of key j for one head, NULL where its block is outside the cache. */
const char *cpu_cache_row(const cpu_tensor *cache, const cpu_view *view, int64_t head, int64_t j);
/* That row as floats: in place, or decoded into `room`. */
const float *cpu_cache_floats(const cpu_vec *vec, const cpu_tensor *cache, const char *row, float *room);
float cpu_alibi_slope(const bp_attention_params *p, int64_t head);

/* Heads that read one KV head. */
static inline int64_t cpu_group(const bp_attention_params *p) { return p->n_head / p->n_head_kv; }

/* What softmax sees of q·k; distance: of the key from the query. */
static inline float cpu_score(const bp_attention_params *p, float dot, float slope, int64_t distance) {
    float s = p->scale * dot;
    if (p->softcap != 0) s = p->softcap * tanhf(s / p->softcap);
    return p->alibi != 0 ? s - slope * fabsf((float)distance) : s;
}

#endif
