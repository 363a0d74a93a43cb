#define _GNU_SOURCE
#include "core/device/plugin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/device/plugin_file.h"
#include "core/device/plugin_host.h"
#include "core/device/plugin_probe.h"
#include "core/device/plugin_search.h"
#include "core/device/plugin_steps.h"
#include "core/device/plugin_tables.h"

enum { PROBE_LIMIT_MS = 10000 };

/* A file whose query was called, which happens once a process: what came of it is kept. Never freed. */
typedef struct known_plugin {
    struct known_plugin *next;
    char *path;
    dev_t device;
    ino_t inode;
    bp_plugin_host host;
    const bp_backend *backend;
    bp_error result;
} known_plugin;

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER; /* held while a plugin is loaded; guards the list */
static known_plugin *known_plugins;

static known_plugin *find_known(const char *path, const struct stat *facts) {
    known_plugin *p = known_plugins;
    while (p && strcmp(p->path, path) && (p->device != facts->st_dev || p->inode != facts->st_ino)) p = p->next;
    return p;
}

static known_plugin *find_backend(const bp_backend *backend) {
    pthread_mutex_lock(&load_lock);
    known_plugin *p = known_plugins;
    while (p && p->backend != backend) p = p->next;
    pthread_mutex_unlock(&load_lock);
    return p;
}

static bp_status check_file(const char *path, bp_error *error) {
    bp_status status = bp_plugin_file_check(path, error);
    if (!status) status = bp_plugin_note_check(path, error);
    return status ? status : bp_plugin_probe(path, PROBE_LIMIT_MS, error);
}

static bp_status load_query(const char *path, bp_backend_query_fn **query, bp_error *error) {
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object) {
        const char *why = dlerror();
        return bp_fail(error, BP_E_REFUSED, "%s cannot be loaded: %s", path, why ? why : "the loader does not say why");
    }
    void *symbol = dlsym(object, BP_QUERY_SYMBOL);
    if (!symbol) return bp_fail(error, BP_E_REFUSED, "%s does not export %s", path, BP_QUERY_SYMBOL);
    memcpy(query, &symbol, sizeof symbol); /* ISO C has no cast from an object to a function */
    return BP_OK;
}

static known_plugin *new_known(bp_config *config, const char *path, const struct stat *facts) {
    char section[BP_SECTION_NAME] = { 0 };
    const char *file = strrchr(path, '/') + 1;
    size_t n = strlen(file);
    if (n > 3 && !strcmp(file + n - 3, ".so")) n -= 3;
    known_plugin *p = calloc(1, sizeof *p);
    char *copy = strdup(path);
    if (!p || !copy) {
        free(p);
        free(copy);
        return NULL;
    }
    memcpy(section, file, n < sizeof section ? n : sizeof section - 1);
    bp_plugin_host_init(&p->host, config, section);
    p->path = copy;
    p->device = facts->st_dev;
    p->inode = facts->st_ino;
    p->result = (bp_error)BP_ERROR_INIT;
    return p;
}

static bp_status run_query(known_plugin *p, bp_backend_query_fn *query, bp_error *error) {
    bp_error told = BP_ERROR_INIT;
    const bp_backend *backend = NULL;
    bp_status status = query(&p->host.table, &backend, &told);
    if (status) return bp_fail(error, status, "%s refuses to start: %s", p->path, bp_plugin_words(&told, status));
    status = bp_plugin_check_backend(p->path, backend, error);
    if (status) return status;
    p->backend = backend;
    bp_plugin_host_set_name(&p->host, backend->name);
    return BP_OK;
}

static bp_status load_new(bp_config *config, const char *path, const struct stat *facts, known_plugin **out,
                          bp_error *error) {
    bp_backend_query_fn *query = NULL;
    bp_status status = check_file(path, error);
    if (!status) status = load_query(path, &query, error);
    if (status) return status;
    known_plugin *p = new_known(config, path, facts);
    if (!p) return bp_fail(error, BP_E_NO_MEMORY, "out of memory while loading %s", path);
    p->result.status = run_query(p, query, &p->result);
    p->next = known_plugins;
    known_plugins = p;
    *out = p;
    return BP_OK;
}

static bp_status load_locked(bp_config *config, const char *path, const bp_backend **out, bp_error *error) {
    struct stat facts;
    if (stat(path, &facts)) return bp_fail(error, BP_E_IO, "cannot look at %s", path);
    known_plugin *p = find_known(path, &facts);
    bp_status status = p ? BP_OK : load_new(config, path, &facts, &p, error);
    if (status) return status;
    if (p->result.status) return bp_fail(error, p->result.status, "%s", p->result.message);
    bp_plugin_host_set_config(&p->host, config);
    *out = p->backend;
    return BP_OK;
}

bp_status bp_plugin_load(bp_config *config, const char *name_or_path, const bp_backend **out, bp_error *error) {
    char *path = NULL;
    *out = NULL;
    bp_status status = bp_plugin_find(config, name_or_path, &path, error);
    if (status) return status;
    pthread_mutex_lock(&load_lock);
    status = load_locked(config, path, out, error);
    pthread_mutex_unlock(&load_lock);
    if (!status) bp_log(BP_LOG_DEBUG, "backend %s %s: %s", (*out)->name, (*out)->version, path);
    free(path);
    return status;
}

bp_status bp_plugin_count(const bp_backend *backend, uint32_t *count, const char **why, bp_error *error) {
    bp_error told = BP_ERROR_INIT;
    *count = 0;
    *why = NULL;
    bp_status status = backend->devices(count, why, &told);
    if (!*why) *why = "it does not say why";
    if (!status) return BP_OK;
    return bp_fail(error, status, "backend %s cannot count its devices: %s", backend->name,
                   bp_plugin_words(&told, status));
}

static bp_status check_index(const bp_backend *backend, uint32_t index, bp_error *error) {
    uint32_t count;
    const char *why;
    bp_status status = bp_plugin_count(backend, &count, &why, error);
    if (status) return status;
    if (!count) return bp_fail(error, BP_E_NOT_FOUND, "backend %s has no device here: %s", backend->name, why);
    if (index < count) return BP_OK;
    return bp_fail(error, BP_E_NOT_FOUND, "backend %s has %u device%s, and so no device %u", backend->name,
                   (unsigned)count, count == 1 ? "" : "s", (unsigned)index);
}

static bp_status check_info(const bp_open_device *device, bp_error *error) {
    bp_device_info info = { .size = sizeof info };
    bp_error told = BP_ERROR_INIT;
    const char *name = device->backend->name;
    bp_status status = device->api->info(device->handle, &info, &told);
    if (status)
        return bp_fail(error, status, "backend %s cannot describe its device: %s", name,
                       bp_plugin_words(&told, status));
    if (!info.name) return bp_fail(error, BP_E_REFUSED, "backend %s gives its device no name", name);
    if (info.host_memory && !device->api->buffer_import)
        return bp_fail(error, BP_E_REFUSED, "backend %s: its device has host memory, but the table does not fill "
                       "'buffer_import'", name);
    return BP_OK;
}

bp_status bp_plugin_open(const bp_backend *backend, uint32_t index, bp_open_device *out, bp_error *error) {
    bp_error told = BP_ERROR_INIT;
    bp_open_device opened = { backend, NULL, NULL };
    *out = (bp_open_device){ 0 };
    bp_status status = check_index(backend, index, error);
    if (status) return status;
    status = backend->open(index, &opened.handle, &opened.api, &told);
    if (status)
        return bp_fail(error, status, "backend %s cannot open device %u: %s", backend->name, (unsigned)index,
                       bp_plugin_words(&told, status));
    if (!opened.handle)
        return bp_fail(error, BP_E_REFUSED, "backend %s opened device %u without a handle", backend->name,
                       (unsigned)index);
    status = bp_plugin_check_device(backend->name, opened.api, error);
    if (status) return status; /* close is not called through a table that is not right */
    status = check_info(&opened, error);
    if (status) {
        opened.api->close(opened.handle);
        return status;
    }
    *out = opened;
    return BP_OK;
}

bp_status bp_plugin_settle(bp_config *config, bp_open_device *device, bp_error *error) {
    known_plugin *p = find_backend(device->backend);
    bp_status status = p ? bp_plugin_host_unread(&p->host, config, error)
                         : bp_config_backend_unread(config, device->backend->name, error);
    if (!status) return BP_OK;
    device->api->close(device->handle);
    *device = (bp_open_device){ 0 };
    return status;
}

bp_status bp_device_open(bp_config *config, const bp_backend *backend, uint32_t index, bp_open_device *out,
                         bp_error *error) {
    bp_status status = bp_plugin_open(backend, index, out, error);
    return status ? status : bp_plugin_settle(config, out, error);
}
