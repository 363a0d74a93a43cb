/* The CPU device: its configuration, its memory and how weights lie in it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"

static const char *config(const bp_host *h, const char *key) { return h->config ? h->config(h->self, key) : NULL; }

static bp_status choose_level(bp_device *d, bp_error *error) {
    const char *isa = config(d->host, "isa");
    d->level = cpu_level_best();
    if (isa && strcmp(isa, "auto") != 0) {
        int level = 0;
        while (level < CPU_LEVELS && strcmp(isa, cpu_level_name((enum cpu_level)level)) != 0) level++;
        if (level == CPU_LEVELS) {
            return cpu_fail(error, BP_E_INVALID, "cpu: isa = %s: use portable, avx2, avx512vnni, amx or auto", isa);
        }
        if (!cpu_level_usable((enum cpu_level)level)) {
            return cpu_fail(error, BP_E_UNSUPPORTED, "cpu: isa = %s: this processor or kernel does not have it", isa);
        }
        d->level = (enum cpu_level)level;
    }
    d->vec = &cpu_vec_portable;
#if defined(__x86_64__)
    if (d->level >= CPU_AVX2) d->vec = &cpu_vec_avx2;
    if (d->level >= CPU_AVX512) d->vec = &cpu_vec_avx512;
#endif
    return BP_OK;
}

static bp_status choose_word(const bp_host *h, const char *key, const char *yes, const char *no, bool *out, bp_error *error) {
    const char *text = config(h, key);
    if (!text) return BP_OK;
    *out = strcmp(text, yes) == 0;
    if (*out || strcmp(text, no) == 0) return BP_OK;
    return cpu_fail(error, BP_E_INVALID, "cpu: %s = %s: use %s or %s", key, text, yes, no);
}

static bp_status choose_threads(bp_device *d, bp_error *error) {
    const char *text = config(d->host, "threads");
    d->threads = d->host->threads ? d->host->threads(d->host->self) : 1;
    if (d->threads < 1) d->threads = 1;
    if (!text) return BP_OK;
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || end == text || n < 1 || n > 1024) return cpu_fail(error, BP_E_INVALID, "cpu: threads = %s: use 1 to 1024", text);
    d->threads = (uint32_t)n;
    return BP_OK;
}

static void find_name(bp_device *d) {
    char line[256];
    snprintf(d->name, sizeof d->name, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(d->name, sizeof d->name, "%.90s", colon + 1 + strspn(colon + 1, " "));
        d->name[strcspn(d->name, "\n")] = 0;
        break;
    }
    if (file) fclose(file);
    snprintf(d->detail, sizeof d->detail, "%s, %u threads", cpu_level_name(d->level), d->threads);
}

bp_status cpu_open(const bp_host *host, bp_device **out, bp_error *error) {
    bp_device *d = calloc(1, sizeof *d);
    if (!d) return cpu_fail(error, BP_E_NO_MEMORY, "cpu: out of memory");
    d->host = host;
    d->repack = true;
    bp_status s = choose_level(d, error), s2 = s ? s : choose_word(host, "activations", "f32", "q8", &d->exact, error);
    if (!s2) s2 = choose_word(host, "repack", "yes", "no", &d->repack, error);
    if (!s2) s2 = choose_threads(d, error);
    if (s2) {
        free(d);
        return s2;
    }
    find_name(d);
    *out = d;
    return BP_OK;
}

static void close_device(bp_device *d) { free(d); }

static bp_status info(bp_device *d, bp_device_info *out, bp_error *error) {
    (void)error;
    long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES), left = sysconf(_SC_AVPHYS_PAGES);
    bp_device_info i = { .size = out->size, .name = d->name, .detail = d->detail, .host_memory = 1 };
    if (page > 0 && all > 0) i.memory_total = (uint64_t)page * (uint64_t)all;
    if (page > 0 && left > 0) i.memory_free = (uint64_t)page * (uint64_t)left;
    memcpy(out, &i, out->size < sizeof i ? out->size : sizeof i);
    return BP_OK;
}

static bp_status make_buffer(void *memory, uint64_t bytes, bool owned, bp_buffer **out, bp_error *error) {
    bp_buffer *b = memory || !owned ? malloc(sizeof *b) : NULL;
    if (!b) return cpu_fail(error, BP_E_NO_MEMORY, "cpu: no memory for a buffer of %llu bytes", (unsigned long long)bytes);
    *b = (bp_buffer){ memory, bytes, owned };
    *out = b;
    return BP_OK;
}

enum { HUGE_PAGE = 2 << 20 };

/* Weights are read from end to end for every token: with pages of 4 KiB the walks of the page table cost bandwidth. Other
 * buffers grow into their memory and stay on small pages. */
static void want_huge_pages(void *memory, uint64_t bytes) {
#ifdef MADV_HUGEPAGE
    if (memory && bytes >= HUGE_PAGE) madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

static bp_status buffer_new(bp_device *d, uint64_t bytes, uint32_t use, bp_buffer **out, bp_error *error) {
    uint64_t align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : CPU_ALIGN;
    void *memory = d->host->alloc(d->host->self, bytes ? bytes : 1, align);
    if (use == BP_USE_WEIGHTS && align == HUGE_PAGE) want_huge_pages(memory, bytes);
    bp_status s = make_buffer(memory, bytes, true, out, error);
    if (s) d->host->free(d->host->self, memory);
    return s;
}

static bp_status buffer_import(bp_device *d, const void *memory, uint64_t bytes, bp_buffer **out, bp_error *error) {
    (void)d;
    return make_buffer((void *)(uintptr_t)memory, bytes, false, out, error);
}

static void buffer_free(bp_device *d, bp_buffer *b) {
    if (b && b->owned) d->host->free(d->host->self, b->memory);
    free(b);
}

static bp_status in_range(const bp_buffer *b, uint64_t offset, uint64_t bytes, bp_error *error) {
    if (offset <= b->bytes && bytes <= b->bytes - offset) return BP_OK;
    return cpu_fail(error, BP_E_INVALID, "cpu: %llu bytes at %llu do not lie in a buffer of %llu", (unsigned long long)bytes,
                    (unsigned long long)offset, (unsigned long long)b->bytes);
}

static bp_status write_buffer(bp_device *d, bp_buffer *b, uint64_t offset, const void *data, uint64_t n, bp_error *error) {
    (void)d;
    bp_status s = in_range(b, offset, n, error);
    if (!s && n) memcpy(b->memory + offset, data, n);
    return s;
}

static bp_status read_buffer(bp_device *d, const bp_buffer *b, uint64_t offset, void *data, uint64_t n, bp_error *error) {
    (void)d;
    bp_status s = in_range(b, offset, n, error);
    if (!s && n) memcpy(data, b->memory + offset, n);
    return s;
}

static void *buffer_address(bp_device *d, bp_buffer *b) {
    (void)d;
    return b->memory;
}

static void choose_layout(const bp_device *d, uint32_t type, const int64_t n[BP_MAX_RANK], bp_weight_layout *out) {
    out->size = sizeof *out;
    cpu_weight_layout(d->level, type, n[0], n[1], n[2] * n[3], d->repack, out);
}

bool cpu_weight_size(const bp_device *d, const cpu_tensor *t, uint64_t *bytes) {
    if (!bp_numbers_bytes(t->type, t->n, bytes)) return false;
    if (t->layout == BP_LAYOUT_ROWS) return true;
    bp_weight_layout l = { 0 };
    choose_layout(d, t->type, t->n, &l);
    *bytes = l.bytes;
    return l.layout == t->layout;
}

static bool multiplied(const bp_graph *g, uint32_t value) {
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *n = bp_graph_node(g, i);
        if ((n->op == BP_OP_MATMUL || n->op == BP_OP_MATMUL_EXPERTS) && bp_node_in(n, 0) == value) return true;
    }
    return false;
}

bp_status cpu_layout(bp_device *d, const bp_graph *g, uint32_t value, bp_weight_layout *out, bp_error *error) {
    int64_t n[BP_MAX_RANK];
    uint64_t bytes;
    if (value >= g->n_values) return cpu_fail(error, BP_E_INVALID, "cpu: there is no value %u", value);
    const bp_value *v = bp_graph_value(g, value);
    for (uint32_t i = 0; i < v->rank && i < BP_MAX_RANK; i++) {
        if (v->dim[i].symbol) return cpu_fail(error, BP_E_INVALID, "cpu: %s: a weight's size must be fixed", v->name);
    }
    if (!bp_value_numbers(v, NULL, n) || !bp_numbers_bytes(v->type, n, &bytes)) {
        return cpu_fail(error, BP_E_INVALID, "cpu: %s: not a valid type and shape", v->name);
    }
    bp_weight_layout l = { sizeof l, BP_LAYOUT_ROWS, bytes, CPU_ALIGN, 1 };
    if (multiplied(g, value)) choose_layout(d, v->type, n, &l);
    uint32_t size = l.size = out->size;
    memcpy(out, &l, size < sizeof l ? size : sizeof l);
    return BP_OK;
}

bp_status cpu_pack(bp_device *d, const bp_value *v, const void *rows, int64_t first, int64_t n, bp_buffer *b, uint64_t offset,
                   bp_error *error) {
    cpu_tensor t = { .type = v->type, .layout = v->layout, .rank = v->rank };
    uint64_t bytes;
    if (!bp_value_numbers(v, NULL, t.n) || !cpu_weight_size(d, &t, &bytes)) {
        return cpu_fail(error, BP_E_INVALID, "cpu: %s: not a layout of this device", v->name);
    }
    bp_status s = in_range(b, offset, bytes, error);
    if (s) return s;
    if (first < 0 || n < 0 || first > cpu_rows(&t) || n > cpu_rows(&t) - first) {
        return cpu_fail(error, BP_E_INVALID, "cpu: %s: rows outside the tensor", v->name);
    }
    char *to = b->memory + offset;
    uint64_t row = bp_row_bytes(t.type, t.n[0]);
    cpu_weight w = { to, t.type, t.layout, t.n[0], cpu_rows(&t) };
    if (t.layout == BP_LAYOUT_ROWS) memcpy(to + (uint64_t)first * row, rows, (uint64_t)n * row);
    else cpu_weight_pack(d->level, &w, rows, first, n, to);
    return BP_OK;
}

const bp_device_api cpu_device_api = {
    .size = sizeof cpu_device_api,
    .info = info,
    .close = close_device,
    .buffer_new = buffer_new,
    .buffer_import = buffer_import,
    .buffer_free = buffer_free,
    .write = write_buffer,
    .read = read_buffer,
    .buffer_address = buffer_address,
    .layout = cpu_layout,
    .pack = cpu_pack,
    .assess = cpu_assess,
    .compile = cpu_compile,
    .program_free = cpu_program_free,
    .stream_new = cpu_stream_new,
    .stream_free = cpu_stream_free,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .extension = cpu_device_extension,
};
