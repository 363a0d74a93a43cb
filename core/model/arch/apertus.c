/* Apertus: llama with halves-paired RoPE, an RMS norm on every head of q and k, and a plain feed-forward part with
 * xIELU. Source: Swiss AI Initiative 2025. */
#include <math.h>

#include "core/model/families.h"

static double layer_number(bp_model *m, const char *key, int64_t layer) {
    double number = 0;
    const bp_gguf_key *found = bp_gguf_find(m->file, key);
    if (!bp_gguf_float(found, found && found->type == BP_GGUF_ARRAY ? (uint64_t)layer : 0, &number) && !layer)
        bp_model_wrong(m, found ? "%s is no number a layer" : "no key %s", key);
    return number;
}

static float softplus(double x) { return (float)(x > 20 ? x : log1p(exp(x))); }

void bp_read_apertus(bp_model *m) {
    bp_read_llama_like(m, BP_ROPE_HALVES);
    m->decoder.attention.qk_norm = BP_QK_NORM_HEAD;
    m->decoder.ffn = BP_FFN_XIELU;
    bp_xielu *x = bp_arena_alloc(&m->arena, (size_t)m->hp.n_layer * sizeof *x);
    m->decoder.xielu = x;
    if (!x) bp_model_wrong(m, "out of memory");
    for (int64_t i = 0; x && i < m->hp.n_layer; i++) {
        x[i].beta = (float)layer_number(m, "xielu.beta", i);
        x[i].alpha_p = softplus(layer_number(m, "xielu.alpha_p", i));
        x[i].alpha_n = x[i].beta + softplus(layer_number(m, "xielu.alpha_n", i));
    }
}
