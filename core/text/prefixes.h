/* Which tokens does a text begin with? The tokens sorted by their bytes, narrowed byte by byte: along a tree where several
 * begin alike, else along the one that is left. */
#ifndef BP_TEXT_PREFIXES_H
#define BP_TEXT_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/gguf/gguf.h"

typedef struct bp_prefix {
    bp_gguf_string text;
    int32_t id;
    uint32_t order; /* of equal texts the lowest stays, then that of the lowest id */
} bp_prefix;

/* The tokens that begin with the bytes taken so far: sorted[from] to sorted[to - 1]. */
typedef struct bp_prefix_range {
    uint32_t from, to;
    uint32_t node; /* how it goes on, BP_PREFIX_NONE where the tree ends */
    int32_t id;    /* of the token that ends here, -1 */
} bp_prefix_range;

typedef struct bp_prefix_node {
    uint32_t first, n; /* its branches */
} bp_prefix_node;

#define BP_PREFIX_NONE UINT32_MAX

typedef struct bp_prefixes {
    bp_prefix *sorted; /* the owner's to fill, then bp_prefixes_sort */
    uint32_t n;
    uint32_t first[257];
    bp_prefix_node *nodes;
    bp_prefix_range *branches; /* and the byte of each */
    uint8_t *bytes;
    size_t n_nodes, node_room, n_branches, branch_room, byte_room;
    uint32_t roots[256]; /* branches of the first bytes, BP_PREFIX_NONE */
} bp_prefixes;

/* A walk down from the empty text. */
typedef struct bp_prefix_walk {
    bp_prefix_range range;
    uint32_t depth;
} bp_prefix_walk;

/* Sort and index the tokens; of equal texts one stays. False: out of memory. */
bool bp_prefixes_sort(bp_prefixes *p);
void bp_prefixes_free(bp_prefixes *p);
static inline bp_prefix_walk bp_prefix_begin(const bp_prefixes *p) {
    return (bp_prefix_walk){ { 0, p->n, BP_PREFIX_NONE, -1 }, 0 };
}
/* Take one byte; false where no token begins so. *id: the token that is exactly the bytes taken, -1 where none is. */
bool bp_prefix_step(const bp_prefixes *p, bp_prefix_walk *walk, char byte, int32_t *id);

#endif
