// Rotary positions. The angle of pair i at position p is p * turns[i] / factors[i] whole turns. A turn is 2^64 of an unsigned
// integer, so that the product wraps around as the angle does, and is exact for every position.
#ifndef BP_ROTATE_CUH
#define BP_ROTATE_CUH

#include "common.cuh"

struct bp_rotation {
    const double *turns;  // [n_dims / 2]: turns a position
    const float *factors; // may be null
    float magnitude;
    int head_dim, n_dims, halves;
    int sections[4];      // all zero: one position a token
};

static __device__ __forceinline__ int bp_rope_position(const bp_rotation &r, const int *positions, int token, int pair) {
    const int one = r.sections[0], two = one + r.sections[1], three = two + r.sections[2], sum = three + r.sections[3];
    if (sum == 0) return positions[token];
    const int at = pair % sum;
    return positions[(int64_t)token * 4 + (at >= one) + (at >= two) + (at >= three)];
}

// What a position turns pair `pair` by.
static __device__ __forceinline__ uint64_t bp_rope_step(const bp_rotation &r, int pair) {
    double turn = r.turns[pair];
    if (r.factors) turn /= (double)r.factors[pair];
    return (uint64_t)((turn - floor(turn)) * 18446744073709551616.0);
}
static __device__ __forceinline__ void bp_rope_turn(uint64_t step, int position, float *sine, float *cosine) {
    const int64_t phase = (int64_t)(step * (uint64_t)(int64_t)position);
    sincospif((float)phase * 1.0842021724855044e-19f, sine, cosine); // phase / 2^63: half turns
}

// Value i of a head after its rotation.
static __device__ __forceinline__ float bp_rotated(const bp_rotation &r, const float *head, const int *positions, int token, int i) {
    if (i >= r.n_dims) return head[i];
    const int half = r.n_dims / 2, pair = r.halves ? i % half : i / 2, second = r.halves ? i >= half : i & 1;
    float sine, cosine;
    bp_rope_turn(bp_rope_step(r, pair), bp_rope_position(r, positions, token, pair), &sine, &cosine);
    const int a_at = r.halves ? pair : 2 * pair, b_at = r.halves ? pair + half : 2 * pair + 1;
    const float a = head[a_at], b = head[b_at];
    return r.magnitude * (second ? a * sine + b * cosine : a * cosine - b * sine);
}

#endif
