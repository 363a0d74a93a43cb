#define _GNU_SOURCE
#include "core/device/plugin_host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/parallel.h"
#include "core/device/cancel.h"

enum { HOST_ALIGN_LIMIT = 2 << 20 };

static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER; /* configurations, and the changing members of hosts */

static void host_log(void *self, int32_t level, const char *message) {
    const bp_plugin_host *host = self;
    if (level < BP_LOG_ERROR) level = BP_LOG_ERROR;
    if (level > BP_LOG_DEBUG) level = BP_LOG_DEBUG;
    bp_log(level, "%s: %s", host->section, message ? message : "");
}

static void *host_alloc(void *self, uint64_t bytes, uint64_t align) {
    (void)self;
    void *memory = NULL;
    if (!align || (align & (align - 1)) || align > HOST_ALIGN_LIMIT || bytes > PTRDIFF_MAX) return NULL;
    if (align < sizeof(void *)) align = sizeof(void *);
    return posix_memalign(&memory, (size_t)align, bytes ? (size_t)bytes : 1) ? NULL : memory;
}

static void host_free(void *self, void *memory) {
    (void)self;
    free(memory);
}

static bool has_other_name(const bp_plugin_host *host) { return host->name && strcmp(host->name, host->section); }

static const char *host_config(void *self, const char *key) {
    bp_plugin_host *host = self;
    if (!key) return NULL;
    pthread_mutex_lock(&host_lock);
    const char *value = bp_config_backend(host->config, host->section, key);
    const char *other = has_other_name(host) ? bp_config_backend(host->config, host->name, key) : NULL;
    pthread_mutex_unlock(&host_lock);
    return value ? value : other;
}

static uint32_t host_threads(void *self) {
    bp_plugin_host *host = self;
    pthread_mutex_lock(&host_lock);
    int64_t wanted = bp_config_int(host->config, BP_OPT_THREADS);
    pthread_mutex_unlock(&host_lock);
    if (wanted <= 0) return bp_cpu_count();
    return wanted > 65536 ? 65536u : (uint32_t)wanted;
}

static int32_t host_cancelled(void *self) {
    (void)self;
    return bp_cancel_wanted();
}

static void host_progress(void *self, const char *what, uint64_t done, uint64_t total) {
    (void)self;
    bp_progress(what ? what : "", done, total);
}

static const void *host_extension(void *self, const char *id) {
    (void)self;
    (void)id;
    return NULL; /* this engine has none */
}

void bp_plugin_host_init(bp_plugin_host *host, bp_config *config, const char *section) {
    *host = (bp_plugin_host){ .config = config };
    snprintf(host->section, sizeof host->section, "%s", section);
    host->table = (bp_host){
        .size = sizeof(bp_host),
        .self = host,
        .log = host_log,
        .alloc = host_alloc,
        .free = host_free,
        .config = host_config,
        .threads = host_threads,
        .cancelled = host_cancelled,
        .progress = host_progress,
        .extension = host_extension,
    };
}

void bp_plugin_host_set_name(bp_plugin_host *host, const char *name) {
    pthread_mutex_lock(&host_lock);
    host->name = name;
    pthread_mutex_unlock(&host_lock);
}

void bp_plugin_host_set_config(bp_plugin_host *host, bp_config *config) {
    pthread_mutex_lock(&host_lock);
    host->config = config;
    pthread_mutex_unlock(&host_lock);
}

bp_status bp_plugin_host_unread(bp_plugin_host *host, bp_config *config, bp_error *error) {
    pthread_mutex_lock(&host_lock);
    bp_status status = bp_config_backend_unread(config, host->section, error);
    if (!status && has_other_name(host)) status = bp_config_backend_unread(config, host->name, error);
    pthread_mutex_unlock(&host_lock);
    return status;
}
