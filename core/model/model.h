/* A model: a GGUF file, what its architecture reads from it, and the graph that computes it. Knows nothing of devices.
 * Reading never stops at the first fault: what is missing or wrong is collected and reported at once, keys by
 * bp_model_new and tensors by bp_model_graph. */
#ifndef BP_MODEL_H
#define BP_MODEL_H

#include "core/base/arena.h"
#include "core/base/text.h"
#include "core/gguf/gguf.h"
#include "core/graph/builder.h"
#include "core/model/decoder.h"

enum { BP_MAX_LAYERS = 4096, BP_MAX_WIDTH = 1 << 20, BP_MAX_HEADS = 1 << 12, BP_MAX_EXPERTS = 1 << 12 };

/* What may differ from layer to layer. */
typedef struct bp_layer {
    int64_t n_head, n_head_kv, n_ff; /* n_head_kv = 0: the layer has no KV cache */
    int64_t head_dim, head_dim_v; /* head_dim_v = 0: V is not cached, being the first values of the rows of K (MLA) */
    uint32_t window, chunk;          /* 0: none */
    bool rotated;                    /* false: no position embedding in this layer (NoPE) */
    bool windowed;                   /* one of those that have the window, if the model has one */
    bool own_factors;                /* the file's factors of RoPE are not this layer's */
    int64_t cache_of;                /* whose K and V it reads: its own, or those of a layer before it */
    bp_rope_params rope;
} bp_layer;

/* What architectures have in common. Counts are checked: positive, and below limits that keep products in range.
 * n_head, n_head_kv, n_ff, head_dim and head_dim_v are the first layer's. */
typedef struct bp_hyperparameters {
    int64_t n_vocab, n_embd, n_layer, n_head, n_head_kv, head_dim, head_dim_v, n_ff, n_context;
    float norm_eps;
    bp_rope_params rope;
    bp_layer *layer; /* [n_layer] */
} bp_hyperparameters;

typedef struct bp_model bp_model;

/* What a graph computes: logits of the rows that are wanted, or embeddings [n, n_sequences] pooled over the tokens of
 * each sequence that are in the batch. The numbers of pooling are those of the key pooling_type. */
enum bp_output_kind { BP_OUTPUT_LOGITS = 0, BP_OUTPUT_EMBEDDING = 1 };
enum bp_pooling_type {
    BP_POOLING_NONE = 0, /* a row a token: [n, n_tokens] */
    BP_POOLING_MEAN = 1,
    BP_POOLING_CLS = 2, /* the first token */
    BP_POOLING_LAST = 3,
    BP_POOLING_RANK = 4, /* a score of a pair of texts; not computed here */
};
typedef struct bp_graph_output {
    uint32_t kind, pooling;
    uint32_t likeliest; /* beside logits: so many of the likeliest tokens of each row; 0: one, without its logit */
} bp_graph_output;

/* The values of a graph under construction that all architectures read: shapes in [fastest, …]. */
typedef struct bp_graph_inputs {
    uint32_t tokens, positions, sequences, slots; /* I32 [n_tokens] */
    uint32_t block_table;                         /* I32 [table_width, n_sequences] */
    uint32_t kv_len;                              /* I32 [n_sequences] */
    uint32_t output_rows;                         /* I32 [n_outputs] */
    uint32_t *k_cache, *v_cache;                  /* a layer: [head_dim, block_size, n_head_kv, n_blocks], or BP_NONE;
                                                     those of the layer that it reads (bp_layer.cache_of) */
    int64_t n_context;                            /* tokens that a sequence may have */
    uint32_t rope_factors;                        /* F32 [n_dims / 2], or BP_NONE */
    uint32_t temperature; /* F32 [1, n_tokens]: what q is multiplied by in layers without RoPE */
    uint32_t state_slots;                         /* I32 [n_sequences]: where recurrent states lie */
    int64_t n_slots;                              /* of every recurrent state */
    bp_graph_output output;
} bp_graph_inputs;

typedef struct bp_cache_shape {
    uint32_t type; /* F32, F16 or Q8_0 */
    int64_t block_size, n_blocks, table_width;
    int64_t context; /* tokens that a sequence may have; 0: what the table holds */
    int64_t n_slots; /* of recurrent states, one a sequence; 0: 1 */
} bp_cache_shape;

/* One architecture: a line in architectures.def and a file in arch/. */
typedef struct bp_architecture {
    const char *name;
    void (*read)(bp_model *model);                                                      /* hyperparameters */
    uint32_t (*build)(const bp_model *model, bp_builder *b,
                      const bp_graph_inputs *in); /* gives what in->output asks for */
} bp_architecture;

struct bp_model {
    bp_gguf *file;
    const bp_architecture *architecture;
    bp_hyperparameters hp;
    bp_decoder decoder;
    uint32_t pooling; /* bp_pooling_type that embeddings have where nothing else is asked for */
    bp_arena arena;
    bp_text missing, wrong; /* while hyperparameters are read: names of keys; sentences */
};

/* The file belongs to the model on success. */
bp_status bp_model_new(bp_gguf *file, bp_model **out, bp_error *error);
void bp_model_free(bp_model *model);

/* Build the whole graph for a cache, logits where output is NULL; *builder owns it. All weights that are missing or
 * have wrong shapes are reported together. */
bp_status bp_model_graph(const bp_model *model, const bp_cache_shape *cache, const bp_graph_output *output,
                         bp_builder **builder, bp_graph **graph, bp_error *error);

/* For architectures: keys "ARCH.suffix". The first three answer false where there is none (or none of that type) and
 * leave *out alone; bp_need_* note a missing key, and a number that is not in min … max, and then answer min. */
bool bp_model_int(const bp_model *model, const char *suffix, int64_t *out);
bool bp_model_float(const bp_model *model, const char *suffix, float *out);
bool bp_model_text(const bp_model *model, const char *suffix, bp_gguf_string *out);
bool bp_model_bool(const bp_model *model, const char *suffix, bool otherwise);
int64_t bp_need_int(bp_model *model, const char *suffix, int64_t min, int64_t max);
float bp_need_float(bp_model *model, const char *suffix);
/* The same for an optional key. */
int64_t bp_int_or(bp_model *model, const char *suffix, int64_t otherwise, int64_t min, int64_t max);
float bp_float_or(const bp_model *model, const char *suffix, float otherwise);
/* RoPE's base of windowed layers: the key rope.freq_base_swa, or 10000. */
float bp_window_rope_base(bp_model *model);
/* A key that is one number for all layers, or an array of one a layer: that of `layer`. */
int64_t bp_layer_int_or(bp_model *model, const char *suffix, int64_t layer, int64_t otherwise, int64_t min,
                        int64_t max);
/* Note a fault in words. */
void bp_model_wrong(bp_model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The keys that nearly all have: fills hp with layers that are alike but for what arrays say. */
void bp_read_common(bp_model *model, uint32_t rope_pairing);
/* Which layers are windowed: i where i mod period < period - 1; or as the key attention.sliding_window_pattern says. */
void bp_read_window_pattern(bp_model *model, int64_t period);
/* The same, and their window from the key attention.sliding_window: `otherwise` where it is not there, 0 for none;
 * below 0 the key is needed. */
void bp_read_windows(bp_model *model, int64_t period, int64_t otherwise);

/* The weight "blk.LAYER.NAME" (or NAME where layer < 0) of shape [n0, n1, n2] (0 ends it), as a value of the graph. A
 * file may store the same values under another division into dimensions. bp_weight_if gives BP_NONE where the file has
 * none; where other layers have it, that is noted as missing too. */
uint32_t bp_weight(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1,
                   int64_t n2);
uint32_t bp_weight_if(const bp_model *model, bp_builder *b, int64_t layer, const char *name, int64_t n0, int64_t n1,
                      int64_t n2);
/* Whether the file has the tensor; its number of dimension i, 0 where it has none. */
bool bp_has_weight(const bp_model *model, int64_t layer, const char *name);
bool bp_any_layer_has(const bp_model *model, const char *name);
int64_t bp_weight_dim(const bp_model *model, int64_t layer, const char *name, uint32_t i);

#define BP_ARCHITECTURE(name, read, build) \
    void read(bp_model *model);            \
    uint32_t build(const bp_model *model, bp_builder *b, const bp_graph_inputs *in);
#include "core/model/architectures.def"
#undef BP_ARCHITECTURE

#endif
