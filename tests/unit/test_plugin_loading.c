/* Backends are loaded only where they may be, and every refusal is told in words. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/device/cancel.h"
#include "core/device/plugin.h"
#include "core/device/plugin_file.h"
#include "core/device/plugin_probe.h"

static char folder[64];
static bp_config *config, *configs[16]; /* all live as long as the process: hosts keep them */
static size_t n_configs;
static bp_error error;

static void run(const char *format, ...) {
    char command[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

/* Build plugin_minimal.c as folder/NAME.so; its path, until the next call. */
static const char *build(const char *name, const char *flags) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    run("umask 022; cc -shared -fPIC -O0 -std=c11 -I'%s/../../include' %s '%s/../support/plugin_minimal.c' -o %s",
        BP_FIXTURES, flags, BP_FIXTURES, path);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void set(const char *format, ...) {
    char ini[128], text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(ini, sizeof ini, "%s/settings.ini", folder);
    assert_int_equal(bp_file_write(ini, text, (size_t)n, NULL), BP_OK);
    assert_true(n_configs < sizeof configs / sizeof configs[0]);
    assert_int_equal(bp_config_new(&config, NULL), BP_OK);
    configs[n_configs++] = config;
    error = (bp_error)BP_ERROR_INIT;
    if (bp_config_load(config, ini, &error)) fail_msg("%s", error.message);
}

static bp_status load(const char *name) {
    const bp_backend *backend;
    error = (bp_error)BP_ERROR_INIT;
    return bp_plugin_load(config, name, &backend, &error);
}

static void assert_refused(const char *name, bp_status status, const char *words) {
    assert_int_equal(load(name), status);
    assert_int_equal(error.status, status);
    if (!strstr(error.message, words)) fail_msg("'%s' is not in: %s", words, error.message);
}

static void open_and_close(const char *flags, const char *name) {
    const bp_backend *backend;
    bp_open_device device;
    error = (bp_error)BP_ERROR_INIT;
    if (bp_plugin_load(config, build(name, flags), &backend, &error)) fail_msg("%s", error.message);
    if (bp_device_open(config, backend, 0, &device, &error)) fail_msg("%s", error.message);
    assert_ptr_equal(device.backend, backend);
    device.api->close(device.handle);
}

static void test_good(void **state) {
    (void)state;
    const bp_backend *first, *again;
    build("good", "");
    assert_int_equal(bp_plugin_load(config, "good", &first, NULL), BP_OK);
    assert_string_equal(first->name, "minimal");
    char by_path[128];
    snprintf(by_path, sizeof by_path, "%s/./good.so", folder);
    assert_int_equal(bp_plugin_load(config, by_path, &again, NULL), BP_OK);
    assert_ptr_equal(first, again);
    open_and_close("-DOLD_TABLE", "old");
}

static void test_index(void **state) {
    (void)state;
    const bp_backend *backend;
    bp_open_device device;
    assert_int_equal(bp_plugin_load(config, build("index", ""), &backend, &error), BP_OK);
    assert_int_equal(bp_device_open(config, backend, 1, &device, &error), BP_E_NOT_FOUND);
    assert_non_null(strstr(error.message, "has 1 device, and so no device 1"));
}

static void test_names(void **state) {
    (void)state;
    assert_refused("absent", BP_E_NOT_FOUND, "there is no backend 'absent'");
    assert_refused("..", BP_E_INVALID, "is no name of a backend");
    assert_refused("", BP_E_INVALID, "is no name of a backend");
    assert_refused("/nowhere/x.so", BP_E_NOT_FOUND, "/nowhere/x.so");
    assert_refused("/tmp", BP_E_REFUSED, "not a regular file");
}

static void test_not_plugins(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/text.so", folder);
    assert_int_equal(bp_file_write(path, "hello", 5, NULL), BP_OK);
    assert_refused("text", BP_E_REFUSED, "is not a shared object");
    run(": > %s/empty.so; chmod 644 %s/empty.so; cp /bin/true %s/program.so", folder, folder, folder);
    assert_refused("empty", BP_E_REFUSED, "is not a shared object");
    assert_refused("program", BP_E_REFUSED, "not loaded");
    assert_refused(build("noteless", "-DNO_NOTE"), BP_E_REFUSED, "no Backplane note");
    assert_refused(build("major", "-DOTHER_MAJOR"), BP_E_REFUSED, "version 2.0 of the backend interface");
}

/* Each cut of the file, and each byte of its header changed, is refused or accepted without a fault. */
static void test_damaged_notes(void **state) {
    (void)state;
    char path[128];
    bp_text text = { 0 };
    assert_int_equal(bp_file_read(build("whole", "-s"), 1 << 24, &text, NULL), BP_OK);
    snprintf(path, sizeof path, "%s/damaged.so", folder);
    for (size_t n = 0; n < 1200 && n < text.size; n += n < 64 ? 1 : 37) {
        run("head -c %zu %s/whole.so > %s", n, folder, path);
        bp_status status = bp_plugin_note_check(path, &error);
        if (n < 64) assert_int_equal(status, BP_E_REFUSED);
    }
    for (size_t i = 0; i < 0x240; i += 3) {
        char before = text.data[i];
        text.data[i] = (char)(before ^ 0xff);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
        fclose(file);
        bp_plugin_note_check(path, &error);
        text.data[i] = before;
    }
    assert_int_equal(unlink(path), 0);
    bp_text_free(&text);
}

static void test_probe(void **state) {
    (void)state;
    assert_refused(build("crash", "-DCRASH"), BP_E_REFUSED, "crashed while it was loaded");
    assert_refused(build("leave", "-DLEAVE"), BP_E_REFUSED, "ended the trial process");
    assert_refused(build("missing", "-Wl,-z,lazy -DMISSING"), BP_E_REFUSED,
                   "absent_function");
    error = (bp_error)BP_ERROR_INIT;
    assert_int_equal(bp_plugin_probe(build("hang", "-DHANG"), 200, &error), BP_E_REFUSED);
    assert_non_null(strstr(error.message, "did not finish loading within 200 ms"));
    run("rm %s/hang.so", folder); /* the list would wait for it */
}

static void test_writable(void **state) {
    (void)state;
    const char *path = build("writable", "");
    assert_int_equal(chmod(path, 0757), 0);
    assert_refused(path, BP_E_REFUSED, "writable.so is writable by others");
    assert_int_equal(chmod(path, 0775), 0);
    assert_refused(path, BP_E_REFUSED, "writable.so is writable by others");
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_refused(path, BP_E_REFUSED, "is writable by others (chmod go-w): nothing is loaded from it");
    run("mkdir -p %s/inner && cp -p %s %s/inner/deep.so", folder, path, folder);
    char deep[128];
    snprintf(deep, sizeof deep, "%s/inner/deep.so", folder);
    assert_refused(deep, BP_E_REFUSED, "nothing is loaded from it");
    assert_int_equal(chmod(folder, 01777), 0);
    assert_int_equal(load(path), BP_OK);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void test_link_is_followed(void **state) {
    (void)state;
    char link[128], path[128];
    snprintf(path, sizeof path, "%s", build("target", ""));
    snprintf(link, sizeof link, "%s/link.so", folder);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(load(link), BP_OK);
    build("shared", "");
    run("mkdir -p %s/open && mv %s/shared.so %s/open && chmod 777 %s/open", folder, folder, folder, folder);
    unlink(link);
    snprintf(path, sizeof path, "%s/open/shared.so", folder);
    assert_int_equal(symlink(path, link), 0);
    assert_refused(link, BP_E_REFUSED, "writable by others");
}

static void test_foreign_owner(void **state) {
    (void)state;
    if (geteuid()) skip();
    const char *path = build("foreign", "");
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_refused(path, BP_E_REFUSED, "belongs to user 12345");
}

static void test_tables(void **state) {
    (void)state;
    const bp_backend *backend;
    bp_open_device device;
    build("query", "-DQUERY_FAILS");
    assert_refused("query", BP_E_UNSUPPORTED, "the moon is in the wrong phase");
    assert_refused("query", BP_E_UNSUPPORTED, "the moon is in the wrong phase"); /* told again, not asked again */
    assert_refused(build("noname", "-DNO_NAME"), BP_E_REFUSED, "does not fill 'name'");
    assert_refused(build("badname", "-DBAD_NAME"), BP_E_REFUSED, "its name is not");
    assert_refused(build("noopen", "-DNO_OPEN"), BP_E_REFUSED, "does not fill 'open'");
    assert_int_equal(bp_plugin_load(config, build("short", "-DSHORT_TABLE"), &backend, &error), BP_OK);
    assert_int_equal(bp_device_open(config, backend, 0, &device, &error), BP_E_REFUSED);
    assert_non_null(strstr(error.message, "does not fill 'wait'"));
}

static void test_settings(void **state) {
    (void)state;
    bp_open_device device;
    build("keys", "-DOTHER_NAME='\"named\"'");
    set("[engine]\nbackend = keys\nplugin_path = %s\n[backend.keys]\nknown = 1\n", folder);
    assert_int_equal(bp_device_select(config, &device, &error), BP_OK);
    device.api->close(device.handle);
    set("[engine]\nbackend = keys\nplugin_path = %s\n[backend.keys]\nknwon = 1\n", folder);
    assert_int_equal(bp_device_select(config, &device, &error), BP_E_INVALID);
    assert_non_null(strstr(error.message, "knwon"));
    set("[engine]\nbackend = keys\nplugin_path = %s\n[backend.named]\nknown = fail\n", folder);
    assert_int_equal(bp_device_select(config, &device, &error), BP_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "backend named cannot open device 0: not here"));
}

static void test_cancel(void **state) {
    (void)state;
    bp_open_device device;
    build("stop", "");
    set("[engine]\nbackend = stop\nplugin_path = %s\n", folder);
    bp_cancel_set(1);
    assert_int_equal(bp_device_select(config, &device, &error), BP_E_CANCELLED);
    bp_cancel_set(0);
    assert_int_equal(bp_device_select(config, &device, &error), BP_OK);
    device.api->close(device.handle);
}

/* --plugin-path comes first, so these stand before the backends of the build. */
static void test_auto(void **state) {
    (void)state;
    bp_open_device device;
    build("cuda", "-DNO_DEVICES -DOTHER_NAME='\"cuda\"'");
    build("cpu", "-DCRASH");
    build("reference", "-DOTHER_NAME='\"reference\"'");
    set("[engine]\nplugin_path = %s\n", folder);
    assert_int_equal(bp_device_select(config, &device, &error), BP_OK);
    assert_string_equal(device.backend->name, "reference");
    device.api->close(device.handle);
}

static void test_list(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    build("none", "-DNO_DEVICES");
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(bp_plugin_list(config, to, &error), BP_OK);
    fclose(to);
    assert_non_null(strstr(text, "minimal 1.0: does nothing"));
    assert_non_null(strstr(text, "device 0: nothing, queried once, 1.0 of 4.0 GiB free"));
    assert_non_null(strstr(text, "no device: there is no such hardware"));
    assert_non_null(strstr(text, "refused: "));
    if (getenv("BP_SHOW")) puts(text);
    free(text);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/bp-plugins-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    set("[engine]\nplugin_path = :%s:\n", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    run("rm -rf '%s'", folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_index), cmocka_unit_test(test_names),
        cmocka_unit_test(test_not_plugins), cmocka_unit_test(test_damaged_notes), cmocka_unit_test(test_probe),
        cmocka_unit_test(test_writable), cmocka_unit_test(test_link_is_followed), cmocka_unit_test(test_foreign_owner),
        cmocka_unit_test(test_tables), cmocka_unit_test(test_settings), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_auto), cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
