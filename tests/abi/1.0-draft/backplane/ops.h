/* The ops: what each one computes. One struct of parameters an op; structs grow only at their end, and a node says how
 * many bytes it has (bp_node.params_size): a callee copies min(params_size, sizeof) over zeros, so that 0 must always
 * mean "as before the member existed".
 *
 * Shapes are written [fastest, …]. Values are dense (no strides). Activations are F32 with shape [width, n_tokens]:
 * heads are parts of a row, head h being elements h * head_dim … (h + 1) * head_dim - 1. W means a weight of any float
 * type of tensor_types.def. "?" marks an input that may be BP_NONE. Accumulation is in F32 or better.
 * An output never overlaps an input unless the backend planned both itself. NaN in gives NaN out, never a fault.
 * Index inputs come from the core, which has checked them; a backend nevertheless never reads or writes out of bounds
 * by one: what it does instead is said below. */
#ifndef BACKPLANE_OPS_H
#define BACKPLANE_OPS_H

#include <stdint.h>

enum bp_op {
#define BP_OP(name, id, params, n_in, n_out) BP_OP_##name = id,
#include "backplane/ops.def"
#undef BP_OP
};
enum { BP_OP_LIMIT = 32 }; /* one past the last id of this header */

typedef struct bp_no_params { uint32_t reserved; } bp_no_params;

/* EMBED_ROWS  table W [n, n_rows], ids I32 [m]  ->  F32 [n, m]
 * out[:, i] = scale * table[:, ids[i]], decoded. An id outside [0, n_rows) gives a row of zeros. */
typedef struct bp_embed_rows_params { float scale; } bp_embed_rows_params; /* 0 means 1 */

/* MATMUL  w W [n_in, n_out], x F32 [n_in, m…], bias? F32 [n_out]  ->  F32 [n_out, m…]
 * out[o, t] = bias[o] + sum over i of w[i, o] * x[i, t]. A backend may round x to 8 bits in blocks where w is
 * quantised, unless its configuration keeps activations exact.
 *
 * MATMUL_EXPERTS  w W [n_in, n_out, n_expert], x F32 [n_in, n_tokens] or [n_in, n_used, n_tokens],
 *                 ids? I32 [n_used, n_tokens], bias? F32 [n_out, n_expert]  ->  F32 [n_out, n_used, n_tokens]
 * out[:, u, t] = bias[:, e] + w[:, :, e] applied to x[:, t] (or x[:, u, t]), e = ids[u, t]; zeros where e is out of range.
 * Without ids e = u, and x is [n_in, n_expert, n_tokens]: a matrix for each head.
 *
 * ROUTE_EXPERTS  logits F32 [n_expert, n_tokens], select_bias? F32 [n_expert]
 *                ->  ids I32 [n_used, n_tokens], weights F32 [n_used, n_tokens]
 * p = gating(logits). The n_used largest of p + select_bias are chosen (descending; lower index first on ties), their
 * weights are p without the bias. With n_groups > 1 experts lie in equal groups in order; only experts of the
 * n_groups_used groups whose two best p + select_bias sum highest may be chosen. Then, in this order: normalise
 * (divide by the sum of the chosen weights), scale (multiply).
 *
 * COMBINE_EXPERTS  x F32 [n, n_used, n_tokens], weights F32 [n_used, n_tokens]  ->  F32 [n, n_tokens]
 * out[:, t] = sum over u of weights[u, t] * x[:, u, t]. */
enum bp_gating {
    BP_GATING_SOFTMAX = 0,        /* softmax over all experts */
    BP_GATING_SIGMOID = 1,        /* each logit on its own */
    BP_GATING_SOFTMAX_CHOSEN = 2, /* choose by logit, then softmax over the chosen */
};
typedef struct bp_route_experts_params {
    uint32_t n_used, gating, normalise, n_groups, n_groups_used;
    float scale; /* 0 means 1 */
} bp_route_experts_params;

/* RMS_NORM    x F32 [n, m…], residual? F32 [n, m…], weight? F32, bias? F32  ->  y F32 [n, m…], sum? F32 [n, m…]
 * s = x + residual (x where there is none; stored in sum where asked). Each run of `group` values of s is normalised on
 * its own: y = s / sqrt(mean(s²) + eps) * weight + bias. weight and bias have `group` values, repeated, or n values.
 * Source: Zhang & Sennrich 2019.
 * LAYER_NORM  the same with y = (s - mean(s)) / sqrt(variance(s) + eps) * weight + bias, variance over n, not n - 1.
 * Source: Ba, Kiros, Hinton 2016. */
typedef struct bp_norm_params {
    float eps;
    uint32_t group; /* 0 means n, the whole row; else it divides n */
} bp_norm_params;

/* ROPE  x F32 [n_head * head_dim, n_tokens], positions I32 [n_tokens] (or [4, n_tokens] with sections),
 *       factors? F32 [n_dims / 2]  ->  F32 as x
 * In every head the first n_dims values are rotated in pairs, the others copied. Pair i (0 <= i < n_dims / 2) is
 * (2 i, 2 i + 1) for BP_ROPE_ADJACENT and (i, i + n_dims / 2) for BP_ROPE_HALVES. With position p:
 *   theta = p * base^(-2 i / n_dims) / factors[i];   plain = freq_scale * theta
 *   without YaRN (yarn_factor = 0): angle = plain, magnitude = attn_scale
 *   with YaRN: angle = plain * (1 - mix) + theta * mix, mix = yarn_factor * (1 - ramp(i)),
 *     ramp(i) = clamp((i - low) / max(0.001, high - low), 0, 1), low = max(0, floor(corr(beta_fast))),
 *     high = min(n_dims - 1, ceil(corr(beta_slow))), corr(b) = n_dims * ln(n_ctx_orig / (b * 2 pi)) / (2 ln base);
 *     magnitude = attn_scale * (1 + 0.1 ln(1 / freq_scale))
 *   (a, b) -> magnitude * (a cos angle - b sin angle, a sin angle + b cos angle)
 * With sections (any non-zero; M-RoPE) pair i takes its position from row k of positions, k being the section in which
 * i mod (sum of sections) falls. Sources: Su et al. 2021; Peng et al. 2023 (YaRN); Wang et al. 2024 (M-RoPE). */
enum bp_rope_pairing { BP_ROPE_ADJACENT = 0, BP_ROPE_HALVES = 1 };
typedef struct bp_rope_params {
    uint32_t head_dim, n_dims, pairing;
    float base, freq_scale, attn_scale; /* freq_scale = 1 / scaling factor; 0 means 1 for it and for attn_scale */
    float yarn_factor, beta_fast, beta_slow;
    uint32_t n_ctx_orig;
    uint32_t sections[4];
} bp_rope_params;

/* The paged KV cache. A cache is one value of role state per layer and kind, type F32, F16 or Q8_0,
 *   [head_dim, block_size, n_head_kv, n_blocks]: a block holds block_size tokens; within it each head's rows lie together.
 * Slot s is row s % block_size of block s / block_size. Sequence q's j-th cached token (0 <= j < kv_len[q]) is row
 * j % block_size of block block_table[j / block_size, q], and has position kv_start[q] + j.
 *
 * KV_WRITE  k F32 [n_head_kv * head_dim, n_tokens], v? F32 [n_head_kv * head_dim_v, n_tokens], slots I32 [n_tokens]
 *           ->  k_cache (state), v_cache? (state)
 * Row of token t is converted to the cache's type and stored in slot slots[t]; nothing is stored for a slot that is
 * negative or past the cache. A state is the one exception to single assignment: nodes update it in place, in order.
 *
 * ATTENTION  q F32 [n_head * head_dim, n_tokens], k_cache, v_cache, positions I32 [n_tokens], sequences I32 [n_tokens],
 *            block_table I32 [table_width, n_sequences], kv_len I32 [n_sequences], kv_start? I32 [n_sequences],
 *            sinks? F32 [n_head]  ->  F32 [n_head * head_dim_v, n_tokens]
 * Query head h reads KV head h / (n_head / n_head_kv). For token t of sequence q at position p and key j at position pk:
 *   score = scale * (q · k); if softcap: score = softcap * tanh(score / softcap); score -= slope(h) * |pk - p| if alibi
 *   visible: causal: pk <= p, and p - pk < window if window, and pk / chunk == p / chunk if chunk;
 *            else: all keys, or |p - pk| <= window / 2 if window
 *   out = sum of softmax(visible scores) * v; with sinks, exp(sinks[h]) joins the softmax's denominator (and its maximum).
 *   slope(h): with n = largest power of two <= n_head: h < n ? 2^(-alibi (h + 1) / n) : 2^(-alibi (2 (h - n) + 1) / (2 n)).
 * v_cache may be k_cache itself, where head_dim_v <= head_dim: V is then the first head_dim_v values of each row (MLA).
 * No visible key: zeros. A block id outside the cache: its keys are not visible. table_width * block_size >= kv_len.
 * Sources: Vaswani et al. 2017; Shazeer 2019; Ainslie et al. 2023 (GQA); Kwon et al. 2023 (paging); Press et al. 2022 (ALiBi).
 *
 * Attention in three, for backends that have no fused form:
 * ATTENTION_SCORES  q, k_cache, positions, sequences, block_table, kv_len, kv_start?  ->  F32 [n_kv, n_head, n_tokens]
 *   the scores above; -infinity for keys that are not visible and for j >= kv_len. n_kv is a symbol >= every kv_len.
 * SOFTMAX           x F32 [n, h, m…], sinks? F32 [h]  ->  F32 as x, each row on its own; a row all -infinity gives zeros
 * ATTENTION_MIX     p F32 [n_kv, n_head, n_tokens], v_cache, sequences, block_table, kv_len  ->  F32 [n_head * head_dim_v, n_tokens];
 *   of rows of more values the first head_dim_v */
typedef struct bp_kv_write_params { uint32_t n_head_kv; } bp_kv_write_params;
typedef struct bp_attention_params {
    uint32_t n_head, n_head_kv, head_dim, head_dim_v, causal, window, chunk; /* window, chunk: 0 = none */
    float scale, softcap, alibi;                                             /* softcap, alibi: 0 = none */
} bp_attention_params;
typedef struct bp_softmax_params { uint32_t reserved; } bp_softmax_params;

/* ADD, MUL  a F32 [n, m…], b F32  ->  F32 as a. Each dimension of b equals a's or is 1 (repeated); missing ones are 1.
 * SCALE     out = x * scale + bias.
 * ACTIVATION  out = f(x), f of the list below; CLAMP uses low and high.
 * GLU       gate, up  ->  f(gate) * up, all of one shape; with up = BP_NONE the input is [2 n, m…], gate first, out [n, m…].
 *           limit > 0: gate = min(gate, limit), up = clamp(up, -limit, limit) first; up_bias is added to up after that.
 * SOFTCAP   out = cap * tanh(x / cap).
 * REDUCE    x [n, m…]  ->  [1, m…], over the fastest dimension. */
typedef struct bp_scale_params { float scale, bias; } bp_scale_params;
#define BP_ACTIVATION_LIST(X)                                          \
    X(IDENTITY, 0)                                                     \
    X(SILU, 1)       /* x / (1 + e^-x) */                              \
    X(GELU_ERF, 2)   /* x/2 (1 + erf(x / sqrt 2)) */                   \
    X(GELU_TANH, 3)  /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) */ \
    X(GELU_QUICK, 4) /* x / (1 + e^-1.702x) */                         \
    X(RELU, 5)                                                         \
    X(RELU_SQUARED, 6)                                                 \
    X(SIGMOID, 7)                                                      \
    X(TANH, 8)                                                         \
    X(EXP, 9)                                                          \
    X(SOFTPLUS, 10)  /* ln(1 + e^x), x above 20 as it is */            \
    X(RSQRT, 11)                                                       \
    X(RECIPROCAL, 12)                                                  \
    X(CLAMP, 13)                                                       \
    X(FLOOR, 14)                                                       \
    X(LOG, 15)       /* natural */
enum bp_activation {
#define BP_ACTIVATION_ENUM(name, id) BP_ACT_##name = id,
    BP_ACTIVATION_LIST(BP_ACTIVATION_ENUM)
#undef BP_ACTIVATION_ENUM
};
enum { BP_ACT_LIMIT = 16 }; /* one past the last activation of this header */
typedef struct bp_activation_params { uint32_t f; float low, high; } bp_activation_params;
typedef struct bp_glu_params { uint32_t f; float limit, up_bias; } bp_glu_params;
typedef struct bp_softcap_params { float cap; } bp_softcap_params;
enum bp_reduction { BP_REDUCE_SUM = 0, BP_REDUCE_MEAN = 1, BP_REDUCE_MAX = 2 };
typedef struct bp_reduce_params { uint32_t kind; } bp_reduce_params;

/* GATHER_ROWS  x F32 [n, m], ids I32 [k]  ->  F32 [n, k]: out[:, i] = x[:, ids[i]]; zeros for an id out of range.
 * SLICE        x [n, m…]  ->  [count, m…]: values first … first + count - 1 of each row, count from the output's shape.
 * CONCAT       a [n, m…], b [k, m…]  ->  [n + k, m…].
 * CONVERT      x of any type  ->  the output's type, one of F32, F16, BF16, Q8_0; round to nearest even, saturating to infinity.
 * POOL         x F32 [n, n_tokens], sequences I32 [n_tokens]  ->  F32 [n, n_sequences], by sequence, in batch order;
 *              a sequence without tokens gives zeros.
 * TOP_K        x F32 [n, m]  ->  values F32 [k, m], ids I32 [k, m], descending; ties: lower index first; NaN counts as
 *              -infinity; k from the output's shape.
 * ARGMAX       x F32 [n, m]  ->  I32 [m], the same order. */
typedef struct bp_slice_params { uint32_t first; } bp_slice_params;
enum bp_pooling { BP_POOL_MEAN = 0, BP_POOL_FIRST = 1, BP_POOL_LAST = 2 };
typedef struct bp_pool_params { uint32_t kind; } bp_pool_params;
typedef struct bp_top_k_params { uint32_t reserved; } bp_top_k_params;

/* RESHAPE  x of any type and shape  ->  the same type and values in the same order, in the output's shape. Where blocks hold
 *          several values, dim[0] stays as it is. */

/* Recurrent ops. Their state is a value of role state, F32, whose last dimension counts slots; a sequence has one slot.
 * All end with the inputs positions I32 [n_tokens], sequences I32 [n_tokens], state_slots I32 [n_sequences]: token t reads and
 * updates slot state_slots[sequences[t]]. Tokens are taken in the order of the batch, in which those of one sequence lie in
 * order of position; sequences may be mixed. A token at position 0 finds zeros, whatever its slot holds, so that nothing need
 * be cleared before a new text. A slot is left as its last token made it, and others are not touched: a text fed at once, in
 * chunks or token by token gives the same. No two sequences of a batch have the same slot. A token whose sequence or slot is
 * out of range gives zeros and touches no state.
 *
 * CAUSAL_CONV  x F32 [n, n_tokens], weight F32 [k, n], bias? F32 [n], positions, sequences, state_slots
 *              ->  F32 as x, state F32 [n, k - 1, n_slots]        (k >= 2)
 * Each channel on its own: out[i, t] = f(bias[i] + sum over j < k of weight[j, i] * x_j[i]), where x_(k-1) is token t and
 * x_(k-2) … x_0 are the tokens before it in its sequence, zeros before position 0. The state holds the last k - 1 of them,
 * the oldest first. f is of BP_ACTIVATION_LIST, below CLAMP.
 *
 * SSM_SCAN     x F32 [n_head * head_dim, n_tokens], dt F32 [n_head, n_tokens], a F32 [1 or n_state, n_head],
 *              b F32 [n_group * n_state, n_tokens], c F32 as b, d? F32 and dt_bias? F32 of n_head values each, positions,
 *              sequences, state_slots  ->  F32 as x, state F32 [n_state, n_head * head_dim, n_slots]
 * For value i of head h, which reads group g = h / (n_head / n_group), with s = softplus(dt[h, t] + dt_bias[h]):
 *   state[j, i] = exp(s * a[j, h]) * state[j, i] + s * b[g * n_state + j, t] * x[i, t];
 *   out[i, t] = d[h] * x[i, t] + sum over j of c[g * n_state + j, t] * state[j, i].
 * a is negative, as files have it; one row of a serves all j. Mamba 1 is head_dim = 1 with n_state rows of a.
 * Sources: Gu & Dao 2023 (Mamba); Dao & Gu 2024 (Mamba 2).
 *
 * DELTA_RULE   q F32 [n_head_k * head_dim, n_tokens], k F32 as q, v F32 [n_head * head_dim_v, n_tokens],
 *              decay F32 [n_head, n_tokens], beta F32 [n_head, n_tokens], positions, sequences, state_slots
 *              ->  F32 as v, state F32 [head_dim, head_dim_v, n_head, n_slots]
 * Head h reads head h / (n_head / n_head_k) of q and k. With l2_eps > 0 these are first divided by sqrt(their sum of
 * squares + l2_eps), each head on its own. For column j of head h, S_j being state[:, j, h]:
 *   S_j = exp(decay[h, t]) * S_j;   S_j += k * beta[h, t] * (v[j, t] - k · S_j);   out[j, t] = scale * (q · S_j).
 * Sources: Yang et al. 2024 (DeltaNet); Yang, Kautz, Hatamizadeh 2025 (gated). */
typedef struct bp_causal_conv_params { uint32_t f; } bp_causal_conv_params;
typedef struct bp_ssm_scan_params { uint32_t n_head, n_group; } bp_ssm_scan_params;
typedef struct bp_delta_rule_params {
    uint32_t n_head, n_head_k;
    float scale, l2_eps; /* scale: 0 means 1; l2_eps: 0 = q and k as they are */
} bp_delta_rule_params;

#endif
