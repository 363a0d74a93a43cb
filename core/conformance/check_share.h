/* A share of the conformance cases, so that several processes can go through them at the same time, or a slow tool through
 * some of each kind. A kind is an op with its types, left-out inputs, number of tokens and width of heads. */
#ifndef BP_CHECK_SHARE_H
#define BP_CHECK_SHARE_H

#include "core/base/fail.h"
#include "core/conformance/check_case.h"

enum { BP_CHECK_KINDS = 4096 };
/* All zeros: every case. */
typedef struct bp_check_share {
    uint32_t each;          /* the first so many cases of each kind; 0: all */
    uint32_t part, n_parts; /* of those, every n_parts-th from this one on; n_parts 0: all */
    uint64_t taken;
    uint32_t n_kinds, seen[BP_CHECK_KINDS];
    uint64_t kind[BP_CHECK_KINDS];
} bp_check_share;

/* part "3/16": the third of 16 parts; each "2": two of each kind. Either may be NULL. */
bp_status bp_check_share_read(bp_check_share *share, const char *part, const char *each, bp_error *error);
/* Whether this share has the case; asked once a case, in the order of bp_check_all. Kinds beyond BP_CHECK_KINDS count as
 * one. */
bool bp_check_share_has(bp_check_share *share, const bp_check_case *c);

#endif
