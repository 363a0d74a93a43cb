/* A backend with one device that can do nothing but be opened: what the loading tests load. Macros make it go wrong:
 * CRASH, LEAVE, HANG: its constructor does so. MISSING: it needs a function that nobody has.
 * NO_NOTE, OTHER_MAJOR: as they say. QUERY_FAILS, NO_NAME, BAD_NAME, NO_DEVICES, NO_OPEN: its backend table. OLD_TABLE:
 * the device table ends before `extension`; SHORT_TABLE: before `wait`. OTHER_NAME: the backend's own name. */
#include <stdlib.h>
#include <string.h>

#include "backplane/backend.h"

#ifndef OTHER_NAME
#define OTHER_NAME "minimal"
#endif

#if defined(OTHER_MAJOR)
__attribute__((section(".note.backplane"), used, aligned(4))) static const bp_plugin_note note = {
    sizeof BP_NOTE_NAME, 2 * sizeof(uint32_t), BP_NOTE_TYPE, BP_NOTE_NAME, BP_ABI_MAJOR + 1, 0
};
#elif !defined(NO_NOTE)
BP_PLUGIN_NOTE;
#endif

#if defined(CRASH)
__attribute__((constructor)) static void start(void) { abort(); }
#elif defined(LEAVE)
__attribute__((constructor)) static void start(void) { exit(0); }
#elif defined(HANG)
__attribute__((constructor)) static void start(void) { for (volatile int i = 0;; i = !i) continue; }
#endif

struct bp_device { int open; };
static struct bp_device device;
static const bp_host *host;
static int queries;

#ifdef MISSING
void absent_function(void);
#endif

static bp_status refuse(bp_error *e) {
#ifdef MISSING
    absent_function();
#endif
    if (e) strcpy(e->message, "not\nhere");
    return BP_E_UNSUPPORTED;
}

static bp_status info(bp_device *d, bp_device_info *i, bp_error *e) {
    (void)d, (void)e;
    i->name = "nothing";
    i->detail = queries == 1 ? "queried once" : "queried more than once";
    i->memory_total = 4ull << 30;
    i->memory_free = 1ull << 30;
    return BP_OK;
}
static void close_device(bp_device *d) { d->open--; }
static bp_status buffer_new(bp_device *d, uint64_t n, uint32_t u, bp_buffer **b, bp_error *e) {
    (void)d, (void)n, (void)u, (void)b;
    return refuse(e);
}
static void buffer_free(bp_device *d, bp_buffer *b) { (void)d, (void)b; }
static bp_status write_buffer(bp_device *d, bp_buffer *b, uint64_t at, const void *p, uint64_t n, bp_error *e) {
    (void)d, (void)b, (void)at, (void)p, (void)n;
    return refuse(e);
}
static bp_status read_buffer(bp_device *d, const bp_buffer *b, uint64_t at, void *p, uint64_t n, bp_error *e) {
    (void)d, (void)b, (void)at, (void)p, (void)n;
    return refuse(e);
}
static bp_status layout(bp_device *d, const bp_graph *g, uint32_t v, bp_weight_layout *l, bp_error *e) {
    (void)d, (void)g, (void)v, (void)l;
    return refuse(e);
}
static bp_status pack(bp_device *d, const bp_value *v, const void *r, int64_t first, int64_t n, bp_buffer *b,
                      uint64_t at, bp_error *e) {
    (void)d, (void)v, (void)r, (void)first, (void)n, (void)b, (void)at;
    return refuse(e);
}
static bp_status assess(bp_device *d, const bp_graph *g, bp_verdict *v, bp_error *e) {
    (void)d, (void)g, (void)v;
    return refuse(e);
}
static bp_status compile(bp_device *d, const bp_graph *g, const bp_options *o, bp_program **p, bp_error *e) {
    (void)d, (void)g, (void)o, (void)p;
    return refuse(e);
}
static void program_free(bp_device *d, bp_program *p) { (void)d, (void)p; }
static bp_status stream_new(bp_device *d, bp_stream **s, bp_error *e) {
    (void)d, (void)s;
    return refuse(e);
}
static void stream_free(bp_device *d, bp_stream *s) { (void)d, (void)s; }
static bp_status submit(bp_stream *s, bp_program *p, const int64_t *n, const bp_binding *b, uint32_t k, uint64_t *q,
                        bp_error *e) {
    (void)s, (void)p, (void)n, (void)b, (void)k, (void)q;
    return refuse(e);
}
static bp_status wait_for(bp_stream *s, uint64_t q, int64_t t, bp_error *e) {
    (void)s, (void)q, (void)t;
    return refuse(e);
}

static const bp_device_api api = {
#if defined(OLD_TABLE)
    .size = offsetof(bp_device_api, extension),
#elif defined(SHORT_TABLE)
    .size = offsetof(bp_device_api, wait),
#else
    .size = sizeof(bp_device_api),
#endif
    .info = info, .close = close_device, .buffer_new = buffer_new, .buffer_free = buffer_free, .write = write_buffer,
    .read = read_buffer, .layout = layout, .pack = pack, .assess = assess, .compile = compile,
    .program_free = program_free, .stream_new = stream_new, .stream_free = stream_free, .submit = submit,
    .wait = wait_for,
};

static bp_status devices(uint32_t *count, const char **why, bp_error *e) {
    (void)e;
#ifdef NO_DEVICES
    *count = 0;
    if (why) *why = "there is no such hardware";
#else
    (void)why;
    *count = 1;
#endif
    return BP_OK;
}

static int host_works(void) {
    void *memory = host->alloc(host->self, 100, 4096);
    int aligned = memory && (uintptr_t)memory % 4096 == 0;
    host->free(host->self, memory);
    host->free(host->self, NULL);
    host->log(host->self, BP_LOG_DEBUG, "open");
    host->progress(host->self, "opening", 1, 1);
    return aligned && !host->alloc(host->self, 8, 3) && !host->extension(host->self, "bp.draft.none");
}

/* "known" is the one key that it knows; "fail" in it makes it fail, and a wish to stop does as well. */
static bp_status open_device(uint32_t index, bp_device **d, const bp_device_api **a, bp_error *e) {
    const char *known = host->config(host->self, "known");
    if (index || !host_works() || host->threads(host->self) < 1) return BP_E_INTERNAL;
    if (host->cancelled(host->self)) return BP_E_CANCELLED;
    if (known && !strcmp(known, "fail")) return refuse(e);
    device.open++;
    *d = &device;
    *a = &api;
    return BP_OK;
}

static const bp_backend backend = {
    .size = sizeof(bp_backend),
#if defined(BAD_NAME)
    .name = "no/name",
#elif !defined(NO_NAME)
    .name = OTHER_NAME,
#endif
    .version = "1.0",
    .description = "does nothing",
    .devices = devices,
#ifndef NO_OPEN
    .open = open_device,
#endif
};

bp_status bp_backend_query_v1(const bp_host *h, const bp_backend **b, bp_error *e) {
    host = h;
    queries++;
    *b = &backend;
#ifdef QUERY_FAILS
    if (e) strcpy(e->message, "the moon is in the wrong phase");
    return BP_E_UNSUPPORTED;
#else
    (void)e;
    return BP_OK;
#endif
}
