#include <stdlib.h>
#include <string.h>

#include "backplane/blocks.h"
#include "core/base/fail.h"
#include "core/base/parallel.h"
#include "core/base/size.h"
#include "core/device/cancel.h"
#include "core/run/refusals.h"
#include "core/run/run_internal.h"

enum { BLOCK = 32, DEFAULT_CONTEXT = 8192, DEFAULT_BATCH = 512, MAX_SEQUENCES = 1024, MAX_BATCH = 1 << 16 };

static const char *const input_names[N_INPUTS] = { "tokens", "positions", "sequences", "slots", "block_table", "kv_len", "output_rows", "state_slots" };

bp_status bp_run_settings_from(const bp_config *config, bp_run_settings *out, bp_error *error) {
    const char *type = bp_config_text(config, BP_OPT_CACHE_TYPE);
    uint32_t cache = !strcmp(type, "f16") ? BP_TYPE_F16 : !strcmp(type, "f32") ? BP_TYPE_F32 : !strcmp(type, "q8_0") ? BP_TYPE_Q8_0 : UINT32_MAX;
    if (cache == UINT32_MAX) return bp_fail(error, BP_E_INVALID, "cache_type '%s' is none of f16, f32, q8_0", type);
    int64_t threads = bp_config_int(config, BP_OPT_THREADS);
    *out = (bp_run_settings){ bp_config_int(config, BP_OPT_CONTEXT), cache, bp_config_int(config, BP_OPT_BATCH), bp_config_int(config, BP_OPT_SEQUENCES),
                              threads > 0 ? (uint32_t)threads : bp_cpu_count(), { 0 } };
    if (out->context < 0 || out->context > INT32_MAX - BLOCK) return bp_fail(error, BP_E_INVALID, "context %lld is out of range", (long long)out->context);
    if (out->batch < 0 || out->batch > MAX_BATCH) return bp_fail(error, BP_E_INVALID, "batch %lld is not in 0…%d", (long long)out->batch, MAX_BATCH);
    if (out->sequences < 1 || out->sequences > MAX_SEQUENCES)
        return bp_fail(error, BP_E_INVALID, "sequences %lld is not in 1…%d", (long long)out->sequences, MAX_SEQUENCES);
    return BP_OK;
}

bool bp_run_state_is_paged(const bp_value *state) { return !strncmp(state->name, "k_cache.", 8) || !strncmp(state->name, "v_cache.", 8); }

/* Bytes of the paged cache of the layer that has most. */
static uint64_t cache_bytes_a_layer(const bp_graph *g, int64_t n_layers) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        if (v->role != BP_ROLE_STATE) continue;
        uint64_t bytes = bp_row_bytes(v->type, v->dim[0].value);
        for (uint32_t k = 1; k < v->rank; k++) bytes *= (uint64_t)v->dim[k].value;
        total += bytes;
    }
    return total / (uint64_t)BP_MAX(n_layers, 1);
}

static void find_values(bp_run *run) {
    for (uint32_t k = 0; k < N_INPUTS; k++) run->input[k] = BP_NONE;
    run->likeliest = run->likeliest_logits = BP_NONE;
    for (uint32_t i = 0; i < run->graph->n_values; i++) {
        const bp_value *v = bp_graph_value(run->graph, i);
        if (v->role == BP_ROLE_OUTPUT) {
            if (!strcmp(v->name, "likeliest")) run->likeliest = i;
            else if (!strcmp(v->name, "likeliest_logits")) run->likeliest_logits = i;
            else run->output = i;
        }
        for (uint32_t k = 0; v->role == BP_ROLE_INPUT && k < N_INPUTS; k++)
            if (!strcmp(v->name, input_names[k])) run->input[k] = i;
    }
    run->width = bp_graph_value(run->graph, run->output)->dim[0].value;
}

static bp_status make_executors(bp_run *run, bp_error *error) {
    bp_status status = bp_partition_new(run->graph, run->placement.owner, &run->partition, error);
    if (status) return status;
    const uint32_t n = bp_partition_count(run->partition);
    run->executors = bp_new_array(n, sizeof *run->executors);
    if (!run->executors) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; !status && i < n; i++) {
        bp_part *part = bp_partition_part(run->partition, i);
        status = bp_executor_new(&run->devices->list[part->owner], run->model->file, part, &run->limits, &run->executors[i], error);
        if (!status) run->n_executors++;
    }
    return status;
}

static bp_status make_room(bp_run *run, bp_error *error) {
    const int64_t counts[N_INPUTS] = { [IN_BLOCK_TABLE] = run->cache.table_width * run->limits.sequences,
                                       [IN_KV_LEN] = run->limits.sequences, [IN_STATE_SLOTS] = run->limits.sequences };
    run->symbols = bp_new_array(run->graph->n_symbols, sizeof *run->symbols);
    bool good = run->symbols != NULL;
    for (uint32_t i = 0; good && i < N_INPUTS; i++) {
        run->told[i] = bp_new_array((size_t)(counts[i] ? counts[i] : run->limits.batch), sizeof(int32_t));
        good = run->told[i] != NULL;
    }
    if (!good) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = bp_kv_new(run->cache.n_blocks, BLOCK, run->cache.table_width, (int32_t)run->limits.sequences, &run->kv, error);
    if (!status) bp_kv_open(run->kv); /* number 0 */
    return status;
}

/* Rows of a Q8_0 cache are whole blocks. */
static bp_status check_cache_type(const bp_model *m, uint32_t type, bp_error *error) {
    for (int64_t i = 0; type == BP_TYPE_Q8_0 && i < m->hp.n_layer; i++) {
        const bp_layer *l = &m->hp.layer[i];
        if (l->n_head_kv && (l->head_dim % BP_QK || l->head_dim_v % BP_QK))
            return bp_fail(error, BP_E_INVALID, "cache_type q8_0 needs heads of a multiple of 32 values; this model's have %lld", (long long)l->head_dim);
    }
    return BP_OK;
}

static bp_status set_up(bp_run *run, bp_config *config, const bp_run_settings *s, bp_error *error) {
    const int64_t context = s->context ? s->context : BP_MIN(run->model->hp.n_context, DEFAULT_CONTEXT);
    const int64_t width = (context + BLOCK - 1) / BLOCK;
    run->limits = (bp_run_limits){ .batch = s->batch ? s->batch : DEFAULT_BATCH, .context = context, .sequences = s->sequences, .threads = s->threads };
    run->limits.batch = BP_MIN(run->limits.batch, context * s->sequences);
    run->cache = (bp_cache_shape){ s->cache_type, BLOCK, width * s->sequences, width, context, s->sequences };
    bp_status status = check_cache_type(run->model, s->cache_type, error);
    if (!status) status = bp_model_graph(run->model, &run->cache, &s->output, &run->builder, &run->graph, error);
    if (!status) status = bp_refusals_split(&run->devices->list[0], &run->builder, &run->graph, &run->n_split, error);
    if (status) return status;
    find_values(run);
    status = bp_placement_new(config, run->devices, run->graph, run->model->hp.n_layer, cache_bytes_a_layer(run->graph, run->model->hp.n_layer),
                              &run->placement, error);
    if (!status) status = make_executors(run, error);
    return status ? status : make_room(run, error);
}

bp_status bp_run_new(const bp_model *model, bp_config *config, bp_devices *devices, const bp_run_settings *settings, bp_run **out, bp_error *error) {
    bp_run *run = calloc(1, sizeof *run);
    if (!run) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    run->model = model;
    run->devices = devices;
    bp_status status = set_up(run, config, settings, error);
    if (status) bp_run_free(run);
    else *out = run;
    return status;
}

void bp_run_free(bp_run *run) {
    if (!run) return;
    for (uint32_t i = 0; i < run->n_executors; i++) bp_executor_free(run->executors[i]);
    free(run->executors);
    bp_partition_free(run->partition);
    bp_placement_free(&run->placement);
    bp_builder_free(run->builder);
    bp_kv_free(run->kv);
    for (uint32_t i = 0; i < N_INPUTS; i++) free(run->told[i]);
    free(run->symbols);
    free(run->logits);
    free(run);
}

/* What one submit computes. */
typedef struct step {
    int64_t n_tokens, n_outputs, n_sequences, n_kv;
} step;

static void tell_entry(bp_run *run, const bp_batch_entry *e, step *s) {
    const int64_t at = bp_kv_length(run->kv, e->sequence);
    for (int64_t i = 0; i < e->n; i++, s->n_tokens++) {
        run->told[IN_TOKENS][s->n_tokens] = e->tokens[i];
        run->told[IN_POSITIONS][s->n_tokens] = (int32_t)(at + i);
        run->told[IN_SLOTS][s->n_tokens] = (int32_t)bp_kv_slot(run->kv, e->sequence, at + i);
        run->told[IN_SEQUENCES][s->n_tokens] = (int32_t)s->n_sequences;
        if (e->all || i + 1 == e->n) run->told[IN_OUTPUT_ROWS][s->n_outputs++] = (int32_t)s->n_tokens;
    }
    const size_t width = (size_t)run->cache.table_width;
    memcpy(run->told[IN_BLOCK_TABLE] + (size_t)s->n_sequences * width, bp_kv_table(run->kv, e->sequence), width * sizeof(int32_t));
    run->told[IN_KV_LEN][s->n_sequences] = (int32_t)(at + e->n);
    run->told[IN_STATE_SLOTS][s->n_sequences] = e->sequence;
    s->n_kv = BP_MAX(s->n_kv, at + e->n);
    s->n_sequences++;
}

static void set_symbols(bp_run *run, const step *s) {
    const struct { const char *name; int64_t value; } numbers[] = {
        { BP_SYMBOL_N_TOKENS, s->n_tokens }, { BP_SYMBOL_N_OUTPUTS, s->n_outputs }, { BP_SYMBOL_N_SEQUENCES, s->n_sequences }, { BP_SYMBOL_N_KV, s->n_kv },
    };
    for (uint32_t i = 1; i < run->graph->n_symbols; i++)
        for (size_t k = 0; k < BP_COUNT(numbers); k++)
            if (!strcmp(run->graph->symbols[i], numbers[k].name)) run->symbols[i] = numbers[k].value;
}

/* Values that earlier parts computed and part `to` reads. */
static bp_status carry_over(bp_run *run, uint32_t to, bp_error *error) {
    const bp_part *part = bp_executor_part(run->executors[to]);
    bp_status status = BP_OK;
    for (uint32_t v = 0; !status && v < part->graph.n_values; v++) {
        const uint32_t whole = part->whole_value[v];
        if (bp_graph_value(&part->graph, v)->role != BP_ROLE_INPUT || bp_graph_value(run->graph, whole)->role == BP_ROLE_INPUT) continue;
        for (uint32_t from = 0; from < to; from++) {
            const bp_part *maker = bp_executor_part(run->executors[from]);
            const uint32_t made = maker->local_value[whole];
            const void *data;
            uint64_t bytes, room;
            if (made == BP_NONE || bp_graph_value(&maker->graph, made)->role != BP_ROLE_OUTPUT) continue;
            status = bp_executor_output(run->executors[from], whole, &data, &bytes, error);
            void *input = status ? NULL : bp_executor_input(run->executors[to], whole, &room);
            if (input) memcpy(input, data, BP_MIN(bytes, room));
            break;
        }
    }
    return status;
}

/* The n-th executor of a step: its inputs, then the work; waits where a later one needs its results. */
static bp_status run_part(bp_run *run, uint32_t i, bp_error *error) {
    bp_executor *e = run->executors[i];
    bp_status status = bp_executor_begin(e, run->symbols, error);
    for (uint32_t k = 0; !status && k < N_INPUTS; k++) {
        uint64_t bytes;
        void *to = run->input[k] == BP_NONE ? NULL : bp_executor_input(e, run->input[k], &bytes);
        if (to) memcpy(to, run->told[k], bytes);
    }
    if (!status) status = carry_over(run, i, error);
    if (!status) status = bp_executor_submit(e, error);
    return status ? status : bp_executor_wait(e, error);
}

static bp_status copy_block(bp_run *run, bool paged, int32_t from, int32_t to, bp_error *error) {
    bp_status status = BP_OK;
    for (uint32_t p = 0; from >= 0 && p < run->n_executors; p++) {
        const bp_part *part = bp_executor_part(run->executors[p]);
        for (uint32_t v = 0; !status && v < part->graph.n_values; v++) {
            const bp_value *value = bp_graph_value(&part->graph, v);
            if (value->role == BP_ROLE_STATE && bp_run_state_is_paged(value) == paged)
                status = bp_executor_copy_state(run->executors[p], part->whole_value[v], from, to, error);
        }
    }
    return status;
}

static bp_status check_entry(const bp_run *run, const bp_batch_entry *e, bp_error *error) {
    if (!bp_kv_is_open(run->kv, e->sequence)) return bp_fail(error, BP_E_INVALID, "no sequence %d is open", e->sequence);
    if (e->n < 1) return bp_fail(error, BP_E_INVALID, "no tokens to compute");
    const int64_t length = bp_kv_length(run->kv, e->sequence);
    if (e->n > run->limits.context - length)
        return bp_fail(error, BP_E_INVALID, "%lld tokens do not fit in the context of %lld (raise --context)", (long long)(length + e->n), (long long)run->limits.context);
    for (int64_t i = 0; i < e->n; i++)
        if (e->tokens[i] < 0 || e->tokens[i] >= run->model->hp.n_vocab)
            return bp_fail(error, BP_E_INVALID, "token %d is outside the vocabulary of %lld", e->tokens[i], (long long)run->model->hp.n_vocab);
    return BP_OK;
}

static bp_status reserve(bp_run *run, const bp_batch_entry *entries, int64_t n, bp_error *error) {
    int64_t total = 0;
    bp_status status = n >= 1 && n <= run->limits.sequences ? BP_OK : bp_fail(error, BP_E_INVALID, "a batch of %lld sequences", (long long)n);
    for (int64_t i = 0; !status && i < n; i++) {
        status = check_entry(run, &entries[i], error);
        for (int64_t k = 0; !status && k < i; k++)
            if (entries[k].sequence == entries[i].sequence) status = bp_fail(error, BP_E_INVALID, "sequence %d is in the batch twice", entries[i].sequence);
        total += entries[i].n;
    }
    if (!status && total > run->limits.batch) status = bp_fail(error, BP_E_INVALID, "%lld tokens in a batch of at most %lld", (long long)total, (long long)run->limits.batch);
    for (int64_t i = 0; !status && i < n; i++) {
        int32_t from, to;
        status = bp_kv_reserve(run->kv, entries[i].sequence, entries[i].n, &from, &to, error);
        if (!status) status = copy_block(run, true, from, to, error);
    }
    return status;
}

static bool has_recurrent_state(const bp_run *run) {
    for (uint32_t i = 0; i < run->graph->n_values; i++) {
        const bp_value *v = bp_graph_value(run->graph, i);
        if (v->role == BP_ROLE_STATE && !bp_run_state_is_paged(v)) return true;
    }
    return false;
}

/* After a step: what it stored counts, or what was reserved is given back. A recurrent state that a failed step may have
 * moved is of no more use: its sequence begins anew. */
static void settle(bp_run *run, const bp_batch_entry *e, bool stored, bool begun) {
    if (!bp_kv_is_open(run->kv, e->sequence)) return;
    if (stored) bp_kv_advance(run->kv, e->sequence, e->n);
    else bp_kv_truncate(run->kv, e->sequence, begun && has_recurrent_state(run) ? 0 : bp_kv_length(run->kv, e->sequence));
}

/* What is fetched of a step: logits, or the likeliest tokens, or neither (both NULL). */
typedef struct fetched {
    const float **logits;
    bp_likeliest *likeliest;
} fetched;

/* The part that computes a value. */
static bp_executor *maker_of(const bp_run *run, uint32_t value) {
    for (uint32_t i = run->n_executors; i-- > 0;) {
        const bp_part *part = bp_executor_part(run->executors[i]);
        const uint32_t local = part->local_value[value];
        if (local != BP_NONE && bp_graph_value(&part->graph, local)->role == BP_ROLE_OUTPUT) return run->executors[i];
    }
    return run->executors[run->n_executors - 1];
}

static bp_status fetch_value(bp_run *run, uint32_t value, const void **to, bp_error *error) {
    uint64_t bytes;
    return bp_executor_output(maker_of(run, value), value, to, &bytes, error);
}

static bp_status fetch(bp_run *run, const fetched *f, bp_error *error) {
    bp_status status = f->logits ? fetch_value(run, run->output, (const void **)f->logits, error) : BP_OK;
    if (status || !f->likeliest) return status;
    const bool valued = run->likeliest_logits != BP_NONE;
    *f->likeliest = (bp_likeliest){ .n = valued ? bp_graph_value(run->graph, run->likeliest)->dim[0].value : 1 };
    status = fetch_value(run, run->likeliest, (const void **)&f->likeliest->ids, error);
    return !status && valued ? fetch_value(run, run->likeliest_logits, (const void **)&f->likeliest->logits, error) : status;
}

static bp_status compute(bp_run *run, const bp_batch_entry *entries, int64_t n, const fetched *f, int64_t *rows, bp_error *error) {
    step s = { 0 };
    bp_status status = reserve(run, entries, n, error);
    const bool begun = !status;
    if (!status) {
        for (int64_t i = 0; i < n; i++) tell_entry(run, &entries[i], &s);
        set_symbols(run, &s);
    }
    for (uint32_t i = 0; !status && i < run->n_executors; i++) status = run_part(run, i, error);
    if (!status) status = fetch(run, f, error);
    for (int64_t i = 0; i < n; i++) settle(run, &entries[i], !status, begun);
    *rows = s.n_outputs;
    return status;
}

bp_status bp_run_batch(bp_run *run, const bp_batch_entry *entries, int64_t n, const float **logits, bp_error *error) {
    const fetched f = { .logits = logits };
    int64_t rows;
    return compute(run, entries, n, &f, &rows, error);
}

bp_status bp_run_feed(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, bool all, const float **logits, bp_error *error) {
    const bp_batch_entry whole = { sequence, tokens, n, all };
    bp_status status = check_entry(run, &whole, error);
    size_t kept = 0;
    for (int64_t at = 0; !status && at < n;) {
        const bp_batch_entry now = { sequence, tokens + at, BP_MIN(run->limits.batch, n - at), all };
        const fetched f = { .logits = all || at + now.n == n ? logits : NULL };
        int64_t rows = 0;
        if (at && bp_cancel_wanted()) return bp_fail(error, BP_E_CANCELLED, "cancelled");
        status = compute(run, &now, 1, &f, &rows, error);
        at += now.n;
        if (status || !all || now.n == n) continue;
        const size_t width = (size_t)run->width, values = width * (size_t)rows;
        if (!bp_grow((void **)&run->logits, &run->logits_capacity, kept + values, sizeof *run->logits)) return bp_fail(error, BP_E_NO_MEMORY, "out of memory for logits");
        memcpy(run->logits + kept, *logits, values * sizeof **logits);
        kept += values;
    }
    if (!status && kept) *logits = run->logits;
    return status;
}

bp_status bp_run_likeliest(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, bp_likeliest *out, bp_error *error) {
    const bp_batch_entry whole = { sequence, tokens, n, false };
    bp_status status = run->likeliest != BP_NONE ? check_entry(run, &whole, error) : bp_fail(error, BP_E_UNSUPPORTED, "this model gives no logits");
    for (int64_t at = 0, rows; !status && at < n;) {
        const bp_batch_entry now = { sequence, tokens + at, BP_MIN(run->limits.batch, n - at), false };
        const fetched f = { .likeliest = at + now.n == n ? out : NULL };
        if (at && bp_cancel_wanted()) return bp_fail(error, BP_E_CANCELLED, "cancelled");
        status = compute(run, &now, 1, &f, &rows, error);
        at += now.n;
    }
    return status;
}

bp_status bp_run_next(bp_run *run, int32_t sequence, const int32_t *tokens, int64_t n, int32_t *likeliest, bp_error *error) {
    bp_likeliest found;
    bp_status status = bp_run_likeliest(run, sequence, tokens, n, &found, error);
    if (!status) *likeliest = found.ids[0];
    return status;
}

bp_status bp_run_logits(bp_run *run, const float **logits, bp_error *error) {
    return fetch_value(run, run->output, (const void **)logits, error);
}

int32_t bp_run_open(bp_run *run) { return bp_kv_open(run->kv); }

bp_status bp_run_fork(bp_run *run, int32_t from, int32_t *to, bp_error *error) {
    if (!bp_kv_is_open(run->kv, from)) return bp_fail(error, BP_E_INVALID, "no sequence %d is open", from);
    *to = bp_kv_fork(run->kv, from);
    if (*to < 0) return bp_fail(error, BP_E_REFUSED, "all %lld sequences are open (raise --sequences)", (long long)run->limits.sequences);
    bp_status status = copy_block(run, false, from, *to, error);
    if (status) bp_kv_close(run->kv, *to);
    return status;
}

void bp_run_close(bp_run *run, int32_t sequence) {
    if (bp_kv_is_open(run->kv, sequence)) bp_kv_close(run->kv, sequence);
}

bp_status bp_run_truncate(bp_run *run, int32_t sequence, int64_t n, bp_error *error) {
    if (!bp_kv_is_open(run->kv, sequence)) return bp_fail(error, BP_E_INVALID, "no sequence %d is open", sequence);
    if (n > 0 && n < bp_kv_length(run->kv, sequence) && has_recurrent_state(run))
        return bp_fail(error, BP_E_UNSUPPORTED, "this model keeps a recurrent state, which cannot be set back to token %lld: begin anew", (long long)n);
    bp_kv_truncate(run->kv, sequence, n);
    return BP_OK;
}

int64_t bp_run_length(const bp_run *run, int32_t sequence) { return bp_kv_is_open(run->kv, sequence) ? bp_kv_length(run->kv, sequence) : 0; }
int64_t bp_run_context(const bp_run *run) { return run->limits.context; }
int32_t bp_run_n_vocab(const bp_run *run) { return (int32_t)run->width; }
int64_t bp_run_width(const bp_run *run) { return run->width; }
int64_t bp_run_batch_size(const bp_run *run) { return run->limits.batch; }
