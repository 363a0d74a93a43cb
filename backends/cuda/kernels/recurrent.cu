// causal_conv: a thread a channel; ssm_scan: a warp a value; delta_rule: a warp a column. Each walks the tokens in order, so
// that states need no locks.
#include "activation.cuh"

struct slots {
    const int *positions, *sequences, *of_sequence;
    int n_sequences, n_slots;
};

// -1: the token has none.
static __device__ __forceinline__ int slot_of(const slots &s, int token) {
    const int q = s.sequences[token];
    if (q < 0 || q >= s.n_sequences) return -1;
    const int slot = s.of_sequence[q];
    return slot < s.n_slots ? slot : -1;
}

extern "C" __global__ void __launch_bounds__(128)
causal_conv(const float *x, const float *weight, const float *bias, const int *positions, const int *sequences, const int *of_sequence,
            float *out, float *state, bp_size n_, bp_size tokens_, bp_size n_sequences_, bp_size n_slots_, int taps, int f) {
    bp_wait_inputs();
    const slots s = { positions, sequences, of_sequence, bp_get(n_sequences_), bp_get(n_slots_) };
    const int n = bp_get(n_), tokens = bp_get(tokens_), rows = taps - 1;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const float *w = weight + (int64_t)i * taps;
        for (int t = 0; t < tokens; t++) {
            const int slot = slot_of(s, t);
            float *y = out + (int64_t)t * n + i;
            if (slot < 0) {
                *y = 0.0f;
                continue;
            }
            float *row = state + (int64_t)slot * rows * n + i;
            const float now = x[(int64_t)t * n + i];
            const bool begins = positions[t] == 0;
            float sum = (bias ? bias[i] : 0.0f) + w[rows] * now;
            for (int j = 0; j < rows; j++) {
                sum += w[j] * (begins ? 0.0f : row[(int64_t)j * n]);
                row[(int64_t)j * n] = j + 1 < rows ? (begins ? 0.0f : row[(int64_t)(j + 1) * n]) : now;
            }
            *y = bp_activate(f, sum, 0.0f, 0.0f);
        }
    }
}

extern "C" __global__ void __launch_bounds__(128)
ssm_scan(const float *x, const float *dt, const float *a, const float *b, const float *c, const float *d, const float *dt_bias,
         const int *positions, const int *sequences, const int *of_sequence, float *out, float *state, bp_size width_, bp_size tokens_,
         bp_size n_sequences_, bp_size n_slots_, int n_state, int n_a, int heads, int groups) {
    bp_wait_inputs();
    const slots s = { positions, sequences, of_sequence, bp_get(n_sequences_), bp_get(n_slots_) };
    const int width = bp_get(width_), tokens = bp_get(tokens_), lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (int i = blockIdx.x * warps + threadIdx.x / 32; i < width; i += gridDim.x * warps) {
        const int h = i / (width / heads), g = h / (heads / groups);
        for (int t = 0; t < tokens; t++) {
            const int slot = slot_of(s, t);
            float sum = 0.0f;
            if (slot >= 0) {
                float *mine = state + ((int64_t)slot * width + i) * n_state;
                const float raw = dt[(int64_t)t * heads + h] + (dt_bias ? dt_bias[h] : 0.0f);
                const float step = raw > 20.0f ? raw : log1pf(expf(raw)), by = step * x[(int64_t)t * width + i];
                const int64_t at = ((int64_t)t * groups + g) * n_state;
                for (int j = lane; j < n_state; j += 32) {
                    const float before = positions[t] == 0 ? 0.0f : mine[j];
                    const float now = expf(step * a[(int64_t)h * n_a + (n_a == 1 ? 0 : j)]) * before + by * b[at + j];
                    mine[j] = now;
                    sum += c[at + j] * now;
                }
                sum = bp_warp_sum(sum) + (d ? d[h] * x[(int64_t)t * width + i] : 0.0f);
            }
            if (lane == 0) out[(int64_t)t * width + i] = sum;
        }
    }
}

static __device__ __forceinline__ float inverse_length(const float *x, int n, float eps, int lane) {
    float sum = 0.0f;
    if (!(eps > 0.0f)) return 1.0f;
    for (int i = lane; i < n; i += 32) sum += x[i] * x[i];
    return 1.0f / sqrtf(bp_warp_sum(sum) + eps);
}

extern "C" __global__ void __launch_bounds__(128)
delta_rule(const float *q, const float *k, const float *v, const float *decay, const float *beta, const int *positions,
           const int *sequences, const int *of_sequence, float *out, float *state, bp_size tokens_, bp_size n_sequences_, bp_size n_slots_,
           int heads, int heads_k, int n, int m, float scale, float eps) {
    bp_wait_inputs();
    const slots s = { positions, sequences, of_sequence, bp_get(n_sequences_), bp_get(n_slots_) };
    const int tokens = bp_get(tokens_), lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (int column = blockIdx.x * warps + threadIdx.x / 32; column < heads * m; column += gridDim.x * warps) {
        const int h = column / m, j = column % m;
        for (int t = 0; t < tokens; t++) {
            const int slot = slot_of(s, t);
            const int64_t at = (int64_t)t * heads + h;
            if (slot < 0) {
                if (lane == 0) out[at * m + j] = 0.0f;
                continue;
            }
            float *mine = state + (((int64_t)slot * heads + h) * m + j) * n;
            const float *qt = q + ((int64_t)t * heads_k + h / (heads / heads_k)) * n;
            const float *kt = k + ((int64_t)t * heads_k + h / (heads / heads_k)) * n;
            const float q_by = scale * inverse_length(qt, n, eps, lane), k_by = inverse_length(kt, n, eps, lane);
            const float keep = positions[t] == 0 ? 0.0f : expf(decay[at]);
            float found = 0.0f, sum = 0.0f;
            for (int i = lane; i < n; i += 32) found += kt[i] * (keep == 0.0f ? 0.0f : mine[i]);
            found = keep * k_by * bp_warp_sum(found);
            const float add = k_by * beta[at] * (v[at * m + j] - found);
            for (int i = lane; i < n; i += 32) {
                const float now = (keep == 0.0f ? 0.0f : keep * mine[i]) + add * kt[i];
                mine[i] = now;
                sum += qt[i] * now;
            }
            sum = bp_warp_sum(sum);
            if (lane == 0) out[at * m + j] = q_by * sum;
        }
    }
}
