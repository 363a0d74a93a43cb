/* A decoder-only transformer as data: what an architecture's file fills in, and bp_build_decoder (decoder.c) builds.
 * All zeros is: RMS norms with weights, separate q, k and v, 1 / sqrt(head_dim), a gated feed-forward part, no
 * multipliers. */
#ifndef BP_DECODER_H
#define BP_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/graph/builder.h"

enum bp_norm_kind { BP_NORM_RMS = 0, BP_NORM_LAYER = 1 };

/* Norm of q and k, by what their weights look like. */
enum bp_qk_norm {
    BP_QK_NORM_NONE = 0,
    BP_QK_NORM_HEAD = 1,      /* one weight vector [head_dim], for every head */
    BP_QK_NORM_ROW = 2,       /* over all heads together: [n_head * head_dim] */
    BP_QK_NORM_EACH_HEAD = 3, /* every head on its own, with its own weights: [head_dim, n_head] */
    BP_QK_NORM_PLAIN = 4,     /* every head, without weights; in rotated layers only */
};

/* Multi-head latent attention: K and V of all heads are made from kv_lora values a token, which are what is cached. A
 * head's q and k are `plain` values and `rotated` ones, which all heads of k share. Source: DeepSeek-AI 2024
 * (DeepSeek-V2). */
typedef struct bp_mla_facts {
    int64_t kv_lora, q_lora;        /* kv_lora = 0: another kind of attention; q_lora = 0: q is made in one step */
    int64_t plain, rotated, head_dim_v;
    bool absorbed; /* attn_k_b and attn_v_b move q and the result between heads and latent values; else attn_kv_b makes
                      K and V */
} bp_mla_facts;

/* The parts of attention that differ. Biases are used where the file has them, and asked for where a *_bias is set. */
typedef struct bp_attention_facts {
    bool fused;         /* q, k and v are one matrix attn_qkv, in this order (also taken where the file has it) */
    bool qkv_bias, output_bias;
    uint32_t qk_norm;       /* bp_qk_norm */
    uint32_t qk_norm_kind;  /* bp_norm_kind */
    bool qk_norm_optional;  /* used where the file has its weights */
    bool qk_norm_late;      /* after RoPE */
    bool sinks;             /* attn_sinks.weight [n_head] */
    bool sinks_windowed;    /* in all windowed layers, where one has it; in others that have it */
    float v_scale;          /* v is multiplied by it; 0: 1 */
    float clamp;            /* q, k, v are clamped to -clamp … clamp; 0: not */
    float scale;            /* 0: 1 / sqrt(head_dim) */
    float softcap, alibi;   /* 0: none */
    bool v_norm; /* an RMS norm of every head of v, without weights */
    bool v_optional; /* where there is no attn_v, v is what attn_k makes, before its norm */
    bool gated; /* each head of attn_q is followed by a gate, whose sigmoid multiplies what the head answers */
    bool gate_heads; /* what a head answers is multiplied by the sigmoid of its row of attn_gate [n_embd, n_head] */
    bool gate_matrix; /* the same, but the gates are attn_gate of what attention reads */
    /* In layers without RoPE q is multiplied by 1 + scale * ln(1 + floor((position + 1) / length)); length 0: not. */
    float temperature_scale;
    int64_t temperature_length;
    bool temperature_all;    /* in all layers */
    bool temperature_at_once; /* floor(position / length) */
    bp_mla_facts mla;
} bp_attention_facts;

/* xIELU: alpha_p x² + beta x above 0, alpha_n (e^x - 1 - x) + beta x below. Source: Huang & Schlag 2024. */
typedef struct bp_xielu { float alpha_p, alpha_n, beta; } bp_xielu;

enum bp_ffn_kind {
    BP_FFN_GATED = 0, /* down(f(gate x) * up x) */
    BP_FFN_PLAIN = 1, /* down(f(up x)) */
    BP_FFN_FUSED = 2, /* gate and up are one matrix ffn_up of 2 n_ff rows, gate first */
    BP_FFN_XIELU = 3, /* plain, with xIELU */
};

/* What layers without a KV cache (bp_layer.n_head_kv = 0) have in place of attention. */
enum bp_recurrent_kind {
    BP_RECURRENT_NONE = 0,
    BP_RECURRENT_MAMBA = 1,      /* selective scan, a rate a state (Gu & Dao 2023) */
    BP_RECURRENT_MAMBA2 = 2,     /* selective scan, a rate a head (Dao & Gu 2024) */
    BP_RECURRENT_SHORT_CONV = 3, /* gated convolution over a few tokens (LFM2) */
    BP_RECURRENT_DELTA = 4,      /* gated delta rule (Qwen3-Next) */
};
typedef struct bp_recurrent_facts {
    uint32_t kind;
    int64_t n_conv;   /* taps of the convolution: keys ssm.conv_kernel, shortconv.l_cache */
    int64_t n_inner;  /* width of the values */
    int64_t n_state;  /* states a value; of the delta rule: width of a key head */
    int64_t n_rank;   /* MAMBA: rank of the step sizes; else the number of heads */
    int64_t n_group;  /* heads of b and c, or of keys */
    bool step_norms;  /* MAMBA: RMS norms ssm_dt_norm, ssm_b_norm and ssm_c_norm */
    bool plain_norms; /* MAMBA: the same without weights */
    bool interleaved; /* DELTA: head h reads key head h mod n_group, not h / (n_rank / n_group) */
    bool norm;        /* MAMBA2: ssm_norm must be there */
} bp_recurrent_facts;

/* Experts. Layers whose tensors the file has are of experts, the others dense. */
typedef struct bp_experts_facts {
    int64_t n;                     /* 0: none */
    int64_t n_ff, n_ff_shared;     /* width of an expert, and of the shared one (0: there is none) */
    bp_route_experts_params route; /* n_used and how they are chosen and weighed */
    /* Tensors ffn_gate_inp.bias, exp_probs_b.bias, ffn_*_exps.bias must be there. */
    bool router_bias, select_bias, bias;
    bool shared_gate;              /* tensor ffn_gate_inp_shexp */
    bool plain;                    /* down(f(up x)), the shared one too */
    int64_t n_latent;              /* experts read and answer this many values, ffn_latent_down of x; 0: x itself */
    /* A layer: the activated gate is at most this, and up within minus and plus this; 0: no limit. The second ones are
     * the shared expert's and the dense part's. NULL: in no layer. */
    const float *limit, *limit_dense;
    bool weigh_input;              /* the weight multiplies what the expert reads, not what it answers */
    bp_glu_params glu;
} bp_experts_facts;

typedef struct bp_decoder {
    uint32_t norm; /* bp_norm_kind */
    bool norm_bias, norm_plain; /* biases must be there; norms have no weights at all */
    /* Names of norms ("attn_norm" is blk.N.attn_norm.weight); NULL: there is none. ffn_norm NULL in a parallel block:
     * the feed-forward part reads what attention reads. */
    const char *attn_norm, *attn_post_norm, *ffn_norm, *ffn_post_norm;
    const char *output_norm; /* NULL: "output_norm" */
    bool bidirectional; /* attention looks both ways: a model of embeddings */
    bp_recurrent_facts recurrent;
    bool parallel; /* x + attention(norm x) + feed_forward(norm x) */
    bp_attention_facts attention;
    uint32_t ffn; /* bp_ffn_kind */
    bool ffn_bias;
    uint32_t activation; /* bp_activation of the dense feed-forward part */
    const bp_xielu *xielu; /* a layer */
    bp_experts_facts experts;
    /* Ends: embedding * embedding_scale (0: 1), normed by token_embd_norm, plus position_embd; logits * logit_scale
     * (0: 1). */
    float embedding_scale, residual_scale, logit_scale, logit_softcap;
    int64_t token_values; /* a layer and token (bp_token_values); 0: none */
    bool embedding_norm, learned_positions;
    bool untied, output_bias; /* output.weight, output.bias must be there */
} bp_decoder;

#endif
