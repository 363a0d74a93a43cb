#define _GNU_SOURCE
/* Base: sizes, cursors, texts, maps, errors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/map.h"
#include "core/base/parallel.h"
#include "core/base/size.h"
#include "core/base/text.h"

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    uint64_t out;
    assert_false(bp_mul_u64(UINT64_MAX, 2, &out));
    assert_false(bp_add_u64(UINT64_MAX, 1, &out));
    assert_true(bp_mul_u64(1u << 20, 1u << 20, &out));
    assert_int_equal(out, (uint64_t)1 << 40);
    assert_int_equal(bp_round_up(65, 64), 128);
}

static void a_cursor_stops_at_its_end(void **state) {
    (void)state;
    const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
    bp_cursor c = { bytes, 0, sizeof bytes, false };
    uint64_t n;
    assert_true(bp_cursor_number(&c, 4, &n));
    assert_int_equal(n, 0x04030201);
    assert_false(bp_cursor_number(&c, 2, &n));
    assert_int_equal(bp_cursor_left(&c), 1);
    assert_null(bp_cursor_take(&c, UINT64_MAX));
}

static void a_swapped_cursor_reads_big_endian(void **state) {
    (void)state;
    const uint8_t bytes[] = { 1, 2, 3, 4 };
    bp_cursor c = { bytes, 0, sizeof bytes, true };
    uint64_t n;
    assert_true(bp_cursor_number(&c, 4, &n));
    assert_int_equal(n, 0x01020304);
}

static void utf8_is_checked_strictly(void **state) {
    (void)state;
    assert_int_equal(bp_utf8_length("a", 1), 1);
    assert_int_equal(bp_utf8_length("\xC3\xA9", 2), 2);
    assert_int_equal(bp_utf8_length("\xC3", 1), -1);
    assert_int_equal(bp_utf8_length("\xF0\x9F\x98\x80", 4), 4);
    assert_int_equal(bp_utf8_length("\xC0\x80", 2), 0);
    assert_int_equal(bp_utf8_length("\xED\xA0\x80", 3), 0);
    assert_int_equal(bp_utf8_length("\xF4\x90\x80\x80", 4), 0);
    assert_int_equal(bp_utf8_length("\x80", 1), 0);
}

static void json_text_is_escaped(void **state) {
    (void)state;
    bp_text text = { 0 };
    bp_text_json(&text, "a\"\\\n\x01\xFF", 6);
    assert_string_equal(bp_text_get(&text), "a\\\"\\\\\\n\\u0001\xEF\xBF\xBD");
    bp_text_free(&text);
}

static void check_map(size_t reserved) {
    bp_map map = { 0 };
    if (reserved) assert_true(bp_map_reserve(&map, reserved));
    char keys[2000][8];
    for (uint32_t i = 0; i < 2000; i++) {
        int n = snprintf(keys[i], sizeof keys[i], "k%u", i);
        assert_int_equal(bp_map_add(&map, keys[i], (size_t)n, i), BP_MAP_ADDED);
    }
    assert_int_equal(bp_map_add(&map, "k7", 2, 99), BP_MAP_THERE);
    uint32_t value = 0;
    assert_true(bp_map_find(&map, "k7", 2, &value));
    assert_int_equal(value, 7);
    assert_false(bp_map_find(&map, "k2000", 5, &value));
    bp_map_free(&map);
}

static void a_map_keeps_the_first_value_of_a_key(void **state) {
    (void)state;
    check_map(0);
    check_map(1024);
    check_map(2000);
}

static void an_error_is_cut_between_characters(void **state) {
    (void)state;
    bp_error error = BP_ERROR_INIT;
    char text[400];
    memset(text, 'x', sizeof text);
    memcpy(text + BP_ERROR_TEXT - 2, "\xC3\xA9", 2);
    text[399] = 0;
    assert_int_equal(bp_fail(&error, BP_E_IO, "%s", text), BP_E_IO);
    assert_int_equal(strlen(error.message), BP_ERROR_TEXT - 2);
    bp_fail(&error, BP_E_IO, "bad");
    assert_int_equal(bp_fail_in(&error, "file: "), BP_E_IO);
    assert_string_equal(error.message, "file: bad");
}

static void count_one(void *self, uint64_t i) { __atomic_fetch_add((uint64_t *)self, i, __ATOMIC_RELAXED); }

static void parallel_work_is_done_once_each(void **state) {
    (void)state;
    uint64_t sum = 0;
    bp_parallel(4, 1000, count_one, &sum);
    assert_int_equal(sum, 1000 * 999 / 2);
}

static void a_file_is_written_whole_and_read_back(void **state) {
    (void)state;
    char path[] = "/tmp/bp-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    bp_error error = BP_ERROR_INIT;
    assert_int_equal(bp_file_write(path, "hello", 5, &error), BP_OK);
    bp_text text = { 0 };
    assert_int_equal(bp_file_read(path, 3, &text, &error), BP_E_REFUSED);
    bp_text_clear(&text);
    assert_int_equal(bp_file_read(path, 100, &text, &error), BP_OK);
    assert_string_equal(bp_text_get(&text), "hello");
    bp_text_free(&text);
    bp_mapped_file file;
    assert_int_equal(bp_file_map("/tmp", &file, &error), BP_E_INVALID);
    assert_int_equal(bp_file_map("/nowhere/at/all", &file, &error), BP_E_NOT_FOUND);
    unlink(path);
}

static void an_arena_gives_zeroed_memory(void **state) {
    (void)state;
    bp_arena arena = { 0 };
    unsigned char *big = bp_arena_alloc(&arena, 200000);
    assert_non_null(big);
    for (int i = 0; i < 200000; i++) assert_int_equal(big[i], 0);
    assert_string_equal(bp_arena_format(&arena, "%d-%s", 5, "x"), "5-x");
    assert_null(bp_arena_alloc(&arena, SIZE_MAX));
    bp_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_cursor_stops_at_its_end),
        cmocka_unit_test(a_swapped_cursor_reads_big_endian),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(json_text_is_escaped),
        cmocka_unit_test(a_map_keeps_the_first_value_of_a_key),
        cmocka_unit_test(an_error_is_cut_between_characters),
        cmocka_unit_test(parallel_work_is_done_once_each),
        cmocka_unit_test(a_file_is_written_whole_and_read_back),
        cmocka_unit_test(an_arena_gives_zeroed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
