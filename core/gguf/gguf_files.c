#include <inttypes.h>
#include <stdio.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/gguf/gguf_internal.h"

enum { DIGITS = 5 };
static const char extension[] = ".gguf", between[] = "-of-";
enum { SUFFIX = 1 + DIGITS + sizeof between - 1 + DIGITS + sizeof extension - 1 }; /* -00001-of-00003.gguf */

typedef struct split_name { size_t stem; uint32_t number, count; } split_name; /* number from 1 */

static bool read_digits(const char *text, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = *out * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

static bool parse_split_name(const char *path, split_name *out) {
    size_t n = strlen(path), of = 1 + DIGITS, second = of + sizeof between - 1;
    if (n <= SUFFIX) return false;
    const char *suffix = path + n - SUFFIX;
    out->stem = n - SUFFIX;
    return suffix[0] == '-' && read_digits(suffix + 1, &out->number) && !strncmp(suffix + of, between, second - of) &&
           read_digits(suffix + second, &out->count) && !strcmp(suffix + second + DIGITS, extension);
}

static bp_status add_part(bp_gguf *file, const char *path, const bp_mapped_file *bytes, bp_error *error) {
    bp_gguf_part *part = &file->parts[file->n_parts];
    part->path = bp_arena_text(&file->arena, path, strlen(path));
    if (!part->path) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path);
    if (bytes) part->bytes = *bytes;
    bp_status status = bytes ? BP_OK : bp_file_map(path, &part->bytes, error);
    if (status) return status;
    part->mapped = !bytes;
    file->n_parts++;
    bp_cursor start = { part->bytes.data, 0, part->bytes.size, false };
    bp_gguf_reader r = { .file = file, .part = part, .c = start, .error = error };
    status = bp_gguf_read_keys(&r);
    return status ? status : bp_gguf_read_tensors(&r);
}

static bp_status check_number(const bp_gguf_part *part, const char *name, int64_t expected, bp_error *error) {
    int64_t value;
    const bp_gguf_key *key = bp_gguf_part_find(part, name);
    if (!bp_gguf_int(key, 0, &value))
        return bp_fail(error, BP_E_INVALID, "%s: the name is of a split set, but there is no whole number %s in it",
                       part->path, name);
    if (value == expected) return BP_OK;
    return bp_fail(error, BP_E_INVALID, "%s: byte %" PRIu64 ": %s is %" PRId64 ", but the file's name or the set says %"
                   PRId64, part->path, key->offset, name, value, expected);
}

static bp_status check_total(const bp_gguf *file, bp_error *error) {
    if (!bp_gguf_part_find(&file->parts[0], "split.tensors.count")) return BP_OK;
    return check_number(&file->parts[0], "split.tensors.count", (int64_t)file->n_tensors, error);
}

static bp_status open_part(bp_gguf *file, const char *path, const split_name *name, uint32_t i, bp_error *error) {
    const char *part = bp_arena_format(&file->arena, "%.*s-%05u%s%05u%s", (int)name->stem, path, i + 1, between,
                                       name->count, extension);
    if (!part) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path);
    bp_status status = add_part(file, part, NULL, error);
    if (status == BP_E_NOT_FOUND) return bp_fail_in(error, "part %u of a split set of %u: ", i + 1, name->count);
    if (!status) status = check_number(&file->parts[i], "split.count", name->count, error);
    if (!status) status = check_number(&file->parts[i], "split.no", i, error);
    return status;
}

static bp_status open_set(bp_gguf *file, const char *path, const split_name *name, bp_error *error) {
    if (name->count > BP_GGUF_MAX_SPLITS)
        return bp_fail(error, BP_E_REFUSED, "%s: the name says %u parts; at most %d are allowed", path, name->count,
                       BP_GGUF_MAX_SPLITS);
    if (!name->number || name->number > name->count)
        return bp_fail(error, BP_E_INVALID, "%s: the name says part %u of %u", path, name->number, name->count);
    file->parts = bp_arena_alloc(&file->arena, name->count * sizeof *file->parts);
    if (!file->parts) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path);
    bp_status status = BP_OK;
    for (uint32_t i = 0; i < name->count && !status; i++) status = open_part(file, path, name, i, error);
    return status ? status : check_total(file, error);
}

static bp_status open_single(bp_gguf *file, const char *path, const bp_mapped_file *bytes, bp_error *error) {
    file->parts = bp_arena_alloc(&file->arena, sizeof *file->parts);
    if (!file->parts) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path);
    bp_status status = add_part(file, path, bytes, error);
    int64_t count;
    if (status || !bp_gguf_int(bp_gguf_find(file, "split.count"), 0, &count) || count == 0 || count == 1) return status;
    return bp_fail(error, BP_E_INVALID, "%s: split.count is %" PRId64 ": this is a part of a split set; its files "
                   "must be together and named NAME-00001-of-%05" PRId64 ".gguf and so on", path, count, count);
}

static bp_status open_files(bp_gguf *file, const char *path, bp_error *error) {
    split_name name;
    if (parse_split_name(path, &name) && name.count != 1 && strlen(path) < INT32_MAX)
        return open_set(file, path, &name, error);
    return open_single(file, path, NULL, error);
}

static bp_status finish(bp_gguf *file, bp_status status, bp_gguf **out) {
    if (status) bp_gguf_close(file);
    else *out = file;
    return status;
}

bp_status bp_gguf_open(const char *path, bp_gguf **out, bp_error *error) {
    *out = NULL;
    bp_gguf *file = bp_new_array(1, sizeof *file);
    if (!file) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", path);
    *file = (bp_gguf){ 0 };
    return finish(file, open_files(file, path, error), out);
}

bp_status bp_gguf_parse(const void *bytes, uint64_t size, const char *name, bp_gguf **out, bp_error *error) {
    *out = NULL;
    bp_gguf *file = bp_new_array(1, sizeof *file);
    if (!file) return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", name);
    *file = (bp_gguf){ 0 };
    bp_mapped_file memory = { bytes, size };
    return finish(file, open_single(file, name, &memory, error), out);
}
