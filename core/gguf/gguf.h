/* Reading GGUF model files, v1 to v3, little endian, one file or a split set. Nothing in a file is trusted: every
 * count, length, offset and type is checked against the file's size and the limits below before it is used; errors name
 * file, key or tensor, and byte offset. Source: the GGUF specification. */
#ifndef BP_GGUF_H
#define BP_GGUF_H

#include <stdbool.h>
#include <stdint.h>

#include "backplane/status.h"

/* Value types of keys: GGUF's own numbers. */
enum bp_gguf_type {
    BP_GGUF_U8, BP_GGUF_I8, BP_GGUF_U16, BP_GGUF_I16, BP_GGUF_U32, BP_GGUF_I32, BP_GGUF_F32, BP_GGUF_BOOL,
    BP_GGUF_STRING, BP_GGUF_ARRAY, BP_GGUF_U64, BP_GGUF_I64, BP_GGUF_F64
};

/* Limits, so that a hostile file cannot make the reader work or allocate without end. */
enum { BP_GGUF_MAX_KEYS = 1 << 16, BP_GGUF_MAX_TENSORS = 1 << 20, BP_GGUF_MAX_NAME = 1024, BP_GGUF_MAX_SPLITS = 1024 };

typedef struct bp_gguf bp_gguf; /* immutable once open: any thread */

/* A piece of text in the mapped file: not terminated. */
typedef struct bp_gguf_string { const char *data; uint64_t size; } bp_gguf_string;

typedef struct bp_gguf_key {
    const char *name;   /* terminated */
    uint32_t type;      /* bp_gguf_type */
    uint32_t item_type; /* of an array's items */
    uint64_t count;     /* items of an array, else 1 */
    const uint8_t *data; /* first item's bytes in the file (unaligned) */
    uint64_t offset;    /* of the value in the file, for messages */
    bp_gguf_string *strings; /* items, for a string and an array of strings; else NULL */
} bp_gguf_key;

typedef struct bp_gguf_tensor {
    const char *name;    /* terminated */
    uint32_t type, rank; /* a known bp_tensor_type */
    int64_t ne[4];       /* ne[0] varies fastest; past rank 1 */
    uint64_t bytes;
    const uint8_t *data; /* in the mapped file; aligned as the file says (general.alignment, 32 at least 8) */
    uint64_t offset;     /* in its file */
    uint32_t part;       /* which file of a split set */
} bp_gguf_tensor;

/* Open and check a file; for NAME-00001-of-0000N.gguf all parts. Freed with bp_gguf_close. */
bp_status bp_gguf_open(const char *path, bp_gguf **out, bp_error *error);
/* The same from memory (which outlives it); name is for messages. For tests and fuzzing; no splits. */
bp_status bp_gguf_parse(const void *bytes, uint64_t size, const char *name, bp_gguf **out, bp_error *error);
void bp_gguf_close(bp_gguf *file);

uint32_t bp_gguf_version(const bp_gguf *file);
const char *bp_gguf_path(const bp_gguf *file);
uint64_t bp_gguf_bytes(const bp_gguf *file); /* of all parts */
uint64_t bp_gguf_n_keys(const bp_gguf *file);
const bp_gguf_key *bp_gguf_key_at(const bp_gguf *file, uint64_t i);
const bp_gguf_key *bp_gguf_find(const bp_gguf *file, const char *key); /* NULL: not there */
uint64_t bp_gguf_n_tensors(const bp_gguf *file);
const bp_gguf_tensor *bp_gguf_tensor_at(const bp_gguf *file, uint64_t i);
const bp_gguf_tensor *bp_gguf_find_tensor(const bp_gguf *file, const char *name); /* NULL: not there */
/* The mapped bytes of part `part` (0-based); false past the last. */
bool bp_gguf_mapping(const bp_gguf *file, uint32_t part, const void **data, uint64_t *size);

/* Item i of a key, converted; false where the key is NULL, i is past the end, or the type does not fit (any integer
 * type or bool reads as integer if in range; any number reads as float). */
bool bp_gguf_int(const bp_gguf_key *key, uint64_t i, int64_t *out);
bool bp_gguf_float(const bp_gguf_key *key, uint64_t i, double *out);
bool bp_gguf_string_at(const bp_gguf_key *key, uint64_t i, bp_gguf_string *out);

#endif
