#define _GNU_SOURCE
#include "core/device/plugin_search.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/own_folder.h"
#include "core/base/size.h"
#include "core/base/text.h"
#include "core/device/plugin_tables.h"

/* From the folder of the executable, or of libbackplane.so. */
static const char *const beside[] = {
    "backplane",
    "../lib/backplane",
    "../lib64/backplane",
#if defined(__x86_64__)
    "../lib/x86_64-linux-gnu/backplane",
#elif defined(__aarch64__)
    "../lib/aarch64-linux-gnu/backplane",
#endif
    "../backends",
};

void bp_path_list_free(bp_path_list *list) {
    for (size_t i = 0; i < list->count; i++) free(list->paths[i]);
    free(list->paths);
    *list = (bp_path_list){ 0 };
}

static bp_status no_memory(bp_error *error) {
    return bp_fail(error, BP_E_NO_MEMORY, "out of memory while looking for backends");
}

__attribute__((format(printf, 3, 4)))
static bp_status add_path(bp_path_list *list, bp_error *error, const char *format, ...) {
    char *path = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&path, format, args);
    va_end(args);
    if (n < 0) return no_memory(error);
    if (!bp_grow((void **)&list->paths, &list->capacity, list->count + 1, sizeof(char *))) {
        free(path);
        return no_memory(error);
    }
    list->paths[list->count++] = path;
    return BP_OK;
}

static bp_status add_configured(const char *given, bp_path_list *folders, bp_error *error) {
    bp_status status = BP_OK;
    while (!status && given && *given) {
        size_t n = strcspn(given, ":");
        if (n > PATH_MAX)
            return bp_fail(error, BP_E_INVALID, "a folder of --plugin-path is longer than %d bytes", PATH_MAX);
        if (n) status = add_path(folders, error, "%.*s", (int)n, given);
        given += n + (given[n] == ':');
    }
    return status;
}

static bp_status add_beside(bp_path_list *folders, bp_error *error) {
    char own[PATH_MAX];
    bp_status status = BP_OK;
    if (!bp_own_folder(own, sizeof own)) return BP_OK;
    for (size_t i = 0; i < BP_COUNT(beside) && !status; i++) status = add_path(folders, error, "%s/%s", own, beside[i]);
    return status;
}

bp_status bp_plugin_folders(const bp_config *config, bp_path_list *folders, bp_error *error) {
    bp_status status = add_configured(bp_config_text(config, BP_OPT_PLUGIN_PATH), folders, error);
    return status ? status : add_beside(folders, error);
}

static bp_status resolve(const char *path, char **out, bp_error *error) {
    *out = realpath(path, NULL);
    if (*out) return BP_OK;
    bp_status status = errno == ENOENT || errno == ENOTDIR ? BP_E_NOT_FOUND
                       : errno == ENOMEM ? BP_E_NO_MEMORY : BP_E_IO;
    return bp_fail(error, status, "cannot find backend %s: %s", path, strerror(errno));
}

static bp_status fail_absent(const char *name, const bp_path_list *folders, bp_error *error) {
    bp_text where = { 0 };
    for (size_t i = 0; i < folders->count; i++) bp_text_format(&where, "%s%s", i ? ", " : "", folders->paths[i]);
    bp_status status = bp_fail(error, BP_E_NOT_FOUND, "there is no backend '%s' (add a folder with --plugin-path); "
                               "looked for %s.so in: %s", name, name, bp_text_get(&where));
    bp_text_free(&where);
    return status;
}

/* The first folder that has the file decides; one that cannot be reached is told, not passed over. */
static bp_status find_by_name(const char *name, const bp_path_list *folders, char **path, bp_error *error) {
    for (size_t i = 0; i < folders->count; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s.so", folders->paths[i], name) < 0) return no_memory(error);
        bp_error why = BP_ERROR_INIT;
        bp_status status = resolve(file, path, &why);
        free(file);
        if (!status) return BP_OK;
        if (status != BP_E_NOT_FOUND) return bp_fail(error, status, "%s", why.message);
    }
    return fail_absent(name, folders, error);
}

bp_status bp_plugin_find(const bp_config *config, const char *name_or_path, char **path, bp_error *error) {
    bp_path_list folders = { 0 };
    if (strchr(name_or_path, '/')) return resolve(name_or_path, path, error);
    if (!bp_plugin_name_valid(name_or_path))
        return bp_fail(error, BP_E_INVALID, "'%s' is no name of a backend: give letters, digits, '-' and '_', or a "
                       "path with a '/'", name_or_path);
    bp_status status = bp_plugin_folders(config, &folders, error);
    if (!status) status = find_by_name(name_or_path, &folders, path, error);
    bp_path_list_free(&folders);
    return status;
}

static int is_plugin_name(const struct dirent *entry) {
    char name[BP_ERROR_TEXT];
    size_t n = strlen(entry->d_name);
    if (n < 4 || n >= sizeof name || strcmp(entry->d_name + n - 3, ".so")) return 0;
    memcpy(name, entry->d_name, n - 3);
    name[n - 3] = 0;
    return bp_plugin_name_valid(name);
}

static bool has_file(const bp_path_list *files, const char *name) {
    for (size_t i = 0; i < files->count; i++) {
        if (!strcmp(strrchr(files->paths[i], '/') + 1, name)) return true;
    }
    return false;
}

static bp_status add_folder(const char *folder, bp_path_list *files, bp_error *error) {
    struct dirent **entries = NULL;
    bp_status status = BP_OK;
    int n = scandir(folder, &entries, is_plugin_name, alphasort);
    for (int i = 0; i < n; i++) {
        if (!status && !has_file(files, entries[i]->d_name))
            status = add_path(files, error, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

bp_status bp_plugin_find_all(const bp_path_list *folders, bp_path_list *files, bp_error *error) {
    bp_status status = BP_OK;
    for (size_t i = 0; i < folders->count && !status; i++) status = add_folder(folders->paths[i], files, error);
    return status;
}
