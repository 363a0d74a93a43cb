#include "matmul_level.h"

#if defined(__AVX2__)
#include <immintrin.h>
#include <string.h>

enum { V_LANES = 8, V_TOKENS = 4, V_ZERO_8 = 0, TILE_TOKENS = 3 };
typedef __m256 VF;
typedef __m256i VI;

#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_FNMA(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define V_MUL(a, b) _mm256_mul_ps(a, b)
#define V_ZERO _mm256_setzero_ps()
#define V_SET(f) _mm256_set1_ps(f)
#define V_SUM(v) sum_of(v)
#define V_INT(v) _mm256_cvtepi32_ps(v)
#define V_HALVES(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define V_BF16(p) _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))), 16))
#define V_BYTES(p) _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define V_SIGNED(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define V_POWERS(p) powers_of(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define V_STORE(p, v) _mm256_storeu_ps(p, v)
#define VI_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define VI_SET(i) _mm256_set1_epi32(i)
#define VI_ADD(a, b) _mm256_add_epi32(a, b)
#define VI_AND(v, m) _mm256_and_si256(v, _mm256_set1_epi8(m))
#define VI_AND_OR(v, m, w) _mm256_or_si256(VI_AND(v, m), w)
#define VI_SHR(v, n) _mm256_srli_epi16(v, n)
#define VI_SHL(v, n) _mm256_slli_epi16(v, n)

#define VI_TABLE(v) _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_setr_epi8(CPU_MXFP4_VALUES)), v)

static inline __attribute__((always_inline)) float sum_of(__m256 v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* The two smallest are below the normal numbers. */
static inline __attribute__((always_inline)) __m256 powers_of(__m256i e) {
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i low = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e), small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, low, small));
}

/* Eight-bit codes lose their bias of 128 and are multiplied by magnitude, for two 8 by 8 bit products must fit 16 bits. */
static inline __attribute__((always_inline)) __m256i dot_quad(__m256i acc, __m256i u, const int8_t *p, const int bits) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    __m256i x = _mm256_set1_epi32(four);
    if (bits == 8) {
        __m256i w = _mm256_xor_si256(u, _mm256_set1_epi8(-128));
        x = _mm256_sign_epi8(x, w);
        u = _mm256_abs_epi8(w);
    }
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(u, x), _mm256_set1_epi16(1)));
}
#define VI_DOT(acc, u, p, bits) dot_quad(acc, u, p, bits)

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

const cpu_kernels *cpu_kernels_avx2(void) {
    static const cpu_kernels kernels = { quantise, product_exact, product_rows, product_panels };
    return &kernels;
}
#else
const cpu_kernels *cpu_kernels_avx2(void) { return cpu_kernels_portable(); }
#endif
