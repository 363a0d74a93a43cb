/* Packed panels times many tokens; matmul_avx512.c includes this after matmul_panels.h, whose results it gives bit by
 * bit. The codes and scales of a pair of panels are decoded once per 256 values and serve a chunk of tokens, in register
 * tiles of 32 rows by 6 tokens. */
enum { TILE_MIN = 8, TILE_T = 6, TILE_CHUNK = 192, TILE_P = 2, TILE_UNITS = 8 };

/* What tile_step reads of up to 256 values: 8 units of 8 quads; scales and minima of each unit (or each half of it). */
typedef struct tile_weights {
    _Alignas(64) uint8_t codes[TILE_UNITS * 8 * TILE_P * 64];
    _Alignas(64) float d[TILE_UNITS * 2 * TILE_P * 16], m[TILE_UNITS * 2 * TILE_P * 16];
} tile_weights;

typedef struct tile_tokens {
    _Alignas(64) int8_t q[TILE_T][256];
    _Alignas(64) int32_t start[TILE_T][16]; /* zero point times sum, of each unit or of each 16 */
    _Alignas(64) float s[TILE_T][16];       /* what the minima are multiplied with */
    _Alignas(64) float d[TILE_T][8];
} tile_tokens;

INLINE void tile_codes(tile_weights *w, int unit, int panel, const uint8_t *from, const panel_kind k) {
    VI q[8];
    kind_codes(from, k, q);
    for (int i = 0; i < 8; i++) _mm512_store_si512(w->codes + ((unit * 8 + i) * TILE_P + panel) * 64, q[i]);
}

INLINE void tile_decode(tile_weights *w, int panel, const uint8_t *at, int units, const panel_kind k) {
    panel_scales(at, units, k, w->d + 16 * panel, w->m + 16 * panel, 16 * TILE_P);
    for (int u = 0; u < units; u++) tile_codes(w, u, panel, at + (size_t)u * panel_step(k), k);
}

INLINE void tile_load(tile_tokens *x, const cpu_product *p, int64_t token, const int tokens, int64_t unit, int units,
                      const panel_kind k) {
    for (int t = 0; t < tokens; t++) {
        cpu_q8 from = cpu_q8_token(p->prepared, p->w->n_in, token + t);
        size_t n = (size_t)units;
        if (units == 8) { /* the sizes are known: straight moves */
            memcpy(x->q[t], from.q + 32 * unit, 256);
            memcpy(x->d[t], from.d + unit, 32);
        } else {
            memcpy(x->q[t], from.q + 32 * unit, 32 * n);
            memcpy(x->d[t], from.d + unit, 4 * n);
        }
        const int32_t *sum = from.sum + 2 * unit;
        if (k.halves) {
            for (int i = 0; i < 16; i++) {
                x->start[t][i] = -k.zero * sum[i];
                if (k.has_min) x->s[t][i] = (float)sum[i] * x->d[t][i / 2];
            }
        } else if (units == 8) {
            for (int i = 0; i < 8; i++) x->start[t][i] = k.zero ? -k.zero * (sum[2 * i] + sum[2 * i + 1]) : 0;
            if (k.has_min) memcpy(x->s[t], from.s + unit, 32);
        } else {
            for (int i = 0; i < units; i++) x->start[t][i] = -k.zero * (sum[2 * i] + sum[2 * i + 1]);
            if (k.has_min) memcpy(x->s[t], from.s + unit, 4 * n);
        }
    }
}

#define UNROLL _Pragma("GCC unroll 8")

/* Adds the products of up to 256 values to acc: [tokens][TILE_P][16] floats. */
INLINE void tile_step(const tile_weights *w, const tile_tokens *x, const int panels, const int tokens, int units,
                      const int halves, const int has_min, float *to) {
    VF acc[TILE_T][TILE_P];
    UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int r = 0; r < panels; r++) acc[t][r] = _mm512_load_ps(to + (t * TILE_P + r) * 16);
    for (int s = 0; s < (halves ? 2 * units : units); s++) {
        const int quads = halves ? 4 : 8, u = halves ? s / 2 : s;
        const uint8_t *codes = w->codes + s * quads * TILE_P * 64;
        VI sum[TILE_T][TILE_P];
        UNROLL for (int t = 0; t < tokens; t++)
            UNROLL for (int r = 0; r < panels; r++) sum[t][r] = VI_SET(x->start[t][s]);
        UNROLL for (int i = 0; i < quads; i++) {
            VI c[TILE_P];
            UNROLL for (int r = 0; r < panels; r++) c[r] = _mm512_load_si512(codes + (i * TILE_P + r) * 64);
            UNROLL for (int t = 0; t < tokens; t++) {
                int32_t four;
                memcpy(&four, x->q[t] + (s * quads + i) * 4, sizeof four);
                VI xv = _mm512_set1_epi32(four);
                UNROLL for (int r = 0; r < panels; r++) sum[t][r] = _mm512_dpbusd_epi32(sum[t][r], c[r], xv);
            }
        }
        UNROLL for (int r = 0; r < panels; r++) {
            VF d = _mm512_load_ps(w->d + (s * TILE_P + r) * 16), m = V_ZERO;
            if (has_min) m = _mm512_load_ps(w->m + (s * TILE_P + r) * 16);
            UNROLL for (int t = 0; t < tokens; t++) {
                acc[t][r] = V_FMA(V_INT(sum[t][r]), V_MUL(d, V_SET(x->d[t][u])), acc[t][r]);
                if (has_min) acc[t][r] = V_FMA(m, V_SET(x->s[t][s]), acc[t][r]);
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++)
        UNROLL for (int r = 0; r < panels; r++) _mm512_store_ps(to + (t * TILE_P + r) * 16, acc[t][r]);
}

#define TILE_STEP(name, halves, has_min) \
    static void name##_6(const tile_weights *w, const tile_tokens *x, int units, float *to) { \
        tile_step(w, x, TILE_P, TILE_T, units, halves, has_min, to); \
    } \
    static void name##_2(const tile_weights *w, const tile_tokens *x, int units, float *to) { \
        tile_step(w, x, TILE_P, 2, units, halves, has_min, to); \
    } \
    static void name(const tile_weights *w, const tile_tokens *x, int tokens, int units, float *to) { \
        if (tokens == TILE_T) name##_6(w, x, units, to); \
        else name##_2(w, x, units, to); \
    }
TILE_STEP(tile_unit, 0, 0)
TILE_STEP(tile_unit_min, 0, 1)
TILE_STEP(tile_half, 1, 0)
TILE_STEP(tile_half_min, 1, 1)

/* Rows [row, row + 16 panels) of tokens [token, token + n), n at most TILE_CHUNK and even. */
INLINE void tile_rows(const cpu_product *p, const uint32_t type, int64_t row, int panels, int64_t token, int n) {
    _Alignas(64) float acc[TILE_CHUNK * TILE_P * 16];
    tile_weights w;
    tile_tokens x;
    const panel_kind k = panel_kind_of(type);
    const size_t row_bytes = (size_t)bp_row_bytes(type, p->w->n_in);
    const size_t unit_bytes = (size_t)bp_row_bytes(type, k.big ? 256 : 32) * 16 / (k.big ? 8 : 1);
    const uint8_t *at = (const uint8_t *)p->w->data + (size_t)row * row_bytes;
    memset(acc, 0, (size_t)n * TILE_P * 16 * sizeof *acc);
    for (int64_t unit = 0, all = p->w->n_in / 32; unit < all; unit += TILE_UNITS) {
        int units = all - unit < TILE_UNITS ? (int)(all - unit) : TILE_UNITS;
        for (int r = 0; r < TILE_P; r++) { /* a panel too few: the first again, not stored */
            const uint8_t *panel = at + (r < panels ? (size_t)r * 16 * row_bytes : 0);
            tile_decode(&w, r, panel + (size_t)unit * unit_bytes, units, k);
        }
        for (int t = 0, tokens; t < n; t += tokens) {
            tokens = n - t >= TILE_T ? TILE_T : 2;
            float *to = acc + t * TILE_P * 16;
            if (tokens == TILE_T) tile_load(&x, p, token + t, TILE_T, unit, units, k);
            else tile_load(&x, p, token + t, 2, unit, units, k);
            if (k.halves && k.has_min) tile_half_min(&w, &x, tokens, units, to);
            else if (k.halves) tile_half(&w, &x, tokens, units, to);
            else if (k.has_min) tile_unit_min(&w, &x, tokens, units, to);
            else tile_unit(&w, &x, tokens, units, to);
        }
    }
    for (int t = 0; t < n; t++)
        for (int r = 0; r < panels; r++)
            store_lanes(p, row + 16 * r, token + t, _mm512_load_ps(acc + (t * TILE_P + r) * 16));
}

#define TILE_FUNCTION(t) \
    static void tile_rows_##t(const cpu_product *p, int64_t row, int panels, int64_t token, int n) { \
        tile_rows(p, BP_TYPE_##t, row, panels, token, n); \
    }
#define TILE_CASE(t) \
    case BP_TYPE_##t: rows = tile_rows_##t; break;
PANEL_TYPES(TILE_FUNCTION)

static bool product_tiles(const cpu_product *p) {
    void (*rows)(const cpu_product *, int64_t, int, int64_t, int);
    if (p->n_tokens < TILE_MIN) return product_panels(p);
    switch (p->w->type) {
        PANEL_TYPES(TILE_CASE)
    default: return false;
    }
    int64_t even = p->n_tokens / 2 * 2;
    for (int64_t t = 0; t < even; t += TILE_CHUNK)
        for (int64_t row = p->first; row < p->last; row += 16 * TILE_P)
            rows(p, row, p->last - row > 16 ? 2 : 1, t, even - t < TILE_CHUNK ? (int)(even - t) : TILE_CHUNK);
    if (even == p->n_tokens) return true;
    cpu_product last = *p;
    last.prepared = (const char *)p->prepared + (size_t)even * cpu_token_bytes(CPU_ACT_Q8, p->w->n_in);
    last.out = p->out + even * p->w->n_out;
    last.n_tokens = 1;
    return product_panels(&last);
}
