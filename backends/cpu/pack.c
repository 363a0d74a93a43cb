#include "pack_panel.h"

static bool packable(enum cpu_level level, uint32_t type, int64_t n_in, int64_t n_out, int64_t n_outer) {
    cpu_code c = cpu_code_of(type);
    if (level == CPU_PORTABLE || !c.bits || n_in <= 0 || n_in % c.values) return false;
    return n_outer <= 1 || n_out % CPU_PANEL == 0;
}

void cpu_weight_layout(enum cpu_level level, uint32_t type, int64_t n_in, int64_t n_out, int64_t n_outer, bool repack,
                       bp_weight_layout *out) {
    bool panels = repack && packable(level, type, n_in, n_out, n_outer);
    int64_t rows = panels ? (n_out + CPU_PANEL - 1) / CPU_PANEL * CPU_PANEL : n_out;
    out->layout = panels ? CPU_LAYOUT_PANELS : BP_LAYOUT_ROWS;
    out->bytes = bp_row_bytes(type, n_in) * (uint64_t)rows * (uint64_t)(n_outer > 1 ? n_outer : 1);
    out->align = 64;
    out->row_multiple = panels ? CPU_PANEL : 1;
}

/* The two-bit fields of four quads, starting at bit `at` of each byte, in one word. */
static uint32_t join_pairs(const uint32_t *quads, int at) {
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) word |= ((quads[i] >> at) & 0x03030303u) << (2 * i);
    return word;
}

/* One bit of each of the eight quads in one word. */
static uint32_t join_bits(const uint32_t *quads, int at) {
    uint32_t word = 0;
    for (int i = 0; i < 8; i++) word |= ((quads[i] >> at) & 0x01010101u) << i;
    return word;
}

/* The 32 codes of one row into its words of a unit. */
static void put_codes(uint8_t *unit, int bits, int row, const uint8_t *codes) {
    uint32_t quads[8], words[8];
    int n = 0;
    memcpy(quads, codes, sizeof quads);
    if (bits == 8) {
        memcpy(words, quads, sizeof words);
        n = 8;
    } else if (bits < 4) {
        for (; n < 2; n++) words[n] = join_pairs(quads + 4 * n, 0);
        if (bits == 3) words[n++] = join_bits(quads, 2);
    } else {
        for (; n < 4; n++) words[n] = (quads[2 * n] & 0x0F0F0F0Fu) | (quads[2 * n + 1] & 0x0F0F0F0Fu) << 4;
        if (bits == 5) words[n++] = join_bits(quads, 4);
        if (bits == 6) words[n++] = join_pairs(quads, 4);
        if (bits == 6) words[n++] = join_pairs(quads + 4, 4);
    }
    for (int i = 0; i < n; i++) memcpy(unit + 64 * i + 4 * row, &words[i], 4);
}

static uint8_t get_code(const uint8_t *unit, int bits, int row, int value) {
    int quad = value / 4;
    const uint8_t *at = unit + 4 * row + value % 4;
    if (bits == 8) return at[64 * quad];
    if (bits < 4) {
        int low = at[64 * (quad / 4)] >> (2 * (quad % 4)) & 3;
        return (uint8_t)(bits == 3 ? low | (at[128] >> quad & 1) << 2 : low);
    }
    int low = at[64 * (quad / 2)] >> (4 * (quad % 2)) & 15;
    if (bits == 5) low |= (at[256] >> quad & 1) << 4;
    if (bits == 6) low |= (at[256 + 64 * (quad / 4)] >> (2 * (quad % 4)) & 3) << 4;
    return (uint8_t)low;
}

static void pack_block(uint32_t type, const cpu_code *c, const uint8_t *block, int row, uint8_t *to) {
    uint8_t codes[256];
    if (type == BP_TYPE_MXFP4) cpu_codes_nibbles(block + 1, codes);
    else cpu_block_codes(type, block, codes);
    size_t unit = cpu_unit_bytes(c->bits);
    for (int j = 0; j < c->values; j += 32) put_codes(to + (size_t)(j / 32) * unit, c->bits, row, codes + j);
    uint8_t *scales = to + (size_t)(c->values / 32) * unit;
    for (int s = 0; s < c->n_scales; s++) scales[16 * s + row] = block[c->at_scales + s];
    uint8_t *d = scales + 16 * c->n_scales;
    if (c->at_d >= 0) memcpy(d + 2 * row, block + c->at_d, 2);
    if (c->at_m >= 0) memcpy(d + 32 + 2 * row, block + c->at_m, 2);
}

static void pack_panel(const cpu_weight *w, const cpu_code *c, const uint8_t *rows, int n, uint8_t *to) {
    int64_t blocks = w->n_in / c->values;
    size_t row_bytes = (size_t)blocks * (size_t)c->bytes, step = (size_t)c->bytes * CPU_PANEL;
    if (n < CPU_PANEL) memset(to, 0, row_bytes * CPU_PANEL);
    for (int64_t b = 0; b < blocks; b++)
        for (int r = 0; r < n; r++)
            pack_block(w->type, c, rows + (size_t)r * row_bytes + (size_t)b * (size_t)c->bytes, r, to + (size_t)b * step);
}

void cpu_weight_pack(enum cpu_level level, const cpu_weight *w, const void *rows, int64_t first, int64_t n, void *to) {
    (void)level;
    size_t row_bytes = (size_t)bp_row_bytes(w->type, w->n_in);
    uint8_t *at = (uint8_t *)to + (size_t)first * row_bytes;
    if (w->layout == BP_LAYOUT_ROWS) {
        memcpy(at, rows, (size_t)n * row_bytes);
        return;
    }
    cpu_code c = cpu_code_of(w->type);
    for (int64_t r = 0; r < n; r += CPU_PANEL) {
        int part = n - r < CPU_PANEL ? (int)(n - r) : CPU_PANEL;
        pack_panel(w, &c, (const uint8_t *)rows + (size_t)r * row_bytes, part, at + (size_t)r * row_bytes);
    }
}

void cpu_packed_block(const cpu_weight *w, const cpu_code *c, int64_t row, int64_t block, uint8_t *codes, float *scale,
                      float *min) {
    size_t step = (size_t)c->bytes * CPU_PANEL, unit = cpu_unit_bytes(c->bits);
    const uint8_t *at = (const uint8_t *)w->data + ((size_t)(row / CPU_PANEL) * (size_t)(w->n_in / c->values) + (size_t)block) * step;
    int r = (int)(row % CPU_PANEL);
    for (int j = 0; j < c->values; j++) codes[j] = get_code(at + (size_t)(j / 32) * unit, c->bits, r, j % 32);
    if (w->type == BP_TYPE_MXFP4) cpu_mxfp4_values(codes, c->values);
    const uint8_t *scales = at + (size_t)(c->values / 32) * unit, *d = scales + 16 * c->n_scales;
    float m = c->at_m >= 0 ? cpu_half_to_float(cpu_load_half(d + 32 + 2 * r)) : 0;
    float by = c->at_d >= 0 ? cpu_half_to_float(cpu_load_half(d + 2 * r)) : 0;
    cpu_block_scales(w->type, scales + r, 16, by, m, scale, min);
}
