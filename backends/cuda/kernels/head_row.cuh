// A head's row between its projection and attention, by a warp: normalised where asked, and rotated.
#ifndef BP_HEAD_ROW_CUH
#define BP_HEAD_ROW_CUH

#include "rotate.cuh"

// rms_norm of each head; weight may be null.
struct head_norm {
    int on;
    const float *weight;
    float eps;
};

// By value: a choice of addresses would put both into memory.
static __device__ __forceinline__ head_norm norm_of(bool first, const head_norm &a, const head_norm &b) {
    const head_norm n = { first ? a.on : b.on, first ? a.weight : b.weight, first ? a.eps : b.eps };
    return n;
}

// Value 32 k + lane in v[k], zeros past the row.
template <int PARTS> static __device__ __forceinline__ void load_head(const float *from, int width, float *v) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < PARTS; k++) v[k] = 32 * k + lane < width ? from[32 * k + lane] : 0.0f;
}

// The row v, normalised, to `room`.
template <int PARTS> static __device__ __forceinline__ void norm_head(const float *v, int width, const head_norm &norm, float *room) {
    const int lane = threadIdx.x % 32;
    float by = 1.0f;
    if (norm.on) {
        float total = 0.0f;
#pragma unroll
        for (int k = 0; k < PARTS; k++) total += v[k] * v[k];
        by = 1.0f / sqrtf(bp_warp_sum(total) / (float)width + norm.eps);
    }
#pragma unroll
    for (int k = 0; k < PARTS; k++) {
        const int j = 32 * k + lane;
        if (j < width) room[j] = norm.on ? v[k] * by * (norm.weight ? norm.weight[j] : 1.0f) : v[k];
    }
    __syncwarp();
}

// What a position turns the lane's pairs by; pair i is lane i % 32's.
template <int PAIRS> static __device__ __forceinline__ void steps_of(const bp_rotation &r, uint64_t *steps) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < PAIRS; k++) steps[k] = 32 * k + lane < r.n_dims / 2 ? bp_rope_step(r, 32 * k + lane) : 0;
}

template <int PAIRS> static __device__ __forceinline__ void rotate_head(const bp_rotation &r, const int *positions, int token,
                                                                        const uint64_t *steps, float *room) {
    const int half = r.n_dims / 2, lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
        const int pair = k * 32 + lane, a_at = r.halves ? pair : 2 * pair, b_at = r.halves ? pair + half : 2 * pair + 1;
        if (pair >= half) continue;
        float sine, cosine;
        bp_rope_turn(steps[k], bp_rope_position(r, positions, token, pair), &sine, &cosine);
        const float a = room[a_at], b = room[b_at];
        room[a_at] = r.magnitude * (a * cosine - b * sine);
        room[b_at] = r.magnitude * (a * sine + b * cosine);
    }
    __syncwarp();
}

#endif
