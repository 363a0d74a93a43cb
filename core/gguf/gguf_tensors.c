#include <inttypes.h>
#include <stdlib.h>

#include "backplane/types.h"
#include "core/base/size.h"
#include "core/gguf/gguf_internal.h"

static bp_status read_alignment(bp_gguf_reader *r, uint64_t *out) {
    const bp_gguf_key *key = bp_gguf_part_find(r->part, "general.alignment");
    int64_t value = BP_GGUF_DEFAULT_ALIGNMENT;
    if (key && (key->type == BP_GGUF_ARRAY || !bp_gguf_int(key, 0, &value)))
        return bp_gguf_fail(r, BP_E_INVALID, key->offset, "general.alignment is not a whole number");
    if (value < BP_GGUF_MIN_ALIGNMENT || value > BP_GGUF_MAX_ALIGNMENT || (value & (value - 1)))
        return bp_gguf_fail(r, BP_E_INVALID, key->offset,
                            "general.alignment is %" PRId64 "; it must be a power of two from %d to %d", value,
                            BP_GGUF_MIN_ALIGNMENT, BP_GGUF_MAX_ALIGNMENT);
    *out = (uint64_t)value;
    return BP_OK;
}

static bp_status read_dimension(bp_gguf_reader *r, bp_gguf_tensor *tensor, uint32_t i) {
    uint64_t at = r->c.at, n;
    if (!bp_cursor_number(&r->c, r->length_bytes, &n)) return bp_gguf_cut(r, "a tensor's dimensions");
    if (n && n <= INT64_MAX) {
        tensor->ne[i] = (int64_t)n;
        return BP_OK;
    }
    return bp_gguf_fail(r, BP_E_INVALID, at, "dimension %u is %" PRIu64 "; it must be from 1 to 2^63 - 1: tensor '%s'",
                        i, n, tensor->name);
}

static bp_status read_shape(bp_gguf_reader *r, bp_gguf_tensor *tensor) {
    uint64_t at = r->c.at, rank;
    if (!bp_cursor_number(&r->c, 4, &rank)) return bp_gguf_cut(r, "a tensor's rank");
    if (rank < 1 || rank > 4)
        return bp_gguf_fail(r, BP_E_INVALID, at, "rank %" PRIu64 " is not 1 to 4: tensor '%s'", rank, tensor->name);
    tensor->rank = (uint32_t)rank;
    for (uint32_t i = 0; i < 4; i++) tensor->ne[i] = 1;
    bp_status status = BP_OK;
    for (uint32_t i = 0; i < rank && !status; i++) status = read_dimension(r, tensor, i);
    return status;
}

static bp_status read_type(bp_gguf_reader *r, bp_gguf_tensor *tensor) {
    uint64_t at = r->c.at, type;
    if (!bp_cursor_number(&r->c, 4, &type)) return bp_gguf_cut(r, "a tensor's type");
    tensor->type = (uint32_t)type;
    bp_type_info info = bp_type(tensor->type);
    if (!info.name)
        return bp_gguf_fail(r, BP_E_UNSUPPORTED, at, "tensor type %u is not known: tensor '%s'", tensor->type,
                            tensor->name);
    if ((uint64_t)tensor->ne[0] % info.block_values)
        return bp_gguf_fail(r, BP_E_INVALID, at, "rows of %" PRId64 " are not a multiple of %s's block of %u: tensor "
                            "'%s'", tensor->ne[0], info.name, info.block_values, tensor->name);
    return BP_OK;
}

/* Both the values and their bytes must be countable in 63 bits. */
static bool count_bytes(bp_gguf_tensor *tensor) {
    bp_type_info info = bp_type(tensor->type);
    uint64_t values = (uint64_t)tensor->ne[0], bytes;
    if (!bp_mul_u64(values / info.block_values, info.block_bytes, &bytes)) return false;
    for (uint32_t i = 1; i < 4; i++) {
        if (!bp_mul_u64(values, (uint64_t)tensor->ne[i], &values)) return false;
        if (!bp_mul_u64(bytes, (uint64_t)tensor->ne[i], &bytes)) return false;
    }
    tensor->bytes = bytes;
    return values <= INT64_MAX && bytes <= INT64_MAX;
}

static bp_status read_tensor(bp_gguf_reader *r, bp_gguf_tensor *tensor) {
    uint64_t at = r->c.at;
    *tensor = (bp_gguf_tensor){ .part = (uint32_t)(r->part - r->file->parts) };
    bp_status status = bp_gguf_read_name(r, "a tensor's name", &tensor->name);
    if (!status) status = read_shape(r, tensor);
    if (!status) status = read_type(r, tensor);
    if (status) return status;
    if (!count_bytes(tensor)) return bp_gguf_fail(r, BP_E_INVALID, at, "the size overflows: tensor '%s'", tensor->name);
    if (!bp_cursor_number(&r->c, 8, &tensor->offset)) return bp_gguf_cut(r, "a tensor's offset");
    return BP_OK;
}

static bp_status add_tensor(bp_gguf_reader *r) {
    bp_gguf *file = r->file;
    uint64_t at = r->c.at;
    if (!bp_grow((void **)&file->tensors, &file->tensor_capacity, file->n_tensors + 1, sizeof *file->tensors))
        return bp_gguf_fail(r, BP_E_NO_MEMORY, at, "out of memory");
    bp_gguf_tensor *tensor = &file->tensors[file->n_tensors];
    bp_status status = read_tensor(r, tensor);
    if (status) return status;
    int added = bp_map_add(&file->tensor_map, tensor->name, strlen(tensor->name), (uint32_t)file->n_tensors);
    if (added == BP_MAP_THERE)
        return bp_gguf_fail(r, BP_E_INVALID, at, "this tensor is there twice: tensor '%s'", tensor->name);
    if (added == BP_MAP_NO_MEMORY) return bp_gguf_fail(r, BP_E_NO_MEMORY, at, "out of memory");
    file->n_tensors++;
    r->part->n_tensors++;
    return BP_OK;
}

/* Turn the offset within the data section into one in the file; refuse what is not there. */
static bp_status place_tensor(bp_gguf_reader *r, bp_gguf_tensor *tensor, uint64_t start, uint64_t alignment) {
    uint64_t offset = tensor->offset, at, end;
    if (offset % alignment)
        return bp_gguf_fail(r, BP_E_INVALID, start, "offset %" PRIu64 " is not a multiple of the alignment, %" PRIu64
                            ": tensor '%s'", offset, alignment, tensor->name);
    if (!bp_add_u64(start, offset, &at) || !bp_add_u64(at, tensor->bytes, &end) || end > r->c.end)
        return bp_gguf_fail(r, BP_E_INVALID, start, "data at offset %" PRIu64 " of %" PRIu64 " bytes goes past the "
                            "end of the file (is it cut off?): tensor '%s'", offset, tensor->bytes, tensor->name);
    tensor->offset = at;
    tensor->data = r->c.bytes + at;
    return BP_OK;
}

static int by_offset(const void *a, const void *b) {
    const bp_gguf_tensor *x = *(const bp_gguf_tensor *const *)a, *y = *(const bp_gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bp_status check_overlap(bp_gguf_reader *r) {
    uint64_t n = r->part->n_tensors;
    const bp_gguf_tensor **sorted = bp_new_array(n, sizeof *sorted);
    if (!sorted) return bp_gguf_fail(r, BP_E_NO_MEMORY, r->c.at, "out of memory");
    for (uint64_t i = 0; i < n; i++) sorted[i] = &r->file->tensors[r->part->first_tensor + i];
    qsort(sorted, n, sizeof *sorted, by_offset);
    bp_status status = BP_OK;
    for (uint64_t i = 1; i < n && !status; i++)
        if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset)
            status = bp_gguf_fail(r, BP_E_INVALID, sorted[i]->offset, "data overlaps that of another tensor: tensors "
                                  "'%s' and '%s'", sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return status;
}

static bp_status place_tensors(bp_gguf_reader *r, uint64_t alignment) {
    uint64_t start = bp_round_up(r->c.at, alignment);
    bp_gguf_tensor *tensors = r->file->tensors;
    for (uint64_t i = 0; i < r->part->n_tensors; i++) {
        bp_status status = place_tensor(r, &tensors[r->part->first_tensor + i], start, alignment);
        if (status) return status;
    }
    return check_overlap(r);
}

static bp_status check_count(bp_gguf_reader *r) {
    uint64_t least = 2 * (uint64_t)r->length_bytes + 17; /* name's length and a byte, rank, a dimension, type, offset */
    uint64_t n = r->declared_tensors, total = r->file->n_tensors + n;
    if (total > BP_GGUF_MAX_TENSORS)
        return bp_gguf_fail(r, BP_E_REFUSED, r->c.at, "%" PRIu64 " tensors in all parts; at most %d are allowed", total,
                            BP_GGUF_MAX_TENSORS);
    if (n <= bp_cursor_left(&r->c) / least) return BP_OK;
    return bp_gguf_fail(r, BP_E_INVALID, r->c.at, "the file is too short for its %" PRIu64 " tensors (%" PRIu64
                        " bytes; is it cut off?)", n, r->c.end);
}

bp_status bp_gguf_read_tensors(bp_gguf_reader *r) {
    uint64_t alignment = 0;
    r->part->first_tensor = r->file->n_tensors;
    bp_status status = read_alignment(r, &alignment);
    if (!status) status = check_count(r);
    for (uint64_t i = 0; i < r->declared_tensors && !status; i++) status = add_tensor(r);
    return status ? status : r->part->n_tensors ? place_tensors(r, alignment) : BP_OK;
}
