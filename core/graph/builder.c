#include "core/graph/builder.h"


#include <stdarg.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/size.h"
#include "core/base/text.h"

struct bp_builder {
    bp_arena arena;
    bp_value *values;
    bp_node *nodes;
    const char **symbols;
    size_t values_capacity, nodes_capacity, symbols_capacity;
    bp_graph graph;
    bp_error error;
    bp_text problems; /* a sentence each, joined by "; " */
    uint32_t n_problems;
};

bp_builder *bp_builder_new(void) {
    bp_builder *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->error = (bp_error)BP_ERROR_INIT;
    b->graph = (bp_graph){ .size = sizeof b->graph, .value_size = sizeof(bp_value), .node_size = sizeof(bp_node), .n_symbols = 1 };
    if (bp_grow((void **)&b->symbols, &b->symbols_capacity, 1, sizeof *b->symbols)) b->symbols[0] = "";
    else bp_fail(&b->error, BP_E_NO_MEMORY, "out of memory while building the graph");
    return b;
}

void bp_builder_free(bp_builder *b) {
    if (!b) return;
    bp_arena_free(&b->arena);
    bp_text_free(&b->problems);
    free(b->values);
    free(b->nodes);
    free(b->symbols);
    free(b);
}

bp_status bp_builder_finish(bp_builder *b, bp_graph **graph, bp_error *error) {
    if (b->problems.size > BP_ERROR_TEXT / 2) { /* too long for an error, with what callers put before it */
        bp_log(BP_LOG_ERROR, "%s", bp_text_get(&b->problems));
        return bp_fail(error, BP_E_INVALID, "%u things are wrong, listed above", b->n_problems);
    }
    if (b->problems.size) return bp_fail(error, BP_E_INVALID, "%s", bp_text_get(&b->problems));
    if (b->error.status) return bp_fail(error, b->error.status, "%s", b->error.message);
    b->graph.values = b->values;
    b->graph.nodes = b->nodes;
    b->graph.symbols = b->symbols;
    *graph = &b->graph;
    return BP_OK;
}

void bp_builder_fail(bp_builder *b, const char *format, ...) {
    if (b->error.status) return;
    char message[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bp_fail(&b->error, BP_E_INVALID, "%s", message);
}

void bp_builder_problem(bp_builder *b, const char *format, ...) {
    char message[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (b->problems.size) bp_text_adds(&b->problems, "; ");
    bp_text_adds(&b->problems, message);
    b->n_problems++;
}

static void *keep(bp_builder *b, const void *data, size_t bytes) {
    void *copy = bp_arena_alloc(&b->arena, bytes);
    if (!copy) bp_fail(&b->error, BP_E_NO_MEMORY, "out of memory while building the graph");
    else if (bytes) memcpy(copy, data, bytes);
    return copy;
}

bp_dim bp_symbol(bp_builder *b, const char *name) {
    bp_dim none = { 1, 0, 0, 0 };
    if (b->error.status) return none;
    for (uint32_t i = 1; i < b->graph.n_symbols; i++)
        if (!strcmp(b->symbols[i], name)) return (bp_dim){ 1, 0, i, 0 };
    const char *copy = keep(b, name, strlen(name) + 1);
    if (!copy || !bp_grow((void **)&b->symbols, &b->symbols_capacity, b->graph.n_symbols + 1, sizeof *b->symbols)) return none;
    b->symbols[b->graph.n_symbols] = copy;
    return (bp_dim){ 1, 0, b->graph.n_symbols++, 0 };
}

uint32_t bp_bound_value(bp_builder *b, uint32_t role, uint32_t type, uint32_t rank, const bp_dim *dims, const char *name) {
    if (b->error.status) return 0;
    if (!bp_grow((void **)&b->values, &b->values_capacity, b->graph.n_values + 1, sizeof *b->values)) {
        bp_fail(&b->error, BP_E_NO_MEMORY, "out of memory while building the graph");
        return 0;
    }
    bp_value value = { .type = type, .role = role, .rank = rank, .name = keep(b, name, strlen(name) + 1) };
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) value.dim[i] = i < rank ? dims[i] : bp_number(1);
    b->values[b->graph.n_values] = value;
    return b->graph.n_values++;
}

static bool same_dim(bp_dim a, bp_dim c) {
    return a.value == c.value && a.symbol == c.symbol && (!a.symbol || a.plus == c.plus);
}

static bool is_number(bp_dim d, int64_t n) { return !d.symbol && d.value == n; }

/* A new temporary shaped like `like` with dim[0] replaced. */
static uint32_t temp(bp_builder *b, uint32_t like, bp_dim first, uint32_t type, const char *op) {
    if (b->error.status) return 0;
    bp_value v = b->values[like];
    char name[64];
    snprintf(name, sizeof name, "%s.%u", op, b->graph.n_nodes);
    v.dim[0] = first;
    return bp_bound_value(b, BP_ROLE_TEMP, type, v.rank, v.dim, name);
}

static void node(bp_builder *b, uint32_t op, const void *params, uint32_t size, const uint32_t *in, uint32_t n_in,
                 const uint32_t *out, uint32_t n_out) {
    if (b->error.status) return;
    if (!bp_grow((void **)&b->nodes, &b->nodes_capacity, b->graph.n_nodes + 1, sizeof *b->nodes)) {
        bp_fail(&b->error, BP_E_NO_MEMORY, "out of memory while building the graph");
        return;
    }
    bp_no_params none = { 0 };
    bp_node n = { .op = op, .params_size = size ? size : sizeof none, .n_in = n_in, .n_out = n_out };
    n.params = size ? keep(b, params, size) : keep(b, &none, sizeof none);
    n.in = keep(b, in, n_in * sizeof *in);
    n.out = keep(b, out, n_out * sizeof *out);
    b->nodes[b->graph.n_nodes++] = n;
}

static bp_dim dim(const bp_builder *b, uint32_t value, uint32_t i) {
    return b->error.status || value == BP_NONE ? bp_number(1) : b->values[value].dim[i];
}

static const char *name_of(const bp_builder *b, uint32_t v) { return b->error.status ? "" : b->values[v].name; }

static void expect(bp_builder *b, bool holds, uint32_t value, const char *what) {
    if (!holds) bp_builder_fail(b, "%s: %s", name_of(b, value), what);
}

uint32_t bp_embed_rows(bp_builder *b, uint32_t table, uint32_t ids, float scale) {
    bp_embed_rows_params p = { scale };
    bp_dim dims[2] = { dim(b, table, 0), dim(b, ids, 0) };
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "embedding");
    node(b, BP_OP_EMBED_ROWS, &p, sizeof p, (uint32_t[]){ table, ids }, 2, &out, 1);
    return out;
}

uint32_t bp_matmul(bp_builder *b, uint32_t w, uint32_t x, uint32_t bias) {
    expect(b, same_dim(dim(b, w, 0), dim(b, x, 0)), w, "its first dimension differs from its input's");
    if (bias != BP_NONE) expect(b, same_dim(dim(b, bias, 0), dim(b, w, 1)), bias, "its length differs from the weight's rows");
    uint32_t out = temp(b, x, dim(b, w, 1), BP_TYPE_F32, "matmul");
    node(b, BP_OP_MATMUL, NULL, 0, (uint32_t[]){ w, x, bias }, 3, &out, 1);
    return out;
}

uint32_t bp_matmul_experts(bp_builder *b, uint32_t w, uint32_t x, uint32_t ids, uint32_t bias) {
    expect(b, same_dim(dim(b, w, 0), dim(b, x, 0)), w, "its first dimension differs from its input's");
    bp_dim dims[3] = { dim(b, w, 1), dim(b, ids, 0), dim(b, ids, 1) };
    if (ids == BP_NONE) dims[1] = dim(b, x, 1), dims[2] = dim(b, x, 2);
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 3, dims, "experts");
    node(b, BP_OP_MATMUL_EXPERTS, NULL, 0, (uint32_t[]){ w, x, ids, bias }, 4, &out, 1);
    return out;
}

uint32_t bp_route_experts(bp_builder *b, uint32_t logits, uint32_t bias, bp_route_experts_params p, uint32_t *weights) {
    uint32_t out[2] = { temp(b, logits, bp_number(p.n_used), BP_TYPE_I32, "route"),
                        temp(b, logits, bp_number(p.n_used), BP_TYPE_F32, "route_weights") };
    node(b, BP_OP_ROUTE_EXPERTS, &p, sizeof p, (uint32_t[]){ logits, bias }, 2, out, 2);
    *weights = out[1];
    return out[0];
}

uint32_t bp_combine_experts(bp_builder *b, uint32_t x, uint32_t weights) {
    bp_dim dims[2] = { dim(b, x, 0), dim(b, x, 2) };
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "combined");
    node(b, BP_OP_COMBINE_EXPERTS, NULL, 0, (uint32_t[]){ x, weights }, 2, &out, 1);
    return out;
}

uint32_t bp_norm(bp_builder *b, uint32_t op, uint32_t x, uint32_t residual, uint32_t weight, uint32_t bias, bp_norm_params p,
                 uint32_t *sum) {
    if (weight != BP_NONE)
        expect(b, same_dim(dim(b, weight, 0), dim(b, x, 0)) || (p.group && is_number(dim(b, weight, 0), p.group)), weight,
               "its length fits neither the row nor the group that it normalises");
    uint32_t out[2] = { temp(b, x, dim(b, x, 0), BP_TYPE_F32, "norm"), BP_NONE };
    if (sum) out[1] = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "residual");
    node(b, op, &p, sizeof p, (uint32_t[]){ x, residual, weight, bias }, 4, out, 2);
    if (sum) *sum = out[1];
    return out[0];
}

uint32_t bp_rope(bp_builder *b, uint32_t x, uint32_t positions, uint32_t factors, bp_rope_params p) {
    if (factors != BP_NONE) expect(b, is_number(dim(b, factors, 0), p.n_dims / 2), factors, "its length is not half of the rotated dimensions");
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "rope");
    node(b, BP_OP_ROPE, &p, sizeof p, (uint32_t[]){ x, positions, factors }, 3, &out, 1);
    return out;
}

void bp_kv_write(bp_builder *b, uint32_t k, uint32_t v, uint32_t slots, uint32_t k_cache, uint32_t v_cache, uint32_t n_head_kv) {
    bp_kv_write_params p = { n_head_kv };
    node(b, BP_OP_KV_WRITE, &p, sizeof p, (uint32_t[]){ k, v, slots }, 3, (uint32_t[]){ k_cache, v_cache }, 2);
}

uint32_t bp_attention(bp_builder *b, const bp_attention_inputs *in, bp_attention_params p) {
    expect(b, is_number(dim(b, in->q, 0), (int64_t)p.n_head * p.head_dim), in->q, "its width is not heads times head size");
    expect(b, p.n_head_kv && p.n_head % p.n_head_kv == 0, in->q, "its heads are no multiple of the KV heads");
    uint32_t out = temp(b, in->q, bp_number((int64_t)p.n_head * p.head_dim_v), BP_TYPE_F32, "attention");
    const uint32_t inputs[] = { in->q, in->k_cache, in->v_cache, in->positions, in->sequences,
                                in->block_table, in->kv_len, in->kv_start, in->sinks };
    node(b, BP_OP_ATTENTION, &p, sizeof p, inputs, 9, &out, 1);
    return out;
}

static uint32_t binary(bp_builder *b, uint32_t op, uint32_t a, uint32_t c, const char *name) {
    uint32_t out = temp(b, a, dim(b, a, 0), BP_TYPE_F32, name);
    node(b, op, NULL, 0, (uint32_t[]){ a, c }, 2, &out, 1);
    return out;
}

uint32_t bp_add(bp_builder *b, uint32_t a, uint32_t c) { return binary(b, BP_OP_ADD, a, c, "add"); }
uint32_t bp_mul(bp_builder *b, uint32_t a, uint32_t c) { return binary(b, BP_OP_MUL, a, c, "mul"); }

uint32_t bp_scale(bp_builder *b, uint32_t x, float scale, float bias) {
    bp_scale_params p = { scale, bias };
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "scale");
    node(b, BP_OP_SCALE, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_softcap(bp_builder *b, uint32_t x, float cap) {
    bp_softcap_params p = { cap };
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "softcap");
    node(b, BP_OP_SOFTCAP, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_glu(bp_builder *b, uint32_t gate, uint32_t up, bp_glu_params p) {
    expect(b, up == BP_NONE || same_dim(dim(b, gate, 0), dim(b, up, 0)), gate, "gate and up differ in width");
    bp_dim first = dim(b, gate, 0);
    if (up == BP_NONE) first.value /= 2;
    uint32_t out = temp(b, gate, first, BP_TYPE_F32, "glu");
    node(b, BP_OP_GLU, &p, sizeof p, (uint32_t[]){ gate, up }, 2, &out, 1);
    return out;
}

uint32_t bp_gather_rows(bp_builder *b, uint32_t x, uint32_t ids) {
    bp_dim dims[2] = { dim(b, x, 0), dim(b, ids, 0) };
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "rows");
    node(b, BP_OP_GATHER_ROWS, NULL, 0, (uint32_t[]){ x, ids }, 2, &out, 1);
    return out;
}

uint32_t bp_reshape(bp_builder *b, uint32_t x, uint32_t rank, const bp_dim *dims) {
    if (b->error.status) return 0;
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, b->values[x].type, rank, dims, "reshape");
    node(b, BP_OP_RESHAPE, NULL, 0, &x, 1, &out, 1);
    return out;
}

uint32_t bp_slice(bp_builder *b, uint32_t x, int64_t first, int64_t count) {
    bp_dim row = dim(b, x, 0);
    expect(b, !row.symbol && first >= 0 && count > 0 && first <= row.value && count <= row.value - first, x,
           "a part of it is wanted that it does not have");
    bp_slice_params p = { (uint32_t)first };
    uint32_t out = temp(b, x, bp_number(count), BP_TYPE_F32, "slice");
    node(b, BP_OP_SLICE, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_activation(bp_builder *b, uint32_t x, uint32_t f) {
    bp_activation_params p = { .f = f };
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "activation");
    node(b, BP_OP_ACTIVATION, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_reduce(bp_builder *b, uint32_t x, uint32_t kind) {
    bp_reduce_params p = { kind };
    uint32_t out = temp(b, x, bp_number(1), BP_TYPE_F32, "reduced");
    node(b, BP_OP_REDUCE, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_clamp(bp_builder *b, uint32_t x, float low, float high) {
    bp_activation_params p = { BP_ACT_CLAMP, low, high };
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "clamp");
    node(b, BP_OP_ACTIVATION, &p, sizeof p, &x, 1, &out, 1);
    return out;
}

uint32_t bp_pool(bp_builder *b, uint32_t x, uint32_t sequences, uint32_t kind) {
    bp_pool_params p = { kind };
    bp_dim dims[2] = { dim(b, x, 0), bp_symbol(b, BP_SYMBOL_N_SEQUENCES) };
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "pool");
    node(b, BP_OP_POOL, &p, sizeof p, (uint32_t[]){ x, sequences }, 2, &out, 1);
    return out;
}

uint32_t bp_causal_conv(bp_builder *b, uint32_t x, uint32_t weight, uint32_t bias, const bp_state_inputs *in, bp_causal_conv_params p) {
    expect(b, same_dim(dim(b, weight, 1), dim(b, x, 0)), weight, "its channels are not those of its input");
    expect(b, dim(b, weight, 0).value >= 2, weight, "its kernel is narrower than 2");
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "conv");
    const uint32_t inputs[] = { x, weight, bias, in->positions, in->sequences, in->state_slots };
    node(b, BP_OP_CAUSAL_CONV, &p, sizeof p, inputs, 6, (uint32_t[]){ out, in->state }, 2);
    return out;
}

uint32_t bp_ssm_scan(bp_builder *b, const bp_ssm_inputs *ssm, const bp_state_inputs *in, bp_ssm_scan_params p) {
    expect(b, p.n_head && p.n_group && p.n_head % p.n_group == 0, ssm->x, "its heads are no multiple of its groups");
    expect(b, is_number(dim(b, ssm->dt, 0), p.n_head), ssm->dt, "its width is not the number of heads");
    uint32_t out = temp(b, ssm->x, dim(b, ssm->x, 0), BP_TYPE_F32, "ssm_scan");
    const uint32_t inputs[] = { ssm->x, ssm->dt, ssm->a, ssm->b, ssm->c, ssm->d, ssm->dt_bias,
                                in->positions, in->sequences, in->state_slots };
    node(b, BP_OP_SSM_SCAN, &p, sizeof p, inputs, 10, (uint32_t[]){ out, in->state }, 2);
    return out;
}

uint32_t bp_delta_rule(bp_builder *b, const bp_delta_inputs *delta, const bp_state_inputs *in, bp_delta_rule_params p) {
    expect(b, p.n_head && p.n_head_k && p.n_head % p.n_head_k == 0, delta->v, "its heads are no multiple of the key heads");
    uint32_t out = temp(b, delta->v, dim(b, delta->v, 0), BP_TYPE_F32, "delta_rule");
    const uint32_t inputs[] = { delta->q, delta->k, delta->v, delta->decay, delta->beta, in->positions, in->sequences,
                                in->state_slots };
    node(b, BP_OP_DELTA_RULE, &p, sizeof p, inputs, 8, (uint32_t[]){ out, in->state }, 2);
    return out;
}

uint32_t bp_concat(bp_builder *b, uint32_t a, uint32_t c) {
    uint32_t out = temp(b, a, bp_number(dim(b, a, 0).value + dim(b, c, 0).value), BP_TYPE_F32, "concat");
    node(b, BP_OP_CONCAT, NULL, 0, (uint32_t[]){ a, c }, 2, &out, 1);
    return out;
}

uint32_t bp_convert_f32(bp_builder *b, uint32_t x) {
    uint32_t out = temp(b, x, dim(b, x, 0), BP_TYPE_F32, "convert");
    node(b, BP_OP_CONVERT, NULL, 0, &x, 1, &out, 1);
    return out;
}

uint32_t bp_argmax(bp_builder *b, uint32_t x) {
    const bp_dim rows = dim(b, x, 1);
    uint32_t out = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_I32, 1, &rows, "argmax");
    node(b, BP_OP_ARGMAX, NULL, 0, &x, 1, &out, 1);
    return out;
}

uint32_t bp_top_k(bp_builder *b, uint32_t x, int64_t k, uint32_t *ids) {
    const bp_dim dims[2] = { bp_number(BP_MIN(k, dim(b, x, 0).value)), dim(b, x, 1) };
    const bp_top_k_params plain = { 0 };
    const uint32_t values = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_F32, 2, dims, "top_k");
    *ids = bp_bound_value(b, BP_ROLE_TEMP, BP_TYPE_I32, 2, dims, "top_k ids");
    node(b, BP_OP_TOP_K, &plain, sizeof plain, &x, 1, (uint32_t[]){ values, *ids }, 2);
    return values;
}

void bp_output(bp_builder *b, uint32_t value, const char *name) {
    if (b->error.status) return;
    b->values[value].role = BP_ROLE_OUTPUT;
    b->values[value].name = keep(b, name, strlen(name) + 1);
}

void bp_add_node(bp_builder *b, uint32_t op, const void *params, uint32_t params_size, const uint32_t *in, uint32_t n_in,
                 const uint32_t *out, uint32_t n_out) {
    node(b, op, params, params_size, in, n_in, out, n_out);
}
