/* Packed weights times many tokens in AMX tiles of bfloat16.
 * Why not int8: the scales of 16 or 32 values would have to be applied to every tile of products, which takes vector units
 * two to three times as long as the tiles themselves (16 cycles a product of 16 x 16 x 64). Weights with their scales
 * rounded to bfloat16 (relative error 2^-9) add up over the whole row inside the tiles, at half of the int8 rate, and
 * activations in bfloat16 are nearer to the truth than 8-bit ones with a scale for 32 of them.
 * Weights of floats: bfloat16 has 8 bits of precision, so numbers are taken as the sum of two, and a product as three (two
 * where weights are BF16): high x high, high x low, low x high. What is left out is 2^-16 of it. */
#include "matmul_level.h"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#include <string.h>

#include "activation_q8.h"
#include "vectors_avx512.h"

#include "panel_decode.h"

/* A tile of activations is 16 tokens x 32 values, one of weights 32 values x 16 rows in pairs of values, one of sums 16 x 16
 * floats: each TILE_BYTES in one piece, for rows of a tile a page apart would share a few sets of the cache. BLOCK_K values of
 * BLOCK_PANELS panels are decoded at a time and meet the tokens, a pair of tiles by a pair of panels, with the activations
 * of the pair in the first cache and all else of up to BLOCK_TOKENS tokens in the second. */
enum { BLOCK_K = 256, FLOAT_K = BLOCK_K / 2, BLOCK_PANELS = 32, BLOCK_TOKENS = 512 };
enum { TILE_BYTES = 1024, TILE_FLOATS = 256, TILE_VALUES = 32, TILE_TOKENS = 16, PAIR = 2 * TILE_TOKENS };

typedef struct amx_room {
    uint8_t weights[BLOCK_PANELS][BLOCK_K / TILE_VALUES][TILE_BYTES];
    float sums[BLOCK_TOKENS / PAIR][BLOCK_PANELS / 2][4][TILE_FLOATS]; /* tiles of tokens 2, of rows 2 */
} amx_room;

_Static_assert(sizeof(amx_room) == CPU_AMX_ROOM, "room of a thread");

static void set_tiles(void) {
    struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c = { .palette = 1 };
    for (int i = 0; i < 8; i++) c.bytes[i] = 64, c.rows[i] = 16;
    _tile_loadconfig(&c);
}

static __m512i to_bf16(__m512 low, __m512 high) {
    __m512bh h = _mm512_cvtne2ps_pbh(high, low);
    __m512i v;
    memcpy(&v, &h, sizeof v);
    return v;
}

/* Where the tiles of a token, values [k, k + n) of a block, begin. */
static size_t padded_tokens(int64_t n_tokens) { return (size_t)(n_tokens + TILE_TOKENS - 1) / TILE_TOKENS * TILE_TOKENS; }
static size_t tiles_at(int64_t n_tokens, int64_t token, int64_t k, int64_t n) {
    return ((size_t)k * padded_tokens(n_tokens) + (size_t)(token / TILE_TOKENS * TILE_TOKENS * n)) * 2;
}
/* From the rounded activations to what rounding has left of them. */
static size_t part_bytes(int64_t n_tokens, int64_t n_in) { return padded_tokens(n_tokens) * (size_t)n_in * 2; }

/* What rounding to the 16 bfloat16 of h has left of v. */
INLINE __m512 left_over(__m512 v, __m256i h) {
    return _mm512_sub_ps(v, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16)));
}

/* What rounding to v has left of 32 floats, as bfloat16. */
INLINE VI rest_of(__m512 low, __m512 high, VI v) {
    return to_bf16(left_over(low, _mm512_castsi512_si256(v)), left_over(high, _mm512_extracti64x4_epi64(v, 1)));
}

void cpu_amx_prepare(const float *x, int64_t n_in, int64_t n_tokens, int64_t token, bool two_parts, void *prepared) {
    const int64_t block = two_parts ? FLOAT_K : BLOCK_K;
    for (int64_t k = 0, n; k < n_in; k += n) {
        n = n_in - k < block ? n_in - k : block;
        uint8_t *to = (uint8_t *)prepared + tiles_at(n_tokens, token, k, n) + token % TILE_TOKENS * 64;
        for (int64_t i = k; i < k + n; i += TILE_VALUES, to += TILE_BYTES) {
            const VF low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + 16);
            const VI v = to_bf16(low, high);
            _mm512_storeu_si512(to, v);
            if (two_parts) _mm512_storeu_si512(to + part_bytes(n_tokens, n_in), rest_of(low, high, v));
        }
    }
}

#include "amx_float.h"

/* Value `at` of each quad as 1 + code / 256. */
INLINE VF one_plus(VI quad, const int at) {
    VI v = at < 2 ? _mm512_slli_epi32(quad, 15 - 8 * at) : _mm512_srli_epi32(quad, 8 * at - 15);
    const VI mask = _mm512_set1_epi32(0x007f8000), one = _mm512_set1_epi32(0x3f800000);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(v, mask, one, 0xea));
}

/* 32 values of 16 rows: scale[h] * one_plus(code) + start[h] for the first and last 16. */
INLINE void decode_tile(const VI *q, const VF *scale, const VF *start, uint8_t *tile) {
    static const uint16_t order[32] = { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    const VI pairs = _mm512_loadu_si512(order);
    for (int i = 0; i < 8; i++) {
        VF v[4];
        for (int j = 0; j < 4; j++) v[j] = V_FMA(scale[i / 4], one_plus(q[i], j), start[i / 4]);
        for (int j = 0; j < 4; j += 2) {
            VI two = _mm512_permutexvar_epi16(pairs, to_bf16(v[j], v[j + 1]));
            _mm512_storeu_si512(tile + 128 * i + 32 * j, two);
        }
    }
}

/* `units` times 32 values (of a K type: 8) of a panel into as many tiles. */
INLINE void decode_units(const uint8_t *at, int units, const panel_kind k, uint8_t *tile) {
    float d[16 * 16], m[16 * 16];
    panel_scales(at, units, k, d, m, 16);
    for (int u = 0; u < units; u++, at += panel_step(k), tile += TILE_BYTES) {
        VI q[8];
        VF scale[2], start[2];
        kind_codes(at, k, q);
        for (int h = 0; h < 2; h++) {
            int s = 16 * (k.halves ? 2 * u + h : u);
            VF dv = _mm512_loadu_ps(d + s);
            scale[h] = V_MUL(dv, V_SET(256.0f));
            start[h] = V_MUL(dv, V_SET(-256.0f - (float)k.zero));
            if (k.has_min) start[h] = _mm512_add_ps(start[h], _mm512_loadu_ps(m + s));
        }
        decode_tile(q, scale, start, tile);
    }
}

/* Values [k, k + n) of the panel that begins with a row into tiles. */
INLINE void decode_panel(const uint32_t type, const cpu_weight *w, int64_t row, int64_t k, int64_t n, uint8_t *tiles) {
    const panel_kind kind = panel_kind_of(type);
    const uint8_t *panel = (const uint8_t *)w->data + (size_t)row * (size_t)bp_row_bytes(type, w->n_in);
    const size_t block = (size_t)bp_row_bytes(type, kind.big ? 256 : 32) * CPU_PANEL;
    if (kind.big) {
        const uint8_t *at = panel + (size_t)(k / 256) * block;
        for (int64_t i = 0; i < n; i += 256, at += block, tiles += 8 * TILE_BYTES) decode_units(at, 8, kind, tiles);
    } else {
        const uint8_t *at = panel + (size_t)(k / 32) * block;
        for (int64_t i = 0; i < n; i += 32, at += block, tiles += TILE_BYTES) decode_units(at, 1, kind, tiles);
    }
}

#define DECODE_FUNCTION(t) \
    static void decode_##t(const cpu_weight *w, int64_t row, int64_t k, int64_t n, uint8_t *tiles) { \
        decode_panel(BP_TYPE_##t, w, row, k, n, tiles); \
    }
#define DECODE_CASE(t) \
    case BP_TYPE_##t: return decode_##t;
PANEL_TYPES(DECODE_FUNCTION)

typedef void decoder(const cpu_weight *w, int64_t row, int64_t k, int64_t n, uint8_t *tiles);

static decoder *decoder_of(uint32_t type) {
    switch (type) {
        PANEL_TYPES(DECODE_CASE)
    case BP_TYPE_F16: return decode_f16;
    case BP_TYPE_BF16: return decode_bf16;
    default: return NULL;
    }
}

/* What is multiplied and added up: `terms` pairs of parts, each `steps` tiles of values, of tokens by weights; the second
 * tiles of tokens and weights lie x_next and w_next after the first. */
typedef struct amx_terms {
    const uint8_t *x[3], *w[3];
    size_t x_next, w_next;
    int64_t steps;
    int terms;
} amx_terms;

/* Two tiles of tokens (or one) by two panels (or one), added to the sums or, where fresh, put there. Tiles 0 to 3: sums;
 * 4, 5: activations; 6, 7: weights. */
INLINE void multiply(const amx_terms *a, bool fresh, float sums[4][TILE_FLOATS], const bool two_x, const bool two_w) {
    if (fresh) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, sums[0], 64);
        if (two_w) _tile_loadd(1, sums[1], 64);
        if (two_x) _tile_loadd(2, sums[2], 64);
        if (two_x && two_w) _tile_loadd(3, sums[3], 64);
    }
    for (int t = 0; t < a->terms; t++) {
        const uint8_t *x = a->x[t], *w = a->w[t];
        for (int64_t i = 0; i < a->steps; i++, x += TILE_BYTES, w += TILE_BYTES) {
            _tile_loadd(4, x, 64);
            if (two_x) _tile_loadd(5, x + a->x_next, 64);
            _tile_loadd(6, w, 64);
            if (two_w) _tile_loadd(7, w + a->w_next, 64);
            _tile_dpbf16ps(0, 4, 6);
            if (two_w) _tile_dpbf16ps(1, 4, 7);
            if (two_x) _tile_dpbf16ps(2, 5, 6);
            if (two_x && two_w) _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sums[0], 64);
    if (two_w) _tile_stored(1, sums[1], 64);
    if (two_x) _tile_stored(2, sums[2], 64);
    if (two_x && two_w) _tile_stored(3, sums[3], 64);
}

/* The part of a product that is done at once: values [k, k + n) of rows from `row` on and of tokens [token, end). */
typedef struct amx_block {
    const cpu_product *p;
    amx_room *room;
    int64_t k, n, row, token, end;
} amx_block;

static void put_sums(const cpu_product *p, float sums[4][TILE_FLOATS], int64_t token, int tokens, int64_t row,
                     int rows) {
    for (int t = 0; t < tokens; t++) {
        float *out = p->out + (token + t) * p->w->n_out + row;
        for (int r = 0; r < rows; r += CPU_PANEL) {
            const float *from = sums[t / TILE_TOKENS * 2 + r / CPU_PANEL] + t % TILE_TOKENS * CPU_PANEL;
            __mmask16 mask = rows - r >= CPU_PANEL ? 0xffff : (__mmask16)((1u << (rows - r)) - 1);
            VF v = _mm512_loadu_ps(from);
            if (p->bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, p->bias + row + r));
            _mm512_mask_storeu_ps(out + r, mask, v);
        }
    }
}

/* Up to 32 tokens by up to 32 rows. */
static void multiply_pair(const amx_block *b, int64_t token, int64_t panel) {
    const cpu_product *p = b->p;
    int64_t row = b->row + CPU_PANEL * panel, left_t = b->end - token, left_r = p->last - row;
    int tokens = left_t < PAIR ? (int)left_t : PAIR, rows = left_r < PAIR ? (int)left_r : PAIR;
    const uint8_t *x = (const uint8_t *)p->prepared + tiles_at(p->n_tokens, token, b->k, b->n);
    const uint8_t *w = b->room->weights[panel][0], *x_rest = x + part_bytes(p->n_tokens, p->w->n_in);
    const amx_terms a = { { x, x_rest, x }, { w, w, w + FLOAT_K / TILE_VALUES * TILE_BYTES }, (size_t)b->n * 2 * TILE_TOKENS,
                          sizeof b->room->weights[0], b->n / TILE_VALUES, terms_of(p->w->type) };
    float(*sums)[TILE_FLOATS] = b->room->sums[(token - b->token) / PAIR][panel / 2];
    bool fresh = b->k == 0, last = b->k + b->n == p->w->n_in;
    if (tokens > TILE_TOKENS && rows > CPU_PANEL) multiply(&a, fresh, sums, true, true);
    else if (tokens > TILE_TOKENS) multiply(&a, fresh, sums, true, false);
    else if (rows > CPU_PANEL) multiply(&a, fresh, sums, false, true);
    else multiply(&a, fresh, sums, false, false);
    if (last) put_sums(p, sums, token, tokens, row, rows);
}

/* All values of the block's rows and tokens. */
static void multiply_block(amx_block *b, decoder *decode) {
    const cpu_weight *w = b->p->w;
    const int64_t block = terms_of(w->type) > 1 ? FLOAT_K : BLOCK_K;
    int64_t left = (b->p->last - b->row + CPU_PANEL - 1) / CPU_PANEL;
    int64_t panels = left < BLOCK_PANELS ? left : BLOCK_PANELS;
    for (b->k = 0; b->k < w->n_in; b->k += b->n) {
        b->n = w->n_in - b->k < block ? w->n_in - b->k : block;
        for (int64_t i = 0; i < panels; i++) decode(w, b->row + i * CPU_PANEL, b->k, b->n, b->room->weights[i][0]);
        for (int64_t t = b->token; t < b->end; t += PAIR)
            for (int64_t i = 0; i < panels; i += 2) multiply_pair(b, t, i);
    }
}

bool cpu_amx_has(uint32_t type) { return decoder_of(type) != NULL; }

void cpu_amx_product(const cpu_product *p, void *room) {
    decoder *decode = decoder_of(p->w->type);
    set_tiles();
    amx_block b = { .p = p, .room = room };
    for (b.token = 0; b.token < p->n_tokens; b.token = b.end) {
        b.end = p->n_tokens - b.token < BLOCK_TOKENS ? p->n_tokens : b.token + BLOCK_TOKENS;
        for (b.row = p->first; b.row < p->last; b.row += BLOCK_PANELS * CPU_PANEL) multiply_block(&b, decode);
    }
    _tile_release();
}
#else
void cpu_amx_prepare(const float *x, int64_t n_in, int64_t n_tokens, int64_t token, bool two_parts, void *prepared) {
    (void)x, (void)n_in, (void)n_tokens, (void)token, (void)two_parts, (void)prepared;
}
bool cpu_amx_has(uint32_t type) {
    (void)type;
    return false;
}
void cpu_amx_product(const cpu_product *p, void *room) { (void)p, (void)room; }
#endif
