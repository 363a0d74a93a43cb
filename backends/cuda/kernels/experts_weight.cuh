/* 32 values of a row as a lane holds them for the tensor cores: pieces<T>, T a weight's type.
 *   load(w, row, k, n_in)   issue the loads of a lane's share of inputs [k, k + 128) of the row that starts at unit
 *                           row * (n_in / VALUES); lane 4 g + q has share q; shares past the row's end are rubbish
 *   ready()                 once, before take
 *   take(step, v)           values 4 step … 4 step + 3 as two pairs; step = 0 … 7
 * BITS: about those of a value as loaded. INTERLEAVED: share q is the 16-byte chunks q, q + 4, q + 8, q + 12 of the 128
 * inputs, else the q-th 32 of them.
 * Values are halves, or bfloat16 where the weight is (BF16). Scales are rounded to halves, too. */
#ifndef BP_EXPERTS_WEIGHT_CUH
#define BP_EXPERTS_WEIGHT_CUH

#define BP_WEIGHT_AHEAD ".L2::256B" /* a lane takes 64 bytes of a row with its three neighbours, then the next 64 */
#define BP_RECORDS_STAY
#include "matmul_block.cuh"
#include "tensor_core.cuh"

enum { SPAN = 128 }; /* inputs at a time: 32 a lane, four lanes a row */

/* Codes become halves code / 32 without a conversion: behind the byte 0x50, the top of 32.0, a byte counts 32nds. The
 * scale is 32 times as large for it, which keeps small ones out of the subnormals. */
template <int TYPE> struct pieces {
    enum { INTERLEAVED = 0, BF16 = 0, VALUES = packed<TYPE>::VALUES, PARTS = 32 / VALUES, WORDS = VALUES / 4,
           HALVES = packed<TYPE>::HALVES, MINIMUM = packed<TYPE>::MINIMUM, BITS = VALUES == 16 ? 8 : 4 };
    packed<TYPE> p[PARTS];
    uint32_t at, c[8], s[PARTS * HALVES], m[PARTS * HALVES];

    __device__ __forceinline__ void load(const bp_planes &w, uint32_t row, uint32_t k, uint32_t n_in) {
        const uint32_t first = k + threadIdx.x % 4 * 32, last = n_in - 32;
        at = row * (n_in / VALUES) + (first < last ? first : last) / VALUES;
#pragma unroll
        for (int j = 0; j < PARTS; j++) p[j].load(w, at + j);
    }
    static __device__ __forceinline__ uint32_t both(float v) {
        v *= 32;
        const uint32_t half = pack_half(fminf(fmaxf(v, -65504.0f), 65504.0f), 0);
        return half << 16 | half;
    }
    __device__ __forceinline__ void ready() {
#pragma unroll
        for (int j = 0; j < PARTS; j++) {
            float scale[2], minimum[2];
            p[j].unpack(at + j, c + j * WORDS, scale, minimum);
#pragma unroll
            for (int h = 0; h < HALVES; h++) {
                s[j * HALVES + h] = both(scale[h]);
                if (MINIMUM) m[j * HALVES + h] = both(minimum[h] / 32);
            }
        }
    }
    __device__ __forceinline__ void take(int step, uint32_t v[2]) const {
        const uint32_t code = MINIMUM ? c[step] : c[step] ^ 0x80808080u; /* types with a minimum have codes >= 0 */
        const uint32_t zero = MINIMUM ? 0x50005000u : 0x50805080u;       /* 32, 36 */
        const int part = step * PARTS * HALVES / 8;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t pair = pair_sub(pick_bytes(code, 0x50505050u, i ? 0x4342 : 0x4140), zero);
            v[i] = MINIMUM ? pair_fma(pair, s[part], m[part]) : pair_mul(pair, s[part]);
        }
    }
};

template <int IS_BF16> struct plain_pieces {
    enum { INTERLEAVED = 1, BF16 = IS_BF16, BITS = 16 };
    uint4 q[4];
    __device__ __forceinline__ void load(const bp_planes &w, uint32_t row, uint32_t k, uint32_t n_in) {
        const uint64_t first = (uint64_t)row * (n_in / 8);
        const uint32_t last = n_in / 8 - 1;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const uint32_t chunk = k / 8 + 4 * j + threadIdx.x % 4;
            q[j] = load_weight16(w.at[0] + 16 * (first + (chunk < last ? chunk : last)));
        }
    }
    __device__ __forceinline__ void ready() {}
    __device__ __forceinline__ void take(int step, uint32_t v[2]) const {
        v[0] = word_of(q[step / 2], step % 2 * 2), v[1] = word_of(q[step / 2], step % 2 * 2 + 1);
    }
};
template <> struct pieces<1> : plain_pieces<0> {};
template <> struct pieces<30> : plain_pieces<1> {};

#endif
