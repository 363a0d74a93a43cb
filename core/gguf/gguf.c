#include "core/gguf/gguf.h"

#include <stdlib.h>

#include "core/gguf/gguf_internal.h"

void bp_gguf_close(bp_gguf *file) {
    if (!file) return;
    for (uint32_t i = 0; i < file->n_parts; i++) {
        bp_map_free(&file->parts[i].key_map);
        if (file->parts[i].mapped) bp_file_unmap(&file->parts[i].bytes);
    }
    bp_map_free(&file->tensor_map);
    free(file->tensors);
    bp_arena_free(&file->arena);
    free(file);
}

uint32_t bp_gguf_version(const bp_gguf *file) { return file->parts[0].version; }

const char *bp_gguf_path(const bp_gguf *file) { return file->parts[0].path; }

uint64_t bp_gguf_bytes(const bp_gguf *file) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < file->n_parts; i++) bytes += file->parts[i].bytes.size;
    return bytes;
}

uint64_t bp_gguf_n_keys(const bp_gguf *file) { return file->parts[0].n_keys; }

const bp_gguf_key *bp_gguf_key_at(const bp_gguf *file, uint64_t i) {
    return i < file->parts[0].n_keys ? &file->parts[0].keys[i] : NULL;
}

const bp_gguf_key *bp_gguf_part_find(const bp_gguf_part *part, const char *key) {
    uint32_t i;
    return bp_map_find(&part->key_map, key, strlen(key), &i) ? &part->keys[i] : NULL;
}

const bp_gguf_key *bp_gguf_find(const bp_gguf *file, const char *key) {
    return bp_gguf_part_find(&file->parts[0], key);
}

uint64_t bp_gguf_n_tensors(const bp_gguf *file) { return file->n_tensors; }

const bp_gguf_tensor *bp_gguf_tensor_at(const bp_gguf *file, uint64_t i) {
    return i < file->n_tensors ? &file->tensors[i] : NULL;
}

const bp_gguf_tensor *bp_gguf_find_tensor(const bp_gguf *file, const char *name) {
    uint32_t i;
    return bp_map_find(&file->tensor_map, name, strlen(name), &i) ? &file->tensors[i] : NULL;
}

bool bp_gguf_mapping(const bp_gguf *file, uint32_t part, const void **data, uint64_t *size) {
    if (part >= file->n_parts) return false;
    *data = file->parts[part].bytes.data;
    *size = file->parts[part].bytes.size;
    return true;
}

/* The bits of item i of a key of numbers, little endian in the file. */
static bool item_bits(const bp_gguf_key *key, uint64_t i, uint32_t *bytes, uint64_t *bits) {
    if (!key || i >= key->count) return false;
    *bytes = bp_gguf_item_bytes(key->item_type);
    if (!*bytes) return false;
    bp_cursor c = { key->data + i * *bytes, 0, *bytes, false };
    return bp_cursor_number(&c, *bytes, bits);
}

static bool is_float(uint32_t type) { return type == BP_GGUF_F32 || type == BP_GGUF_F64; }

static bool is_signed(uint32_t type) {
    return type == BP_GGUF_I8 || type == BP_GGUF_I16 || type == BP_GGUF_I32 || type == BP_GGUF_I64;
}

static int64_t sign_extended(uint64_t bits, uint32_t bytes) {
    uint64_t sign = (uint64_t)1 << (bytes * 8 - 1);
    return (int64_t)((bits ^ sign) - sign);
}

bool bp_gguf_int(const bp_gguf_key *key, uint64_t i, int64_t *out) {
    uint32_t bytes;
    uint64_t bits;
    if (!item_bits(key, i, &bytes, &bits) || is_float(key->item_type)) return false;
    bool has_sign = is_signed(key->item_type);
    if (!has_sign && bits > INT64_MAX) return false;
    *out = has_sign ? sign_extended(bits, bytes) : (int64_t)bits;
    return true;
}

static double float_of(uint64_t bits, uint32_t bytes) {
    if (bytes == 8) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return value;
}

bool bp_gguf_float(const bp_gguf_key *key, uint64_t i, double *out) {
    uint32_t bytes;
    uint64_t bits;
    if (!item_bits(key, i, &bytes, &bits) || key->item_type == BP_GGUF_BOOL) return false;
    if (is_float(key->item_type)) *out = float_of(bits, bytes);
    else *out = is_signed(key->item_type) ? (double)sign_extended(bits, bytes) : (double)bits;
    return true;
}

bool bp_gguf_string_at(const bp_gguf_key *key, uint64_t i, bp_gguf_string *out) {
    if (!key || !key->strings || i >= key->count) return false;
    *out = key->strings[i];
    return true;
}
