/* Tiles of attention's two products in registers; ops_vec_loops.h includes this after its own loops.
 *   lanes  CPU_LANES floats; TILE_ROWS rows of them by TILE_COLS fit the registers */
enum { TILE_COLS = 4 };

#if defined(__AVX512F__)
enum { TILE_ROWS = 6 };
typedef __m512 lanes;
static inline lanes lanes_zero(void) { return _mm512_setzero_ps(); }
static inline lanes lanes_set(float f) { return _mm512_set1_ps(f); }
static inline lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void lanes_store(float *p, lanes a) { _mm512_storeu_ps(p, a); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }

/* lanes_sum() of four. */
static inline void lanes_sums(const lanes *a, float *out) {
    __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a[0], a[1], 0x44), _mm512_shuffle_f32x4(a[0], a[1], 0xee));
    __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(a[2], a[3], 0x44), _mm512_shuffle_f32x4(a[2], a[3], 0xee));
    __m512 s = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4e));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0xb1));
    _mm512_mask_compressstoreu_ps(out, 0x1111, s);
}
#elif defined(__AVX2__) && defined(__FMA__)
enum { TILE_ROWS = 1 };
typedef struct lanes { __m256 a, b; } lanes;
static inline lanes lanes_zero(void) { return (lanes){ _mm256_setzero_ps(), _mm256_setzero_ps() }; }
static inline lanes lanes_set(float f) { return (lanes){ _mm256_set1_ps(f), _mm256_set1_ps(f) }; }
static inline lanes lanes_load(const float *p) { return (lanes){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) }; }
static inline void lanes_store(float *p, lanes a) { _mm256_storeu_ps(p, a.a), _mm256_storeu_ps(p + 8, a.b); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
    return (lanes){ _mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b) };
}
static inline void lanes_sums(const lanes *a, float *out) {
    for (int i = 0; i < TILE_COLS; i++) {
        __m256 half = _mm256_add_ps(a[i].a, a[i].b);
        __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
        s = _mm_add_ps(s, _mm_movehl_ps(s, s));
        out[i] = _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
    }
}
#else
enum { TILE_ROWS = 1 };
typedef struct lanes { float v[CPU_LANES]; } lanes;
static inline lanes lanes_zero(void) { return (lanes){ { 0 } }; }
static inline lanes lanes_set(float f) {
    lanes a;
    for (int i = 0; i < CPU_LANES; i++) a.v[i] = f;
    return a;
}
static inline lanes lanes_load(const float *p) {
    lanes a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline void lanes_store(float *p, lanes a) { memcpy(p, &a, sizeof a); }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) {
    for (int i = 0; i < CPU_LANES; i++) c.v[i] = multiply_add(a.v[i], b.v[i], c.v[i]);
    return c;
}
static inline void lanes_sums(const lanes *a, float *out) {
    for (int i = 0; i < TILE_COLS; i++) out[i] = lanes_sum(a[i].v);
}
#endif

static inline __attribute__((always_inline)) void dots_tile(const float *const *rows, const int n, const float *k,
                                                            int64_t dim, float *scores, int64_t step) {
    lanes acc[TILE_ROWS][TILE_COLS];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < TILE_COLS; j++) acc[i][j] = lanes_zero();
    for (int64_t d = 0; d < dim; d += CPU_LANES) {
        lanes kv[TILE_COLS];
        for (int j = 0; j < TILE_COLS; j++) kv[j] = lanes_load(k + j * dim + d);
        for (int i = 0; i < n; i++) {
            lanes q = lanes_load(rows[i] + d);
            for (int j = 0; j < TILE_COLS; j++) acc[i][j] = lanes_fma(q, kv[j], acc[i][j]);
        }
    }
    for (int i = 0; i < n; i++) lanes_sums(acc[i], scores + i * step);
}

static inline __attribute__((always_inline)) void mix_tile(const float *w, int64_t step, const int n, const float *v,
                                                           int64_t n_keys, int64_t dim, float *acc) {
    lanes sum[TILE_ROWS][TILE_COLS];
    for (int i = 0; i < n; i++)
        for (int c = 0; c < TILE_COLS; c++) sum[i][c] = lanes_load(acc + i * dim + c * CPU_LANES);
    for (int64_t j = 0; j < n_keys; j++) {
        lanes x[TILE_COLS];
        for (int c = 0; c < TILE_COLS; c++) x[c] = lanes_load(v + j * dim + c * CPU_LANES);
        for (int i = 0; i < n; i++) {
            lanes f = lanes_set(w[i * step + j]);
            for (int c = 0; c < TILE_COLS; c++) sum[i][c] = lanes_fma(x[c], f, sum[i][c]);
        }
    }
    for (int i = 0; i < n; i++)
        for (int c = 0; c < TILE_COLS; c++) lanes_store(acc + i * dim + c * CPU_LANES, sum[i][c]);
}

/* Keys of whole tiles; the rest are dot()'s. */
static void vec_dots(const float *const *rows, int64_t n_rows, const float *k, int64_t n_keys, int64_t dim, float *scores,
                     int64_t step) {
    int64_t tiled = dim % CPU_LANES ? 0 : n_keys / TILE_COLS * TILE_COLS;
    for (int64_t i = 0, n; i < n_rows; i += n) {
        n = n_rows - i >= TILE_ROWS ? TILE_ROWS : TILE_ROWS > 3 && n_rows - i >= 3 ? 3 : 1;
        for (int64_t j = 0; j < tiled; j += TILE_COLS) {
            float *to = scores + i * step + j;
            if (n == TILE_ROWS) dots_tile(rows + i, TILE_ROWS, k + j * dim, dim, to, step);
            else if (n == 3) dots_tile(rows + i, TILE_ROWS < 3 ? 1 : 3, k + j * dim, dim, to, step);
            else dots_tile(rows + i, 1, k + j * dim, dim, to, step);
        }
        for (int64_t j = tiled; j < n_keys; j++)
            for (int64_t r = 0; r < n; r++) scores[(i + r) * step + j] = vec_dot(rows[i + r], k + j * dim, dim);
    }
}

/* Columns of whole tiles; the rest are axpy()'s. */
static void vec_mix(const float *w, int64_t step, int64_t n_rows, const float *v, int64_t n_keys, int64_t dim, float *acc) {
    int64_t tiled = dim / (TILE_COLS * CPU_LANES) * (TILE_COLS * CPU_LANES);
    for (int64_t i = 0, n; i < n_rows; i += n) {
        n = n_rows - i >= TILE_ROWS ? TILE_ROWS : TILE_ROWS > 3 && n_rows - i >= 3 ? 3 : 1;
        for (int64_t c = 0; c < tiled; c += TILE_COLS * CPU_LANES) {
            float *to = acc + i * dim + c;
            if (n == TILE_ROWS) mix_tile(w + i * step, step, TILE_ROWS, v + c, n_keys, dim, to);
            else if (n == 3) mix_tile(w + i * step, step, TILE_ROWS < 3 ? 1 : 3, v + c, n_keys, dim, to);
            else mix_tile(w + i * step, step, 1, v + c, n_keys, dim, to);
        }
        for (int64_t j = 0; j < n_keys && tiled < dim; j++)
            for (int64_t r = i; r < i + n; r++)
                vec_axpy(acc + r * dim + tiled, v + j * dim + tiled, w[r * step + j], dim - tiled);
    }
}
