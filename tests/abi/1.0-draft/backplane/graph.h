/* A graph: values and the nodes that compute them. The core builds it; a backend reads it in assess, layout and compile.
 * A graph and all it points to live as long as the call they are passed to: a backend copies what it keeps. */
#ifndef BACKPLANE_GRAPH_H
#define BACKPLANE_GRAPH_H

#include <stdint.h>

#include "backplane/ops.h"
#include "backplane/types.h"

enum { BP_MAX_RANK = 4 };
#define BP_NONE UINT32_MAX /* in place of a value's index: an optional input or output that is left out */

/* A dimension: value where symbol is 0, else value * (that symbol's number, bound at submit) + plus. Never negative. */
typedef struct bp_dim {
    int64_t value, plus;
    uint32_t symbol, reserved;
} bp_dim;

enum bp_role {
    BP_ROLE_WEIGHT = 1, /* bound at every submit to memory that never changes; may have a layout of the device's own */
    BP_ROLE_INPUT = 2,  /* bound at every submit; read only */
    BP_ROLE_OUTPUT = 3, /* bound at every submit; written by one node */
    BP_ROLE_STATE = 4,  /* bound at every submit; read and updated in place (the KV cache) */
    BP_ROLE_TEMP = 5,   /* written by one node; memory is the backend's to plan */
};

/* Layout 0: rows as GGUF has them, dense. Other numbers are a device's own; only it knows them. */
enum { BP_LAYOUT_ROWS = 0 };

typedef struct bp_value {
    uint32_t type;   /* bp_tensor_type */
    uint32_t role;   /* bp_role */
    uint32_t rank;   /* 1 … BP_MAX_RANK */
    uint32_t layout; /* how the bound memory is laid out; the core fills in what `layout` answered */
    bp_dim dim[BP_MAX_RANK]; /* dim[0] varies fastest; dimensions past rank are 1 */
    const char *name;        /* "blk.0.attn_q.weight", for messages and profiles; never NULL */
} bp_value;

typedef struct bp_node {
    uint32_t op;          /* bp_op */
    uint32_t params_size; /* bytes of *params as the core compiled it */
    const void *params;
    const uint32_t *in, *out; /* indices of values, in the order of ops.h; BP_NONE for one left out */
    uint32_t n_in, n_out;     /* trailing optional ones may be absent altogether */
} bp_node;

/* value_size and node_size are the strides of the two arrays, so that elements may grow in later versions: walk with
 * bp_graph_value and bp_graph_node. symbols[0] is unused; n_symbols counts it. */
typedef struct bp_graph {
    uint32_t size, value_size, node_size;
    uint32_t n_values, n_nodes, n_symbols;
    const bp_value *values;
    const bp_node *nodes; /* in an order that may be run */
    const char *const *symbols;
} bp_graph;

/* Symbols that the core uses; a backend may look them up by name where it plans by them.
 * n_tokens: tokens of this submit. n_outputs: rows of which logits are wanted. n_sequences: rows of the block table.
 * n_kv: no kv_len of this submit is larger. */
#define BP_SYMBOL_N_TOKENS "n_tokens"
#define BP_SYMBOL_N_OUTPUTS "n_outputs"
#define BP_SYMBOL_N_SEQUENCES "n_sequences"
#define BP_SYMBOL_N_KV "n_kv"

static inline const bp_value *bp_graph_value(const bp_graph *g, uint32_t i) {
    return (const bp_value *)((const char *)g->values + (size_t)i * g->value_size);
}

static inline const bp_node *bp_graph_node(const bp_graph *g, uint32_t i) {
    return (const bp_node *)((const char *)g->nodes + (size_t)i * g->node_size);
}

/* The i-th input or output of a node, BP_NONE where it was left out. */
static inline uint32_t bp_node_in(const bp_node *n, uint32_t i) { return i < n->n_in ? n->in[i] : BP_NONE; }
static inline uint32_t bp_node_out(const bp_node *n, uint32_t i) { return i < n->n_out ? n->out[i] : BP_NONE; }

/* A dimension's number, given the symbols' numbers (NULL where the graph has none). */
static inline int64_t bp_dim_at(const bp_dim *d, const int64_t *symbols) {
    return d->symbol ? d->value * symbols[d->symbol] + d->plus : d->value;
}

#endif
