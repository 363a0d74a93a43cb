/* The CPU backend's query function and the table of its ops. */
#include <stdarg.h>
#include <stdio.h>

#include "backends/cpu/cpu.h"

BP_PLUGIN_NOTE;

static const bp_host *the_host;

bp_status cpu_fail(bp_error *error, bp_status status, const char *format, ...) {
    if (!error) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->status = status;
    return status;
}

typedef struct op_row {
    const char *name;
    uint32_t params_size, inputs, outputs;
} op_row;

static const op_row op_rows[BP_OP_LIMIT] = {
#define BP_OP(name, id, params, n_in, n_out) [id] = { #name, sizeof(params), n_in, n_out },
#include "backplane/ops.def"
#undef BP_OP
};

static cpu_kernel *const op_kernels[BP_OP_LIMIT] = {
    [BP_OP_EMBED_ROWS] = cpu_run_embed,
    [BP_OP_ROUTE_EXPERTS] = cpu_run_route,
    [BP_OP_COMBINE_EXPERTS] = cpu_run_combine,
    [BP_OP_RMS_NORM] = cpu_run_norm,
    [BP_OP_LAYER_NORM] = cpu_run_norm,
    [BP_OP_ROPE] = cpu_run_rope,
    [BP_OP_KV_WRITE] = cpu_run_kv_write,
    [BP_OP_ATTENTION_SCORES] = cpu_run_scores,
    [BP_OP_SOFTMAX] = cpu_run_softmax,
    [BP_OP_ATTENTION_MIX] = cpu_run_mix,
    [BP_OP_ADD] = cpu_run_binary,
    [BP_OP_MUL] = cpu_run_binary,
    [BP_OP_SCALE] = cpu_run_unary,
    [BP_OP_ACTIVATION] = cpu_run_unary,
    [BP_OP_SOFTCAP] = cpu_run_unary,
    [BP_OP_GLU] = cpu_run_glu,
    [BP_OP_REDUCE] = cpu_run_reduce,
    [BP_OP_GATHER_ROWS] = cpu_run_gather,
    [BP_OP_SLICE] = cpu_run_slice,
    [BP_OP_CONCAT] = cpu_run_concat,
    [BP_OP_CONVERT] = cpu_run_convert,
    [BP_OP_POOL] = cpu_run_pool,
    [BP_OP_TOP_K] = cpu_run_top_k,
    [BP_OP_ARGMAX] = cpu_run_argmax,
    [BP_OP_RESHAPE] = cpu_run_reshape,
    [BP_OP_CAUSAL_CONV] = cpu_run_conv,
    [BP_OP_SSM_SCAN] = cpu_run_scan,
    [BP_OP_DELTA_RULE] = cpu_run_delta,
};

const char *cpu_op_name(uint32_t op) { return op < BP_OP_LIMIT ? op_rows[op].name : NULL; }
uint32_t cpu_op_inputs(uint32_t op) { return op < BP_OP_LIMIT ? op_rows[op].inputs : 0; }
uint32_t cpu_op_outputs(uint32_t op) { return op < BP_OP_LIMIT ? op_rows[op].outputs : 0; }
uint32_t cpu_op_params_size(uint32_t op) { return op < BP_OP_LIMIT ? op_rows[op].params_size : 0; }
cpu_kernel *cpu_op_kernel(uint32_t op) { return op < BP_OP_LIMIT ? op_kernels[op] : NULL; }

static bp_status devices(uint32_t *count, const char **why, bp_error *error) {
    (void)error;
    *count = 1;
    if (why) *why = NULL;
    return BP_OK;
}

static bp_status open_device(uint32_t index, bp_device **device, const bp_device_api **api, bp_error *error) {
    if (index != 0) return cpu_fail(error, BP_E_NOT_FOUND, "cpu: there is no device %u, only 0", index);
    *api = &cpu_device_api;
    return cpu_open(the_host, device, error);
}

static const bp_backend the_backend = {
    .size = sizeof the_backend,
    .name = "cpu",
    .version = "1.0",
    .description = "x86-64 and portable CPU kernels on OpenMP threads",
    .devices = devices,
    .open = open_device,
};

bp_status bp_backend_query_v1(const bp_host *host, const bp_backend **backend, bp_error *error) {
    if (!host || !BP_HAS(bp_host, host, free)) return cpu_fail(error, BP_E_INVALID, "cpu: the host's table is too short");
    the_host = host;
    *backend = &the_backend;
    return BP_OK;
}
