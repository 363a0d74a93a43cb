#include <stdlib.h>

#include "reference.h"

bp_status ref_run_GATHER_ROWS(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    const int32_t *ids = c->in[1].data;
    REF_NEED(out->ne[0] == x->ne[0] && ref_rows(out) == ref_count(&c->in[1]));
    size_t bytes = (size_t)x->ne[0] * sizeof(float);
    for (int64_t i = 0; i < ref_rows(out); i++) {
        if (ids[i] >= 0 && ids[i] < ref_rows(x))
            memcpy(ref_row(out, i), ref_row(x, ids[i]), bytes);
        else
            memset(ref_row(out, i), 0, bytes);
    }
    return BP_OK;
}

bp_status ref_run_RESHAPE(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    REF_NEED(x->type == out->type && ref_count(x) == ref_count(out));
    REF_NEED(bp_type(x->type).block_values == 1 || x->ne[0] == out->ne[0]);
    memcpy(out->data, x->data, (size_t)(bp_row_bytes(x->type, x->ne[0]) * (uint64_t)ref_rows(x)));
    return BP_OK;
}

bp_status ref_run_SLICE(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    int64_t first = ((const bp_slice_params *)c->params)->first, block = bp_type(x->type).block_values;
    REF_NEED(x->type == out->type && ref_rows(x) == ref_rows(out));
    REF_NEED(first <= x->ne[0] && out->ne[0] <= x->ne[0] - first && first % block == 0);
    size_t bytes = (size_t)bp_row_bytes(out->type, out->ne[0]), skip = (size_t)bp_row_bytes(x->type, first);
    for (int64_t r = 0; r < ref_rows(out); r++) memcpy(ref_row(out, r), (uint8_t *)ref_row(x, r) + skip, bytes);
    return BP_OK;
}

bp_status ref_run_CONCAT(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *a = &c->in[0], *b = &c->in[1], *out = &c->out[0];
    REF_NEED(a->type == out->type && b->type == out->type && out->ne[0] == a->ne[0] + b->ne[0]);
    REF_NEED(ref_rows(a) == ref_rows(out) && ref_rows(b) == ref_rows(out));
    size_t n = (size_t)bp_row_bytes(a->type, a->ne[0]), m = (size_t)bp_row_bytes(b->type, b->ne[0]);
    for (int64_t r = 0; r < ref_rows(out); r++) {
        memcpy(ref_row(out, r), ref_row(a, r), n);
        memcpy((uint8_t *)ref_row(out, r) + n, ref_row(b, r), m);
    }
    return BP_OK;
}

bp_status ref_run_CONVERT(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    REF_NEED(ref_same(x, out));
    float *row = ref_alloc(c, x->ne[0], sizeof *row);
    if (!row) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a row", NULL);
    for (int64_t r = 0; r < ref_rows(x); r++) {
        ref_decode(x->type, ref_row(x, r), x->ne[0], row);
        ref_encode(out->type, row, x->ne[0], ref_row(out, r));
    }
    ref_free(c, row);
    return BP_OK;
}

static void pool_sequence(const bp_simple_call *c, int64_t q, double *sum) {
    const bp_simple_tensor *x = &c->in[0];
    uint32_t kind = ((const bp_pool_params *)c->params)->kind;
    const int32_t *sequences = c->in[1].data;
    int64_t n = x->ne[0], count = 0;
    float *y = ref_row(&c->out[0], q);
    for (int64_t i = 0; i < n; i++) sum[i] = 0;
    for (int64_t t = 0; t < ref_rows(x); t++) {
        if (sequences[t] != q) continue;
        const float *row = ref_row(x, t);
        for (int64_t i = 0; i < n; i++) {
            if (kind == BP_POOL_MEAN)
                sum[i] += row[i];
            else if (kind == BP_POOL_LAST || !count)
                sum[i] = row[i];
        }
        count++;
    }
    for (int64_t i = 0; i < n; i++) y[i] = (float)(kind == BP_POOL_MEAN && count ? sum[i] / (double)count : sum[i]);
}

bp_status ref_run_POOL(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *out = &c->out[0];
    REF_NEED(out->ne[0] == x->ne[0] && ref_count(&c->in[1]) == ref_rows(x));
    REF_NEED(((const bp_pool_params *)c->params)->kind <= BP_POOL_LAST);
    double *sum = ref_alloc(c, x->ne[0], sizeof *sum);
    if (!sum) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory for a row", NULL);
    for (int64_t q = 0; q < ref_rows(out); q++) pool_sequence(c, q, sum);
    ref_free(c, sum);
    return BP_OK;
}

typedef struct ranked {
    float key, value;
    int32_t id;
} ranked;

static int by_rank(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->key != b->key) return a->key > b->key ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static void rank_row(const float *x, int64_t n, ranked *list) {
    for (int64_t i = 0; i < n; i++) {
        list[i].value = x[i];
        list[i].key = isnan(x[i]) ? -INFINITY : x[i];
        list[i].id = (int32_t)i;
    }
    qsort(list, (size_t)n, sizeof *list, by_rank);
}

bp_status ref_run_TOP_K(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0], *values = &c->out[0], *ids = &c->out[1];
    int64_t k = values->ne[0];
    REF_NEED(k <= x->ne[0] && x->ne[0] <= INT32_MAX && ref_rows(values) == ref_rows(x) && ref_same(values, ids));
    ranked *list = ref_alloc(c, x->ne[0], sizeof *list);
    if (!list) return bp_simple_fail(error, BP_E_NO_MEMORY, "no memory to sort", NULL);
    for (int64_t r = 0; r < ref_rows(x); r++) {
        rank_row(ref_row(x, r), x->ne[0], list);
        for (int64_t i = 0; i < k; i++) {
            ((float *)ref_row(values, r))[i] = list[i].value;
            ((int32_t *)ref_row(ids, r))[i] = list[i].id;
        }
    }
    ref_free(c, list);
    return BP_OK;
}

bp_status ref_run_ARGMAX(const bp_simple_call *c, bp_error *error) {
    const bp_simple_tensor *x = &c->in[0];
    int32_t *out = c->out[0].data;
    REF_NEED(x->ne[0] > 0 && x->ne[0] <= INT32_MAX && ref_count(&c->out[0]) == ref_rows(x));
    for (int64_t r = 0; r < ref_rows(x); r++) {
        const float *row = ref_row(x, r);
        float top = -INFINITY;
        out[r] = 0;
        for (int64_t i = 0; i < x->ne[0]; i++)
            if (row[i] > top) top = row[i], out[r] = (int32_t)i;
    }
    return BP_OK;
}
