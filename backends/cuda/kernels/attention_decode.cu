/* Attention of few tokens over long caches: keys are split among blocks, which are joined in a fixed order by
 * attention_merge.cu (a launch of its own: measured, quicker than the last block to finish doing it), and within a block
 * among its parts (groups of lanes, or warps). How a part multiplies: attention_lanes.cuh, attention_tiles.cuh.
 * Sources: Milakov & Gimelshein 2018 (online softmax); Dao et al. 2023 (split keys).
 *
 * Options: BP_CACHE, BP_DIM, BP_DIM_V (multiples of 8), BP_HEADS (divides n_head / n_head_kv).
 * BP_TILES 1: on the tensor cores: BP_CACHE 1, BP_DIM and BP_DIM_V multiples of 16 and at most 256, at most 16 heads.
 * Grid: x: splits, y: n_head / BP_HEADS, z: tokens. BP_THREADS threads: 128, or 256 where one block is to take many keys.
 * part: NULL with one split, else see attention_split.cuh.
 * BP_FRESH 1 (one token): q, k and v are what the projections made; see attention_fresh.cuh.
 * With one split the result goes to out and, rounded to 8 bits, to codes and scales, each where it is not NULL. */
// options: -DBP_CACHE=0|1|8 -DBP_DIM=64|128 -DBP_DIM_V=64|128 -DBP_HEADS=1|4
// options: -DBP_CACHE=0|1|8 -DBP_DIM=576 -DBP_DIM_V=512 -DBP_HEADS=1
// options: -DBP_CACHE=0|1|8 -DBP_DIM=64|256 -DBP_DIM_V=64|128 -DBP_HEADS=1|4 -DBP_FRESH=1 -DBP_THREADS=128|256
// options: -DBP_CACHE=1 -DBP_DIM=64|128 -DBP_DIM_V=64|128 -DBP_HEADS=1|4|16 -DBP_TILES=1 -DBP_FRESH=0|1 -DBP_THREADS=128|256
// options: -DBP_CACHE=1 -DBP_DIM=80|256 -DBP_DIM_V=256 -DBP_HEADS=8 -DBP_TILES=1 -DBP_FRESH=0|1
#ifndef BP_FRESH
#define BP_FRESH 0
#endif
#ifndef BP_TILES
#define BP_TILES 0
#endif
#ifndef BP_THREADS
#define BP_THREADS 128
#endif
#if BP_TILES
#include "attention_tiles.cuh"
#else
#include "attention_lanes.cuh"
#endif
#if BP_FRESH
#include "attention_fresh.cuh"
#endif

extern "C" __global__ void __launch_bounds__(BP_THREADS, BLOCKS)
    attention_decode(const float *q, const uint8_t *k_cache, const uint8_t *v_cache, const int *positions,
                     const int *sequences, const int *block_table, const int *kv_len, const int *kv_start,
                     const float *sinks, float *out, int8_t *codes, float2 *scales, float *part, bp_size tokens, bp_size n_sequences, int n_head,
                     int n_head_kv, int causal, int window, int chunk, float scale, float softcap, float alibi,
                     int block_size, int n_blocks, bp_size table_width
#if BP_FRESH
                     , const float *k_new, const float *v_new, const int *turned_by, const int *slots, const double *turns,
                     const float *factors, const float *q_weight, const float *k_weight, int64_t k_row, int64_t v_row,
                     float magnitude, int n_dims, int halves, int s0, int s1, int s2, int s3, int q_norm, float q_eps,
                     int k_norm, float k_eps
#endif
    ) {
    bp_release_next();
#if BP_FRESH
    const fresh_heads fresh = {
        q, k_new, v_new, turned_by, slots, { q_norm, q_weight, q_eps }, { k_norm, k_weight, k_eps },
        { turns, factors, magnitude, BP_DIM, n_dims, halves, { s0, s1, s2, s3 } },
        { (uint8_t *)k_cache, BP_DIM, block_size, n_head_kv, n_blocks, k_row },
        { (uint8_t *)v_cache, BP_DIM_V, block_size, n_head_kv, n_blocks, v_row }
    };
    uint64_t steps[FRESH_PAIRS];
    steps_of<FRESH_PAIRS>(fresh.rotation, steps);
#endif
    bp_wait_inputs();
    const int token = blockIdx.z, head0 = blockIdx.y * BP_HEADS, split = blockIdx.x, splits = gridDim.x;
    if (token >= bp_get(tokens)) return;
    const attention a = { n_head, n_head_kv, causal, window, chunk, scale, softcap, alibi, block_size, n_blocks,
                          bp_get(table_width), bp_get(n_sequences) };
    const int kv_head = head0 / (n_head / n_head_kv), position = positions[token];
    const key_list keys = keys_of(a, sequences[token], block_table, kv_len, kv_start);
    key_span span = span_of(a, keys, position);
    const attention_result result = { out, part, codes, scales, sinks, token, n_head, head0, split, splits };
    if (!take_split<FEWEST>(&span, split, splits)) {
        leave_none(result);
        return;
    }
#if BP_FRESH
    take_fresh(fresh, steps, head0, kv_head);
    const float *const queries = fresh_rows()[0];
#else
    const float *const queries = q + ((int64_t)token * n_head + head0) * BP_DIM;
#endif
    __shared__ part_sums<PARTS> found;
    const float *const mixes = attend({ a, keys, span, position, head0, kv_head, queries, k_cache, v_cache }, found);
    join_parts<PARTS, PITCH>(found, mixes, result);
}
