#include "core/run/kv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

typedef struct sequence {
    bool open;
    int64_t length, n_blocks;
    int32_t *table;
} sequence;

struct bp_kv_cache {
    int64_t n_blocks, block_size, table_width, n_free;
    int32_t max_sequences;
    int32_t *free_blocks, *references; /* a stack of free blocks; users of each block */
    int32_t *tables;
    sequence *sequences;
};

bp_status bp_kv_new(int64_t n_blocks, int64_t block_size, int64_t table_width, int32_t max_sequences, bp_kv_cache **out, bp_error *error) {
    bp_kv_cache *kv = calloc(1, sizeof *kv);
    uint64_t entries;
    bool good = kv && n_blocks > 0 && n_blocks <= INT32_MAX && bp_mul_u64((uint64_t)table_width, (uint64_t)max_sequences, &entries);
    if (good) {
        *kv = (bp_kv_cache){ .n_blocks = n_blocks, .block_size = block_size, .table_width = table_width, .n_free = n_blocks, .max_sequences = max_sequences };
        kv->free_blocks = bp_new_array((size_t)n_blocks, sizeof *kv->free_blocks);
        kv->references = bp_new_array((size_t)n_blocks, sizeof *kv->references);
        kv->tables = bp_new_array(entries, sizeof *kv->tables);
        kv->sequences = bp_new_array((size_t)max_sequences, sizeof *kv->sequences);
        good = kv->free_blocks && kv->references && kv->tables && kv->sequences;
    }
    if (!good) {
        bp_kv_free(kv);
        return bp_fail(error, BP_E_NO_MEMORY, "no memory for the tables of the KV cache");
    }
    for (int64_t i = 0; i < n_blocks; i++) kv->free_blocks[i] = (int32_t)(n_blocks - 1 - i);
    for (int32_t i = 0; i < max_sequences; i++) kv->sequences[i].table = kv->tables + (int64_t)i * table_width;
    *out = kv;
    return BP_OK;
}

void bp_kv_free(bp_kv_cache *kv) {
    if (!kv) return;
    free(kv->free_blocks);
    free(kv->references);
    free(kv->tables);
    free(kv->sequences);
    free(kv);
}

int32_t bp_kv_open(bp_kv_cache *kv) {
    for (int32_t i = 0; i < kv->max_sequences; i++)
        if (!kv->sequences[i].open) {
            kv->sequences[i].open = true;
            return i;
        }
    return -1;
}

int32_t bp_kv_fork(bp_kv_cache *kv, int32_t from) {
    const int32_t to = bp_kv_open(kv);
    if (to < 0) return -1;
    const sequence *s = &kv->sequences[from];
    sequence *copy = &kv->sequences[to];
    copy->length = s->length;
    copy->n_blocks = (s->length + kv->block_size - 1) / kv->block_size; /* without what is only reserved */
    for (int64_t i = 0; i < copy->n_blocks; i++) kv->references[copy->table[i] = s->table[i]]++;
    return to;
}

static void drop_blocks(bp_kv_cache *kv, sequence *s, int64_t keep) {
    while (s->n_blocks > keep) {
        const int32_t block = s->table[--s->n_blocks];
        s->table[s->n_blocks] = 0;
        if (--kv->references[block] == 0) kv->free_blocks[kv->n_free++] = block;
    }
}

void bp_kv_close(bp_kv_cache *kv, int32_t id) {
    sequence *s = &kv->sequences[id];
    drop_blocks(kv, s, 0);
    s->length = 0;
    s->open = false;
}

bool bp_kv_is_open(const bp_kv_cache *kv, int32_t id) { return id >= 0 && id < kv->max_sequences && kv->sequences[id].open; }

static int32_t take_block(bp_kv_cache *kv) {
    const int32_t block = kv->free_blocks[--kv->n_free];
    kv->references[block] = 1;
    return block;
}

bp_status bp_kv_reserve(bp_kv_cache *kv, int32_t id, int64_t n, int32_t *from, int32_t *to, bp_error *error) {
    sequence *s = &kv->sequences[id];
    const int64_t blocks = (s->length + n + kv->block_size - 1) / kv->block_size, partial = s->length / kv->block_size;
    const bool shared = s->length % kv->block_size && kv->references[s->table[partial]] > 1;
    *from = *to = -1;
    if (blocks > kv->table_width)
        return bp_fail(error, BP_E_REFUSED, "%lld tokens do not fit in the context of %lld (raise --context)", (long long)(s->length + n),
                       (long long)(kv->table_width * kv->block_size));
    if (BP_MAX(blocks - s->n_blocks, 0) + shared > kv->n_free) return bp_fail(error, BP_E_REFUSED, "the KV cache is full: all its %lld blocks are taken", (long long)kv->n_blocks);
    if (shared) {
        *from = s->table[partial];
        *to = take_block(kv);
        kv->references[*from]--;
        s->table[partial] = *to;
    }
    while (s->n_blocks < blocks) s->table[s->n_blocks++] = take_block(kv);
    return BP_OK;
}

void bp_kv_advance(bp_kv_cache *kv, int32_t id, int64_t n) { kv->sequences[id].length += n; }

void bp_kv_truncate(bp_kv_cache *kv, int32_t id, int64_t n) {
    sequence *s = &kv->sequences[id];
    s->length = BP_MAX(BP_MIN(n, s->length), 0);
    drop_blocks(kv, s, (s->length + kv->block_size - 1) / kv->block_size);
}

int64_t bp_kv_length(const bp_kv_cache *kv, int32_t id) { return kv->sequences[id].length; }
int64_t bp_kv_free_blocks(const bp_kv_cache *kv) { return kv->n_free; }
const int32_t *bp_kv_table(const bp_kv_cache *kv, int32_t id) { return kv->sequences[id].table; }

int64_t bp_kv_slot(const bp_kv_cache *kv, int32_t id, int64_t position) {
    return (int64_t)kv->sequences[id].table[position / kv->block_size] * kv->block_size + position % kv->block_size;
}
