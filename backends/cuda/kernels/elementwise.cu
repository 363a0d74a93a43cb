// add, mul, scale, activation, softcap, glu: a thread for each value. -DMUL=0 or 1: add or mul.
// options: -DMUL=0|1
#include "activation.cuh"
#include "quantise_block.cuh"

struct bp_dims {
    int n0, n1, n2, n3;
};

// Values of b repeat where its dimension is 1.
extern "C" __global__ void __launch_bounds__(256)
binary(const float *a, const float *b, float *out, bp_size a0, bp_size a1, bp_size a2, bp_size a3, bp_size b0, bp_size b1, bp_size b2,
       bp_size b3) {
    bp_wait_inputs();
    const bp_dims x = { bp_get(a0), bp_get(a1), bp_get(a2), bp_get(a3) }, y = { bp_get(b0), bp_get(b1), bp_get(b2), bp_get(b3) };
    const int64_t all = (int64_t)x.n0 * x.n1 * x.n2 * x.n3, step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) {
        int64_t row = i / x.n0;
        const int i0 = (int)(i % x.n0), i1 = (int)(row % x.n1), i2 = (int)(row / x.n1 % x.n2), i3 = (int)(row / x.n1 / x.n2);
        const int64_t at = (((int64_t)(y.n3 == 1 ? 0 : i3) * y.n2 + (y.n2 == 1 ? 0 : i2)) * y.n1 + (y.n1 == 1 ? 0 : i1)) * y.n0 +
                           (y.n0 == 1 ? 0 : i0);
        out[i] = MUL ? a[i] * b[at] : a[i] + b[at];
    }
}

extern "C" __global__ void __launch_bounds__(256)
scale(const float *x, float *y, bp_size n_, bp_size rows_, float by, float bias) {
    bp_wait_inputs();
    const int64_t all = (int64_t)bp_get(n_) * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) y[i] = x[i] * by + bias;
}

extern "C" __global__ void __launch_bounds__(256)
activation(const float *x, float *y, bp_size n_, bp_size rows_, int f, float low, float high) {
    bp_wait_inputs();
    const int64_t all = (int64_t)bp_get(n_) * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) y[i] = bp_activate(f, x[i], low, high);
}

extern "C" __global__ void __launch_bounds__(256) softcap(const float *x, float *y, bp_size n_, bp_size rows_, float cap) {
    bp_wait_inputs();
    const int64_t all = (int64_t)bp_get(n_) * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += step) y[i] = cap * tanhf(x[i] / cap);
}

// up null: gate has rows of 2 n, the gate first. Where asked, the result is rounded to 8 bits as well (n a multiple of 32).
extern "C" __global__ void __launch_bounds__(256)
glu(const float *gate, const float *up, float *y, int8_t *codes, float2 *scales, bp_size n_, bp_size rows_, int f, float limit,
    float up_bias) {
    bp_wait_inputs();
    const int n = bp_get(n_);
    const int64_t all = (int64_t)n * bp_get(rows_), step = (int64_t)gridDim.x * blockDim.x, lane = threadIdx.x % 32;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i - lane < all; i += step) {
        float v = 0.0f;
        if (i < all) {
            const int64_t row = i / n, at = up ? i : row * 2 * n + i % n;
            float g = gate[at], u = up ? up[i] : gate[at + n];
            if (limit > 0.0f) {
                g = g > limit ? limit : g;
                u = u > limit ? limit : u < -limit ? -limit : u;
            }
            v = bp_activate(f, g, 0.0f, 0.0f) * (u + up_bias);
            y[i] = v;
        }
        if (codes) bp_quantise(v, codes + (i - lane), scales + i / 32);
    }
}
