/* The blocks that graphs of models are made of. They read the model's facts (decoder.h) and each layer's values
 * (bp_layer). Activations are F32 [n_embd, n_tokens] where nothing else is said. */
#ifndef BP_MODEL_BLOCKS_H
#define BP_MODEL_BLOCKS_H

#include "core/model/model.h"

/* The residual stream: x, and a part that was not added yet, so that the next norm can do it in one. */
typedef struct bp_residual { uint32_t x, pending; } bp_residual;

/* Add a part (times the model's residual_scale). */
void bp_residual_add(const bp_model *m, bp_builder *b, bp_residual *r, uint32_t part);
/* All parts added. */
uint32_t bp_residual_sum(bp_builder *b, bp_residual *r);
/* The norm NAME of the stream, all parts added; with NULL the stream itself. */
uint32_t bp_residual_norm(const bp_model *m, bp_builder *b, int64_t layer, const char *name, bp_residual *r);
/* The norm NAME.weight (and .bias) of x [n]; x itself with NULL. */
uint32_t bp_norm_block(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n);

/* "NAME.weight" [n_in, n_out] applied to x, plus "NAME.bias" where there is one, or where it must be. */
uint32_t bp_linear(const bp_model *m, bp_builder *b, int64_t layer, const char *name, uint32_t x, int64_t n_in,
                   int64_t n_out, bool bias);

uint32_t bp_embedding_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in);
uint32_t bp_attention_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x);
/* What q is multiplied by in layers without RoPE, [1, n_tokens]; BP_NONE where the model does not. */
uint32_t bp_attention_temperature(const bp_model *m, bp_builder *b, uint32_t positions);
/* The same for models with bp_mla_facts. */
uint32_t bp_mla_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x);
/* Its middle: write k and v [n_head_kv * head_dim…] to the layer's cache, and attend: [n_head * head_dim_v, n_tokens].
 * v BP_NONE: V is the first p.head_dim_v values of the rows of K; k too: the cache is another layer's, and is read only. */
uint32_t bp_attend(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t q, uint32_t k,
                   uint32_t v, bp_attention_params p);
/* Dense or of experts, as the layer's tensors say. */
uint32_t bp_feed_forward_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x);
uint32_t bp_dense_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x);
uint32_t bp_experts_block(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x);
/* The experts' weighed answers alone, chosen by logits [n_expert, n_tokens]. */
uint32_t bp_chosen_experts(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, uint32_t logits);
/* Values of each token for each layer, [token_values * n_layer, n_tokens], from the embedding x; and what those of one
 * layer add to the stream, behind a gate that reads x. */
uint32_t bp_token_values(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, uint32_t x);
uint32_t bp_token_values_part(const bp_model *m, bp_builder *b, int64_t layer, uint32_t x, uint32_t values);
/* What a layer without a KV cache has in place of attention, by m->decoder.recurrent. */
uint32_t bp_recurrent_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, uint32_t x);
/* Attention (or what takes its place) and feed-forward part of one layer, with their norms. */
void bp_decoder_layer(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, int64_t layer, bp_residual *r);
/* Embeddings of normed rows x: pooled as in->output says, then the dense layers that the file may have. */
uint32_t bp_pooling_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, uint32_t x);
/* Logits [n_vocab, n_outputs] of the rows that are wanted; or embeddings, where those are asked for. */
uint32_t bp_logits_block(const bp_model *m, bp_builder *b, const bp_graph_inputs *in, bp_residual *r);

#endif
