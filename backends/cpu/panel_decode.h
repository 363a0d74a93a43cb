/* Packed panels (pack_panel.h) taken apart in vectors; a level's file includes this once after defining
 *   VI          a vector of V_LANES 32-bit integers (V_LANES 8 or 16; with 8 a panel is done in two halves), VF of floats
 *   VI_LOAD(p), VI_SET(i), VI_AND(v, bytes), VI_SHR(v, n) (bits may cross bytes), VI_SHL,
 *   VI_AND_OR(v, bytes, w): (v & bytes) | w
 *   V_ZERO, V_SET(f), V_MUL(a, b), V_FMA(a, b, c), V_HALVES(p), V_STORE(p, v)
 *   V_POWERS(p): floats 2^(byte - 128) of V_LANES bytes; VI_TABLE(v): each byte, below 16, as CPU_MXFP4_VALUES has it
 *   V_BYTES(p), V_SIGNED(p): floats from V_LANES unsigned or signed bytes
 *   V_ZERO_8    the zero point of 8-bit codes as unit_codes and VI_DOT have them */
#include "pack_panel.h"

#define INLINE static inline __attribute__((always_inline))

/* One token waits on memory: lines are fetched into the second cache early, from there into the first one just before use
 * (beyond the end does no harm). */
#define FETCH_LINE(p) \
    (_mm_prefetch((const char *)(p) + 6144, _MM_HINT_T2), _mm_prefetch((const char *)(p) + 1536, _MM_HINT_T0))

#define PANEL_TYPES(X) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q8_0) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(MXFP4)

/* q with the bits of `mask` that each byte of v has at `from` put in at `to`. */
INLINE VI with_bits(VI q, VI v, const int from, const int to, const int mask) {
    if (from != to) v = from > to ? VI_SHR(v, from - to) : VI_SHL(v, to - from);
    return VI_AND_OR(v, (char)(mask << to), q);
}

/* Codes of 32 values: eight quads. */
INLINE void unit_codes(const uint8_t *p, const int bits, VI *q) {
    for (int i = 0; i < 8; i++) {
        if (bits == 8) q[i] = VI_LOAD(p + 64 * i);
        else if (bits < 4) q[i] = VI_AND(VI_SHR(VI_LOAD(p + 64 * (i / 4)), 2 * (i % 4)), 3);
        else q[i] = VI_AND(VI_SHR(VI_LOAD(p + 64 * (i / 2)), 4 * (i % 2)), 15);
        if (bits == 3) q[i] = with_bits(q[i], VI_LOAD(p + 128), i, 2, 1);
        if (bits == 5) q[i] = with_bits(q[i], VI_LOAD(p + 256), i, 4, 1);
        if (bits == 6) q[i] = with_bits(q[i], VI_LOAD(p + 256 + 64 * (i / 4)), 2 * (i % 4), 4, 3);
    }
}

/* Six-bit scales and minima of a panel's block: 8 sub-blocks by 16 rows of each. */
INLINE void six_bits(const uint8_t *b, uint8_t *scale, uint8_t *min) {
    for (int i = 0; i < 64; i++) {
        scale[i] = b[i] & 63;
        min[i] = b[i + 64] & 63;
        scale[i + 64] = (uint8_t)((b[i + 128] & 15) | (b[i] >> 6) << 4);
        min[i + 64] = (uint8_t)(b[i + 128] >> 4 | (b[i + 64] >> 6) << 4);
    }
}

/* Q3_K: scales of 16 sub-blocks by 16 rows. */
INLINE void three_bits(const uint8_t *b, uint8_t *scale) {
    for (int s = 0; s < 16; s++)
        for (int r = 0; r < 16; r++) {
            int low = s < 8 ? b[16 * s + r] & 15 : b[16 * (s - 8) + r] >> 4;
            scale[16 * s + r] = (uint8_t)((low | (b[16 * (8 + s % 4) + r] >> (2 * (s / 4)) & 3) << 4) - 32);
        }
}

/* Q2_K: scales and minima. */
INLINE void four_bits(const uint8_t *b, uint8_t *scale, uint8_t *min) {
    for (int i = 0; i < 256; i++) {
        scale[i] = b[i] & 15;
        min[i] = b[i] >> 4;
    }
}

/* Bits, zero point, values of a scale, whether it has minima; big: blocks of 256; powers: MXFP4. */
typedef struct panel_kind {
    int bits, zero, halves, has_min, big, powers;
} panel_kind;

/* Codes of 32 values; those of MXFP4 are looked up. */
INLINE void kind_codes(const uint8_t *p, const panel_kind k, VI *q) {
    unit_codes(p, k.bits, q);
    for (int i = 0; k.powers && i < 8; i++) q[i] = VI_TABLE(q[i]);
}

INLINE panel_kind panel_kind_of(const uint32_t type) {
    switch (type) {
    case BP_TYPE_Q4_0: return (panel_kind){ 4, 8, 0, 0, 0, 0 };
    case BP_TYPE_Q4_1: return (panel_kind){ 4, 0, 0, 1, 0, 0 };
    case BP_TYPE_Q5_0: return (panel_kind){ 5, 16, 0, 0, 0, 0 };
    case BP_TYPE_Q5_1: return (panel_kind){ 5, 0, 0, 1, 0, 0 };
    case BP_TYPE_Q8_0: return (panel_kind){ 8, V_ZERO_8, 0, 0, 0, 0 };
    case BP_TYPE_Q4_K: return (panel_kind){ 4, 0, 0, 1, 1, 0 };
    case BP_TYPE_Q5_K: return (panel_kind){ 5, 0, 0, 1, 1, 0 };
    case BP_TYPE_MXFP4: return (panel_kind){ .bits = 4, .zero = 12, .powers = 1 };
    case BP_TYPE_Q2_K: return (panel_kind){ 2, 0, 1, 1, 1, 0 };
    case BP_TYPE_Q3_K: return (panel_kind){ 3, 4, 1, 0, 1, 0 };
    default: return (panel_kind){ 6, 32, 1, 0, 1, 0 }; /* Q6_K */
    }
}

/* From the codes of 32 values to those of the next 32, within a block of 256 or from block to block of 32. */
INLINE size_t panel_step(const panel_kind k) { return (size_t)k.bits * 64 + (k.big ? 0 : k.powers ? 16 : k.has_min ? 64 : 32); }

/* Scales of `units` times 32 values (a K type's block: all 8) of 16 rows, one for 32 values or for each half of them, `step`
 * floats apart; minima likewise, negated where the type subtracts them. */
INLINE void panel_scales(const uint8_t *at, int units, const panel_kind k, float *d, float *m, const int step) {
    const size_t unit = (size_t)k.bits * 64;
    if (!k.big) {
        for (int u = 0; u < units; u++, at += panel_step(k)) {
            V_STORE(d + step * u, k.powers ? V_POWERS(at + unit) : V_HALVES(at + unit));
            if (k.has_min) V_STORE(m + step * u, V_HALVES(at + unit + 32));
        }
        return;
    }
    uint8_t scale[256], min[256];
    const uint8_t *sc = at + 8 * unit;
    const size_t scales = !k.halves || k.bits == 3 ? 192 : 256;
    const VF minus = V_SET(-1.0f);
    VF dv = V_HALVES(sc + scales), mv = k.has_min ? V_MUL(minus, V_HALVES(sc + scales + 32)) : V_ZERO;
    if (!k.halves) six_bits(sc, scale, min);
    if (k.bits == 3) three_bits(sc, scale);
    if (k.bits == 2) four_bits(sc, scale, min);
    for (int s = 0; s < (k.halves ? 16 : 8); s++) {
        const uint8_t *from = k.bits == 6 ? sc + 16 * s : scale + 16 * s;
        V_STORE(d + step * s, V_MUL(dv, k.halves ? V_SIGNED(from) : V_BYTES(from)));
        if (k.has_min) V_STORE(m + step * s, V_MUL(mv, V_BYTES(min + 16 * s)));
    }
}
