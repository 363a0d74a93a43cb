#include "matmul_level.h"

#if defined(__AVX512VNNI__)
#include <string.h>

#include "vectors_avx512.h"

enum { TILE_TOKENS = 6 };
#define VI_ADD(a, b) _mm512_add_epi32(a, b)

static inline __attribute__((always_inline)) __m512i dot_quad(__m512i acc, __m512i u, const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_dpbusd_epi32(acc, u, _mm512_set1_epi32(four));
}
#define VI_DOT(acc, u, p, bits) ((void)(bits), dot_quad(acc, u, p))

static inline int32_t dot_16(const int8_t *a, const int8_t *b) {
    __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)a));
    __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
    __m256i p = _mm256_madd_epi16(x, y);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(p), _mm256_extracti128_si256(p, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

#include "panel_decode.h"

#include "matmul_rows.h"

#include "matmul_panels.h"

#include "matmul_tiles.h"

const cpu_kernels *cpu_kernels_avx512(void) {
    static const cpu_kernels kernels = { quantise, product_exact, product_rows, product_tiles };
    return &kernels;
}
#else
const cpu_kernels *cpu_kernels_avx512(void) { return cpu_kernels_portable(); }
#endif
