/* A model: a GGUF file, what its architecture reads from it, and the graph that computes it. Knows nothing of devices. */
#ifndef BP_MODEL_H
#define BP_MODEL_H

#include "core/gguf/gguf.h"
#include "core/graph/builder.h"

/* What architectures have in common. Counts are checked: positive, and below limits that keep products in range. */
typedef struct bp_hyperparameters {
    int64_t n_vocab, n_embd, n_layer, n_head, n_head_kv, head_dim, head_dim_v, n_ff, n_context;
    int64_t n_expert, n_expert_used, window;
    float norm_eps;
    bp_rope_params rope;
} bp_hyperparameters;

typedef struct bp_model bp_model;

/* The values of a graph under construction that all architectures read: shapes in [fastest, …]. */
typedef struct bp_graph_inputs {
    uint32_t tokens, positions, sequences, slots; /* I32 [n_tokens] */
    uint32_t block_table;                         /* I32 [table_width, n_sequences] */
    uint32_t kv_len;                              /* I32 [n_sequences] */
    uint32_t output_rows;                         /* I32 [n_outputs] */
    uint32_t *k_cache, *v_cache;                  /* a layer: [head_dim, block_size, n_head_kv, n_blocks] */
} bp_graph_inputs;

typedef struct bp_cache_shape {
    uint32_t type; /* F32, F16 or Q8_0 */
    int64_t block_size, n_blocks, table_width;
} bp_cache_shape;

/* One architecture: a file in arch/ and a line in the list in model.c. */
typedef struct bp_architecture {
    const char *name;
    bp_status (*read)(bp_model *model, bp_error *error);                                /* hyperparameters */
    uint32_t (*build)(const bp_model *model, bp_builder *b, const bp_graph_inputs *in); /* returns the logits [n_vocab, n_outputs] */
} bp_architecture;

struct bp_model {
    bp_gguf *file;
    const bp_architecture *architecture;
    bp_hyperparameters hp;
};

/* The file belongs to the model on success. */
bp_status bp_model_new(bp_gguf *file, bp_model **out, bp_error *error);
void bp_model_free(bp_model *model);

/* Build the whole graph for a cache; *builder owns it. All weights that are missing or have wrong shapes are reported together. */
bp_status bp_model_graph(const bp_model *model, const bp_cache_shape *cache, bp_builder **builder, bp_graph **graph, bp_error *error);

/* For architectures: keys "ARCH.suffix". need_*: an error names a missing key. */
bool bp_model_int(const bp_model *model, const char *suffix, int64_t *out);
bool bp_model_float(const bp_model *model, const char *suffix, float *out);
bool bp_model_text(const bp_model *model, const char *suffix, bp_gguf_string *out);
bp_status bp_model_need_int(const bp_model *model, const char *suffix, int64_t max, int64_t *out, bp_error *error);
/* The keys that nearly all have: fills hp but rope's scaling. */
bp_status bp_model_read_common(bp_model *model, bp_error *error);

/* The weight "blk.LAYER.NAME" (or NAME where layer < 0) of shape [n0, n1, n2] (0 ends it), as a value of the graph, made
 * on first use. bp_weight_if gives BP_NONE where the file has none. */
uint32_t bp_weight(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1, int64_t n2);
uint32_t bp_weight_if(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1, int64_t n2);

extern const bp_architecture bp_llama;

#endif
