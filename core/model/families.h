/* What several architectures' files begin with. */
#ifndef BP_FAMILIES_H
#define BP_FAMILIES_H

#include "core/model/model.h"

/* Pre-norm blocks with RMS norms (attn_norm, ffn_norm) and a feed-forward part gated by SiLU. */
void bp_read_llama_like(bp_model *m, uint32_t rope_pairing);
/* Pre-norm blocks with layer norms (attn_norm, ffn_norm) and a plain feed-forward part. */
void bp_read_gpt_like(bp_model *m, uint32_t rope_pairing, uint32_t activation);
/* Not one of bp_rope_pairing: the model has no rotary positions. */
enum { BP_ROPE_NONE = 2 };

/* Experts, where the file has the key expert_count: their number, width (n_ff where there is no key for it), the shared
 * expert's, and routing, which keys may override. */
void bp_read_experts(bp_model *m, int64_t n_ff, uint32_t gating, bool normalise);

/* The facts of layers with a selective scan (kind MAMBA, MAMBA2) or a delta rule, from the keys ssm.*. */
void bp_read_ssm(bp_model *m, uint32_t kind);
/* Heads of multi-head latent attention. Files of attn_kv_b cache full heads; later ones, which have key_length_mla, one
 * row of latent values. */
void bp_read_mla(bp_model *m);
/* The last n_shared layers have no K and V of their own: they read those of the last layer of their kind that has. */
void bp_share_caches(bp_model *m, int64_t n_shared);
/* Encoders of texts: blocks whose norms come after the residual (attn_output_norm, layer_output_norm), GELU. */
void bp_read_bert_like(bp_model *m, uint32_t rope_pairing);

#endif
