/* ATTENTION: few tokens, or caches that are not half, by attention_decode.cu (keys split among blocks, then merged; over
 * F16 caches on the tensor cores, where the card has them); prompts over F16 caches by attention_prefill.cu. */
#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"
#include "backends/cuda/heads_plan.h"
#include "backends/cuda/kernels/attention_tile.h"

enum { Q, K_CACHE, V_CACHE, POSITIONS, SEQUENCES, TABLE, KV_LEN, KV_START, SINKS };
enum {
    FEW_TOKENS = 16,
    MOST_SPLITS = 64,
    FIXED_SPLITS = 16, /* of a deterministic program */
    KEYS_A_SPLIT = 32,
    KEYS_OF_TILES = 64,
    TILES_DIM = 256,
    OTHER_SHARED = 12 << 10, /* of the same kernel */
    FEW_VALUES = 128 * 128, /* of keys: one block is done with them before a second launch would begin */
    NARROW_DIM = 128,       /* wider heads take too much shared memory for 256 threads */
    LONG_CONTEXT = 16384,
    MOST_DIM = 576,
    PREFILL_TOKENS = 64,
    FRESH_DIM = 256
};

const char *cuda_refuse_attention(const bp_device *d, const cuda_node *n) {
    (void)d;
    const bp_attention_params *a = &n->params.attention;
    if (a->head_dim % 8 || a->head_dim_v % 8) return "heads whose width is no multiple of 8";
    if (n->in[K_CACHE]->n[1] * n->in[K_CACHE]->n[2] > INT32_MAX / (n->in[K_CACHE]->n[3] + 1))
        return "the cache has too many rows";
    return a->head_dim <= MOST_DIM && a->head_dim_v <= MOST_DIM ? NULL : "heads wider than 576";
}

static void cache_args(cuda_launch *l, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    cuda_arg_size(l, n->in[Q], CUDA_ROWS);
    cuda_arg_size(l, n->in[KV_LEN], CUDA_COUNT);
    cuda_arg_int(l, (int32_t)a->n_head);
    cuda_arg_int(l, (int32_t)a->n_head_kv);
    cuda_arg_int(l, a->causal != 0);
    cuda_arg_int(l, a->window > INT32_MAX ? INT32_MAX : (int32_t)a->window);
    cuda_arg_int(l, a->chunk > INT32_MAX ? INT32_MAX : (int32_t)a->chunk);
    cuda_arg_float(l, a->scale);
    cuda_arg_float(l, a->softcap);
    cuda_arg_float(l, a->alibi);
    cuda_arg_int(l, (int32_t)n->in[K_CACHE]->n[1]);
    cuda_arg_int(l, (int32_t)n->in[K_CACHE]->n[3]);
    cuda_arg_size(l, n->in[TABLE], CUDA_AXIS_0);
}

/* fresh: NULL, or what the queries are made of in the same launch. */
static void input_args(cuda_launch *l, const cuda_node *n, const head_group *fresh) {
    cuda_arg_read(l, fresh ? heads_of_queries(fresh) : n->in[Q]);
    for (uint32_t i = K_CACHE; i <= SINKS; i++) {
        cuda_tensor *t = i < n->n_in ? n->in[i] : NULL;
        if (fresh && i <= V_CACHE) cuda_arg_update(l, t);
        else cuda_arg_read(l, t);
    }
}

/* See kernels/attention_fresh.cuh. */
static void fresh_args(cuda_plan *p, cuda_launch *l, const cuda_node *n, const head_group *g) {
    float magnitude;
    const bp_rope_params *r = &g->q->params.rope;
    cuda_tensor *turns = cuda_rope_turns(p, r, &magnitude);
    cuda_tensor *in[] = { heads_of_keys(g), g->write->in[1], g->q->in[1], g->write->in[2], turns, g->q->in[2],
                          g->q_norm ? g->q_norm->in[2] : NULL, g->k_norm ? g->k_norm->in[2] : NULL };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) cuda_arg_read(l, in[i]);
    for (uint32_t i = K_CACHE; i <= V_CACHE; i++) cuda_arg_int64(l, (int64_t)bp_row_bytes(n->in[i]->type, n->in[i]->n[0]));
    cuda_arg_float(l, magnitude);
    cuda_rope_numbers(l, r);
    cuda_head_norm_numbers(l, g->q_norm);
    cuda_head_norm_numbers(l, g->k_norm);
}

static int64_t widest(const bp_attention_params *a) { return a->head_dim > a->head_dim_v ? a->head_dim : a->head_dim_v; }

/* How attention_decode.cu is used. */
typedef struct {
    uint32_t heads, threads, shared; /* query heads a block takes together: a divisor of those of a KV head */
    int64_t splits;
    bool tiles;
} decode_form;

static uint32_t heads_together(const bp_attention_params *a, uint32_t most) {
    uint32_t all = a->n_head / a->n_head_kv, n = most;
    while (all % n) n--;
    return n;
}

/* Keys that a sequence of the cache can have. */
static int64_t room_of(const cuda_node *n) { return n->in[TABLE]->n[0] * n->in[K_CACHE]->n[1]; }

/* Keys that a program of this plan sees at most. */
static int64_t longest(const cuda_plan *p, const cuda_node *n) {
    return cuda_plan_longest(p) < room_of(n) ? cuda_plan_longest(p) : room_of(n);
}

/* Whether one block is done with the keys before parts of them would be merged. */
static bool few_keys(const cuda_plan *p, const cuda_node *n) {
    const int64_t width = widest(&n->params.attention);
    return longest(p, n) * width <= (width <= NARROW_DIM ? FEW_VALUES : FEW_VALUES / 2);
}

/* As many as fill the card, but not more than the longest cache has use for: each is to have `keys` at least. */
static int64_t splits_for(const cuda_plan *p, const cuda_node *n, uint32_t heads, int64_t blocks_an_sm, int64_t keys) {
    const int64_t blocks = (int64_t)(n->params.attention.n_head / heads) * n->in[Q]->n[1];
    const int64_t useful = (longest(p, n) + keys - 1) / keys;
    int64_t splits = cuda_plan_device(p)->n_sm * blocks_an_sm / (blocks ? blocks : 1);
    if (cuda_plan_deterministic(p)) splits = FIXED_SPLITS;
    if (splits > MOST_SPLITS) splits = MOST_SPLITS;
    if (splits > useful) splits = useful;
    return splits < 1 ? 1 : splits;
}

/* The warps' stages: see kernels/attention_tiles.cuh. */
static uint32_t tiles_shared(const bp_attention_params *a, uint32_t threads) {
    return threads / 32 * BP_ATTENTION_STAGES(threads) * BP_ATTENTION_STAGE_BYTES(a->head_dim, a->head_dim_v);
}

static bool on_tiles(const cuda_plan *p, const cuda_node *n, const decode_form *f) {
    const bp_attention_params *a = &n->params.attention;
    const bp_device *d = cuda_plan_device(p);
    return n->in[K_CACHE]->type == BP_TYPE_F16 && d->major >= 8 && !cuda_plan_deterministic(p) && a->head_dim % 16 == 0 &&
           a->head_dim_v % 16 == 0 && widest(a) <= TILES_DIM && f->shared + OTHER_SHARED <= (uint32_t)d->shared_limit;
}

static decode_form tiles_form(const cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    const bool few = few_keys(p, n), narrow = widest(a) <= NARROW_DIM;
    decode_form f = { .heads = heads_together(a, narrow ? 16 : 8), .threads = few && narrow ? 256 : 128, .splits = 1 };
    f.shared = tiles_shared(a, f.threads);
    f.tiles = on_tiles(p, n, &f);
    if (!few) f.splits = splits_for(p, n, f.heads, 2, KEYS_OF_TILES);
    return f;
}

static decode_form lanes_form(const cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    const bool far = room_of(n) > LONG_CONTEXT; /* parts without keys cost time, too */
    decode_form f = { .heads = heads_together(a, widest(a) > 256 ? 1 : 4), .threads = 128 };
    f.splits = splits_for(p, n, f.heads, far ? 4 : 2, KEYS_A_SPLIT);
    if (!cuda_plan_deterministic(p) && few_keys(p, n)) f.splits = 1;
    const bool wide = f.splits == 1 && cuda_plan_longest(p) <= FEW_VALUES && widest(a) <= NARROW_DIM &&
                      cuda_plan_longest(p) * widest(a) > FEW_VALUES / 4;
    if (wide) f.threads = 256;
    return f;
}

static decode_form decode_form_of(const cuda_plan *p, const cuda_node *n) {
    const decode_form f = tiles_form(p, n);
    return f.tiles ? f : lanes_form(p, n);
}

static void merge(cuda_plan *p, const cuda_node *n, cuda_tensor *part, int64_t splits) {
    const bp_attention_params *a = &n->params.attention;
    cuda_launch *l = cuda_add(p, n, "attention_merge.cu", "attention_merge", (a->head_dim_v + 31) / 32 * 32, "%s", "");
    l->waits = true;
    cuda_arg_read(l, part);
    cuda_arg_read(l, n->n_in > SINKS ? n->in[SINKS] : NULL);
    cuda_arg_write(l, n->out[0]);
    if (a->head_dim_v % 32 == 0) cuda_can_round(p, n->out[0], l->n_args);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, NULL);
    cuda_arg_size(l, n->in[Q], CUDA_ROWS);
    cuda_arg_int(l, (int32_t)splits);
    cuda_arg_int(l, (int32_t)a->head_dim_v);
    l->grid[0] = (cuda_extent){ .times = a->n_head };
    cuda_grid(l, 1, n->in[Q], CUDA_ROWS, 1);
}

static void plan_split(cuda_plan *p, const cuda_node *n, const head_group *fresh) {
    const bp_attention_params *a = &n->params.attention;
    const decode_form f = decode_form_of(p, n);
    const int64_t tokens = n->in[Q]->n[1];
    cuda_tensor *part = NULL;
    if (f.splits > 1) part = cuda_scratch(p, (uint64_t)f.splits * a->n_head * (uint64_t)tokens * (a->head_dim_v + 2) * 4);
    cuda_launch *l = cuda_add(p, n, "attention_decode.cu", "attention_decode", f.threads,
                              "-DBP_CACHE=%u -DBP_DIM=%u -DBP_DIM_V=%u -DBP_HEADS=%u%s%s%s", n->in[K_CACHE]->type,
                              a->head_dim, a->head_dim_v, f.heads, f.tiles ? " -DBP_TILES=1" : "",
                              fresh ? " -DBP_FRESH=1" : "", f.threads == 256 ? " -DBP_THREADS=256" : "");
    l->waits = true;
    l->shared = f.shared;
    l->what = fresh ? "heads_attention" : "attention";
    if (fresh) l->node = (fresh->q_norm ? fresh->q_norm : fresh->q)->index;
    if (fresh) l->n_nodes = 4 + (fresh->q_norm != NULL) + (fresh->k_norm != NULL);
    input_args(l, n, fresh);
    cuda_arg_write(l, part ? NULL : n->out[0]);
    if (!part && a->head_dim_v % 32 == 0) cuda_can_round(p, n->out[0], l->n_args);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, NULL);
    cuda_arg_write(l, part);
    cache_args(l, n);
    if (fresh) fresh_args(p, l, n, fresh);
    l->grid[0] = (cuda_extent){ .times = f.splits };
    l->grid[1] = (cuda_extent){ .times = a->n_head / f.heads };
    cuda_grid(l, 2, n->in[Q], CUDA_ROWS, 1);
    if (part) merge(p, n, part, f.splits);
}

/* 64 queries, twice 64 keys and values, rows padded by 8 halves. */
static uint32_t prefill_shared(const bp_attention_params *a) {
    return 128 * (3 * (a->head_dim + 8) + 2 * (a->head_dim_v + 8));
}

static bool on_tensor_cores(const cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    const bp_device *d = cuda_plan_device(p);
    return n->in[Q]->n[1] > FEW_TOKENS && n->in[K_CACHE]->type == BP_TYPE_F16 && !d->exact && d->major >= 8 &&
           !cuda_plan_deterministic(p) && a->head_dim % 16 == 0 && a->head_dim_v % 16 == 0 && a->head_dim <= 256 &&
           a->head_dim_v <= 256 && prefill_shared(a) <= (uint32_t)d->shared_limit;
}

static void plan_prefill(cuda_plan *p, const cuda_node *n) {
    const bp_attention_params *a = &n->params.attention;
    cuda_launch *l = cuda_add(p, n, "attention_prefill.cu", "attention_prefill", 128,
                              "-DBP_CACHE=1 -DBP_DIM=%u -DBP_DIM_V=%u", a->head_dim, a->head_dim_v);
    l->waits = true;
    l->what = "attention";
    l->shared = prefill_shared(a);
    input_args(l, n, NULL);
    cuda_arg_write(l, n->out[0]);
    cache_args(l, n);
    cuda_grid(l, 0, n->in[Q], CUDA_ROWS, PREFILL_TOKENS);
    l->grid[1] = (cuda_extent){ .times = a->n_head };
}

void cuda_plan_attention(cuda_plan *p, const cuda_node *n) {
    if (on_tensor_cores(p, n)) plan_prefill(p, n);
    else plan_split(p, n, NULL);
}

static bool reads_what_is_written(const cuda_node *n, const head_group *g) {
    const bp_attention_params *a = &n->params.attention;
    return n->op == BP_OP_ATTENTION && n->in[Q] == g->q->out[0] && n->in[K_CACHE] == g->write->out[0] &&
           n->in[V_CACHE] == g->write->out[1] && n->in[K_CACHE]->type == n->in[V_CACHE]->type &&
           a->n_head_kv == g->write->params.kv.n_head_kv && a->head_dim == g->q->params.rope.head_dim &&
           a->head_dim <= FRESH_DIM && a->head_dim_v <= FRESH_DIM;
}

bool cuda_plan_fresh_attention(cuda_plan *p, const head_group *g) {
    const cuda_tensor *q = g->q->out[0];
    if (cuda_rows(q) != 1 || cuda_plan_deterministic(p) || cuda_reader_count(p, q) != 1) return false;
    const cuda_node *n = cuda_reader(p, q, 0);
    if (cuda_planned(p, n->index) || !reads_what_is_written(n, g) || !cuda_private_to(p, q, n)) return false;
    for (uint32_t i = POSITIONS; i < n->n_in; i++)
        if (n->in[i] && !cuda_available(p, n->in[i])) return false;
    cuda_claim(p, n->index);
    plan_split(p, n, g);
    return true;
}
