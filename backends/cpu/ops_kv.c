/* ops_kv: kv_write, and what attention needs of the cache. */
#include "backends/cpu/ops_kv.h"

#include <math.h>

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static void narrow(const bp_attention_params *p, cpu_view *v) {
    int64_t at = v->position - v->start, window = p->window;
    if (p->causal) {
        v->high = least(v->high, at + 1);
        if (window) v->low = most(v->low, at - window + 1);
        if (p->chunk) v->low = most(v->low, v->position / p->chunk * p->chunk - v->start);
    } else if (window) {
        v->low = most(v->low, at - window / 2);
        v->high = least(v->high, at + window / 2 + 1);
    }
}

cpu_view cpu_view_of(const bp_attention_params *p, const cpu_view_inputs *in, int64_t token) {
    cpu_view v = { NULL, in->table->n[0], 0, 0, 0, 0 };
    int64_t s = cpu_i32(in->sequences)[token];
    if (s < 0 || s >= in->table->n[1] || s >= in->lengths->n[0]) return v;
    v.blocks = cpu_i32(in->table) + s * in->table->n[0];
    v.high = least(cpu_i32(in->lengths)[s], v.n_blocks * in->block_size);
    if (in->starts) v.start = cpu_i32(in->starts)[s];
    if (in->positions) {
        v.position = cpu_i32(in->positions)[token];
        narrow(p, &v);
    }
    if (v.high < v.low) v.high = v.low;
    return v;
}

const char *cpu_cache_row(const cpu_tensor *cache, const cpu_view *view, int64_t head, int64_t j) {
    int64_t size = cache->n[1], block = view->blocks[j / size];
    if (block < 0 || block >= cache->n[3]) return NULL;
    int64_t row = (block * cache->n[2] + head) * size + j % size;
    return cache->data + (uint64_t)row * bp_row_bytes(cache->type, cache->n[0]);
}

const float *cpu_cache_floats(const cpu_vec *vec, const cpu_tensor *cache, const char *row, float *room) {
    const void *data = row;
    if (cache->type == BP_TYPE_F32) return data;
    if (cache->type == BP_TYPE_F16) vec->from_half(data, room, cache->n[0]);
    else vec->from_q8(data, room, cache->n[0]);
    return room;
}

float cpu_alibi_slope(const bp_attention_params *p, int64_t head) {
    int64_t n = 1;
    if (p->alibi == 0) return 0;
    while (n * 2 <= p->n_head) n *= 2;
    double power = head < n ? (double)(head + 1) / (double)n : (double)(2 * (head - n) + 1) / (double)(2 * n);
    return (float)exp2(-(double)p->alibi * power);
}

static void write_rows(const cpu_vec *vec, const cpu_tensor *x, const cpu_tensor *cache, int64_t token, int64_t head, int64_t slot) {
    int64_t size = cache->n[1], heads = cache->n[2], n = cache->n[0];
    if (slot < 0 || slot >= size * cache->n[3]) return;
    int64_t row = (slot / size * heads + head) * size + slot % size;
    char *to = cache->data + (uint64_t)row * bp_row_bytes(cache->type, n);
    const float *from = cpu_f32(x) + token * x->n[0] + head * n;
    if (cache->type == BP_TYPE_F16) vec->to_half(from, (uint16_t *)(void *)to, n);
    else cpu_store_row(cache->type, from, n, to);
}

void cpu_run_kv_write(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t heads = t->params.kv.n_head_kv, tokens = t->in[0]->n[1];
    cpu_span s = { 0, tokens, 0, heads };
    if (heads >= n_threads) cpu_share(heads, thread, n_threads, &s.col0, &s.col1);
    else cpu_share(tokens, thread, n_threads, &s.row0, &s.row1);
    for (int64_t token = s.row0; token < s.row1; token++) {
        int64_t slot = cpu_i32(t->in[2])[token];
        for (int64_t head = s.col0; head < s.col1; head++) {
            write_rows(t->device->vec, t->in[0], t->out[0], token, head, slot);
            if (t->in[1]) write_rows(t->device->vec, t->in[1], t->out[1], token, head, slot);
        }
    }
}
