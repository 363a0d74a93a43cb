/* Backplane's backend interface, version 1 (draft until the first release).
 *
 * A backend is a shared object that exports one function, bp_backend_query_v1, and carries one ELF note. All else is
 * reached through tables. Rules that keep an old .so working:
 *   - every table begins with its size and grows only at its end; ask BP_HAS before a member that may not be there;
 *   - no enum value is renumbered or reused; no struct passes by value; integers have fixed widths;
 *   - what is optional or still moving is an extension: a string id and a table of its own.
 * How to write one: plugins/README.md. Where a table of functions, one an op, is enough: backend_simple.h. */
#ifndef BACKPLANE_BACKEND_H
#define BACKPLANE_BACKEND_H

#include "backplane/device.h"
#include "backplane/graph.h"
#include "backplane/host.h"
#include "backplane/status.h"

#define BP_ABI_MAJOR 1u /* a change means: old plugins are refused, in words */
#define BP_ABI_MINOR 0u /* grows when tables grow */

typedef struct bp_backend {
    uint32_t size;
    const char *name;        /* "cpu": the [backend.NAME] section; letters, digits, '-' and '_' */
    const char *version;     /* "1.0" */
    const char *description; /* one line */

    /* How many devices there are. Cheap: creates no context. No device is BP_OK with 0, and *why (may be NULL) a sentence
     * on the reason that lives as long as the process. */
    bp_status (*devices)(uint32_t *count, const char **why, bp_error *);
    bp_status (*open)(uint32_t index, bp_device **, const bp_device_api **, bp_error *); /* close: bp_device_api.close */
    const void *(*extension)(const char *id); /* optional */
} bp_backend;

/* The one exported symbol. host lives as long as the process; so does what *backend points to. Called once a process. */
typedef bp_status bp_backend_query_fn(const bp_host *host, const bp_backend **backend, bp_error *error);
#define BP_QUERY_SYMBOL "bp_backend_query_v1"

#if defined(__GNUC__)
#define BP_EXPORT __attribute__((visibility("default")))
#else
#define BP_EXPORT
#endif

BP_EXPORT bp_status bp_backend_query_v1(const bp_host *host, const bp_backend **backend, bp_error *error);

/* The ELF note by which the engine knows a plugin before it loads it: name "Backplane", type 1, and as its descriptor
 * the ABI's major and minor version. Put BP_PLUGIN_NOTE; into one source file. */
#define BP_NOTE_NAME "Backplane"
enum { BP_NOTE_TYPE = 1 };
typedef struct bp_plugin_note {
    uint32_t name_size, desc_size, type;
    char name[12]; /* "Backplane" and zeros up to a multiple of 4 */
    uint32_t abi_major, abi_minor;
} bp_plugin_note;
#define BP_PLUGIN_NOTE                                                                                            \
    __attribute__((section(".note.backplane"), used, aligned(4))) static const bp_plugin_note bp_plugin_note_v1 = { \
        sizeof BP_NOTE_NAME, 2 * sizeof(uint32_t), BP_NOTE_TYPE, BP_NOTE_NAME, BP_ABI_MAJOR, BP_ABI_MINOR          \
    }

#endif
