/* Kernels on packed panels (pack_panel.h); a level's file includes this once, after panel_decode.h and matmul_rows.h and
 * defining, besides their words,
 *   VI_ADD(a, b), VI_DOT(acc, u, p, bits): acc + codes u (of `bits` bits) times the four int8 at p
 *   V_INT(vi), V_FNMA(a, b, c) = c - a * b */

INLINE void fetch_ahead(const uint8_t *unit, const int bits, int lane, const int tokens) {
    if (tokens > 1 || lane) return;
    for (int i = 0; i < bits; i++) FETCH_LINE(unit + 64 * i);
}

/* The same for the scales of a block, n bytes. */
INLINE void fetch_scales(const uint8_t *scales, const size_t n, int lane, const int tokens) {
    if (tokens > 1 || lane) return;
    for (size_t i = 0; i < n; i += 64) FETCH_LINE(scales + i);
}

/* Codes minus zero times 16 values of a token. */
INLINE VI half_dot(const VI *q, const int8_t *x, int32_t sum, const int bits, const int zero) {
    VI acc = VI_SET(-zero * sum);
    for (int i = 0; i < 4; i++) acc = VI_DOT(acc, q[i], x + 4 * i, bits);
    return acc;
}

INLINE VI unit_dot(const VI *q, const cpu_q8 *x, int64_t unit, const int bits, const int zero) {
    VI a = half_dot(q, x->q + 32 * unit, zero ? x->sum[2 * unit] + x->sum[2 * unit + 1] : 0, bits, zero);
    VI b = half_dot(q + 4, x->q + 32 * unit + 16, 0, bits, 0);
    return VI_ADD(a, b);
}

/* In the panel functions `lane` is the first of the V_LANES rows, 0 or 8; block points to the panel's block. */

/* Types with blocks of 32. */
INLINE void small_panel(const uint8_t *block, int lane, const cpu_q8 *x, const int tokens, int64_t n_blocks,
                        const panel_kind k, VF *acc) {
    const int bits = k.bits, zero = k.zero, has_min = k.has_min;
    const size_t codes = (size_t)bits * 64, step = panel_step(k);
    for (int64_t b = 0; b < n_blocks; b++, block += step) {
        VI q[8];
        fetch_ahead(block, bits, lane, tokens);
        kind_codes(block + 4 * lane, k, q);
        VF d = k.powers ? V_POWERS(block + codes + lane) : V_HALVES(block + codes + 2 * lane), m = V_ZERO;
        if (has_min) m = V_HALVES(block + codes + 32 + 2 * lane);
        for (int t = 0; t < tokens; t++) {
            VF sum = V_INT(unit_dot(q, x + t, b, bits, zero));
            acc[t] = V_FMA(sum, V_MUL(d, V_SET(x[t].d[b])), acc[t]);
            if (has_min) acc[t] = V_FMA(m, V_SET(x[t].s[b]), acc[t]);
        }
    }
}

/* Q4_K and Q5_K. */
INLINE void six_bit_panel(const uint8_t *block, int lane, const cpu_q8 *x, const int tokens, int64_t n_blocks,
                          const int bits, VF *acc) {
    const size_t unit = (size_t)bits * 64, codes = unit * 8, step = codes + 192 + 64;
    for (int64_t b = 0; b < n_blocks; b++, block += step) {
        uint8_t scale[128], min[128];
        fetch_scales(block + codes, step - codes, lane, tokens);
        six_bits(block + codes, scale, min);
        VF d = V_HALVES(block + codes + 192 + 2 * lane), m = V_HALVES(block + codes + 224 + 2 * lane);
        for (int s = 0; s < 8; s++) {
            VI q[8];
            fetch_ahead(block + (size_t)s * unit, bits, lane, tokens);
            unit_codes(block + (size_t)s * unit + 4 * lane, bits, q);
            VF ds = V_MUL(d, V_BYTES(scale + 16 * s + lane)), ms = V_MUL(m, V_BYTES(min + 16 * s + lane));
            for (int t = 0; t < tokens; t++) {
                VF sum = V_INT(unit_dot(q, x + t, 8 * b + s, bits, 0));
                acc[t] = V_FMA(sum, V_MUL(ds, V_SET(x[t].d[8 * b + s])), acc[t]);
                acc[t] = V_FNMA(ms, V_SET(x[t].s[8 * b + s]), acc[t]);
            }
        }
    }
}

/* Q6_K, Q3_K and Q2_K: sub-blocks of 16. */
INLINE void sixteen_panel(const uint8_t *block, int lane, const cpu_q8 *x, const int tokens, int64_t n_blocks,
                          const int bits, const int zero, VF *acc) {
    const size_t unit = (size_t)bits * 64, codes = unit * 8, scales = bits == 3 ? 192 : 256;
    const size_t step = codes + scales + (bits == 2 ? 64 : 32);
    for (int64_t b = 0; b < n_blocks; b++, block += step) {
        uint8_t scale[256], min[256];
        fetch_scales(block + codes, step - codes, lane, tokens);
        const uint8_t *sc = bits == 6 ? block + codes : scale;
        if (bits == 3) three_bits(block + codes, scale);
        if (bits == 2) four_bits(block + codes, scale, min);
        VF d = V_HALVES(block + codes + scales + 2 * lane), m = V_ZERO;
        if (bits == 2) m = V_HALVES(block + codes + scales + 32 + 2 * lane);
        for (int u = 0; u < 8; u++) {
            VI q[8];
            fetch_ahead(block + (size_t)u * unit, bits, lane, tokens);
            unit_codes(block + (size_t)u * unit + 4 * lane, bits, q);
            int64_t k = 8 * b + u;
            for (int h = 0; h < 2; h++) {
                VF ds = V_MUL(d, V_SIGNED(sc + 16 * (2 * u + h) + lane)), ms = V_ZERO;
                if (bits == 2) ms = V_MUL(m, V_BYTES(min + 16 * (2 * u + h) + lane));
                for (int t = 0; t < tokens; t++) {
                    int32_t total = x[t].sum[2 * k + h];
                    VF sum = V_INT(half_dot(q + 4 * h, x[t].q + 32 * k + 16 * h, zero ? total : 0, bits, zero));
                    acc[t] = V_FMA(sum, V_MUL(ds, V_SET(x[t].d[k])), acc[t]);
                    if (bits == 2) acc[t] = V_FNMA(ms, V_SET((float)total * x[t].d[k]), acc[t]);
                }
            }
        }
    }
}

INLINE void any_panel(const uint32_t type, const uint8_t *at, int lane, const cpu_q8 *x, const int tokens, int64_t n_in,
                      VF *acc) {
    switch (type) {
    case BP_TYPE_Q4_K: six_bit_panel(at, lane, x, tokens, n_in / 256, 4, acc); break;
    case BP_TYPE_Q5_K: six_bit_panel(at, lane, x, tokens, n_in / 256, 5, acc); break;
    case BP_TYPE_Q2_K: sixteen_panel(at, lane, x, tokens, n_in / 256, 2, 0, acc); break;
    case BP_TYPE_Q3_K: sixteen_panel(at, lane, x, tokens, n_in / 256, 3, 4, acc); break;
    case BP_TYPE_Q6_K: sixteen_panel(at, lane, x, tokens, n_in / 256, 6, 32, acc); break;
    default: small_panel(at, lane, x, tokens, n_in / 32, panel_kind_of(type), acc); break;
    }
}

static void store_lanes(const cpu_product *p, int64_t row, int64_t token, VF acc) {
    float part[V_LANES];
    V_STORE(part, acc);
    float *out = p->out + token * p->w->n_out;
    for (int i = 0; i < V_LANES && row + i < p->last; i++) out[row + i] = part[i] + (p->bias ? p->bias[row + i] : 0);
}

INLINE void panel_tokens(const cpu_product *p, const uint32_t type, const uint8_t *at, int64_t row, int64_t token,
                         const int tokens) {
    cpu_q8 x[V_TOKENS];
    for (int t = 0; t < tokens; t++) x[t] = cpu_q8_token(p->prepared, p->w->n_in, token + t);
    for (int lane = 0; lane < CPU_PANEL; lane += V_LANES) {
        VF acc[V_TOKENS];
        for (int t = 0; t < tokens; t++) acc[t] = V_ZERO;
        any_panel(type, at, lane, x, tokens, p->w->n_in, acc);
        for (int t = 0; t < tokens; t++) store_lanes(p, row + lane, token + t, acc[t]);
    }
}

INLINE void panel_rows(const cpu_product *p, const uint32_t type) {
    size_t row_bytes = (size_t)bp_row_bytes(type, p->w->n_in);
    for (int64_t row = p->first; row < p->last; row += CPU_PANEL) {
        const uint8_t *at = (const uint8_t *)p->w->data + (size_t)row * row_bytes;
        int64_t t = 0;
        for (; t + V_TOKENS <= p->n_tokens; t += V_TOKENS) panel_tokens(p, type, at, row, t, V_TOKENS);
        for (; t + 2 <= p->n_tokens; t += 2) panel_tokens(p, type, at, row, t, 2);
        for (; t < p->n_tokens; t++) panel_tokens(p, type, at, row, t, 1);
    }
}

#define PANEL_FUNCTION(t) \
    static void panel_##t(const cpu_product *p) { panel_rows(p, BP_TYPE_##t); }
#define PANEL_CASE(t) \
    case BP_TYPE_##t: panel_##t(p); return true;
PANEL_TYPES(PANEL_FUNCTION)

static bool product_panels(const cpu_product *p) {
    switch (p->w->type) {
        PANEL_TYPES(PANEL_CASE)
    default: return false;
    }
}
