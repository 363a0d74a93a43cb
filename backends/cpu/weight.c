#include "pack_panel.h"

static float bf16(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void float_values(const cpu_weight *w, int64_t row, int64_t k, int64_t n, float *out) {
    size_t each = w->type == BP_TYPE_F32 ? 4 : 2;
    const uint8_t *at = (const uint8_t *)w->data + ((size_t)row * (size_t)w->n_in + (size_t)k) * each;
    if (w->type == BP_TYPE_F32) memcpy(out, at, (size_t)n * 4);
    else if (w->type == BP_TYPE_F16)
        for (int64_t j = 0; j < n; j++) out[j] = cpu_half_to_float(cpu_load_half(at + 2 * j));
    else
        for (int64_t j = 0; j < n; j++) out[j] = bf16(cpu_load_half(at + 2 * j));
}

static void row_block(const cpu_weight *w, const cpu_code *c, int64_t row, int64_t block, uint8_t *codes, float *scale,
                      float *min) {
    const uint8_t *at = (const uint8_t *)w->data + ((size_t)row * (size_t)(w->n_in / c->values) + (size_t)block) * (size_t)c->bytes;
    cpu_block_codes(w->type, at, codes);
    float m = c->at_m >= 0 ? cpu_half_to_float(cpu_load_half(at + c->at_m)) : 0;
    cpu_block_scales(w->type, at + c->at_scales, 1, cpu_block_d(c, at), m, scale, min);
}

void cpu_weight_values(const cpu_weight *w, int64_t row, int64_t k, int64_t n, float *out) {
    cpu_code c = cpu_code_of(w->type);
    if (!c.bits) {
        float_values(w, row, k, n, out);
        return;
    }
    uint8_t codes[256];
    float scale[16], min[16];
    for (int64_t at = 0; at < n; at += c.values) {
        int64_t block = (k + at) / c.values;
        if (w->layout == BP_LAYOUT_ROWS) row_block(w, &c, row, block, codes, scale, min);
        else cpu_packed_block(w, &c, row, block, codes, scale, min);
        for (int j = 0; j < c.values; j++) out[at + j] = scale[j / 16] * (float)(codes[j] - c.zero) - min[j / 16];
    }
}

void cpu_weight_row(const cpu_weight *w, int64_t row, float *out) { cpu_weight_values(w, row, 0, w->n_in, out); }
