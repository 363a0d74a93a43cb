/* Block tables of the paged KV cache: sharing, copy on write, giving back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/run/kv_cache.h"

enum { BLOCKS = 8, BLOCK = 4, WIDTH = 6, SEQUENCES = 3 };

static bp_kv_cache *fresh(void) {
    bp_kv_cache *kv;
    assert_int_equal(bp_kv_new(BLOCKS, BLOCK, WIDTH, SEQUENCES, &kv, NULL), BP_OK);
    return kv;
}

static void store(bp_kv_cache *kv, int32_t s, int64_t n, int32_t *from, int32_t *to) {
    assert_int_equal(bp_kv_reserve(kv, s, n, from, to, NULL), BP_OK);
    bp_kv_advance(kv, s, n);
}

static void blocks_are_taken_as_tokens_come_and_given_back(void **state) {
    (void)state;
    bp_kv_cache *kv = fresh();
    int32_t from, to, s = bp_kv_open(kv);
    store(kv, s, 5, &from, &to);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS - 2);
    assert_int_equal(from, -1);
    store(kv, s, 3, &from, &to);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS - 2);
    bp_kv_truncate(kv, s, 4);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS - 1);
    bp_kv_close(kv, s);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS);
    bp_kv_free(kv);
}

static void slots_of_two_sequences_never_meet(void **state) {
    (void)state;
    bp_kv_cache *kv = fresh();
    int32_t from, to, a = bp_kv_open(kv), b = bp_kv_open(kv);
    bool used[BLOCKS * BLOCK] = { false };
    for (int i = 0; i < 16; i++) store(kv, i % 2 ? a : b, 1, &from, &to);
    for (int64_t i = 0; i < 8; i++) {
        assert_false(used[bp_kv_slot(kv, a, i)]);
        used[bp_kv_slot(kv, a, i)] = true;
        assert_false(used[bp_kv_slot(kv, b, i)]);
        used[bp_kv_slot(kv, b, i)] = true;
    }
    bp_kv_free(kv);
}

static void a_fork_shares_blocks_until_it_writes(void **state) {
    (void)state;
    bp_kv_cache *kv = fresh();
    int32_t from, to, a = bp_kv_open(kv);
    store(kv, a, 6, &from, &to);
    int32_t b = bp_kv_fork(kv, a);
    assert_int_equal(bp_kv_length(kv, b), 6);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS - 2);
    const int32_t shared = bp_kv_table(kv, a)[1];
    store(kv, b, 1, &from, &to);
    assert_int_equal(from, shared);
    assert_int_equal(bp_kv_table(kv, b)[1], to);
    assert_int_equal(bp_kv_table(kv, a)[1], shared);
    assert_int_equal(bp_kv_table(kv, b)[0], bp_kv_table(kv, a)[0]);
    store(kv, a, 1, &from, &to); /* alone with its block again: nothing to copy */
    assert_int_equal(from, -1);
    bp_kv_close(kv, a);
    bp_kv_close(kv, b);
    assert_int_equal(bp_kv_free_blocks(kv), BLOCKS);
    bp_kv_free(kv);
}

static void a_full_cache_refuses_and_changes_nothing(void **state) {
    (void)state;
    bp_kv_cache *kv = fresh();
    int32_t from, to, a = bp_kv_open(kv), b = bp_kv_open(kv);
    store(kv, a, 24, &from, &to);
    assert_int_equal(bp_kv_reserve(kv, a, 1, &from, &to, NULL), BP_E_REFUSED); /* its table is full */
    store(kv, b, 8, &from, &to);
    assert_int_equal(bp_kv_reserve(kv, b, 1, &from, &to, NULL), BP_E_REFUSED); /* no block is left */
    assert_int_equal(bp_kv_length(kv, b), 8);
    bp_kv_truncate(kv, a, 20);
    assert_int_equal(bp_kv_reserve(kv, b, 1, &from, &to, NULL), BP_OK);
    bp_kv_free(kv);
}

static void numbers_of_sequences_end(void **state) {
    (void)state;
    bp_kv_cache *kv = fresh();
    for (int i = 0; i < SEQUENCES; i++) assert_int_equal(bp_kv_open(kv), i);
    assert_int_equal(bp_kv_open(kv), -1);
    assert_int_equal(bp_kv_fork(kv, 0), -1);
    bp_kv_close(kv, 1);
    assert_int_equal(bp_kv_open(kv), 1);
    bp_kv_free(kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_taken_as_tokens_come_and_given_back),
        cmocka_unit_test(slots_of_two_sequences_never_meet),
        cmocka_unit_test(a_fork_shares_blocks_until_it_writes),
        cmocka_unit_test(a_full_cache_refuses_and_changes_nothing),
        cmocka_unit_test(numbers_of_sequences_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
