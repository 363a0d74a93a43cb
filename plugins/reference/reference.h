/* Inside the reference plugin: number formats and small helpers. Results are computed in double and rounded once. */
#ifndef BP_REFERENCE_H
#define BP_REFERENCE_H

#include <math.h>
#include <string.h>

#include "backplane/backend_simple.h"
#include "backplane/blocks.h"

float ref_half_to_float(bp_half h);
bp_half ref_float_to_half(float x);

/* Decode n values of a row of any known type (n: whole blocks); encode to F32, F16, BF16 or Q8_0. */
void ref_decode(uint32_t type, const void *row, int64_t n, float *out);
void ref_encode(uint32_t type, const float *x, int64_t n, void *row);

#define REF_NEED(condition)                                                                              \
    do {                                                                                                 \
        if (!(condition)) return bp_simple_fail(error, BP_E_INVALID, "shapes do not fit: ", #condition); \
    } while (0)

/* Rows of a tensor: the product of its outer dimensions. */
static inline int64_t ref_rows(const bp_simple_tensor *t) { return t->ne[1] * t->ne[2] * t->ne[3]; }
static inline int64_t ref_count(const bp_simple_tensor *t) { return t->ne[0] * ref_rows(t); }
static inline int ref_same(const bp_simple_tensor *a, const bp_simple_tensor *b) {
    return a->ne[0] == b->ne[0] && a->ne[1] == b->ne[1] && a->ne[2] == b->ne[2] && a->ne[3] == b->ne[3];
}
/* Row r, counted through all outer dimensions. */
static inline void *ref_row(const bp_simple_tensor *t, int64_t r) {
    return (uint8_t *)t->data + (uint64_t)r * bp_row_bytes(t->type, t->ne[0]);
}

static inline void *ref_alloc(const bp_simple_call *c, int64_t n, uint64_t size) {
    return bp_simple_new(c->host, (uint64_t)n, size);
}
static inline void ref_free(const bp_simple_call *c, void *p) { c->host->free(c->host->self, p); }

double ref_activate(uint32_t f, double x, double low, double high);
/* Softmax of n scores in place; sink (NULL: none) joins the denominator. All -infinity gives zeros. */
void ref_softmax_row(double *x, int64_t n, const float *sink);
double ref_dot(const double *a, const float *b, int64_t n);

#define BP_OP(name, id, params, n_in, n_out) bp_status ref_run_##name(const bp_simple_call *, bp_error *);
#include "backplane/ops.def"
#undef BP_OP

#endif
