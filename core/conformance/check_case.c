#include "core/conformance/check_case.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/conformance/check_share.h"
#include "core/graph/op_name.h"
#include "core/quant/quant.h"

uint32_t bp_check_params_size(uint32_t op) {
    static const uint32_t sizes[BP_OP_LIMIT] = {
#define BP_OP(name, id, params, n_in, n_out) [id] = sizeof(params),
#include "backplane/ops.def"
#undef BP_OP
    };
    return op < BP_OP_LIMIT ? sizes[op] : 0;
}

const char *bp_check_type_name(uint32_t type) {
    const char *name = bp_type(type).name;
    return name ? name : "?";
}

static uint64_t random_state = 1;
void bp_check_seed(uint64_t seed) { random_state = seed * 0x9e3779b97f4a7c15u + 1; }
static uint64_t next_random(void) {
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t x = random_state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
double bp_check_random(void) { return (double)(next_random() >> 11) * 0x1p-52 - 1; }
int64_t bp_check_below(int64_t n) { return (int64_t)(next_random() % (uint64_t)n); }

void bp_check_begin(bp_check_case *c, uint32_t op, double tolerance, const char *format, ...) {
    memset(c, 0, sizeof *c);
    c->op = op;
    c->tolerance = tolerance;
    int at = snprintf(c->name, sizeof c->name, "%s ", bp_op_name(op));
    va_list args;
    va_start(args, format);
    vsnprintf(c->name + at, sizeof c->name - (size_t)at, format, args);
    va_end(args);
}

static void set_dims(bp_check_case *c, bp_check_value *v, const int64_t *dims) {
    v->count = 1;
    for (uint32_t i = 0; i < BP_MAX_RANK; i++) v->dim[i] = 1;
    for (; v->rank < BP_MAX_RANK && dims[v->rank]; v->rank++) {
        uint32_t symbol = (uint32_t)(dims[v->rank] >> 40);
        v->symbol[v->rank] = symbol;
        v->dim[v->rank] = dims[v->rank] & (((int64_t)1 << 40) - 1);
        v->count *= v->dim[v->rank];
        if (symbol) c->symbols[symbol] = v->dim[v->rank];
    }
    v->bytes = bp_row_bytes(v->type, v->dim[0]) * (uint64_t)(v->count / v->dim[0]);
}

static void fill(bp_check_case *c, bp_check_value *v) {
    float *row = bp_arena_alloc(&c->arena, sizeof(float) * (size_t)v->count);
    if (!row) {
        c->failed = true;
        return;
    }
    for (int64_t j = 0; v->type != BP_TYPE_I32 && j < v->count; j++) {
        row[j] = (float)((bp_check_random() + bp_check_random() + bp_check_random()) * 1.1);
    }
    if (bp_encode_row(v->type, row, v->count, v->data) != BP_OK) c->failed = true;
    bp_decode_row(v->type, v->data, v->count, row);
    for (int64_t j = 0; j < v->count; j++) v->real[j] = row[j];
}

static uint32_t add(bp_check_case *c, uint32_t type, uint32_t role, const int64_t *dims) {
    uint32_t index = c->n_values++;
    bp_check_value *v = &c->value[index];
    v->type = type;
    v->role = role;
    set_dims(c, v, dims);
    v->data = bp_arena_alloc(&c->arena, v->bytes);
    v->real = bp_arena_alloc(&c->arena, sizeof(double) * (size_t)v->count);
    if (!v->data || !v->real) c->failed = true;
    else if (role != BP_ROLE_OUTPUT) fill(c, v);
    return index;
}

uint32_t bp_check_in(bp_check_case *c, uint32_t type, uint32_t role, const int64_t *dims) {
    return c->in[c->n_in++] = add(c, type, role, dims);
}
void bp_check_none(bp_check_case *c) { c->in[c->n_in++] = BP_NONE; }
void bp_check_again(bp_check_case *c, uint32_t i) { c->in[c->n_in++] = c->in[i]; }
uint32_t bp_check_out(bp_check_case *c, uint32_t type, uint32_t role, const int64_t *dims) {
    return c->out[c->n_out++] = add(c, type, role, dims);
}

void bp_check_set(bp_check_case *c, uint32_t value, int64_t at, double number) {
    bp_check_value *v = &c->value[value];
    if (c->failed) return;
    if (v->type == BP_TYPE_I32) ((int32_t *)v->data)[at] = (int32_t)number;
    else ((float *)v->data)[at] = (float)number;
    v->real[at] = v->type == BP_TYPE_I32 ? number : (double)(float)number;
}

void bp_check_end(bp_check_case *c) { bp_arena_free(&c->arena); }

void bp_check_emit(const bp_check_maker *m, bp_check_case *c) {
    if (bp_check_share_has(m->share, c)) {
        if (!c->failed) bp_check_oracle(c);
        m->sink(m->self, c);
    }
    bp_check_end(c);
}

void bp_check_all(const bp_check_maker *m) {
    bp_check_seed(1);
    bp_check_matmul_cases(m);
    bp_check_moe_cases(m);
    bp_check_attention_cases(m);
    bp_check_row_cases(m);
    bp_check_select_cases(m);
    bp_check_recurrent_cases(m);
}
