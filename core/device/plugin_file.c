#define _GNU_SOURCE
#include "core/device/plugin_file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"

static bp_status check_owner(const char *path, const struct stat *facts, bp_error *error) {
    if (facts->st_uid == 0 || facts->st_uid == geteuid()) return BP_OK;
    return bp_fail(error, BP_E_REFUSED, "%s belongs to user %lu, neither to root nor to you: not loaded", path,
                   (unsigned long)facts->st_uid);
}

static bp_status look(const char *path, struct stat *facts, bp_error *error) {
    if (!lstat(path, facts)) return BP_OK;
    bp_status status = errno == ENOENT ? BP_E_NOT_FOUND : BP_E_IO;
    return bp_fail(error, status, "cannot look at %s: %s", path, strerror(errno));
}

static bp_status check_folder(const char *path, bp_error *error) {
    struct stat facts;
    bp_status status = look(path, &facts, error);
    if (status) return status;
    bool shared = facts.st_mode & (S_IWGRP | S_IWOTH);
    if (shared && !(facts.st_mode & S_ISVTX))
        return bp_fail(error, BP_E_REFUSED, "folder %s is writable by others (chmod go-w): nothing is loaded from it",
                       path);
    return check_owner(path, &facts, error);
}

/* Every folder above path, up to the root. */
static bp_status check_folders(const char *path, bp_error *error) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return bp_fail(error, BP_E_INVALID, "the path of a backend is longer than %d bytes", PATH_MAX);
    for (char *slash = strrchr(folder, '/'); slash; slash = strrchr(folder, '/')) {
        *slash = 0;
        bp_status status = check_folder(folder[0] ? folder : "/", error);
        if (status) return status;
    }
    return BP_OK;
}

bp_status bp_plugin_file_check(const char *path, bp_error *error) {
    struct stat facts;
    if (path[0] != '/') return bp_fail(error, BP_E_INVALID, "%s is not a resolved path", path);
    bp_status status = look(path, &facts, error);
    if (status) return status;
    if (!S_ISREG(facts.st_mode)) return bp_fail(error, BP_E_REFUSED, "%s is not a regular file: not loaded", path);
    if ((status = check_owner(path, &facts, error))) return status;
    if (facts.st_mode & (S_IWGRP | S_IWOTH))
        return bp_fail(error, BP_E_REFUSED, "%s is writable by others (chmod go-w): not loaded", path);
    return check_folders(path, error);
}
