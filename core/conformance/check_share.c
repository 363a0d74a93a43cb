#include "core/conformance/check_share.h"

#include <stdio.h>

bp_status bp_check_share_read(bp_check_share *share, const char *part, const char *each, bp_error *error) {
    int end = 0;
    if (part && (sscanf(part, "%5u/%5u%n", &share->part, &share->n_parts, &end) != 2 || part[end] || !share->part ||
                 share->part > share->n_parts))
        return bp_fail(error, BP_E_INVALID, "--part %s: wanted is a part of how many, like 3/16", part);
    if (part) share->part--;
    if (each && (sscanf(each, "%5u%n", &share->each, &end) != 1 || each[end] || !share->each))
        return bp_fail(error, BP_E_INVALID, "--each %s: wanted is a number of cases from 1 on", each);
    return BP_OK;
}

static uint64_t mix(uint64_t hash, uint64_t number) {
    hash = (hash ^ number) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t kind_of(const bp_check_case *c) {
    uint64_t hash = mix(1, c->op);
    for (uint32_t i = 0; i < c->n_in; i++) hash = mix(hash, c->in[i] == BP_NONE ? UINT64_MAX : c->value[c->in[i]].type);
    for (uint32_t i = 0; i < c->n_out; i++) hash = mix(hash, c->out[i] == BP_NONE ? UINT64_MAX : c->value[c->out[i]].type);
    hash = mix(hash, (uint64_t)c->symbols[BP_SYM_TOKENS]);
    const bp_attention_params *a = &c->params.attention;
    if (c->op == BP_OP_ATTENTION) hash = mix(mix(hash, a->head_dim), a->head_dim_v);
    return hash;
}

static uint32_t index_of(bp_check_share *share, uint64_t kind) {
    uint32_t i = 0;
    while (i < share->n_kinds && share->kind[i] != kind) i++;
    if (i < share->n_kinds || share->n_kinds == BP_CHECK_KINDS) return i < share->n_kinds ? i : BP_CHECK_KINDS - 1;
    share->kind[i] = kind;
    return share->n_kinds++;
}

bool bp_check_share_has(bp_check_share *share, const bp_check_case *c) {
    if (!share) return true;
    if (share->each && share->seen[index_of(share, kind_of(c))]++ >= share->each) return false;
    return !share->n_parts || share->taken++ % share->n_parts == share->part;
}
