/* Every tensor and every key of every tiny model, taken away one at a time (by another name for it, in memory). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/model/model.h"

typedef struct fixture {
    char name[64], arch[64];
    uint8_t *bytes;
    uint64_t size;
    bp_error error;
} fixture;

/* What may be missing: a tied output, llama 3's divisors. */
static const char *const optional_tensors[] = { "output.weight", "rope_freqs.weight" };
static const char *const needed_keys[] = { "embedding_length", "block_count", "context_length", "attention.head_count",
                                           "feed_forward_length" };

static bp_status build(fixture *f) {
    const bp_cache_shape cache = { .type = BP_TYPE_F32, .block_size = 32, .n_blocks = 4, .table_width = 4 };
    bp_gguf *file;
    bp_model *model;
    bp_builder *builder;
    bp_graph *graph;
    f->error = (bp_error)BP_ERROR_INIT;
    bp_status status = bp_gguf_parse(f->bytes, f->size, f->name, &file, &f->error);
    if (status) return status;
    status = bp_model_new(file, &model, &f->error);
    if (status) {
        bp_gguf_close(file);
        return status;
    }
    status = bp_model_graph(model, &cache, NULL, &builder, &graph, &f->error);
    if (!status) bp_builder_free(builder);
    bp_model_free(model);
    return status;
}

/* The first letter of a name in the file's head, where its length stands before it. */
static uint8_t *find_name(const fixture *f, const char *name) {
    const uint64_t n = strlen(name);
    for (uint64_t at = 8; at + n <= f->size; at++) {
        uint64_t length;
        memcpy(&length, f->bytes + at - 8, sizeof length);
        if (length == n && !memcmp(f->bytes + at, name, n)) return f->bytes + at;
    }
    fail_msg("%s: no %s in the file's bytes", f->name, name);
    return NULL;
}

static bool open_fixture(const char *name, fixture *f) {
    char path[600];
    bp_mapped_file map;
    size_t n = strlen(name);
    if (n < 6 || n >= sizeof f->name || strcmp(name + n - 5, ".gguf")) return false;
    snprintf(path, sizeof path, "%s/golden/%s", BP_FIXTURES, name);
    assert_int_equal(bp_file_map(path, &map, NULL), BP_OK);
    strcpy(f->name, name);
    f->size = map.size;
    f->bytes = malloc(map.size);
    assert_non_null(f->bytes);
    memcpy(f->bytes, map.data, map.size);
    bp_file_unmap(&map);
    return true;
}

static void each_fixture(void (*test)(fixture *, const bp_gguf *)) {
    char path[600];
    snprintf(path, sizeof path, "%s/golden", BP_FIXTURES);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        fixture f;
        bp_gguf *file;
        bp_gguf_string arch;
        if (!open_fixture(entry->d_name, &f)) continue;
        assert_int_equal(build(&f), BP_OK);
        char *copy = malloc(f.size); /* what names are read from while f's bytes change */
        assert_non_null(copy);
        memcpy(copy, f.bytes, f.size);
        assert_int_equal(bp_gguf_parse(copy, f.size, f.name, &file, NULL), BP_OK);
        assert_true(bp_gguf_string_at(bp_gguf_find(file, "general.architecture"), 0, &arch));
        snprintf(f.arch, sizeof f.arch, "%.*s", (int)arch.size, arch.data);
        test(&f, file);
        bp_gguf_close(file);
        free(copy);
        free(f.bytes);
        count++;
    }
    closedir(folder);
    assert_true(count > 40);
}

static bool is_optional(const char *tensor) {
    for (size_t i = 0; i < sizeof optional_tensors / sizeof *optional_tensors; i++)
        if (!strcmp(tensor, optional_tensors[i])) return true;
    return false;
}

static void without_each_tensor(fixture *f, const bp_gguf *file) {
    for (uint64_t i = 0; i < bp_gguf_n_tensors(file); i++) {
        const char *name = bp_gguf_tensor_at(file, i)->name;
        uint8_t *at = find_name(f, name), was = *at;
        *at = 'X';
        bp_status status = build(f);
        *at = was;
        if (!status && is_optional(name)) continue;
        if (status != BP_E_INVALID || !strstr(f->error.message, name) || !strstr(f->error.message, "missing"))
            fail_msg("%s without %s: status %d: %s", f->name, name, status, f->error.message);
    }
}

static void without_each_key(fixture *f, const bp_gguf *file) {
    int needed = 0;
    for (uint64_t i = 0; i < bp_gguf_n_keys(file); i++) {
        const char *name = bp_gguf_key_at(file, i)->name;
        size_t n = strlen(f->arch);
        if (strncmp(name, f->arch, n) || name[n] != '.') continue;
        uint8_t *at = find_name(f, name), was = *at;
        *at = 'X';
        bp_status status = build(f);
        *at = was;
        if (status && (status != BP_E_INVALID || !f->error.message[0]))
            fail_msg("%s without %s: status %d", f->name, name, status);
        for (size_t k = 0; k < sizeof needed_keys / sizeof *needed_keys; k++) {
            if (strcmp(name + n + 1, needed_keys[k])) continue;
            needed++;
            if (!status || !strstr(f->error.message, name))
                fail_msg("%s without %s: %s", f->name, name, f->error.message);
        }
    }
    assert_int_equal(needed, 5);
}

static void without_two(fixture *f, const bp_gguf *file) {
    char keys[2][128];
    (void)file;
    snprintf(keys[0], sizeof keys[0], "%s.block_count", f->arch);
    snprintf(keys[1], sizeof keys[1], "%s.context_length", f->arch);
    *find_name(f, keys[0]) = 'X';
    *find_name(f, keys[1]) = 'X';
    assert_int_equal(build(f), BP_E_INVALID);
    assert_non_null(strstr(f->error.message, keys[0]));
    assert_non_null(strstr(f->error.message, keys[1]));
}

static void tensors_are_missed(void **state) {
    (void)state;
    each_fixture(without_each_tensor);
}
static void keys_are_missed(void **state) {
    (void)state;
    each_fixture(without_each_key);
}
static void keys_are_missed_together(void **state) {
    (void)state;
    each_fixture(without_two);
}

/* A tensor of another shape is named with both shapes; an unknown architecture is refused. */
static void wrong_shapes_and_names(void **state) {
    (void)state;
    fixture f;
    assert_true(open_fixture("llama_tied.gguf", &f));
    uint8_t *at = find_name(&f, "blk.1.ffn_up.weight") + strlen("blk.1.ffn_up.weight") +
                  4; /* past the rank: dimensions */
    assert_int_equal(at[0], 64);
    at[0] = 32;
    assert_int_equal(build(&f), BP_E_INVALID);
    assert_non_null(strstr(f.error.message, "blk.1.ffn_up.weight has shape [32, 96, 1], expected [64, 96, 1]"));
    at[0] = 64;
    *find_name(&f, "llama") = 'X';
    assert_int_equal(build(&f), BP_E_UNSUPPORTED);
    assert_non_null(strstr(f.error.message, "Xlama"));
    free(f.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_missed),
        cmocka_unit_test(keys_are_missed),
        cmocka_unit_test(keys_are_missed_together),
        cmocka_unit_test(wrong_shapes_and_names),
    };
    bp_log_set_level(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
