#define _GNU_SOURCE
#include "core/base/own_folder.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

bool bp_own_folder(char *out, size_t size) {
    char self[PATH_MAX];
    Dl_info info;
    const char *path = self;
    const bool known = dladdr((const void *)&bp_own_folder, &info) && info.dli_fname && info.dli_fname[0] == '/';
    if (known && strstr(info.dli_fname, "libbackplane.so")) {
        path = info.dli_fname;
    } else {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        if (n <= 0) return false;
        self[n] = '\0';
    }
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || !slash || (size_t)(slash - path) >= size) return false;
    memcpy(out, path, (size_t)(slash - path));
    out[slash - path] = '\0';
    return true;
}
