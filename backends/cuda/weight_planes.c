/* How weights that are multiplied lie on the card: quantised ones in planes (kernels/matmul_planes.h), others as the
 * file has them. */
#include "backends/cuda/weight_planes.h"

#include <stdio.h>

#include "backends/cuda/cuda_check.h"

static const uint32_t *planes_of(uint32_t type) {
    static const uint32_t planes[BP_TYPE_LIMIT][BP_PLANES] = {
#define BP_PLANE_ROW(name, id, b0, b1, b2, b3) [id] = { b0, b1, b2, b3 },
        BP_PLANES_LIST(BP_PLANE_ROW)
#undef BP_PLANE_ROW
    };
    return type < BP_TYPE_LIMIT && planes[type][0] && bp_type(type).name ? planes[type] : NULL;
}

bool cuda_has_planes(uint32_t type) { return planes_of(type) != NULL; }

void cuda_weight_layout(const bp_device *d, const cuda_tensor *w, bool embedded, bp_weight_layout *out) {
    (void)d, (void)embedded;
    const uint32_t *planes = planes_of(w->type);
    uint64_t values = (uint64_t)w->n[0] * (uint64_t)cuda_rows(w), bytes = 0;
    if (!planes || w->n[0] % 32 || values == 0) return;
    for (int k = 0; k < BP_PLANES; k++) {
        uint64_t plane = (values / 32 * planes[k] + 7) / 8;
        bytes += (plane + BP_PLANE_ALIGN - 1) / BP_PLANE_ALIGN * BP_PLANE_ALIGN;
    }
    out->layout = CUDA_LAYOUT_PLANES;
    out->bytes = bytes;
    out->align = CUDA_ALIGN;
    out->row_multiple = 1;
}

void cuda_weight_pack(const bp_device *d, const cuda_tensor *w, cuda_pack_kernel *out) {
    (void)d;
    if (!planes_of(w->type)) return;
    out->source = "matmul_pack.cu", out->function = "matmul_pack";
    snprintf(out->options, sizeof out->options, "-DBP_TYPE=%u", w->type);
}
