/* Compiled kernels on disk. One file an entry, named by its key; a file is written beside its place and renamed, so that
 * any number of processes may share a folder; its checksum is looked at on every read, and a bad one is removed. */
#ifndef BP_CUDA_CACHE_H
#define BP_CUDA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CUDA_CACHE_PATH = 512 };

typedef struct cuda_cache {
    char folder[CUDA_CACHE_PATH]; /* empty: nothing is kept */
    uint64_t limit;               /* bytes of all entries */
} cuda_cache;

typedef struct cuda_key {
    uint64_t word[2];
} cuda_key;

/* A hash over pieces: start with cuda_key_begin, add pieces in order. */
cuda_key cuda_key_begin(void);
void cuda_key_add(cuda_key *key, const void *bytes, size_t n);

/* folder NULL: $XDG_CACHE_HOME/backplane/cuda or ~/.cache/backplane/cuda. Makes the folder; where that fails, or the
 * folder belongs to another user or can be written by others, nothing is kept. "" turns the cache off. */
void cuda_cache_open(cuda_cache *c, const char *folder, uint64_t limit);
/* malloc'd bytes of the entry; NULL where there is none that is whole. */
void *cuda_cache_get(const cuda_cache *c, cuda_key key, size_t *n);
/* Store an entry; then remove the entries unused for longest until all fit the limit. False: it was not stored. */
bool cuda_cache_put(const cuda_cache *c, cuda_key key, const void *bytes, size_t n);

#endif
