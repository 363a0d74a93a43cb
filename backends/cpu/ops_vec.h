/* Loops over rows of floats, one table of them for each instruction-set level. */
#ifndef BP_CPU_OPS_VEC_H
#define BP_CPU_OPS_VEC_H

#include <stdint.h>

typedef struct cpu_vec {
    float (*dot)(const float *a, const float *b, int64_t n);
    float (*sum)(const float *a, int64_t n);
    /* sum of (a - shift)² */
    float (*square_sum)(const float *a, float shift, int64_t n);
    /* y += x * scale; y *= scale */
    void (*axpy)(float *y, const float *x, float scale, int64_t n);
    void (*scale)(float *y, float scale, int64_t n);
    /* scores[i * step + j] = rows[i]·k[j], n_keys rows of k [n_keys][dim]; the bits of dot() */
    void (*dots)(const float *const *rows, int64_t n_rows, const float *k, int64_t n_keys, int64_t dim, float *scores,
                 int64_t step);
    /* acc[i] [dim] += w[i * step + j] v[j] [dim] for each j in turn; the bits of axpy() */
    void (*mix)(const float *w, int64_t step, int64_t n_rows, const float *v, int64_t n_keys, int64_t dim, float *acc);
    float (*max)(const float *x, int64_t n); /* -INFINITY of none; NaN where one is */
    void (*to_half)(const float *x, uint16_t *y, int64_t n);
    void (*from_half)(const uint16_t *x, float *y, int64_t n);
    void (*from_q8)(const void *blocks, float *y, int64_t n);
    /* x = exp(x - shift); answers the sum */
    float (*exp_sum)(float *x, float shift, int64_t n);
    /* y = f(x), f of ops.h; params: low, high of CLAMP */
    void (*activate)(uint32_t f, const float *x, float *y, int64_t n, float low, float high);
    /* For each of `rows` dense rows of n values: h = h * decay + b * scale[row], out[row] = the new h · c. And with a decay of
     * its own for each value of the one row: exp(step * a), answering h · c. */
    void (*decay_rows)(float *h, int64_t rows, int64_t n, float decay, const float *b, const float *scale, const float *c, float *out);
    float (*decays_dot)(float *h, const float *a, float step, const float *b, float scale, const float *c, int64_t n);
    /* out[row] = h · x for each row */
    void (*dot_rows)(const float *h, int64_t rows, int64_t n, const float *x, float *out);
} cpu_vec;

extern const cpu_vec cpu_vec_portable, cpu_vec_avx2, cpu_vec_avx512;

#endif
