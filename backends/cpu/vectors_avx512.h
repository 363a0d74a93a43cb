/* The words of panel_decode.h and its users in AVX-512; for the files of that level and above alone. */
#ifndef BP_CPU_VECTORS_AVX512_H
#define BP_CPU_VECTORS_AVX512_H

#include <immintrin.h>

enum { V_LANES = 16, V_TOKENS = 4, V_ZERO_8 = 128 };
typedef __m512 VF;
typedef __m512i VI;

#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_FNMA(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define V_MUL(a, b) _mm512_mul_ps(a, b)
#define V_ZERO _mm512_setzero_ps()
#define V_SET(f) _mm512_set1_ps(f)
#define V_SUM(v) _mm512_reduce_add_ps(v)
#define V_INT(v) _mm512_cvtepi32_ps(v)
#define V_HALVES(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define V_BF16(p) _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(p))), 16))
#define V_BYTES(p) _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define V_SIGNED(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define V_POWERS(p) powers_of(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define V_STORE(p, v) _mm512_storeu_ps(p, v)
#define VI_LOAD(p) _mm512_loadu_si512((const void *)(p))
#define VI_SET(i) _mm512_set1_epi32(i)
#define VI_AND(v, m) _mm512_and_si512(v, _mm512_set1_epi8(m))
#define VI_AND_OR(v, m, w) _mm512_ternarylogic_epi32(v, _mm512_set1_epi8(m), w, 0xea)
#define VI_SHR(v, n) _mm512_srli_epi16(v, n)
#define VI_SHL(v, n) _mm512_slli_epi16(v, n)

#define VI_TABLE(v) \
    _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_setr_epi8(CPU_MXFP4_VALUES)), v)

/* The two smallest are below the normal numbers. */
static inline __attribute__((always_inline, unused)) __m512 powers_of(__m512i e) {
    __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __mmask16 small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, small, _mm512_set1_epi32(0x00200000), e));
}

#endif
