/* Weights of a file as values of a graph. */
#include <stdio.h>

#include "core/base/size.h"
#include "core/model/model.h"

enum { NAME_BYTES = 128 };

static const bp_gguf_tensor *find_weight(const bp_model *model, int64_t layer, const char *name,
                                         char full[NAME_BYTES]) {
    if (layer < 0) snprintf(full, NAME_BYTES, "%s", name);
    else snprintf(full, NAME_BYTES, "blk.%lld.%s", (long long)layer, name);
    return bp_gguf_find_tensor(model->file, full);
}

bool bp_has_weight(const bp_model *model, int64_t layer, const char *name) {
    char full[NAME_BYTES];
    return find_weight(model, layer, name, full) != NULL;
}

bool bp_any_layer_has(const bp_model *model, const char *name) {
    for (int64_t i = 0; i < model->hp.n_layer; i++)
        if (bp_has_weight(model, i, name)) return true;
    return false;
}

int64_t bp_weight_dim(const bp_model *model, int64_t layer, const char *name, uint32_t i) {
    char full[NAME_BYTES];
    const bp_gguf_tensor *t = find_weight(model, layer, name, full);
    return t && i < 4 ? t->ne[i] : 0;
}

/* Rows of one length may be divided into dimensions otherwise; a vector may be stored as several rows, and rows of one
 * value as a vector. */
static bool shape_fits(const bp_gguf_tensor *t, int64_t n0, int64_t n1, int64_t n2) {
    const int64_t rows = BP_MAX(n1, 1) * BP_MAX(n2, 1), stored = t->ne[1] * t->ne[2] * t->ne[3];
    if (t->ne[0] == n0 && stored == rows) return true;
    if (n0 == 1 && n2 && bp_type(t->type).block_values == 1 && stored == 1) return t->ne[0] == rows;
    return !n1 && bp_type(t->type).block_values == 1 && stored <= n0 && t->ne[0] * stored == n0;
}

/* Where something is wrong with it, a value of the right shape still comes back, so that building can go on. */
static uint32_t weight_value(bp_builder *b, const bp_gguf_tensor *t, const char *full, int64_t n0, int64_t n1,
                             int64_t n2) {
    const bp_dim dims[3] = { bp_number(n0), bp_number(n1), bp_number(n2) };
    if (t && !shape_fits(t, n0, n1, n2))
        bp_builder_problem(b, "tensor %s has shape [%lld, %lld, %lld], expected [%lld, %lld, %lld]", t->name,
                           (long long)t->ne[0], (long long)t->ne[1], (long long)t->ne[2], (long long)n0,
                           (long long)BP_MAX(n1, 1), (long long)BP_MAX(n2, 1));
    return bp_bound_value(b, BP_ROLE_WEIGHT, t ? t->type : BP_TYPE_F32, n2 ? 3 : n1 ? 2 : 1, dims, full);
}

uint32_t bp_weight(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1,
                   int64_t n2) {
    char full[NAME_BYTES];
    const bp_gguf_tensor *t = find_weight(model, layer, name, full);
    if (!t) bp_builder_problem(b, "tensor %s is missing", full);
    return weight_value(b, t, full, n0, n1, n2);
}

uint32_t bp_weight_if(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1,
                      int64_t n2) {
    char full[NAME_BYTES], other[NAME_BYTES];
    const bp_gguf_tensor *t = find_weight(model, layer, name, full);
    if (t) return weight_value(b, t, full, n0, n1, n2);
    for (int64_t i = 0; layer >= 0 && i < model->hp.n_layer; i++)
        if (find_weight(model, i, name, other)) {
            bp_builder_problem(b, "tensor %s is missing (there is %s)", full, other);
            break;
        }
    return BP_NONE;
}
