/* Which tokens does a text begin with? The tokens sorted by their bytes, narrowed byte by byte. */
#ifndef BP_TEXT_PREFIXES_H
#define BP_TEXT_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/gguf/gguf.h"

typedef struct bp_prefix {
    bp_gguf_string text;
    int32_t id;
} bp_prefix;

typedef struct bp_prefixes {
    bp_prefix *sorted; /* the owner's to fill, then bp_prefixes_sort */
    uint32_t n;
    uint32_t first[257];
} bp_prefixes;

/* A walk down from the empty text. */
typedef struct bp_prefix_walk {
    uint32_t from, to, depth; /* the tokens that begin with the depth bytes taken so far */
} bp_prefix_walk;

/* Of equal texts the one that stands first stays. */
void bp_prefixes_sort(bp_prefixes *p);
void bp_prefixes_free(bp_prefixes *p);
static inline bp_prefix_walk bp_prefix_begin(const bp_prefixes *p) { return (bp_prefix_walk){ 0, p->n, 0 }; }
/* Take one byte; false where no token begins so. *id: the token that is exactly the bytes taken, -1 where none is. */
bool bp_prefix_step(const bp_prefixes *p, bp_prefix_walk *walk, char byte, int32_t *id);

#endif
