#define _GNU_SOURCE
#include "backends/cuda/cuda_modules.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cuda/cuda_cache.h"
#include "backends/cuda/cuda_text.h"

enum { MAX_FLAGS = 48, MAX_THREADS = 64, LOG_LINE = 200, MAX_HEADERS = 64 };

typedef struct module {
    char *source, *options;
    CUmodule handle;
    void *binary; /* between compiling and loading */
    size_t size;
} module;

struct cuda_modules {
    bp_device *device;
    cuda_cache cache;
    char arch[32];
    cuda_key base; /* of what every kernel's key begins with */
    module *list;
    uint32_t count, capacity;
    pthread_mutex_t lock;
};

static const cuda_text *text_of(const char *name) {
    for (size_t i = 0; i < cuda_text_count; i++)
        if (strcmp(cuda_texts[i].name, name) == 0) return &cuda_texts[i];
    return NULL;
}

/* Headers that the texts name and NVRTC has not; common.cuh defines what they would. */
static const char *const empty_names[] = { "stdint.h", "stddef.h" };

static bool is_kernel(const cuda_text *t) { return t->size && strstr(t->name, ".cu") && !strstr(t->name, ".cuh"); }

bp_status cuda_modules_new(bp_device *d, const cuda_module_options *options, cuda_modules **out, bp_error *error) {
    cuda_modules *m = calloc(1, sizeof *m);
    if (!m) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    m->device = d;
    pthread_mutex_init(&m->lock, NULL);
    cuda_cache_open(&m->cache, options->folder, options->limit);
    if (options->folder && options->folder[0] && !m->cache.folder[0] && d->host->log)
        d->host->log(d->host->self, BP_LOG_WARN, "cache_dir cannot be used: it must be a folder of this user that others cannot write to");
    snprintf(m->arch, sizeof m->arch, "--gpu-architecture=sm_%d%d%s", d->major, d->minor,
             d->major == 9 && d->nvrtc->major >= 12 ? "a" : "");
    int version[2] = { d->nvrtc->major, d->nvrtc->minor };
    m->base = cuda_key_begin();
    cuda_key_add(&m->base, m->arch, strlen(m->arch));
    cuda_key_add(&m->base, version, sizeof version);
    for (size_t i = 0; i < cuda_text_count; i++)
        if (!is_kernel(&cuda_texts[i])) cuda_key_add(&m->base, cuda_texts[i].text, cuda_texts[i].size);
    *out = m;
    return BP_OK;
}

void cuda_modules_free(cuda_modules *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->list[i].handle) m->device->cu->ModuleUnload(m->list[i].handle);
        free(m->list[i].source), free(m->list[i].options), free(m->list[i].binary);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->list);
    free(m);
}

/* ---- One compilation ---- */

typedef struct work {
    cuda_modules *m;
    module *module;
    bp_status status;
    bp_error error;
} work;

/* Split "-DA=1 -DB" into flags, in place. */
static int split(char *text, const char **flags, int n) {
    for (char *at = strtok_r(text, " ", &text); at && n < MAX_FLAGS; at = strtok_r(NULL, " ", &text)) flags[n++] = at;
    return n;
}

/* The log's first line that is an error, and the whole log to the host. */
static bp_status compile_error(work *w, nvrtcProgram program, nvrtcResult result) {
    const cuda_nvrtc *rtc = w->m->device->nvrtc;
    const bp_host *host = w->m->device->host;
    size_t n = 0;
    char *log = rtc->GetProgramLogSize(program, &n) == NVRTC_SUCCESS && n > 1 ? calloc(1, n + 1) : NULL;
    if (log && rtc->GetProgramLog(program, log) != NVRTC_SUCCESS) log[0] = 0;
    if (log && host->log) host->log(host->self, BP_LOG_DEBUG, log);
    const char *line = log ? strstr(log, "error") : NULL;
    while (line && line > log && line[-1] != '\n') line--;
    int length = line ? (int)strcspn(line, "\n") : 0;
    bp_status s = result == NVRTC_ERROR_OUT_OF_MEMORY ? BP_E_NO_MEMORY
                  : result == NVRTC_ERROR_INVALID_OPTION ? BP_E_UNSUPPORTED : BP_E_INTERNAL;
    cuda_fail(&w->error, s, "cuda: kernel %s (%s%s%s) does not compile with NVRTC %d.%d: %.*s", w->module->source,
              w->m->arch + strlen("--gpu-architecture="), *w->module->options ? " " : "", w->module->options, rtc->major, rtc->minor,
              line ? (length < LOG_LINE ? length : LOG_LINE) : LOG_LINE, line ? line : rtc->GetErrorString(result));
    free(log);
    return s;
}

static bp_status take_binary(work *w, nvrtcProgram program) {
    const cuda_nvrtc *rtc = w->m->device->nvrtc;
    size_t n = 0;
    if (rtc->GetCUBINSize(program, &n) != NVRTC_SUCCESS || n == 0)
        return cuda_fail(&w->error, BP_E_INTERNAL, "cuda: NVRTC gave no machine code for %s", w->module->source);
    w->module->binary = malloc(n);
    if (!w->module->binary) return cuda_fail(&w->error, BP_E_NO_MEMORY, "cuda: out of memory");
    if (rtc->GetCUBIN(program, w->module->binary) != NVRTC_SUCCESS)
        return cuda_fail(&w->error, BP_E_INTERNAL, "cuda: NVRTC gave no machine code for %s", w->module->source);
    w->module->size = n;
    return BP_OK;
}

static bp_status compile_text(work *w, const cuda_text *text) {
    const cuda_nvrtc *rtc = w->m->device->nvrtc;
    const char *names[MAX_HEADERS], *texts[MAX_HEADERS], *flags[MAX_FLAGS] = { w->m->arch, "--std=c++17", "-DBP_NVRTC=1" };
    int headers = 0;
    for (size_t i = 0; i < cuda_text_count && headers < MAX_HEADERS; i++) {
        if (is_kernel(&cuda_texts[i])) continue;
        names[headers] = cuda_texts[i].name;
        texts[headers++] = cuda_texts[i].text;
    }
    for (size_t i = 0; i < sizeof empty_names / sizeof *empty_names && headers < MAX_HEADERS; i++) {
        names[headers] = empty_names[i];
        texts[headers++] = "";
    }
    char *options = strdup(w->module->options);
    if (!options) return cuda_fail(&w->error, BP_E_NO_MEMORY, "cuda: out of memory");
    int n = split(options, flags, 3);
    nvrtcProgram program;
    nvrtcResult result = rtc->CreateProgram(&program, text->text, text->name, headers, texts, names);
    bp_status s = BP_OK;
    if (result != NVRTC_SUCCESS) {
        s = cuda_fail(&w->error, BP_E_INTERNAL, "cuda: NVRTC: %s", rtc->GetErrorString(result));
    } else {
        result = rtc->CompileProgram(program, n, flags);
        s = result == NVRTC_SUCCESS ? take_binary(w, program) : compile_error(w, program, result);
        rtc->DestroyProgram(&program);
    }
    free(options);
    return s;
}

static bp_status compile_one(work *w) {
    const cuda_text *text = text_of(w->module->source);
    if (!text) return cuda_fail(&w->error, BP_E_INTERNAL, "cuda: there is no kernel %s", w->module->source);
    cuda_key key = w->m->base;
    cuda_key_add(&key, text->text, text->size);
    cuda_key_add(&key, w->module->options, strlen(w->module->options));
    w->module->binary = cuda_cache_get(&w->m->cache, key, &w->module->size);
    if (w->module->binary) return BP_OK;
    bp_status s = compile_text(w, text);
    if (!s) cuda_cache_put(&w->m->cache, key, w->module->binary, w->module->size);
    return s;
}

/* ---- Many, in threads ---- */

typedef struct crew {
    work *works;
    uint32_t n;
    atomic_uint next, done;
} crew;

static void *help(void *self) {
    crew *c = self;
    const bp_host *host = c->works[0].m->device->host;
    for (uint32_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;) {
        work *w = &c->works[i];
        w->error = (bp_error)BP_ERROR_INIT;
        w->status = host->cancelled && host->cancelled(host->self) ? cuda_fail(&w->error, BP_E_CANCELLED, "cuda: cancelled")
                                                                   : compile_one(w);
        if (host->progress && c->n > 3) host->progress(host->self, "compiling kernels", atomic_fetch_add(&c->done, 1) + 1, c->n);
    }
    return NULL;
}

static void compile_all(work *works, uint32_t n) {
    crew c = { .works = works, .n = n };
    const bp_host *host = works[0].m->device->host;
    uint32_t threads = host->threads ? host->threads(host->self) : 1, started = 0;
    pthread_t ids[MAX_THREADS];
    if (threads > n) threads = n;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    for (uint32_t i = 1; i < threads; i++)
        if (pthread_create(&ids[started], NULL, help, &c) == 0) started++;
    help(&c);
    for (uint32_t i = 0; i < started; i++) pthread_join(ids[i], NULL);
}

/* ---- Finding and adding ---- */

static module *find(cuda_modules *m, const cuda_want *w) {
    for (uint32_t i = 0; i < m->count; i++)
        if (!strcmp(m->list[i].source, w->source) && !strcmp(m->list[i].options, w->options)) return &m->list[i];
    return NULL;
}

static bool add(cuda_modules *m, const cuda_want *w) {
    if (m->count == m->capacity) {
        uint32_t capacity = m->capacity ? 2 * m->capacity : 64;
        module *more = realloc(m->list, capacity * sizeof *more);
        if (!more) return false;
        m->list = more;
        m->capacity = capacity;
    }
    module *to = &m->list[m->count];
    *to = (module){ .source = strdup(w->source), .options = strdup(w->options) };
    if (to->source && to->options) {
        m->count++;
        return true;
    }
    free(to->source), free(to->options);
    return false;
}

static void drop(cuda_modules *m, uint32_t first) {
    for (uint32_t i = first; i < m->count; i++) {
        if (m->list[i].handle) m->device->cu->ModuleUnload(m->list[i].handle);
        free(m->list[i].source), free(m->list[i].options), free(m->list[i].binary);
    }
    m->count = first;
}

static bp_status load(cuda_modules *m, uint32_t first, work *works, bp_error *error) {
    bp_status s = BP_OK;
    for (uint32_t i = first; !s && i < m->count; i++) {
        work *w = &works[i - first];
        if (w->status) return cuda_fail(error, w->status, "%s", w->error.message);
        s = cuda_result(m->device, m->device->cu->ModuleLoadData(&m->list[i].handle, m->list[i].binary), m->list[i].source, error);
        free(m->list[i].binary);
        m->list[i].binary = NULL;
    }
    return s;
}

static bp_status add_missing(cuda_modules *m, const cuda_want *wants, uint32_t n, bp_error *error) {
    uint32_t first = m->count;
    bool good = true;
    for (uint32_t i = 0; good && i < n; i++)
        if (!find(m, &wants[i])) good = add(m, &wants[i]);
    uint32_t missing = m->count - first;
    work *works = calloc((size_t)missing + 1, sizeof *works);
    bp_status s = good && works ? BP_OK : cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    for (uint32_t i = 0; !s && i < missing; i++) works[i] = (work){ .m = m, .module = &m->list[first + i] };
    if (!s && missing) compile_all(works, missing);
    if (!s) s = load(m, first, works, error);
    if (s) drop(m, first);
    free(works);
    return s;
}

/* Allow a kernel the shared memory of its launches where that and its own is more than 48 KB. */
static bp_status allow_shared(cuda_modules *m, const cuda_want *w, bp_error *error) {
    const cuda_driver *cu = m->device->cu;
    int own = 0, now = 0;
    bp_status s = cuda_result(m->device, cu->FuncGetAttribute(&own, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, w->handle), w->function, error);
    const int64_t all = (int64_t)w->shared + own;
    if (s || all <= 48 << 10) return s;
    if (all > m->device->shared_limit)
        return cuda_fail(error, BP_E_UNSUPPORTED, "cuda: kernel %s needs %lld bytes of shared memory, and the card has %d", w->function,
                         (long long)all, m->device->shared_limit);
    s = cuda_result(m->device, cu->FuncGetAttribute(&now, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, w->handle), w->function, error);
    if (now < (int)w->shared) now = (int)w->shared; /* another program's launches may have more */
    if (s) return s;
    return cuda_result(m->device, cu->FuncSetAttribute(w->handle, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, now), w->function, error);
}

static bp_status resolve(cuda_modules *m, cuda_want *w, bp_error *error) {
    module *found = find(m, w);
    bp_status s = cuda_result(m->device, m->device->cu->ModuleGetFunction(&w->handle, found->handle, w->function), w->function, error);
    return s || !w->shared ? s : allow_shared(m, w, error);
}

bp_status cuda_modules_get(cuda_modules *m, cuda_want *wants, uint32_t n, bp_error *error) {
    pthread_mutex_lock(&m->lock);
    bp_status s = add_missing(m, wants, n, error);
    for (uint32_t i = 0; !s && i < n; i++) s = resolve(m, &wants[i], error);
    pthread_mutex_unlock(&m->lock);
    return s;
}
