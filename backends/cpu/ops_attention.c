/* ops_attention: attention over the paged cache. Keys are taken in pieces of PIECE, counted from the sequence's first
 * cached key; each piece is softmaxed on its own and joined to the pieces before it. Every row (a head of a token) adds in
 * the same order whatever is beside it, so that contexts are split among threads and tokens share decoded keys without a
 * change of the result. */
#include <math.h>
#include <string.h>

#include "backends/cpu/ops_kv.h"

enum { PIECE = 256, CHUNK = 32, BLOCK = 16, SPLIT_ITEMS = 4, TILE = 6 };

/* Tokens of one sequence and all heads that read one KV head: row i is token i / group, head i % group. Arrays are a
 * thread's own. */
typedef struct block {
    const cpu_task *task;
    const bp_attention_params *p;
    int64_t token, n_tokens, head_kv, group;
    cpu_view view[BLOCK];
    int64_t first, low[BLOCK], high[BLOCK]; /* of the piece: its first key, and the keys that each token sees */
    float *scores; /* [rows][PIECE] */
    float *acc;    /* [rows][head_dim_v]: of this piece */
    float *most, *sum, *total; /* [rows]; total [rows][2]: most and sum of the pieces before */
    float *chunk;  /* [CHUNK][head_dim or head_dim_v]: decoded keys or values */
    bool missing[CHUNK];
} block;

static uint64_t block_rows(const cpu_task *t) {
    uint64_t n = t->in[0]->n[1] < BLOCK ? (uint64_t)t->in[0]->n[1] : BLOCK;
    return n * (uint64_t)cpu_group(&t->params.attention);
}

static uint64_t thread_floats(const cpu_task *t) {
    const bp_attention_params *p = &t->params.attention;
    uint64_t d = p->head_dim > p->head_dim_v ? p->head_dim : p->head_dim_v;
    return (block_rows(t) * (PIECE + p->head_dim_v + 4) + CHUNK * d + 15) / 16 * 16;
}

static block block_of(const cpu_task *t, uint32_t thread) {
    const bp_attention_params *p = &t->params.attention;
    block b = { .task = t, .p = p, .group = cpu_group(p) };
    uint64_t rows = block_rows(t);
    b.scores = cpu_f32_out(t->scratch[0]) + thread * thread_floats(t);
    b.acc = b.scores + rows * PIECE;
    b.most = b.acc + rows * p->head_dim_v;
    b.sum = b.most + rows;
    b.total = b.sum + rows;
    b.chunk = b.total + 2 * rows;
    return b;
}

static int64_t split_tokens(const cpu_task *t) {
    return (SPLIT_ITEMS * (int64_t)t->device->threads + t->params.attention.n_head_kv - 1) / t->params.attention.n_head_kv;
}

static int64_t pieces_of(const cpu_task *t) { return (t->in[5]->n[0] * t->in[1]->n[1] + PIECE - 1) / PIECE; }
static int64_t record_floats(const bp_attention_params *p) { return (int64_t)p->head_dim_v + 2; }
static bool is_split(const cpu_task *t) { return t->device->threads > 1 && t->in[0]->n[1] <= split_tokens(t) && pieces_of(t) > 1; }

bool cpu_attention_scratch(const cpu_task *t, uint64_t bytes[2]) {
    const bp_attention_params *p = &t->params.attention;
    uint64_t tokens = (uint64_t)t->in[0]->n[1], most = (uint64_t)split_tokens(t), n = sizeof(float);
    bytes[0] = t->device->threads * thread_floats(t) * sizeof(float);
    bytes[1] = 0;
    if (t->device->threads < 2) return true;
    if (tokens > most) tokens = most;
    return !__builtin_mul_overflow(n, tokens * p->n_head, &n) && !__builtin_mul_overflow(n, (uint64_t)pieces_of(t), &n) &&
           !__builtin_mul_overflow(n, (uint64_t)record_floats(p), &bytes[1]);
}

static void set_tokens(block *b, int64_t token, int64_t n, int64_t head_kv) {
    const cpu_task *t = b->task;
    cpu_view_inputs in = { t->in[3], t->in[4], t->in[5], t->in[6], t->in[7], t->in[1]->n[1] };
    b->token = token, b->n_tokens = n, b->head_kv = head_kv;
    for (int64_t i = 0; i < n; i++) b->view[i] = cpu_view_of(b->p, &in, token + i);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* Turn to a piece; [*low, *high): the keys that any token sees. */
static void set_piece(block *b, int64_t piece, int64_t *low, int64_t *high) {
    b->first = piece * PIECE;
    *low = b->first + PIECE, *high = b->first;
    for (int64_t i = 0; i < b->n_tokens; i++) {
        b->low[i] = most_of(b->first, b->view[i].low);
        b->high[i] = most_of(b->low[i], least(b->first + PIECE, b->view[i].high));
        if (b->low[i] == b->high[i]) continue;
        *low = least(*low, b->low[i]);
        *high = most_of(*high, b->high[i]);
    }
}

/* Decode rows [j, j + n) of the cache, of each the first `width` values (what a row decodes to beyond them goes where the next
 * one comes); those whose block is outside it are zeros. */
static void load_chunk(block *b, const cpu_tensor *cache, int64_t width, int64_t j, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float *to = b->chunk + i * width;
        const char *row = cpu_cache_row(cache, &b->view[0], b->head_kv, j + i);
        b->missing[i] = !row;
        if (!row) {
            memset(to, 0, (size_t)width * sizeof *to);
            continue;
        }
        const float *from = cpu_cache_floats(b->task->device->vec, cache, row, to);
        if (from != to) memcpy(to, from, (size_t)width * sizeof *to);
    }
}

/* The tokens of which any sees a key of [j, j + n): [*first, *last). */
static void seeing(const block *b, int64_t j, int64_t n, int64_t *first, int64_t *last) {
    *first = 0, *last = b->n_tokens;
    while (*first < *last && (b->low[*first] >= j + n || b->high[*first] <= j)) ++*first;
    while (*last > *first && (b->low[*last - 1] >= j + n || b->high[*last - 1] <= j)) --*last;
}

static void score_chunk(block *b, int64_t j, int64_t n) {
    int64_t first, last, dim = b->p->head_dim, heads = b->p->n_head;
    const float *q = cpu_f32(b->task->in[0]) + (b->token * heads + b->head_kv * b->group) * dim;
    load_chunk(b, b->task->in[1], dim, j, n);
    seeing(b, j, n, &first, &last);
    for (int64_t row = first * b->group; row < last * b->group; row += TILE) {
        const float *rows[TILE];
        int64_t count = least(TILE, last * b->group - row);
        for (int64_t i = 0; i < count; i++) rows[i] = q + ((row + i) / b->group * heads + (row + i) % b->group) * dim;
        float *to = b->scores + row * PIECE + j - b->first;
        b->task->device->vec->dots(rows, count, b->chunk, n, dim, to, PIECE);
        for (int64_t k = 0; k < n; k++) {
            for (int64_t i = 0; b->missing[k] && i < count; i++) to[i * PIECE + k] = -INFINITY;
        }
    }
}

static void finish_scores(const block *b, int64_t row, float *s, int64_t low, int64_t high) {
    const cpu_view *v = &b->view[row / b->group];
    if (b->p->softcap == 0 && b->p->alibi == 0) {
        b->task->device->vec->scale(s, b->p->scale, high - low);
        return;
    }
    float slope = cpu_alibi_slope(b->p, b->head_kv * b->group + row % b->group);
    for (int64_t j = low; j < high; j++) s[j - low] = cpu_score(b->p, s[j - low], slope, v->start + j - v->position);
}

/* Scores become weights; those of keys that a row does not see are not read. */
static void weigh_row(block *b, int64_t row) {
    int64_t low = b->low[row / b->group], high = b->high[row / b->group];
    float *s = b->scores + row * PIECE + low - b->first;
    finish_scores(b, row, s, low, high);
    float most = b->most[row] = b->task->device->vec->max(s, high - low);
    if (most == -INFINITY) memset(s, 0, (size_t)(high - low) * sizeof *s);
    b->sum[row] = most == -INFINITY ? 0 : b->task->device->vec->exp_sum(s, most, high - low);
}

/* A row's own keys [low, high) of a chunk that starts at j. */
static void mix_row(const block *b, int64_t row, int64_t j, int64_t low, int64_t high) {
    int64_t dim = b->p->head_dim_v;
    const float *w = b->scores + row * PIECE - b->first;
    for (int64_t k = low; k < high; k++) {
        b->task->device->vec->axpy(b->acc + row * dim, b->chunk + (k - j) * dim, w[k], dim);
    }
}

/* Keys that all rows see go through the tile, those before and after row by row: each row meets its keys in order. */
static void mix_tile(const block *b, int64_t row, int64_t count, int64_t j, int64_t n) {
    int64_t low[TILE], high[TILE], from = j, to = j + n, dim = b->p->head_dim_v;
    for (int64_t i = 0; i < count; i++) {
        low[i] = most_of(j, b->low[(row + i) / b->group]);
        high[i] = most_of(low[i], least(j + n, b->high[(row + i) / b->group]));
        from = most_of(from, low[i]), to = least(to, high[i]);
    }
    bool shared = from < to;
    for (int64_t i = 0; i < count; i++) mix_row(b, row + i, j, low[i], shared ? from : high[i]);
    if (!shared) return;
    const float *w = b->scores + row * PIECE + from - b->first;
    b->task->device->vec->mix(w, PIECE, count, b->chunk + (from - j) * dim, to - from, dim, b->acc + row * dim);
    for (int64_t i = 0; i < count; i++) mix_row(b, row + i, j, to, high[i]);
}

static void mix_chunk(block *b, int64_t j, int64_t n) {
    int64_t first, last;
    load_chunk(b, b->task->in[2], b->p->head_dim_v, j, n);
    seeing(b, j, n, &first, &last);
    for (int64_t row = first * b->group; row < last * b->group; row += TILE) {
        mix_tile(b, row, least(TILE, last * b->group - row), j, n);
    }
}

/* most, sum and acc of one piece for all rows; false where no row sees a key of it. */
static bool run_piece(block *b, int64_t piece) {
    int64_t low, high, rows = b->n_tokens * b->group;
    set_piece(b, piece, &low, &high);
    if (low >= high) return false;
    for (int64_t j = low; j < high; j += CHUNK) score_chunk(b, j, least(CHUNK, high - j));
    for (int64_t row = 0; row < rows; row++) weigh_row(b, row);
    memset(b->acc, 0, (size_t)(rows * b->p->head_dim_v) * sizeof *b->acc);
    for (int64_t j = low; j < high; j += CHUNK) mix_chunk(b, j, least(CHUNK, high - j));
    return true;
}

/* Join a piece to what out, most and sum hold. */
static void join(const cpu_vec *vec, float *out, float *most, float *sum, const float *acc, float most2, float sum2, int64_t n) {
    if (most2 == -INFINITY) return;
    float top = most2 > *most || isnan(most2) ? most2 : *most;
    float keep = *most == -INFINITY ? 0 : expf(*most - top), add = expf(most2 - top);
    if (keep != 1) vec->scale(out, keep, n);
    vec->axpy(out, acc, add, n);
    *sum = *sum * keep + sum2 * add;
    *most = top;
}

static void finish(const cpu_task *t, int64_t head, float *out, float most, float sum) {
    int64_t n = t->params.attention.head_dim_v;
    if (most == -INFINITY) return;
    if (t->in[8]) sum += expf(cpu_f32(t->in[8])[head] - most);
    t->device->vec->scale(out, 1 / sum, n);
}

static float *record_of(const cpu_task *t, int64_t token, int64_t head, int64_t piece) {
    const bp_attention_params *p = &t->params.attention;
    int64_t at = (token * p->n_head + head) * pieces_of(t) + piece;
    return cpu_f32_out(t->scratch[1]) + at * record_floats(p);
}

static float *out_of(const cpu_task *t, int64_t token, int64_t head) {
    const bp_attention_params *p = &t->params.attention;
    return cpu_f32_out(t->out[0]) + (token * p->n_head + head) * p->head_dim_v;
}

static void run_split(block *b, int64_t item) {
    const cpu_task *t = b->task;
    int64_t pieces = pieces_of(t), piece = item % pieces, token = item / pieces / b->p->n_head_kv, g = b->group;
    int64_t head_kv = item / pieces % b->p->n_head_kv;
    set_tokens(b, token, 1, head_kv);
    if (!run_piece(b, piece)) return;
    for (int64_t h = 0; h < g; h++) {
        float *record = record_of(t, token, head_kv * g + h, piece);
        record[0] = b->most[h];
        record[1] = b->sum[h];
        memcpy(record + 2, b->acc + h * b->p->head_dim_v, b->p->head_dim_v * sizeof *record);
    }
}

static float *row_out(const block *b, int64_t row) {
    return out_of(b->task, b->token + row / b->group, b->head_kv * b->group + row % b->group);
}

/* Tokens [token, token + n) of one sequence, n at most BLOCK. */
static void run_tokens(block *b, int64_t token, int64_t n, int64_t head_kv) {
    int64_t rows = n * b->group, dim = b->p->head_dim_v, low = INT64_MAX, high = 0;
    set_tokens(b, token, n, head_kv);
    for (int64_t i = 0; i < n; i++) low = least(low, b->view[i].low), high = most_of(high, b->view[i].high);
    for (int64_t row = 0; row < rows; row++) {
        b->total[2 * row] = -INFINITY, b->total[2 * row + 1] = 0;
        memset(row_out(b, row), 0, (size_t)dim * sizeof(float));
    }
    for (int64_t piece = low / PIECE; piece * PIECE < high; piece++) {
        if (!run_piece(b, piece)) continue;
        for (int64_t row = 0; row < rows; row++) {
            float *total = b->total + 2 * row;
            join(b->task->device->vec, row_out(b, row), total, total + 1, b->acc + row * dim, b->most[row], b->sum[row], dim);
        }
    }
    for (int64_t row = 0; row < rows; row++) {
        finish(b->task, b->head_kv * b->group + row % b->group, row_out(b, row), b->total[2 * row], b->total[2 * row + 1]);
    }
}

void cpu_run_attention(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t tokens = t->in[0]->n[1], heads = t->params.attention.n_head_kv;
    block b = block_of(t, thread);
    if (is_split(t)) {
        for (int64_t i = thread; i < tokens * heads * pieces_of(t); i += n_threads) run_split(&b, i);
        return;
    }
    int64_t size = most_of(1, least(BLOCK, tokens * heads / (SPLIT_ITEMS * (int64_t)n_threads)));
    const int32_t *sequence = cpu_i32(t->in[4]);
    for (int64_t i = thread; i < (tokens + size - 1) / size * heads; i += n_threads) {
        int64_t end = least(tokens, (i / heads + 1) * size);
        for (int64_t at = i / heads * size, n; at < end; at += n) {
            for (n = 1; at + n < end && sequence[at + n] == sequence[at];) n++;
            run_tokens(&b, at, n, i % heads);
        }
    }
}

static void merge(const cpu_task *t, int64_t token, int64_t head) {
    const bp_attention_params *p = &t->params.attention;
    cpu_view_inputs in = { t->in[3], t->in[4], t->in[5], t->in[6], t->in[7], t->in[1]->n[1] };
    cpu_view v = cpu_view_of(p, &in, token);
    float *out = out_of(t, token, head), most = -INFINITY, sum = 0;
    memset(out, 0, p->head_dim_v * sizeof *out);
    for (int64_t piece = v.low / PIECE; piece * PIECE < v.high; piece++) {
        if (most_of(piece * PIECE, v.low) >= least((piece + 1) * PIECE, v.high)) continue;
        const float *record = record_of(t, token, head, piece);
        join(t->device->vec, out, &most, &sum, record + 2, record[0], record[1], p->head_dim_v);
    }
    finish(t, head, out, most, sum);
}

void cpu_run_attention_merge(const cpu_task *t, uint32_t thread, uint32_t n_threads) {
    int64_t first, last, heads = t->params.attention.n_head;
    if (!is_split(t)) return;
    cpu_share(t->in[0]->n[1] * heads, thread, n_threads, &first, &last);
    for (int64_t i = first; i < last; i++) merge(t, i / heads, i % heads);
}
