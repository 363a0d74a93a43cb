/* Errors in words. Every message says what was wrong, where, and where possible what to do. */
#ifndef BP_BASE_FAIL_H
#define BP_BASE_FAIL_H

#include "backplane/status.h"

/* Write status and message into error (NULL allowed) and return status. A message too long is cut between characters. */
bp_status bp_fail(bp_error *error, bp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put words before the message that error already holds: "blk.0.attn_q.weight: " + "out of memory". Returns its status. */
bp_status bp_fail_in(bp_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The status in words, "internal error" for an unknown number. */
const char *bp_status_words(bp_status status);

#endif
