#define _GNU_SOURCE
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fail.h"

static bp_status fail_errno(bp_error *error, const char *doing, const char *path) {
    bp_status status = errno == ENOENT ? BP_E_NOT_FOUND : errno == ENOMEM ? BP_E_NO_MEMORY : BP_E_IO;
    return bp_fail(error, status, "cannot %s %s: %s", doing, path, strerror(errno));
}

static bp_status map_open_file(int fd, const char *path, bp_mapped_file *out, bp_error *error) {
    struct stat facts;
    if (fstat(fd, &facts)) return fail_errno(error, "read", path);
    if (!S_ISREG(facts.st_mode)) return bp_fail(error, BP_E_INVALID, "%s is not a regular file", path);
    *out = (bp_mapped_file){ NULL, (uint64_t)facts.st_size };
    if (!out->size) return BP_OK;
    void *data = mmap(NULL, out->size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return fail_errno(error, "map", path);
    out->data = data;
    return BP_OK;
}

bp_status bp_file_map(const char *path, bp_mapped_file *out, bp_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block: it is refused below */
    if (fd < 0) return fail_errno(error, "open", path);
    bp_status status = map_open_file(fd, path, out, error);
    close(fd);
    return status;
}

void bp_file_unmap(bp_mapped_file *file) {
    if (file->data) munmap((void *)file->data, file->size);
    *file = (bp_mapped_file){ 0 };
}

bp_status bp_file_read(const char *path, uint64_t limit, bp_text *text, bp_error *error) {
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
    if (fd < 0) return fail_errno(error, "open", path);
    char piece[65536];
    uint64_t total = 0;
    bp_status status = BP_OK;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = fail_errno(error, "read", path);
        if (n <= 0) break;
        total += (uint64_t)n;
        if (total > limit) {
            status = bp_fail(error, BP_E_REFUSED, "%s is longer than the limit of %llu bytes", path,
                             (unsigned long long)limit);
            break;
        }
        bp_text_add(text, piece, (size_t)n);
    }
    close(fd);
    if (!status && text->failed) return bp_fail(error, BP_E_NO_MEMORY, "out of memory while reading %s", path);
    return status;
}

static bp_status write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return BP_E_IO;
        data += n;
        size -= (size_t)n;
    }
    return fsync(fd) ? BP_E_IO : BP_OK;
}

bp_status bp_file_write(const char *path, const void *data, size_t size, bp_error *error) {
    bp_text beside = { 0 };
    bp_text_format(&beside, "%s.part-XXXXXX", path);
    if (beside.failed) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    int fd = mkostemp(beside.data, O_CLOEXEC);
    bp_status status = fd < 0 ? BP_E_IO : write_all(fd, data, size);
    if (!status && fchmod(fd, 0644)) status = BP_E_IO;
    if (fd >= 0 && close(fd)) status = BP_E_IO;
    if (!status && rename(beside.data, path)) status = BP_E_IO;
    if (status) {
        fail_errno(error, "write", path);
        if (fd >= 0) unlink(beside.data);
    }
    bp_text_free(&beside);
    return status;
}
