/* Llama 4: three of four layers rotate and attend in chunks, the fourth does neither and scales q with the position;
 * experts, in every n-th layer, read input weighed by a sigmoid, beside a shared one. Source: Meta AI 2025. */
#include "core/model/families.h"

enum { PERIOD = 4, CHUNK = 8192, UNNORMED_EXPERTS = 128 /* the model of 128 experts does not norm q and k */ };

static void read_chunks(bp_model *m) {
    const int64_t chunk = bp_int_or(m, "attention.sliding_window", CHUNK, 0, INT32_MAX);
    if (!chunk) return;
    bp_read_window_pattern(m, PERIOD);
    m->decoder.attention.temperature_scale = bp_float_or(m, "attention.temperature_scale", 0.1f);
    m->decoder.attention.temperature_length = bp_int_or(m, "attention.temperature_length", CHUNK, 0, INT32_MAX);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->rotated = l->windowed;
        l->chunk = l->windowed ? (uint32_t)chunk : 0;
    }
}

void bp_read_llama4(bp_model *m) {
    bp_decoder *d = &m->decoder;
    bp_read_llama_like(m, BP_ROPE_ADJACENT);
    read_chunks(m);
    bp_read_experts(m, m->hp.n_ff, BP_GATING_SIGMOID, false);
    d->experts.weigh_input = true;
    d->experts.n_ff_shared = d->experts.n_ff;
    d->attention.qk_norm = d->experts.n == UNNORMED_EXPERTS ? BP_QK_NORM_NONE : BP_QK_NORM_PLAIN;
    d->attention.qk_norm_late = true;
}
