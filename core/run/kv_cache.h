/* Which blocks of the paged KV cache each sequence has: block tables, reference counts, copy on write. Bookkeeping on the
 * host alone; whoever calls moves the bytes. Source: Kwon et al. 2023 (PagedAttention). One thread at a time. */
#ifndef BP_RUN_KV_CACHE_H
#define BP_RUN_KV_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "backplane/status.h"

typedef struct bp_kv_cache bp_kv_cache;

/* n_blocks blocks of block_size tokens each; at most max_sequences sequences of at most table_width blocks. */
bp_status bp_kv_new(int64_t n_blocks, int64_t block_size, int64_t table_width, int32_t max_sequences, bp_kv_cache **out, bp_error *error);
void bp_kv_free(bp_kv_cache *kv);

/* A new, empty sequence, or one that shares all blocks of another; -1 where all numbers are taken. */
int32_t bp_kv_open(bp_kv_cache *kv);
int32_t bp_kv_fork(bp_kv_cache *kv, int32_t sequence);
void bp_kv_close(bp_kv_cache *kv, int32_t sequence);
bool bp_kv_is_open(const bp_kv_cache *kv, int32_t sequence);

/* Make room for n more tokens. Where the last block is shared it is replaced: *from and *to are the blocks to copy, or
 * both -1. BP_E_REFUSED where a table or the cache is full: nothing changes then. */
bp_status bp_kv_reserve(bp_kv_cache *kv, int32_t sequence, int64_t n, int32_t *from, int32_t *to, bp_error *error);
/* Count n reserved tokens as stored. */
void bp_kv_advance(bp_kv_cache *kv, int32_t sequence, int64_t n);
/* Forget all tokens from position n on. */
void bp_kv_truncate(bp_kv_cache *kv, int32_t sequence, int64_t n);

int64_t bp_kv_length(const bp_kv_cache *kv, int32_t sequence);
int64_t bp_kv_free_blocks(const bp_kv_cache *kv);
/* The slot of a position that is stored or reserved: block * block_size + place in it. */
int64_t bp_kv_slot(const bp_kv_cache *kv, int32_t sequence, int64_t position);
/* [table_width]; entries past the sequence's blocks are 0. */
const int32_t *bp_kv_table(const bp_kv_cache *kv, int32_t sequence);

#endif
