#include "core/model/families.h"

#include "core/base/size.h"

void bp_read_llama_like(bp_model *m, uint32_t rope_pairing) {
    bp_decoder *d = &m->decoder;
    d->attn_norm = "attn_norm";
    d->ffn_norm = "ffn_norm";
    d->activation = BP_ACT_SILU;
    bp_read_common(m, rope_pairing);
}

void bp_read_gpt_like(bp_model *m, uint32_t rope_pairing, uint32_t activation) {
    bp_decoder *d = &m->decoder;
    d->norm = BP_NORM_LAYER;
    d->attn_norm = "attn_norm";
    d->ffn_norm = "ffn_norm";
    d->ffn = BP_FFN_PLAIN;
    d->activation = activation;
    bp_read_common(m, rope_pairing);
}

void bp_read_ssm(bp_model *m, uint32_t kind) {
    bp_recurrent_facts *r = &m->decoder.recurrent;
    r->kind = kind;
    r->n_conv = bp_need_int(m, "ssm.conv_kernel", 2, BP_MAX_WIDTH);
    r->n_inner = bp_need_int(m, "ssm.inner_size", 1, BP_MAX_WIDTH);
    r->n_state = bp_need_int(m, "ssm.state_size", 1, BP_MAX_WIDTH);
    r->n_rank = bp_need_int(m, "ssm.time_step_rank", 1, BP_MAX_WIDTH);
    r->n_group = kind == BP_RECURRENT_MAMBA ? 1 : bp_need_int(m, "ssm.group_count", 1, BP_MAX_HEADS);
    if (kind != BP_RECURRENT_MAMBA && (r->n_inner % r->n_rank || r->n_rank % r->n_group))
        bp_model_wrong(m, "%lld values in %lld heads in %lld groups do not fit (keys ssm.*)", (long long)r->n_inner,
                       (long long)r->n_rank, (long long)r->n_group);
}

void bp_read_bert_like(bp_model *m, uint32_t rope_pairing) {
    bp_decoder *d = &m->decoder;
    d->bidirectional = true;
    d->norm = BP_NORM_LAYER;
    d->norm_bias = true;
    d->activation = BP_ACT_GELU_ERF;
    d->attn_norm = "attn_output_norm";
    d->ffn_norm = "layer_output_norm";
    d->embedding_norm = true;
    bp_read_common(m, rope_pairing);
}

/* The numbers of expert_gating_func in files. */
static uint32_t gating_of(bp_model *m, uint32_t otherwise) {
    static const uint32_t known[] = { 0, BP_GATING_SOFTMAX, BP_GATING_SIGMOID, BP_GATING_SOFTMAX_CHOSEN };
    int64_t number = bp_int_or(m, "expert_gating_func", 0, 0, 3);
    return number ? known[number] : otherwise;
}

void bp_read_experts(bp_model *m, int64_t n_ff, uint32_t gating, bool normalise) {
    bp_experts_facts *e = &m->decoder.experts;
    e->n = bp_int_or(m, "expert_count", 0, 0, BP_MAX_EXPERTS);
    if (!e->n) return;
    e->glu = (bp_glu_params){ .f = m->decoder.activation };
    e->n_ff = bp_int_or(m, "expert_feed_forward_length", n_ff, 1, BP_MAX_WIDTH);
    const int64_t n_shared = bp_int_or(m, "expert_shared_count", 0, 0, BP_MAX_EXPERTS);
    e->n_ff_shared = bp_int_or(m, "expert_shared_feed_forward_length", n_shared * e->n_ff, 0, BP_MAX_WIDTH);
    e->route = (bp_route_experts_params){
        .n_used = (uint32_t)bp_need_int(m, "expert_used_count", 1, e->n),
        .gating = gating_of(m, gating),
        .normalise = bp_model_bool(m, "expert_weights_norm", normalise),
        .scale = bp_float_or(m, "expert_weights_scale", 1),
        .n_groups = (uint32_t)bp_int_or(m, "expert_group_count", 1, 0, e->n),
        .n_groups_used = (uint32_t)bp_int_or(m, "expert_group_used_count", 1, 0, e->n),
    };
    if (e->route.n_groups > 1 &&
        (e->n % e->route.n_groups || !e->route.n_groups_used || e->route.n_groups_used > e->route.n_groups))
        bp_model_wrong(m, "%lld experts in %u groups, %u of them used, do not fit", (long long)e->n, e->route.n_groups,
                       e->route.n_groups_used);
}

void bp_share_caches(bp_model *m, int64_t n_shared) {
    const int64_t own = m->hp.n_layer - n_shared;
    for (int64_t i = own; m->hp.layer && i < m->hp.n_layer; i++) {
        const bp_layer *l = &m->hp.layer[i];
        int64_t from = own - 1;
        while (from > 0 && m->hp.layer[from].windowed != l->windowed) from--;
        if (m->hp.layer[from].windowed != l->windowed || m->hp.layer[from].n_head_kv != l->n_head_kv)
            bp_model_wrong(m, "layer %lld shares a cache, but no layer before it is of its kind", (long long)i);
        m->hp.layer[i].cache_of = from;
    }
}

void bp_read_mla(bp_model *m) {
    bp_mla_facts *a = &m->decoder.attention.mla;
    int64_t head_dim = m->hp.head_dim;
    a->kv_lora = bp_need_int(m, "attention.kv_lora_rank", 1, BP_MAX_WIDTH);
    a->q_lora = bp_int_or(m, "attention.q_lora_rank", 0, 0, BP_MAX_WIDTH);
    a->rotated = bp_need_int(m, "rope.dimension_count", 2, BP_MAX_WIDTH);
    a->absorbed = bp_model_int(m, "attention.key_length_mla", &head_dim);
    a->head_dim_v = m->hp.head_dim_v;
    if (a->absorbed) {
        head_dim = bp_need_int(m, "attention.key_length_mla", 1, BP_MAX_WIDTH);
        a->head_dim_v = bp_need_int(m, "attention.value_length_mla", 1, BP_MAX_WIDTH);
    }
    a->plain = head_dim - a->rotated;
    if (a->plain < 1)
        bp_model_wrong(m, "%lld rotated values leave none of a head of %lld", (long long)a->rotated,
                       (long long)head_dim);
    for (int64_t i = 0; m->hp.layer && i < m->hp.n_layer; i++) {
        bp_layer *l = &m->hp.layer[i];
        l->n_head_kv = a->absorbed ? 1 : l->n_head;
        l->head_dim = a->absorbed ? a->kv_lora + a->rotated : head_dim;
        l->head_dim_v = a->absorbed ? 0 : a->head_dim_v;
        l->rope.head_dim = l->rope.n_dims = (uint32_t)a->rotated;
    }
}
