/* Which device to use, and the list of those that there are. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/device/plugin.h"
#include "core/device/plugin_search.h"
#include "core/device/plugin_steps.h"

enum { MAX_NAME = 4096 }; /* of a backend or its path */

static const char *const automatic[] = { "cuda", "cpu", "reference" };

/* "cuda:1" is device 1 of cuda. */
static bp_status try_backend(bp_config *config, const char *name, bp_open_device *out, bp_error *error) {
    const bp_backend *backend;
    const char *colon = strrchr(name, ':');
    char *end, plain[MAX_NAME];
    const unsigned long index = colon ? strtoul(colon + 1, &end, 10) : 0;
    const bool indexed = colon && colon[1] >= '0' && colon[1] <= '9' && !*end && index < UINT32_MAX;
    if (snprintf(plain, sizeof plain, "%.*s", indexed ? (int)(colon - name) : (int)strlen(name), name) >= (int)sizeof plain)
        return bp_fail(error, BP_E_INVALID, "the backend's name is too long");
    bp_status status = bp_plugin_load(config, plain, &backend, error);
    return status ? status : bp_plugin_open(backend, (uint32_t)index, out, error);
}

bp_status bp_device_open_name(bp_config *config, const char *name, bp_open_device *out, bp_error *error) {
    *out = (bp_open_device){ 0 };
    bp_status status = try_backend(config, name, out, error);
    return status ? status : bp_plugin_settle(config, out, error);
}

static bp_status select_auto(bp_config *config, bp_open_device *out, bp_error *error) {
    bp_text reasons = { 0 };
    for (size_t i = 0; i < BP_COUNT(automatic); i++) {
        bp_error why = BP_ERROR_INIT;
        if (!try_backend(config, automatic[i], out, &why)) {
            bp_log(BP_LOG_INFO, "backend %s is used", automatic[i]);
            bp_text_free(&reasons);
            return bp_plugin_settle(config, out, error);
        }
        bp_log(BP_LOG_INFO, "backend %s is passed over: %s", automatic[i], why.message);
        bp_text_format(&reasons, "%s%s", i ? "; " : "", why.message);
    }
    bp_status status = bp_fail(error, BP_E_NOT_FOUND, "no backend can be used (see --list-backends): %s",
                               bp_text_get(&reasons));
    bp_text_free(&reasons);
    return status;
}

bp_status bp_device_select(bp_config *config, bp_open_device *out, bp_error *error) {
    const char *name = bp_config_text(config, BP_OPT_BACKEND);
    *out = (bp_open_device){ 0 };
    return !name || !*name || !strcmp(name, "auto") ? select_auto(config, out, error) : bp_device_open_name(config, name, out, error);
}

static void list_device(const bp_backend *backend, uint32_t index, FILE *to) {
    const double gib = 1024.0 * 1024.0 * 1024.0;
    bp_open_device device;
    bp_error why = BP_ERROR_INIT;
    bp_device_info info = { .size = sizeof info };
    if (bp_plugin_open(backend, index, &device, &why)) {
        fprintf(to, "    device %" PRIu32 ": %s\n", index, why.message);
        return;
    }
    if (!device.api->info(device.handle, &info, NULL) && info.name) {
        fprintf(to, "    device %" PRIu32 ": %s", index, info.name);
        if (info.detail && *info.detail) fprintf(to, ", %s", info.detail);
        if (info.memory_total)
            fprintf(to, ", %.1f of %.1f GiB free", (double)info.memory_free / gib, (double)info.memory_total / gib);
        fputc('\n', to);
    }
    device.api->close(device.handle);
}

static void list_backend(bp_config *config, const char *path, FILE *to) {
    const bp_backend *backend;
    const char *reason;
    uint32_t count;
    bp_error why = BP_ERROR_INIT;
    if (bp_plugin_load(config, path, &backend, &why)) {
        fprintf(to, "%s\n    refused: %s\n", path, why.message);
        return;
    }
    fprintf(to, "%s %s: %s (%s)\n", backend->name, backend->version, backend->description, path);
    if (bp_plugin_count(backend, &count, &reason, &why)) {
        fprintf(to, "    %s\n", why.message);
    } else if (!count) {
        fprintf(to, "    no device: %s\n", reason);
    } else {
        for (uint32_t i = 0; i < count; i++) list_device(backend, i, to);
    }
}

static void list_none(const bp_path_list *folders, FILE *to) {
    fputs("no backends found in:\n", to);
    for (size_t i = 0; i < folders->count; i++) fprintf(to, "    %s\n", folders->paths[i]);
}

bp_status bp_plugin_list(bp_config *config, FILE *to, bp_error *error) {
    bp_path_list folders = { 0 }, files = { 0 };
    const char *chosen = bp_config_text(config, BP_OPT_BACKEND);
    bool by_path = chosen && strchr(chosen, '/');
    bp_status status = bp_plugin_folders(config, &folders, error);
    if (!status) status = bp_plugin_find_all(&folders, &files, error);
    if (!status && by_path) list_backend(config, chosen, to);
    for (size_t i = 0; i < files.count && !status; i++) list_backend(config, files.paths[i], to);
    if (!status && !files.count && !by_path) list_none(&folders, to);
    bp_path_list_free(&files);
    bp_path_list_free(&folders);
    return status;
}
