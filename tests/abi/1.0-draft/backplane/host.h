/* What the engine offers a plugin: one table, passed to the query function, valid as long as the process. */
#ifndef BACKPLANE_HOST_H
#define BACKPLANE_HOST_H

#include <stdint.h>

enum bp_log_level { BP_LOG_ERROR = 0, BP_LOG_WARN = 1, BP_LOG_INFO = 2, BP_LOG_DEBUG = 3 };

/* Every member may be called from any thread. self is passed back as it is. */
typedef struct bp_host {
    uint32_t size;
    void *self;

    /* Log one line (no newline at its end). A plugin never writes to stdout or stderr itself. */
    void (*log)(void *self, int32_t level, const char *message);

    /* Memory aligned to align (a power of two, up to 2 MiB), contents undefined; NULL when there is none. */
    void *(*alloc)(void *self, uint64_t bytes, uint64_t align);
    void (*free)(void *self, void *memory); /* NULL is allowed */

    /* The plugin's own section of the configuration ([backend.NAME]): the value of key, NULL where it is not set. The
     * text lives as long as the process. Read every key that you know in `open` at the latest: after it the engine
     * refuses keys that nobody asked for, by name. */
    const char *(*config)(void *self, const char *key);

    /* How many CPU threads the user wants the process to compute with; at least 1. */
    uint32_t (*threads)(void *self);

    /* Non-zero once the user wants long work to stop: ask in pack and compile, and return BP_E_CANCELLED. */
    int32_t (*cancelled)(void *self);

    /* Progress of long work, for a person: "compiling kernels", 3 of 17. */
    void (*progress)(void *self, const char *what, uint64_t done, uint64_t total);

    /* Tables of extensions by id ("bp.draft.example"); NULL where this engine has none by that id. */
    const void *(*extension)(void *self, const char *id);
} bp_host;

#endif
