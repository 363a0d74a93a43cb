/* Statuses and errors: how every call of both Backplane interfaces reports failure.
 *
 * A call that can fail returns a bp_status and writes a sentence into a bp_error that the caller owns.
 * Nothing aborts, exits, prints or throws. Freestanding: needs C11 and no library. */
#ifndef BACKPLANE_STATUS_H
#define BACKPLANE_STATUS_H

#include <stddef.h>
#include <stdint.h>

/* Statuses. Values are never renumbered or reused; new ones are added at the end. */
#define BP_STATUS_LIST(X)                                                                                    \
    X(BP_OK, 0, "done")                                                                                      \
    X(BP_E_INVALID, 1, "invalid input")              /* the caller's data is wrong */                        \
    X(BP_E_UNSUPPORTED, 2, "not supported")          /* valid, but this program or device cannot do it */    \
    X(BP_E_NO_MEMORY, 3, "out of memory")            /* state is left usable */                              \
    X(BP_E_NOT_FOUND, 4, "not found")                /* a file, key, tensor, plugin or device */             \
    X(BP_E_IO, 5, "input/output error")              /* the operating system refused a file operation */     \
    X(BP_E_REFUSED, 6, "refused")                    /* a plugin that must not be loaded, a limit reached */ \
    X(BP_E_DEVICE_LOST, 7, "device lost")            /* the device must be closed; nothing on it is valid */ \
    X(BP_E_CANCELLED, 8, "cancelled")                /* bp_host.cancelled said so */                         \
    X(BP_E_TIMEOUT, 9, "not finished in time")       /* wait: the work goes on */                            \
    X(BP_E_INTERNAL, 10, "internal error")           /* a defect of the callee */

typedef int32_t bp_status;
enum {
#define BP_STATUS_ENUM(name, value, words) name = value,
    BP_STATUS_LIST(BP_STATUS_ENUM)
#undef BP_STATUS_ENUM
};

enum { BP_ERROR_TEXT = 240 };

/* The caller's storage for one error. The caller sets size to sizeof(bp_error) before the call; the callee writes
 * status and message (UTF-8, one line, always terminated, cut if longer) on failure and leaves it alone on success.
 * A NULL bp_error pointer is allowed everywhere: then only the status is told. */
typedef struct bp_error {
    uint32_t size;
    bp_status status;
    char message[BP_ERROR_TEXT];
} bp_error;

#define BP_ERROR_INIT { (uint32_t)sizeof(bp_error), BP_OK, { 0 } }

/* True where the table *t, as its maker compiled it, reaches member m and fills it. Ask before calling any member
 * that is newer than version 1.0 of its table, and any that its comment calls optional. */
#define BP_HAS(type, t, m) ((t)->size >= offsetof(type, m) + sizeof((t)->m) && (t)->m)

#endif
