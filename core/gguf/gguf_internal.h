/* What the files of the GGUF reader share; not for anyone else. */
#ifndef BP_GGUF_INTERNAL_H
#define BP_GGUF_INTERNAL_H

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "core/base/file.h"
#include "core/base/map.h"
#include "core/gguf/gguf.h"

enum { BP_GGUF_DEFAULT_ALIGNMENT = 32, BP_GGUF_MIN_ALIGNMENT = 8, BP_GGUF_MAX_ALIGNMENT = 65536 };

/* One file: all of a model, or a part of a split set. */
typedef struct bp_gguf_part {
    const char *path;
    bp_mapped_file bytes;
    bool mapped; /* bytes is our mapping, to be unmapped */
    uint32_t version;
    bp_gguf_key *keys;
    uint64_t n_keys;
    bp_map key_map;
    uint64_t first_tensor, n_tensors; /* its range of bp_gguf.tensors */
} bp_gguf_part;

struct bp_gguf {
    bp_arena arena; /* names, keys, strings, paths, parts */
    bp_gguf_part *parts;
    uint32_t n_parts;
    bp_gguf_tensor *tensors; /* of all parts */
    size_t n_tensors, tensor_capacity;
    bp_map tensor_map;
};

/* The state of reading one part. */
typedef struct bp_gguf_reader {
    bp_gguf *file;
    bp_gguf_part *part;
    bp_cursor c;
    bp_error *error;
    uint32_t length_bytes; /* of counts, lengths and dimensions: 4 in v1, 8 since */
    uint64_t declared_tensors;
} bp_gguf_reader;

/* Fail with the file's name and a byte offset before the message. */
bp_status bp_gguf_fail(bp_gguf_reader *r, bp_status status, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Fail because the file ends inside `what`. */
bp_status bp_gguf_cut(bp_gguf_reader *r, const char *what);
/* Read a name: 1 to BP_GGUF_MAX_NAME bytes of UTF-8 without control characters; `what` says whose. */
bp_status bp_gguf_read_name(bp_gguf_reader *r, const char *what, const char **out);
/* Read magic, version, counts and all keys of r->part. */
bp_status bp_gguf_read_keys(bp_gguf_reader *r);
/* Then read and check its tensors. */
bp_status bp_gguf_read_tensors(bp_gguf_reader *r);
/* Size in bytes of one item of a value type; 0 for strings, arrays and unknown types. */
uint32_t bp_gguf_item_bytes(uint32_t type);
/* The key of one part; NULL where it is not there. */
const bp_gguf_key *bp_gguf_part_find(const bp_gguf_part *part, const char *key);

#endif
