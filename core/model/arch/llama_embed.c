/* Encoders of texts that are llama but for attention, which looks both ways: llama-embed (NVIDIA's embedding models),
 * EuroBERT, and NeoBERT, with q, k and v in one matrix and gate and up in another.
 * Sources: Babakhin et al. 2025; Boizard et al. 2025; Le Breton et al. 2025. */
#include "core/model/families.h"

void bp_read_llama_embed(bp_model *m) {
    m->decoder.bidirectional = true;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
}

void bp_read_eurobert(bp_model *m) {
    m->decoder.bidirectional = true;
    bp_read_llama_like(m, BP_ROPE_HALVES);
}

void bp_read_neo_bert(bp_model *m) {
    bp_read_llama_embed(m);
    m->decoder.attention.fused = true;
    m->decoder.ffn = BP_FFN_FUSED;
    m->decoder.output_norm = "enc.output_norm";
}
