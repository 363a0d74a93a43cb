/* Rows of F16 or BF16 as tiles of weights: 32 values of 16 rows, in pairs of values; matmul_amx.c includes this. */

/* Lane r of vector i becomes lane i of vector r: halves of 8 lanes change places, then those of 4, 2 and 1. */
static void transpose(VI v[16]) {
    static const int32_t low[4][16] = { { 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23 },
                                        { 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27 },
                                        { 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29 },
                                        { 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30 } };
    _Pragma("GCC unroll 4") for (int s = 0; s < 4; s++) {
        const int step = 8 >> s;
        const VI from_low = _mm512_loadu_si512(low[s]), from_high = _mm512_add_epi32(from_low, _mm512_set1_epi32(step));
        _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) {
            if (i & step) continue;
            const VI a = v[i], b = v[i + step];
            v[i] = _mm512_permutex2var_epi32(a, from_low, b);
            v[i + step] = _mm512_permutex2var_epi32(a, from_high, b);
        }
    }
}

static void store_tile(VI v[16], uint8_t *tile) {
    transpose(v);
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(tile + 64 * i, v[i]);
}

/* 16 rows from `row` on (past the last one: it again), 32 values from k on. */
INLINE const uint8_t *values_at(const cpu_weight *w, int64_t row, int64_t k) {
    const int64_t r = row < w->n_out ? row : w->n_out - 1;
    return (const uint8_t *)w->data + ((size_t)r * (size_t)w->n_in + (size_t)k) * 2;
}

/* How many products of parts make one (see matmul_amx.c). */
static int terms_of(uint32_t type) { return type == BP_TYPE_F16 ? 3 : type == BP_TYPE_BF16 ? 2 : 1; }

/* Tiles of the weights, then, for F16, FLOAT_K / TILE_VALUES tiles on, of what bfloat16 leaves of them. */
static void decode_f16(const cpu_weight *w, int64_t row, int64_t k, int64_t n, uint8_t *tiles) {
    for (int64_t at = k; at < k + n; at += TILE_VALUES, tiles += TILE_BYTES) {
        VI v[16], rest[16];
        for (int r = 0; r < 16; r++) {
            const uint8_t *from = values_at(w, row + r, at);
            const VF low = V_HALVES(from), high = V_HALVES(from + 32);
            v[r] = to_bf16(low, high);
            rest[r] = rest_of(low, high, v[r]);
        }
        store_tile(v, tiles);
        store_tile(rest, tiles + FLOAT_K / TILE_VALUES * TILE_BYTES);
    }
}

static void decode_bf16(const cpu_weight *w, int64_t row, int64_t k, int64_t n, uint8_t *tiles) {
    for (int64_t at = k; at < k + n; at += TILE_VALUES, tiles += TILE_BYTES) {
        VI v[16];
        for (int r = 0; r < 16; r++) v[r] = VI_LOAD(values_at(w, row + r, at));
        store_tile(v, tiles);
    }
}
