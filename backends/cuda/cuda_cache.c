#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backends/cuda/cuda_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ENTRY_LIMIT = 256 << 20, STALE_SECONDS = 3600 };
static const char MAGIC[8] = "BPCUBIN1";
static const char SUFFIX[] = ".cubin", TEMPORARY[] = ".part-";

typedef struct head {
    char magic[8];
    cuda_key key, sum;
    uint64_t bytes;
} head;

cuda_key cuda_key_begin(void) { return (cuda_key){ { UINT64_C(0xcbf29ce484222325), UINT64_C(0x9e3779b97f4a7c15) } }; }

static void mix(cuda_key *key, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        key->word[0] = (key->word[0] ^ bytes[i]) * UINT64_C(0x100000001b3);
        uint64_t w = (key->word[1] ^ bytes[i]) * UINT64_C(0xff51afd7ed558ccd);
        key->word[1] = w ^ w >> 29;
    }
}

void cuda_key_add(cuda_key *key, const void *bytes, size_t n) {
    uint64_t length = n; /* so that pieces do not run into each other */
    mix(key, (const uint8_t *)&length, sizeof length);
    mix(key, bytes, n);
}

static bool make_folder(char *path) {
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        int made = mkdir(path, 0700);
        *at = '/';
        if (made && errno != EEXIST && errno != EROFS && errno != EACCES) return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

void cuda_cache_open(cuda_cache *c, const char *folder, uint64_t limit) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    c->limit = limit;
    if (folder) n = snprintf(c->folder, sizeof c->folder, "%s", folder);
    else if (base && *base == '/') n = snprintf(c->folder, sizeof c->folder, "%s/backplane/cuda", base);
    else if (home && *home == '/') n = snprintf(c->folder, sizeof c->folder, "%s/.cache/backplane/cuda", home);
    struct stat s;
    bool good = n > 0 && n < (int)sizeof c->folder - 64 && make_folder(c->folder) && stat(c->folder, &s) == 0 &&
                S_ISDIR(s.st_mode) && s.st_uid == geteuid() && !(s.st_mode & (S_IWGRP | S_IWOTH));
    if (!good) c->folder[0] = 0;
}

static void entry_path(const cuda_cache *c, cuda_key key, char path[CUDA_CACHE_PATH]) {
    snprintf(path, CUDA_CACHE_PATH, "%.440s/%016llx%016llx%s", c->folder, (unsigned long long)key.word[0],
             (unsigned long long)key.word[1], SUFFIX);
}

static bool read_all(int file, void *to, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t got = read(file, (char *)to + at, n - at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += (size_t)got;
    }
    return true;
}

static bool write_all(int file, const void *from, size_t n) {
    for (size_t at = 0; at < n;) {
        ssize_t put = write(file, (const char *)from + at, n - at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += (size_t)put;
    }
    return true;
}

static cuda_key sum_of(const void *bytes, size_t n) {
    cuda_key sum = cuda_key_begin();
    cuda_key_add(&sum, bytes, n);
    return sum;
}

static bool same(cuda_key a, cuda_key b) { return a.word[0] == b.word[0] && a.word[1] == b.word[1]; }

static void *read_entry(int file, cuda_key key, size_t *n) {
    head h;
    struct stat s;
    if (fstat(file, &s) || !read_all(file, &h, sizeof h) || memcmp(h.magic, MAGIC, sizeof MAGIC) || !same(h.key, key)) return NULL;
    if (h.bytes == 0 || h.bytes > ENTRY_LIMIT || (uint64_t)s.st_size != sizeof h + h.bytes) return NULL;
    void *bytes = malloc(h.bytes);
    if (bytes && read_all(file, bytes, h.bytes) && same(sum_of(bytes, h.bytes), h.sum)) {
        *n = h.bytes;
        return bytes;
    }
    free(bytes);
    return NULL;
}

void *cuda_cache_get(const cuda_cache *c, cuda_key key, size_t *n) {
    char path[CUDA_CACHE_PATH];
    if (!c->folder[0]) return NULL;
    entry_path(c, key, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return NULL;
    void *bytes = read_entry(file, key, n);
    if (bytes) futimens(file, NULL); /* used now: stays longest */
    else unlink(path);
    close(file);
    return bytes;
}

typedef struct entry {
    char name[64];
    uint64_t bytes;
    time_t used;
} entry;

static int by_use(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used ? 1 : strcmp(x->name, y->name);
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* All entries of the folder; what a killed process left half written is removed. */
static size_t list(const cuda_cache *c, entry **out) {
    size_t n = 0, room = 0;
    *out = NULL;
    DIR *folder = opendir(c->folder);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        struct stat s;
        bool part = strncmp(e->d_name, TEMPORARY, sizeof TEMPORARY - 1) == 0;
        if ((!part && !ends_with(e->d_name, SUFFIX)) || strlen(e->d_name) >= sizeof ((entry *)0)->name) continue;
        if (fstatat(dirfd(folder), e->d_name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode)) continue;
        if (part && s.st_mtime + STALE_SECONDS < time(NULL)) unlinkat(dirfd(folder), e->d_name, 0);
        if (part) continue;
        if (n == room) {
            entry *more = realloc(*out, (room = room ? 2 * room : 64) * sizeof *more);
            if (!more) break;
            *out = more;
        }
        entry *to = &(*out)[n++];
        snprintf(to->name, sizeof to->name, "%s", e->d_name);
        to->bytes = (uint64_t)s.st_size, to->used = s.st_mtime;
    }
    if (folder) closedir(folder);
    return n;
}

static void evict(const cuda_cache *c) {
    entry *all;
    uint64_t total = 0;
    size_t n = list(c, &all);
    for (size_t i = 0; i < n; i++) total += all[i].bytes;
    if (total > c->limit) {
        qsort(all, n, sizeof *all, by_use);
        for (size_t i = 0; i < n && total > c->limit; i++) {
            char path[CUDA_CACHE_PATH];
            snprintf(path, sizeof path, "%.440s/%s", c->folder, all[i].name);
            unlink(path);
            total -= all[i].bytes;
        }
    }
    free(all);
}

bool cuda_cache_put(const cuda_cache *c, cuda_key key, const void *bytes, size_t n) {
    char path[CUDA_CACHE_PATH], part[CUDA_CACHE_PATH];
    if (!c->folder[0] || n == 0 || n > ENTRY_LIMIT || n > c->limit) return false;
    entry_path(c, key, path);
    snprintf(part, sizeof part, "%.440s/%sXXXXXX", c->folder, TEMPORARY);
    int file = mkostemp(part, O_CLOEXEC);
    if (file < 0) return false;
    head h = { .key = key, .sum = sum_of(bytes, n), .bytes = n };
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    bool good = write_all(file, &h, sizeof h) && write_all(file, bytes, n);
    good = close(file) == 0 && good;
    good = good && rename(part, path) == 0;
    if (!good) unlink(part);
    else evict(c);
    return good;
}
