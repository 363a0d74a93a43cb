/* The reference backend: every op in plain loops, as ops.h says it. It is slow, and what others are compared with. */
#include "reference.h"

/* Types of inputs and outputs, a letter each: W weight (any float type), F F32, I I32, C cache, A any, D what CONVERT
 * can make, E types of one value a block; small letters: may be left out. */
typedef struct signature {
    const char *in, *out;
} signature;

static const signature signatures[BP_OP_LIMIT] = {
    [BP_OP_EMBED_ROWS] = { "WI", "F" },
    [BP_OP_MATMUL] = { "WFf", "F" },
    [BP_OP_MATMUL_EXPERTS] = { "WFif", "F" },
    [BP_OP_ROUTE_EXPERTS] = { "Ff", "IF" },
    [BP_OP_COMBINE_EXPERTS] = { "FF", "F" },
    [BP_OP_RMS_NORM] = { "Ffff", "Ff" },
    [BP_OP_LAYER_NORM] = { "Ffff", "Ff" },
    [BP_OP_ROPE] = { "FIf", "F" },
    [BP_OP_KV_WRITE] = { "FfI", "Cc" },
    [BP_OP_ATTENTION] = { "FCCIIIIif", "F" },
    [BP_OP_ATTENTION_SCORES] = { "FCIIIIi", "F" },
    [BP_OP_SOFTMAX] = { "Ff", "F" },
    [BP_OP_ATTENTION_MIX] = { "FCIII", "F" },
    [BP_OP_ADD] = { "FF", "F" },
    [BP_OP_MUL] = { "FF", "F" },
    [BP_OP_SCALE] = { "F", "F" },
    [BP_OP_ACTIVATION] = { "F", "F" },
    [BP_OP_GLU] = { "Ff", "F" },
    [BP_OP_SOFTCAP] = { "F", "F" },
    [BP_OP_REDUCE] = { "F", "F" },
    [BP_OP_GATHER_ROWS] = { "FI", "F" },
    [BP_OP_SLICE] = { "E", "E" },
    [BP_OP_CONCAT] = { "EE", "E" },
    [BP_OP_CONVERT] = { "A", "D" },
    [BP_OP_POOL] = { "FI", "F" },
    [BP_OP_TOP_K] = { "F", "FI" },
    [BP_OP_ARGMAX] = { "F", "I" },
    [BP_OP_RESHAPE] = { "A", "A" },
    [BP_OP_CAUSAL_CONV] = { "FFfIII", "FF" },
    [BP_OP_SSM_SCAN] = { "FFFFFffIII", "FF" },
    [BP_OP_DELTA_RULE] = { "FFFFFIII", "FF" },
};

static int fits(char letter, uint32_t type) {
    switch (letter & ~32) {
    case 'W': return bp_type_is_float(type);
    case 'F': return type == BP_TYPE_F32;
    case 'I': return type == BP_TYPE_I32;
    case 'C': return type == BP_TYPE_F32 || type == BP_TYPE_F16 || type == BP_TYPE_Q8_0;
    case 'D': return type == BP_TYPE_F32 || type == BP_TYPE_F16 || type == BP_TYPE_BF16 || type == BP_TYPE_Q8_0;
    case 'E': return bp_type(type).block_values == 1;
    default: return bp_type(type).name != NULL;
    }
}

static const char *check_list(const bp_graph *g, const uint32_t *list, uint32_t n, const char *letters) {
    uint32_t i = 0;
    for (; letters[i]; i++) {
        uint32_t value = i < n ? list[i] : BP_NONE;
        if (value == BP_NONE && !(letters[i] & 32)) return "an input or output that the op needs is missing";
        if (value != BP_NONE && !fits(letters[i], bp_graph_value(g, value)->type))
            return "an input or output has a type that the op does not take";
    }
    return n > i ? "more inputs or outputs than the op has" : NULL;
}

static const char *check(const bp_graph *g, const bp_node *n) {
    const char *why = check_list(g, n->in, n->n_in, signatures[n->op].in);
    return why ? why : check_list(g, n->out, n->n_out, signatures[n->op].out);
}

static const bp_simple_op table[] = {
#define BP_OP(name, id, params, n_in, n_out) { id, ref_run_##name, check },
#include "backplane/ops.def"
#undef BP_OP
};

BP_SIMPLE_BACKEND("reference", "1.0", "every op in plain loops and double precision", table);
