/* The cache of compiled kernels: what is stored comes back, what is damaged does not, many writers do no harm. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/cuda/cuda_cache.c"

static char folder[64];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test-cuda-cache-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static cuda_key key_of(const char *text) {
    cuda_key key = cuda_key_begin();
    cuda_key_add(&key, text, strlen(text));
    return key;
}

static void only_path(const cuda_cache *c, cuda_key key, char path[CUDA_CACHE_PATH]) { entry_path(c, key, path); }

static void comes_back(void **state) {
    (void)state;
    cuda_cache c;
    size_t n = 0;
    cuda_cache_open(&c, folder, 1 << 20);
    assert_null(cuda_cache_get(&c, key_of("a"), &n));
    assert_true(cuda_cache_put(&c, key_of("a"), "first", 5));
    assert_true(cuda_cache_put(&c, key_of("b"), "second!", 7));
    char *got = cuda_cache_get(&c, key_of("a"), &n);
    assert_int_equal(n, 5);
    assert_memory_equal(got, "first", 5);
    free(got);
    assert_false(same(key_of("a"), key_of("b")));
    cuda_key joined = cuda_key_begin(), parts = cuda_key_begin();
    cuda_key_add(&joined, "ab", 2);
    cuda_key_add(&parts, "a", 1);
    cuda_key_add(&parts, "b", 1);
    assert_false(same(joined, parts));
}

/* Every byte of an entry matters: changed, cut or longer, it is not used, and it is gone afterwards. */
static void damage_is_found(void **state) {
    (void)state;
    cuda_cache c;
    char path[CUDA_CACHE_PATH];
    cuda_cache_open(&c, folder, 1 << 20);
    only_path(&c, key_of("a"), path);
    for (long at = -2; at < (long)sizeof(head) + 5; at++) {
        size_t n = 0;
        assert_true(cuda_cache_put(&c, key_of("a"), "bytes", 5));
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        if (at >= 0) {
            fseek(file, at, SEEK_SET);
            int byte = fgetc(file);
            fseek(file, at, SEEK_SET);
            fputc(byte ^ 1, file);
        } else {
            assert_int_equal(ftruncate(fileno(file), (long)sizeof(head) + (at == -1 ? 4 : 6)), 0);
        }
        fclose(file);
        assert_null(cuda_cache_get(&c, key_of("a"), &n));
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void size_is_bounded(void **state) {
    (void)state;
    cuda_cache c;
    char bytes[1000] = { 0 };
    uint64_t total = 0;
    cuda_cache_open(&c, folder, 5000);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d", i);
        assert_true(cuda_cache_put(&c, key_of(name), bytes, sizeof bytes));
    }
    entry *all;
    size_t n = list(&c, &all);
    for (size_t i = 0; i < n; i++) total += all[i].bytes;
    free(all);
    assert_in_range(n, 1, 4);
    assert_in_range(total, 1, 5000);
    assert_false(cuda_cache_put(&c, key_of("large"), bytes, 5001));
}

/* Of two entries the one that was read last stays. */
static void oldest_goes(void **state) {
    (void)state;
    cuda_cache c;
    char bytes[1000] = { 0 }, path[CUDA_CACHE_PATH];
    size_t n;
    cuda_cache_open(&c, folder, 2500);
    struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
    const char *names[] = { "a", "b" };
    for (int i = 0; i < 2; i++) {
        assert_true(cuda_cache_put(&c, key_of(names[i]), bytes, sizeof bytes));
        only_path(&c, key_of(names[i]), path);
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    }
    free(cuda_cache_get(&c, key_of("a"), &n));
    assert_true(cuda_cache_put(&c, key_of("c"), bytes, sizeof bytes));
    void *a = cuda_cache_get(&c, key_of("a"), &n);
    assert_non_null(a);
    free(a);
    assert_null(cuda_cache_get(&c, key_of("b"), &n));
}

static void write_many(const cuda_cache *c, int writer) {
    char bytes[4096];
    for (int i = 0; i < 200; i++) {
        char name[16];
        size_t n = 0;
        snprintf(name, sizeof name, "k%d", i % 10);
        memset(bytes, i % 10, sizeof bytes);
        if (writer % 2) cuda_cache_put(c, key_of(name), bytes, sizeof bytes);
        unsigned char *got = cuda_cache_get(c, key_of(name), &n);
        if (got && (n != sizeof bytes || got[0] != i % 10 || got[n - 1] != i % 10)) _exit(1);
        free(got);
    }
    _exit(0);
}

static void many_processes(void **state) {
    (void)state;
    cuda_cache c;
    cuda_cache_open(&c, folder, 20000); /* too little for all: they also remove each other's */
    pid_t children[6];
    for (int i = 0; i < 6; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (!children[i]) write_many(&c, i);
    }
    for (int i = 0; i < 6; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* A folder that others can write to could hold anything. */
static void open_folders_are_not_used(void **state) {
    (void)state;
    cuda_cache c;
    assert_int_equal(chmod(folder, 0777), 0);
    cuda_cache_open(&c, folder, 1 << 20);
    assert_string_equal(c.folder, "");
    assert_false(cuda_cache_put(&c, key_of("a"), "x", 1));
    cuda_cache_open(&c, "", 1 << 20);
    assert_string_equal(c.folder, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = { TEST(comes_back), TEST(damage_is_found), TEST(size_is_bounded), TEST(oldest_goes),
                                        TEST(many_processes), TEST(open_folders_are_not_used) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
