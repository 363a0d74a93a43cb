#include <errno.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/tokenizer.h"

bp_status bp_tokens_parse(const char *option, const char *list, bp_tokens *out, bp_error *error) {
    for (const char *at = list; *at;) {
        char *end;
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX || (*end && *end != ','))
            return bp_fail(error, BP_E_INVALID, "%s: '%.20s' is not a list of token ids like 1,2,3", option, at);
        if (!bp_grow((void **)&out->ids, &out->capacity, out->count + 1, sizeof *out->ids))
            return bp_fail(error, BP_E_NO_MEMORY, "%s: out of memory", option);
        out->ids[out->count++] = (int32_t)id;
        at = *end ? end + 1 : end;
    }
    return BP_OK;
}
