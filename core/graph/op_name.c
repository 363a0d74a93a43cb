#include "core/graph/op_name.h"

#include "backplane/ops.h"

const char *bp_op_name(uint32_t op) {
    switch (op) {
#define BP_OP(name, id, params, n_in, n_out) \
    case id: return #name;
#include "backplane/ops.def"
#undef BP_OP
    default: return "?";
    }
}
