#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/gguf/gguf_internal.h"

enum { KEY_BYTES_BESIDE_LENGTH = 6 }; /* the least that a key takes: one byte of name, four of type, one of value */

bp_status bp_gguf_fail(bp_gguf_reader *r, bp_status status, uint64_t offset, const char *format, ...) {
    char words[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return bp_fail(r->error, status, "%s: byte %" PRIu64 ": %s", r->part->path, offset, words);
}

bp_status bp_gguf_cut(bp_gguf_reader *r, const char *what) {
    return bp_gguf_fail(r, BP_E_INVALID, r->c.at, "the file ends in %s (it has %" PRIu64 " bytes; is it cut off?)",
                        what, r->c.end);
}

static bool name_is_clean(const char *name, uint64_t n) {
    for (uint64_t i = 0; i < n;) {
        int length = bp_utf8_length(name + i, n - i);
        unsigned char first = (unsigned char)name[i];
        if (length <= 0 || first < 0x20 || first == 0x7f) return false;
        i += (uint64_t)length;
    }
    return true;
}

bp_status bp_gguf_read_name(bp_gguf_reader *r, const char *what, const char **out) {
    uint64_t at = r->c.at, n;
    if (!bp_cursor_number(&r->c, r->length_bytes, &n)) return bp_gguf_cut(r, what);
    if (!n) return bp_gguf_fail(r, BP_E_INVALID, at, "%s is empty", what);
    if (n > BP_GGUF_MAX_NAME)
        return bp_gguf_fail(r, BP_E_INVALID, at, "%s has %" PRIu64 " bytes; at most %d are allowed", what, n,
                            BP_GGUF_MAX_NAME);
    const char *text = (const char *)bp_cursor_take(&r->c, n);
    if (!text) return bp_gguf_cut(r, what);
    if (!name_is_clean(text, n))
        return bp_gguf_fail(r, BP_E_INVALID, at, "%s is not valid UTF-8 text or has control characters", what);
    *out = bp_arena_text(&r->file->arena, text, n);
    return *out ? BP_OK : bp_gguf_fail(r, BP_E_NO_MEMORY, at, "out of memory");
}

static bp_status check_magic(bp_gguf_reader *r) {
    const uint8_t *magic = bp_cursor_take(&r->c, 4);
    if (!magic) return bp_gguf_cut(r, "the magic number");
    if (!memcmp(magic, "GGUF", 4)) return BP_OK;
    return bp_gguf_fail(r, BP_E_INVALID, 0, "this is not a GGUF file: it does not begin with \"GGUF\"");
}

static bp_status check_version(bp_gguf_reader *r) {
    uint64_t version;
    if (!bp_cursor_number(&r->c, 4, &version)) return bp_gguf_cut(r, "the version");
    uint32_t swapped = __builtin_bswap32((uint32_t)version);
    if (swapped >= 1 && swapped <= 3)
        return bp_gguf_fail(r, BP_E_UNSUPPORTED, 4, "this is a big endian GGUF file; only little endian is supported");
    if (version < 1 || version > 3)
        return bp_gguf_fail(r, BP_E_UNSUPPORTED, 4, "GGUF version %" PRIu64 " is not supported; 1 to 3 are", version);
    r->part->version = (uint32_t)version;
    r->length_bytes = version == 1 ? 4 : 8;
    return BP_OK;
}

/* A count of at most `limit` things. */
static bp_status read_count(bp_gguf_reader *r, const char *what, uint64_t limit, uint64_t *out) {
    uint64_t at = r->c.at;
    if (!bp_cursor_number(&r->c, r->length_bytes, out)) return bp_gguf_cut(r, "the header");
    if (*out > limit)
        return bp_gguf_fail(r, BP_E_REFUSED, at, "%" PRIu64 " %s; at most %" PRIu64 " are allowed", *out, what, limit);
    return BP_OK;
}

static bp_status read_header(bp_gguf_reader *r) {
    bp_status status = check_magic(r);
    if (!status) status = check_version(r);
    if (!status) status = read_count(r, "tensors", BP_GGUF_MAX_TENSORS, &r->declared_tensors);
    if (!status) status = read_count(r, "keys", BP_GGUF_MAX_KEYS, &r->part->n_keys);
    return status;
}

uint32_t bp_gguf_item_bytes(uint32_t type) {
    static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    return type < BP_COUNT(bytes) ? bytes[type] : 0;
}

static bp_status read_string(bp_gguf_reader *r, const bp_gguf_key *key, bp_gguf_string *out) {
    uint64_t at = r->c.at;
    if (!bp_cursor_number(&r->c, r->length_bytes, &out->size)) return bp_gguf_cut(r, "a string's length");
    out->data = (const char *)bp_cursor_take(&r->c, out->size);
    if (out->data) return BP_OK;
    return bp_gguf_fail(r, BP_E_INVALID, at, "a string of %" PRIu64 " bytes goes past the end of the file: key '%s'",
                        out->size, key->name);
}

static bp_status read_strings(bp_gguf_reader *r, bp_gguf_key *key) {
    uint64_t bytes;
    if (key->count > bp_cursor_left(&r->c) / r->length_bytes)
        return bp_gguf_fail(r, BP_E_INVALID, key->offset, "%" PRIu64 " strings go past the end of the file: key '%s'",
                            key->count, key->name);
    if (!bp_mul_u64(key->count, sizeof *key->strings, &bytes)) return bp_gguf_cut(r, key->name);
    key->strings = bp_arena_alloc(&r->file->arena, bytes);
    if (!key->strings) return bp_gguf_fail(r, BP_E_NO_MEMORY, key->offset, "out of memory");
    for (uint64_t i = 0; i < key->count; i++) {
        bp_status status = read_string(r, key, &key->strings[i]);
        if (status) return status;
    }
    return BP_OK;
}

static bp_status check_bools(bp_gguf_reader *r, const bp_gguf_key *key) {
    for (uint64_t i = 0; i < key->count; i++)
        if (key->data[i] > 1)
            return bp_gguf_fail(r, BP_E_INVALID, key->offset, "bool value %u is neither 0 nor 1: key '%s'",
                                key->data[i], key->name);
    return BP_OK;
}

static bp_status read_numbers(bp_gguf_reader *r, bp_gguf_key *key) {
    uint64_t bytes;
    bool fits = bp_mul_u64(key->count, bp_gguf_item_bytes(key->item_type), &bytes);
    if (!fits || !bp_cursor_take(&r->c, bytes))
        return bp_gguf_fail(r, BP_E_INVALID, key->offset, "%" PRIu64 " values go past the end of the file: key '%s'",
                            key->count, key->name);
    return key->item_type == BP_GGUF_BOOL ? check_bools(r, key) : BP_OK;
}

/* An array's item type and count. */
static bp_status read_array_head(bp_gguf_reader *r, bp_gguf_key *key) {
    uint64_t at = r->c.at, type;
    if (!bp_cursor_number(&r->c, 4, &type)) return bp_gguf_cut(r, "an array's type");
    if (type == BP_GGUF_ARRAY)
        return bp_gguf_fail(r, BP_E_UNSUPPORTED, at, "an array inside an array is not supported: key '%s'", key->name);
    key->item_type = (uint32_t)type;
    if (!bp_cursor_number(&r->c, r->length_bytes, &key->count)) return bp_gguf_cut(r, "an array's length");
    return BP_OK;
}

static bp_status read_value(bp_gguf_reader *r, bp_gguf_key *key) {
    uint64_t at = r->c.at, type;
    if (!bp_cursor_number(&r->c, 4, &type)) return bp_gguf_cut(r, "a key's type");
    key->type = key->item_type = (uint32_t)type;
    key->count = 1;
    bp_status status = type == BP_GGUF_ARRAY ? read_array_head(r, key) : BP_OK;
    if (status) return status;
    bool string = key->item_type == BP_GGUF_STRING;
    if (!string && !bp_gguf_item_bytes(key->item_type))
        return bp_gguf_fail(r, BP_E_INVALID, at, "value type %u is unknown: key '%s'", key->item_type, key->name);
    key->offset = r->c.at;
    key->data = r->c.bytes + r->c.at;
    return string ? read_strings(r, key) : read_numbers(r, key);
}

static bp_status read_key(bp_gguf_reader *r, uint32_t i) {
    bp_gguf_key *key = &r->part->keys[i];
    uint64_t at = r->c.at;
    bp_status status = bp_gguf_read_name(r, "a key's name", &key->name);
    if (status) return status;
    int added = bp_map_add(&r->part->key_map, key->name, strlen(key->name), i);
    if (added == BP_MAP_THERE) return bp_gguf_fail(r, BP_E_INVALID, at, "this key is there twice: key '%s'", key->name);
    if (added == BP_MAP_NO_MEMORY) return bp_gguf_fail(r, BP_E_NO_MEMORY, at, "out of memory");
    return read_value(r, key);
}

bp_status bp_gguf_read_keys(bp_gguf_reader *r) {
    bp_status status = read_header(r);
    if (status) return status;
    bp_gguf_part *part = r->part;
    if (part->n_keys > bp_cursor_left(&r->c) / (r->length_bytes + KEY_BYTES_BESIDE_LENGTH))
        return bp_gguf_fail(r, BP_E_INVALID, r->c.at, "the file is too short for its %" PRIu64 " keys (%" PRIu64
                            " bytes; is it cut off?)", part->n_keys, r->c.end);
    part->keys = bp_arena_alloc(&r->file->arena, part->n_keys * sizeof *part->keys);
    if (!part->keys) return bp_gguf_fail(r, BP_E_NO_MEMORY, r->c.at, "out of memory");
    for (uint32_t i = 0; i < part->n_keys && !status; i++) status = read_key(r, i);
    return status;
}
