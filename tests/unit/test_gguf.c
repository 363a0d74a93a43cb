/* Reading GGUF: files are built here byte by byte, well formed and broken. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backplane/types.h"
#include "core/base/size.h"
#include "core/gguf/gguf.h"

typedef struct maker { uint8_t bytes[16384]; size_t n; uint32_t version; } maker;

static void put(maker *m, uint64_t value, uint32_t bytes) {
    assert_true(m->n + bytes <= sizeof m->bytes);
    for (uint32_t i = 0; i < bytes; i++) m->bytes[m->n++] = (uint8_t)(value >> 8 * i);
}

static void put_length(maker *m, uint64_t value) { put(m, value, m->version == 1 ? 4 : 8); }

static void put_text(maker *m, const char *text) {
    put_length(m, strlen(text));
    for (; *text; text++) put(m, (uint8_t)*text, 1);
}

static void put_head(maker *m, uint32_t version, uint64_t tensors, uint64_t keys) {
    *m = (maker){ .version = version };
    put(m, 0x46554747, 4);
    put(m, version, 4);
    put_length(m, tensors);
    put_length(m, keys);
}

static void put_key(maker *m, const char *name, uint32_t type) {
    put_text(m, name);
    put(m, type, 4);
}

static void put_u32(maker *m, const char *name, uint32_t value) {
    put_key(m, name, BP_GGUF_U32);
    put(m, value, 4);
}

static void put_array(maker *m, const char *name, uint32_t type, uint64_t count) {
    put_key(m, name, BP_GGUF_ARRAY);
    put(m, type, 4);
    put_length(m, count);
}

static void put_tensor(maker *m, const char *name, uint32_t type, uint64_t n0, uint64_t n1, uint64_t offset) {
    put_text(m, name);
    put(m, 2, 4);
    put_length(m, n0);
    put_length(m, n1);
    put(m, type, 4);
    put(m, offset, 8);
}

static void put_data(maker *m, size_t align, size_t bytes) {
    while (m->n % align) put(m, 0, 1);
    for (size_t i = 0; i < bytes; i++) put(m, i, 1);
}

/* The file in a piece of memory of just its size, so that sanitizers see any read past its end. */
static bp_status parse(const maker *m, size_t n, bp_gguf **file, void **copy, bp_error *error) {
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    memcpy(*copy, m->bytes, n);
    return bp_gguf_parse(*copy, n, "made", file, error);
}

static void put_numbers(maker *m) {
    static const uint32_t types[] = { BP_GGUF_U8,  BP_GGUF_I8,  BP_GGUF_U16, BP_GGUF_I16,
                                      BP_GGUF_U32, BP_GGUF_I32, BP_GGUF_U64, BP_GGUF_I64 };
    for (uint32_t i = 0; i < 8; i++) {
        char name[8] = { 'n', (char)('0' + i), 0 };
        put_key(m, name, types[i]);
        put(m, UINT64_MAX, 1u << i / 2);
    }
    put_key(m, "f32", BP_GGUF_F32);
    put(m, 0x3FC00000, 4);
    put_key(m, "f64", BP_GGUF_F64);
    put(m, 0xC004000000000000, 8);
    put_key(m, "yes", BP_GGUF_BOOL);
    put(m, 1, 1);
}

static void make_good(maker *m, uint32_t version) {
    put_head(m, version, 2, 15);
    put_numbers(m);
    put_key(m, "text", BP_GGUF_STRING);
    put_text(m, "hello");
    put_array(m, "words", BP_GGUF_STRING, 3);
    put_text(m, "a");
    put_text(m, "");
    put_text(m, "ccc");
    put_array(m, "shorts", BP_GGUF_I16, 2);
    put(m, 7, 2);
    put(m, (uint64_t)-8, 2);
    put_u32(m, "general.alignment", 64);
    put_tensor(m, "a.weight", BP_TYPE_F32, 4, 3, 0);
    put_tensor(m, "b.weight", BP_TYPE_Q8_0, 64, 2, 64);
    put_data(m, 64, 64 + 136);
}

static int64_t whole(const bp_gguf *file, const char *name, uint64_t i) {
    int64_t value = 12345;
    assert_true(bp_gguf_int(bp_gguf_find(file, name), i, &value));
    return value;
}

static void check_numbers(const bp_gguf *file) {
    static const int64_t expected[] = { 255, -1, 65535, -1, 4294967295, -1 };
    for (int i = 0; i < 6; i++) assert_int_equal(whole(file, (char[]){ 'n', (char)('0' + i), 0 }, 0), expected[i]);
    int64_t value;
    double number;
    assert_false(bp_gguf_int(bp_gguf_find(file, "n6"), 0, &value));
    assert_true(bp_gguf_float(bp_gguf_find(file, "n6"), 0, &number) && number == 18446744073709551616.0);
    assert_int_equal(whole(file, "n7", 0), -1);
    assert_true(bp_gguf_float(bp_gguf_find(file, "f32"), 0, &number) && number == 1.5);
    assert_true(bp_gguf_float(bp_gguf_find(file, "f64"), 0, &number) && number == -2.5);
    assert_true(bp_gguf_float(bp_gguf_find(file, "n1"), 0, &number) && number == -1);
    assert_int_equal(whole(file, "yes", 0), 1);
    assert_false(bp_gguf_float(bp_gguf_find(file, "yes"), 0, &number));
    assert_false(bp_gguf_int(bp_gguf_find(file, "f32"), 0, &value));
    assert_false(bp_gguf_int(bp_gguf_find(file, "yes"), 1, &value));
    assert_false(bp_gguf_int(bp_gguf_find(file, "text"), 0, &value));
    assert_false(bp_gguf_int(NULL, 0, &value));
}

static void check_texts(const bp_gguf *file) {
    bp_gguf_string text;
    assert_true(bp_gguf_string_at(bp_gguf_find(file, "text"), 0, &text));
    assert_int_equal(text.size, 5);
    assert_memory_equal(text.data, "hello", 5);
    assert_true(bp_gguf_string_at(bp_gguf_find(file, "words"), 2, &text));
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "ccc", 3);
    assert_true(bp_gguf_string_at(bp_gguf_find(file, "words"), 1, &text) && text.size == 0);
    assert_false(bp_gguf_string_at(bp_gguf_find(file, "words"), 3, &text));
    assert_false(bp_gguf_string_at(bp_gguf_find(file, "n0"), 0, &text));
    assert_int_equal(bp_gguf_find(file, "words")->count, 3);
    assert_int_equal(whole(file, "shorts", 1), -8);
}

static void check_tensors(const bp_gguf *file, const maker *m) {
    uint64_t start = m->n - 200;
    assert_int_equal(bp_gguf_n_tensors(file), 2);
    const bp_gguf_tensor *a = bp_gguf_tensor_at(file, 0), *b = bp_gguf_find_tensor(file, "b.weight");
    assert_string_equal(a->name, "a.weight");
    assert_true(a->rank == 2 && a->ne[0] == 4 && a->ne[1] == 3 && a->ne[2] == 1 && a->ne[3] == 1);
    assert_true(a->type == BP_TYPE_F32 && a->bytes == 48 && a->offset == start && a->part == 0);
    assert_true(b->type == BP_TYPE_Q8_0 && b->bytes == 136 && b->offset == start + 64);
    assert_int_equal(b->data[1], 65);
    assert_null(bp_gguf_find_tensor(file, "c"));
    assert_null(bp_gguf_tensor_at(file, 2));
}

static void check_good(const bp_gguf *file, const maker *m) {
    const void *data;
    uint64_t size;
    assert_int_equal(bp_gguf_version(file), m->version);
    assert_int_equal(bp_gguf_bytes(file), m->n);
    assert_int_equal(bp_gguf_n_keys(file), 15);
    assert_string_equal(bp_gguf_key_at(file, 14)->name, "general.alignment");
    assert_null(bp_gguf_key_at(file, 15));
    assert_null(bp_gguf_find(file, "nothing"));
    assert_true(bp_gguf_mapping(file, 0, &data, &size) && size == m->n);
    assert_false(bp_gguf_mapping(file, 1, &data, &size));
    check_numbers(file);
    check_texts(file);
    check_tensors(file, m);
}

static void reads_all_versions(void **state) {
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        maker m;
        bp_error error = BP_ERROR_INIT;
        bp_gguf *file;
        void *copy;
        make_good(&m, version);
        if (parse(&m, m.n, &file, &copy, &error)) fail_msg("v%u: %s", version, error.message);
        check_good(file, &m);
        bp_gguf_close(file);
        free(copy);
    }
}

static void refuses_every_truncation(void **state) {
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        maker m;
        make_good(&m, version);
        for (size_t n = 0; n < m.n; n++) {
            bp_error error = BP_ERROR_INIT;
            bp_gguf *file;
            void *copy;
            assert_int_equal(parse(&m, n, &file, &copy, &error), BP_E_INVALID);
            assert_null(file);
            assert_non_null(strstr(error.message, "file"));
            free(copy);
        }
    }
}

/* Any one byte changed: read or refused, never worse. */
static void survives_every_changed_byte(void **state) {
    (void)state;
    static const uint8_t changes[] = { 0x01, 0x80, 0xFF };
    maker m;
    make_good(&m, 3);
    for (size_t i = 0; i < m.n - 200; i++)
        for (size_t j = 0; j < BP_COUNT(changes); j++) {
            bp_error error = BP_ERROR_INIT;
            bp_gguf *file;
            void *copy;
            m.bytes[i] ^= changes[j];
            bp_status status = parse(&m, m.n, &file, &copy, &error);
            assert_true(status ? error.message[0] != 0 && !file : file != NULL);
            bp_gguf_close(file);
            free(copy);
            m.bytes[i] ^= changes[j];
        }
}

/* Broken files: each function makes one. */
static void bad_magic(maker *m) { put_head(m, 3, 0, 0); m->bytes[3] = 'X'; }
static void bad_big_endian(maker *m) { put_head(m, 3, 0, 0); m->bytes[4] = 0; m->bytes[7] = 3; }
static void bad_version(maker *m) { put_head(m, 4, 0, 0); }
static void bad_version_zero(maker *m) { put_head(m, 0, 0, 0); }
static void bad_many_keys(maker *m) { put_head(m, 3, 0, UINT64_MAX); }
static void bad_many_tensors(maker *m) { put_head(m, 3, UINT64_MAX, 0); }
static void bad_key_count(maker *m) { put_head(m, 3, 0, 60000); }
static void bad_tensor_count(maker *m) { put_head(m, 3, 60000, 0); }
static void bad_key_twice(maker *m) { put_head(m, 3, 0, 2); put_u32(m, "twin", 1); put_u32(m, "twin", 1); }
static void bad_key_empty(maker *m) { put_head(m, 3, 0, 1); put_u32(m, "", 1); }
static void bad_key_control(maker *m) { put_head(m, 3, 0, 1); put_u32(m, "a\033[2J", 1); }
static void bad_key_utf8(maker *m) { put_head(m, 3, 0, 1); put_u32(m, "a\xFF" "b", 1); }
static void bad_key_long(maker *m) {
    put_head(m, 3, 0, 1);
    put_length(m, BP_GGUF_MAX_NAME + 1);
    put_data(m, 1, 4096);
}
static void bad_key_type(maker *m) { put_head(m, 3, 0, 1); put_key(m, "odd", 13); put(m, 0, 8); }
static void bad_bool(maker *m) { put_head(m, 3, 0, 1); put_key(m, "flag", BP_GGUF_BOOL); put(m, 2, 1); }
static void bad_nested(maker *m) {
    put_head(m, 3, 0, 1);
    put_array(m, "nest", BP_GGUF_ARRAY, 1);
    put_data(m, 1, 64);
}
static void bad_array_type(maker *m) { put_head(m, 3, 0, 1); put_array(m, "odd", 99, 1); put(m, 0, 8); }
static void bad_array_long(maker *m) { put_head(m, 3, 0, 1); put_array(m, "long", BP_GGUF_U32, 1ull << 62); }
static void bad_strings_long(maker *m) { put_head(m, 3, 0, 1); put_array(m, "long", BP_GGUF_STRING, 1ull << 60); }
static void bad_string_long(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "text", BP_GGUF_STRING);
    put_length(m, UINT64_MAX);
}
static void aligned(maker *m, uint32_t value) {
    put_head(m, 3, 1, 1);
    put_u32(m, "general.alignment", value);
    put_tensor(m, "w", BP_TYPE_F32, 4, 1, 0);
    put_data(m, 64, 64);
}
static void bad_alignment_zero(maker *m) { aligned(m, 0); }
static void bad_alignment_small(maker *m) { aligned(m, 4); }
static void bad_alignment_odd(maker *m) { aligned(m, 48); }
static void bad_alignment_large(maker *m) { aligned(m, 131072); }
static void bad_alignment_kind(maker *m) {
    put_head(m, 3, 0, 1);
    put_key(m, "general.alignment", BP_GGUF_STRING);
    put_text(m, "32");
}
static void one(maker *m, uint32_t type, uint64_t n0, uint64_t n1, uint64_t offset) {
    put_head(m, 3, 1, 0);
    put_tensor(m, "w", type, n0, n1, offset);
    put_data(m, 32, 256);
}
static void bad_tensor_type(maker *m) { one(m, 37, 4, 1, 0); }
static void bad_tensor_type_huge(maker *m) { one(m, UINT32_MAX, 4, 1, 0); }
static void bad_dim_zero(maker *m) { one(m, BP_TYPE_F32, 4, 0, 0); }
static void bad_dim_huge(maker *m) { one(m, BP_TYPE_F32, 1ull << 63, 1, 0); }
static void bad_product(maker *m) { one(m, BP_TYPE_F32, 1ull << 40, 1ull << 40, 0); }
static void bad_product_bytes(maker *m) { one(m, BP_TYPE_F32, 1ull << 31, 1ull << 31, 0); }
static void bad_block(maker *m) { one(m, BP_TYPE_Q4_K, 128, 1, 0); }
static void bad_offset_align(maker *m) { one(m, BP_TYPE_F32, 4, 1, 8); }
static void bad_offset_end(maker *m) { one(m, BP_TYPE_F32, 4, 1, 256); }
static void bad_offset_huge(maker *m) { one(m, BP_TYPE_F32, 4, 1, UINT64_MAX - 31); }
static void bad_bytes_end(maker *m) { one(m, BP_TYPE_F32, 65, 1, 0); }
static void ranked(maker *m, uint32_t rank) {
    put_head(m, 3, 1, 0);
    put_text(m, "w");
    put(m, rank, 4);
    put_data(m, 1, 256);
}
static void bad_rank_zero(maker *m) { ranked(m, 0); }
static void bad_rank_five(maker *m) { ranked(m, 5); }
static void bad_tensor_twice(maker *m) {
    put_head(m, 3, 2, 0);
    put_tensor(m, "w", BP_TYPE_F32, 4, 1, 0);
    put_tensor(m, "w", BP_TYPE_F32, 4, 1, 32);
    put_data(m, 32, 64);
}
static void bad_overlap(maker *m) {
    put_head(m, 3, 2, 0);
    put_tensor(m, "late", BP_TYPE_F32, 4, 1, 32);
    put_tensor(m, "early", BP_TYPE_F32, 9, 1, 0);
    put_data(m, 32, 64);
}
static void bad_split(maker *m) { put_head(m, 3, 0, 1); put_u32(m, "split.count", 3); }

static const struct bad_file { const char *what; void (*make)(maker *m); bp_status status; const char *says; } bad[] = {
    { "magic", bad_magic, BP_E_INVALID, "not a GGUF file" },
    { "big endian", bad_big_endian, BP_E_UNSUPPORTED, "big endian" },
    { "version 4", bad_version, BP_E_UNSUPPORTED, "version 4" },
    { "version 0", bad_version_zero, BP_E_UNSUPPORTED, "version 0" },
    { "2^64-1 keys", bad_many_keys, BP_E_REFUSED, "18446744073709551615 keys" },
    { "2^64-1 tensors", bad_many_tensors, BP_E_REFUSED, "18446744073709551615 tensors" },
    { "more keys than bytes", bad_key_count, BP_E_INVALID, "too short for its 60000 keys" },
    { "more tensors than bytes", bad_tensor_count, BP_E_INVALID, "too short for its 60000 tensors" },
    { "key twice", bad_key_twice, BP_E_INVALID, "twice: key 'twin'" },
    { "key without name", bad_key_empty, BP_E_INVALID, "name is empty" },
    { "escape codes in a name", bad_key_control, BP_E_INVALID, "control characters" },
    { "name of no UTF-8", bad_key_utf8, BP_E_INVALID, "not valid UTF-8" },
    { "name too long", bad_key_long, BP_E_INVALID, "at most 1024" },
    { "key type", bad_key_type, BP_E_INVALID, "value type 13 is unknown: key 'odd'" },
    { "bool 2", bad_bool, BP_E_INVALID, "bool value 2" },
    { "nested array", bad_nested, BP_E_UNSUPPORTED, "array inside an array is not supported: key 'nest'" },
    { "array type", bad_array_type, BP_E_INVALID, "value type 99 is unknown: key 'odd'" },
    { "array past the end", bad_array_long, BP_E_INVALID, "past the end of the file: key 'long'" },
    { "strings past the end", bad_strings_long, BP_E_INVALID, "strings go past the end of the file: key 'long'" },
    { "string past the end", bad_string_long, BP_E_INVALID, "past the end of the file: key 'text'" },
    { "alignment 0", bad_alignment_zero, BP_E_INVALID, "general.alignment is 0" },
    { "alignment 4", bad_alignment_small, BP_E_INVALID, "general.alignment is 4" },
    { "alignment 48", bad_alignment_odd, BP_E_INVALID, "general.alignment is 48" },
    { "alignment 131072", bad_alignment_large, BP_E_INVALID, "general.alignment is 131072" },
    { "alignment of text", bad_alignment_kind, BP_E_INVALID, "general.alignment is not a whole number" },
    { "tensor type 37", bad_tensor_type, BP_E_UNSUPPORTED, "tensor type 37 is not known: tensor 'w'" },
    { "tensor type 2^32-1", bad_tensor_type_huge, BP_E_UNSUPPORTED, "tensor type 4294967295" },
    { "dimension 0", bad_dim_zero, BP_E_INVALID, "dimension 1 is 0" },
    { "dimension 2^63", bad_dim_huge, BP_E_INVALID, "dimension 0 is 9223372036854775808" },
    { "product overflows", bad_product, BP_E_INVALID, "overflows: tensor 'w'" },
    { "bytes overflow", bad_product_bytes, BP_E_INVALID, "overflows: tensor 'w'" },
    { "part of a block", bad_block, BP_E_INVALID, "not a multiple of Q4_K's block of 256" },
    { "offset not aligned", bad_offset_align, BP_E_INVALID, "offset 8 is not a multiple of the alignment, 32" },
    { "offset past the end", bad_offset_end, BP_E_INVALID, "past the end of the file" },
    { "offset overflows", bad_offset_huge, BP_E_INVALID, "past the end of the file" },
    { "data past the end", bad_bytes_end, BP_E_INVALID, "260 bytes goes past the end of the file" },
    { "rank 0", bad_rank_zero, BP_E_INVALID, "rank 0 is not 1 to 4" },
    { "rank 5", bad_rank_five, BP_E_INVALID, "rank 5 is not 1 to 4" },
    { "tensor twice", bad_tensor_twice, BP_E_INVALID, "twice: tensor 'w'" },
    { "overlap", bad_overlap, BP_E_INVALID, "'early' and 'late'" },
    { "part of a set alone", bad_split, BP_E_INVALID, "split.count is 3" },
};

static void refuses_broken_files_in_words(void **state) {
    (void)state;
    for (size_t i = 0; i < BP_COUNT(bad); i++) {
        maker m;
        bp_error error = BP_ERROR_INIT;
        bp_gguf *file;
        void *copy;
        bad[i].make(&m);
        bp_status status = parse(&m, m.n, &file, &copy, &error);
        if (status != bad[i].status || !strstr(error.message, bad[i].says))
            fail_msg("%s: status %d, message \"%s\"", bad[i].what, status, error.message);
        assert_memory_equal(error.message, "made: ", 6);
        free(copy);
    }
}

static void accepts_neighbours(void **state) {
    (void)state;
    maker m;
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    void *copy;
    put_head(&m, 3, 2, 0); /* out of order, touching, the last one without padding */
    put_tensor(&m, "late", BP_TYPE_F32, 4, 1, 32);
    put_tensor(&m, "early", BP_TYPE_F32, 8, 1, 0);
    put_data(&m, 32, 48);
    if (parse(&m, m.n, &file, &copy, &error)) fail_msg("%s", error.message);
    assert_int_equal(bp_gguf_find_tensor(file, "early")->bytes, 32);
    bp_gguf_close(file);
    free(copy);
}

/* Split sets: files in a folder of their own. */
typedef struct folder { char path[64]; } folder;

static void part_path(const folder *f, unsigned i, char out[128]) {
    snprintf(out, 128, "%s/m-%05u-of-00002.gguf", f->path, i + 1);
}

static void write_part(const folder *f, unsigned i, const char *tensor, unsigned no, unsigned count, unsigned total) {
    maker m;
    char path[128];
    put_head(&m, 3, 1, 3);
    put_u32(&m, "split.no", no);
    put_u32(&m, "split.count", count);
    put_u32(&m, "split.tensors.count", total);
    put_tensor(&m, tensor, BP_TYPE_F32, 4, 1, 0);
    put_data(&m, 32, 16);
    part_path(f, i, path);
    FILE *to = fopen(path, "wb");
    assert_non_null(to);
    assert_int_equal(fwrite(m.bytes, 1, m.n, to), m.n);
    assert_int_equal(fclose(to), 0);
}

static int make_folder(void **state) {
    static folder f;
    snprintf(f.path, sizeof f.path, "/tmp/test_gguf-XXXXXX");
    *state = mkdtemp(f.path) ? &f : NULL;
    return *state ? 0 : -1;
}

static int remove_folder(void **state) {
    char path[128];
    for (unsigned i = 0; i < 2; i++) {
        part_path(*state, i, path);
        unlink(path);
    }
    return rmdir(((folder *)*state)->path);
}

static void reads_split_sets(void **state) {
    for (unsigned opened = 0; opened < 2; opened++) {
        char path[128];
        bp_error error = BP_ERROR_INIT;
        bp_gguf *file;
        write_part(*state, 0, "a", 0, 2, 2);
        write_part(*state, 1, "b", 1, 2, 2);
        part_path(*state, opened, path);
        if (bp_gguf_open(path, &file, &error)) fail_msg("%s", error.message);
        const bp_gguf_tensor *b = bp_gguf_find_tensor(file, "b");
        const void *data;
        uint64_t size;
        assert_true(bp_gguf_n_tensors(file) == 2 && b->part == 1 && bp_gguf_find_tensor(file, "a")->part == 0);
        assert_true(bp_gguf_mapping(file, 1, &data, &size));
        assert_ptr_equal(b->data, (const uint8_t *)data + b->offset);
        assert_true(bp_gguf_bytes(file) == 2 * size && b->data[15] == 15);
        bp_gguf_close(file);
    }
}

static void set_says(const folder *f, bp_status expected, const char *says) {
    char path[128];
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    part_path(f, 0, path);
    bp_status status = bp_gguf_open(path, &file, &error);
    if (status != expected || !strstr(error.message, says)) fail_msg("status %d, \"%s\"", status, error.message);
    assert_null(file);
}

static void refuses_broken_sets(void **state) {
    write_part(*state, 0, "a", 0, 2, 2);
    set_says(*state, BP_E_NOT_FOUND, "part 2 of a split set of 2");
    write_part(*state, 1, "b", 0, 2, 2);
    set_says(*state, BP_E_INVALID, "split.no is 0");
    write_part(*state, 1, "b", 1, 3, 2);
    set_says(*state, BP_E_INVALID, "split.count is 3");
    write_part(*state, 1, "a", 1, 2, 2);
    set_says(*state, BP_E_INVALID, "twice: tensor 'a'");
    write_part(*state, 1, "b", 1, 2, 2);
    write_part(*state, 0, "a", 0, 2, 5);
    set_says(*state, BP_E_INVALID, "split.tensors.count is 5");
}

static void names_missing_files(void **state) {
    (void)state;
    bp_error error = BP_ERROR_INIT;
    bp_gguf *file;
    assert_int_equal(bp_gguf_open(BP_FIXTURES "/gguf-missing", &file, &error), BP_E_NOT_FOUND);
    assert_non_null(strstr(error.message, "gguf-missing"));
    bp_gguf_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_versions),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_every_changed_byte),
        cmocka_unit_test(refuses_broken_files_in_words),
        cmocka_unit_test(accepts_neighbours),
        cmocka_unit_test_setup_teardown(reads_split_sets, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_broken_sets, make_folder, remove_folder),
        cmocka_unit_test(names_missing_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
