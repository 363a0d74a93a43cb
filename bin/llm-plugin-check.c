/* llm-plugin-check: does a backend plugin do what the headers say? */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/conformance/check_run.h"
#include "core/graph/op_name.h"

enum { FAILED = 1, WRONG_USAGE = 2 };
enum { FLAG_JSON, FLAG_BENCH, FLAG_OP, FLAG_PART, FLAG_EACH, FLAG_SET, FLAG_COUNT };

static int complain(const bp_error *error) {
    fprintf(stderr, "llm-plugin-check: %s\n", error->message);
    return FAILED;
}

/* "--set key=value": read as a line of the plugin's section. */
static bp_status set_key(bp_config *config, const char *backend, const char *pair, bp_error *error) {
    char path[64];
    int fd = memfd_create("settings.ini", MFD_CLOEXEC);
    if (fd < 0) return BP_E_IO;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = dprintf(fd, "[backend.%s]\n%s\n", backend, pair) > 0;
    bp_status status = ok ? bp_config_load(config, path, error) : BP_E_IO;
    close(fd);
    return status;
}

static uint32_t op_by_name(const char *name) {
    for (uint32_t op = 1; op < BP_OP_LIMIT; op++) if (!strcasecmp(name, bp_op_name(op))) return op;
    return 0;
}

static int finish(bp_check_report *r, bool json) {
    if (json) {
        printf("{\"executed\": %llu, \"passed\": %llu, \"failed\": [%s], \"skipped\": [%s]}\n",
               (unsigned long long)r->executed, (unsigned long long)r->passed, bp_text_get(&r->failed),
               bp_text_get(&r->skipped));
    } else if (r->n_failed) {
        printf("failed:%s\n", bp_text_get(&r->failed));
    }
    fprintf(stderr, "%llu executed, %llu passed, %llu failed, %llu skipped\n", (unsigned long long)r->executed,
            (unsigned long long)r->passed, (unsigned long long)r->n_failed, (unsigned long long)r->n_skipped);
    bool ok = r->executed && !r->n_failed && !r->failed.failed;
    bp_text_free(&r->failed);
    bp_text_free(&r->skipped);
    return ok ? 0 : FAILED;
}

static int check(bp_config *config, const char *plugin, const bp_own_flag *own) {
    bp_error error = BP_ERROR_INIT;
    const bp_backend *backend = NULL;
    bp_open_device device;
    static bp_check_share share;
    uint32_t only = own[FLAG_OP].value ? op_by_name(own[FLAG_OP].value) : 0;
    if (own[FLAG_OP].value && !only) {
        fprintf(stderr, "llm-plugin-check: no op is named %s\n", own[FLAG_OP].value);
        return WRONG_USAGE;
    }
    if (bp_check_share_read(&share, own[FLAG_PART].value, own[FLAG_EACH].value, &error)) {
        complain(&error);
        return WRONG_USAGE;
    }
    if (bp_plugin_load(config, plugin, &backend, &error)) return complain(&error);
    if (own[FLAG_SET].value && set_key(config, backend->name, own[FLAG_SET].value, &error)) return complain(&error);
    if (bp_device_open(config, backend, 0, &device, &error)) return complain(&error);
    bp_check_report report = { 0 };
    if (!only && share.part == 0) bp_check_abi(&device, &report);
    bp_check_conformance(&device, only, &share, &report);
    if (own[FLAG_BENCH].value) bp_check_bench(&device);
    device.api->close(device.handle);
    return finish(&report, own[FLAG_JSON].value);
}

int main(int argc, char **argv) {
    bp_own_flag own[FLAG_COUNT] = {
        [FLAG_JSON] = { "--json", false, "print the result as JSON", NULL },
        [FLAG_BENCH] = { "--bench", false, "also measure matrix times vector for every type", NULL },
        [FLAG_OP] = { "--op", true, "check this op alone", NULL },
        [FLAG_PART] = { "--part", true, "K/N: the K-th of N parts of the cases", NULL },
        [FLAG_EACH] = { "--each", true, "at most so many cases of each kind", NULL },
        [FLAG_SET] = { "--set", true, "key=value for the plugin's section of the configuration", NULL },
    };
    bp_error error = BP_ERROR_INIT;
    bp_config *config = NULL;
    if (argc < 2 || argv[1][0] == '-') {
        bp_config_help(argc > 1 && !strcmp(argv[1], "--help") ? stdout : stderr, "llm-plugin-check PLUGIN.so",
                       "Check a backend plugin against the interface and the ops.", own, FLAG_COUNT);
        return argc > 1 && !strcmp(argv[1], "--help") ? 0 : WRONG_USAGE;
    }
    char *plugin = argv[1], path[4096];
    snprintf(path, sizeof path, "%s%s", strchr(plugin, '/') || !strstr(plugin, ".so") ? "" : "./", plugin);
    argv[1] = argv[0];
    if (bp_config_new(&config, &error)) return complain(&error);
    bool understood = !bp_config_arguments(config, argc - 1, argv + 1, own, FLAG_COUNT, &error);
    int code = understood ? check(config, path, own) : (complain(&error), WRONG_USAGE);
    bp_config_free(config);
    return code;
}
