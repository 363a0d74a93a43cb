#include "core/run/run.h"

#include <stdlib.h>
#include <string.h>

#include "backplane/blocks.h"
#include "backplane/profile.h"
#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/parallel.h"
#include "core/base/size.h"
#include "core/run/weights.h"

enum { BLOCK = 32, DEFAULT_CONTEXT = 8192, DEFAULT_BATCH = 512, SMALL_BATCH = 8, N_PROGRAMS = 3, PROFILE_ENTRIES = 1 << 16 };

enum { IN_TOKENS, IN_POSITIONS, IN_SEQUENCES, IN_SLOTS, IN_BLOCK_TABLE, IN_KV_LEN, IN_OUTPUT_ROWS, N_INPUTS };
static const char *const input_names[N_INPUTS] = { "tokens", "positions", "sequences", "slots", "block_table", "kv_len", "output_rows" };

struct bp_run {
    const bp_model *model;
    const bp_open_device *device;
    bp_builder *builder;
    bp_graph *graph;
    bp_weights weights;
    bp_cache_shape cache;
    bp_verdict *verdicts;
    int64_t context, batch, length;
    bp_buffer *state, *inputs, *output; /* the whole cache; all inputs; logits */
    uint64_t input_at[N_INPUTS], input_bytes, output_bytes, state_bytes;
    bp_binding *bindings;
    uint32_t n_bindings, n_tokens, n_outputs, n_sequences, n_kv; /* symbols' indices */
    bp_program *programs[N_PROGRAMS];
    bool profiling;
    bp_stream *stream;
    int64_t *symbols;
    int32_t *staged; /* one input, before it is written */
    float *logits;
    size_t logits_capacity;
};

bp_status bp_run_settings_from(const bp_config *config, bp_run_settings *out, bp_error *error) {
    const char *type = bp_config_text(config, BP_OPT_CACHE_TYPE);
    uint32_t cache = !strcmp(type, "f16") ? BP_TYPE_F16 : !strcmp(type, "f32") ? BP_TYPE_F32 : !strcmp(type, "q8_0") ? BP_TYPE_Q8_0 : UINT32_MAX;
    if (cache == UINT32_MAX) return bp_fail(error, BP_E_INVALID, "cache_type '%s' is none of f16, f32, q8_0", type);
    int64_t threads = bp_config_int(config, BP_OPT_THREADS);
    *out = (bp_run_settings){ bp_config_int(config, BP_OPT_CONTEXT), cache, bp_config_int(config, BP_OPT_BATCH),
                              threads > 0 ? (uint32_t)threads : bp_cpu_count() };
    if (out->context < 0 || out->context > INT32_MAX - BLOCK) return bp_fail(error, BP_E_INVALID, "context %lld is out of range", (long long)out->context);
    if (out->batch < 0 || out->batch > 1 << 16) return bp_fail(error, BP_E_INVALID, "batch %lld is not in 0…65536", (long long)out->batch);
    return BP_OK;
}

static uint32_t symbol_index(const bp_graph *g, const char *name) {
    for (uint32_t i = 1; i < g->n_symbols; i++)
        if (!strcmp(g->symbols[i], name)) return i;
    return 0;
}

/* Bytes of a value whose dimensions are all numbers; false on overflow. */
static bool value_bytes(const bp_value *v, uint64_t *bytes) {
    *bytes = bp_row_bytes(v->type, v->dim[0].value);
    for (uint32_t i = 1; i < v->rank; i++)
        if (!bp_mul_u64(*bytes, (uint64_t)v->dim[i].value, bytes)) return false;
    return true;
}

static bp_status bind_states(bp_run *run, bp_error *error) {
    uint64_t total = 0;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < run->graph->n_values; i++) {
            const bp_value *v = bp_graph_value(run->graph, i);
            uint64_t bytes;
            if (v->role != BP_ROLE_STATE) continue;
            if (!value_bytes(v, &bytes) || !bp_add_u64(at, bytes + 64, &total)) return bp_fail(error, BP_E_INVALID, "the KV cache is too large");
            if (pass) run->bindings[run->n_bindings++] = (bp_binding){ i, 0, run->state, at };
            at = bp_round_up(at + bytes, 64);
        }
        run->state_bytes = at;
        if (pass) continue;
        bp_status status = run->device->api->buffer_new(run->device->handle, at, BP_USE_STATE, &run->state, error);
        if (status) return bp_fail_in(error, "%llu MB for the KV cache (try a smaller --context): ", (unsigned long long)(at >> 20));
    }
    return BP_OK;
}

static bp_status bind_inputs(bp_run *run, bp_error *error) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        int64_t count = i == IN_BLOCK_TABLE ? run->cache.table_width : i == IN_KV_LEN ? 1 : run->batch;
        run->input_at[i] = at;
        at = bp_round_up(at + (uint64_t)count * sizeof(int32_t), 64);
    }
    run->input_bytes = at;
    run->output_bytes = (uint64_t)run->model->hp.n_vocab * (uint64_t)run->batch * sizeof(float);
    bp_status status = run->device->api->buffer_new(run->device->handle, at, BP_USE_INPUT, &run->inputs, error);
    if (!status) status = run->device->api->buffer_new(run->device->handle, run->output_bytes, BP_USE_OUTPUT, &run->output, error);
    for (uint32_t i = 0; !status && i < run->graph->n_values; i++) {
        const bp_value *v = bp_graph_value(run->graph, i);
        if (v->role == BP_ROLE_OUTPUT) run->bindings[run->n_bindings++] = (bp_binding){ i, 0, run->output, 0 };
        for (uint32_t k = 0; v->role == BP_ROLE_INPUT && k < N_INPUTS; k++)
            if (!strcmp(v->name, input_names[k])) run->bindings[run->n_bindings++] = (bp_binding){ i, 0, run->inputs, run->input_at[k] };
    }
    return status;
}

static bp_status check_verdicts(bp_run *run, bp_error *error) {
    run->verdicts = bp_new_array(run->graph->n_nodes, sizeof *run->verdicts);
    if (!run->verdicts) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = run->device->api->assess(run->device->handle, run->graph, run->verdicts, error);
    for (uint32_t i = 0; !status && i < run->graph->n_nodes; i++) {
        const bp_node *n = bp_graph_node(run->graph, i);
        if (run->verdicts[i].level == BP_VERDICT_NO)
            status = bp_fail(error, BP_E_UNSUPPORTED, "backend %s refuses node %u (op %u, %s): %s", run->device->backend->name, i, n->op,
                             bp_graph_value(run->graph, n->out[0])->name, run->verdicts[i].why ? run->verdicts[i].why : "no reason given");
    }
    return status;
}

static bp_status set_up(bp_run *run, const bp_run_settings *s, bp_error *error) {
    run->context = s->context ? s->context : BP_MIN(run->model->hp.n_context, DEFAULT_CONTEXT);
    run->batch = BP_MIN(s->batch ? s->batch : DEFAULT_BATCH, run->context);
    int64_t blocks = (run->context + BLOCK - 1) / BLOCK;
    run->cache = (bp_cache_shape){ s->cache_type, BLOCK, blocks, blocks };
    if (s->cache_type == BP_TYPE_Q8_0 && (run->model->hp.head_dim % BP_QK || run->model->hp.head_dim_v % BP_QK))
        return bp_fail(error, BP_E_INVALID, "cache_type q8_0 needs heads of a multiple of 32 values; this model's have %lld", (long long)run->model->hp.head_dim);
    bp_status status = bp_model_graph(run->model, &run->cache, &run->builder, &run->graph, error);
    if (!status) status = bp_weights_load(run->device, run->model->file, run->graph, s->threads, &run->weights, error);
    if (!status) status = check_verdicts(run, error);
    if (status) return status;
    run->n_tokens = symbol_index(run->graph, BP_SYMBOL_N_TOKENS);
    run->n_outputs = symbol_index(run->graph, BP_SYMBOL_N_OUTPUTS);
    run->n_sequences = symbol_index(run->graph, BP_SYMBOL_N_SEQUENCES);
    run->n_kv = symbol_index(run->graph, BP_SYMBOL_N_KV);
    run->bindings = bp_new_array(run->graph->n_values, sizeof *run->bindings);
    run->symbols = bp_new_array(run->graph->n_symbols, sizeof *run->symbols);
    run->staged = bp_new_array((size_t)BP_MAX(run->batch, blocks), sizeof *run->staged);
    if (!run->bindings || !run->symbols || !run->staged) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    memcpy(run->bindings, run->weights.bindings, run->weights.count * sizeof *run->bindings);
    run->n_bindings = run->weights.count;
    status = bind_states(run, error);
    if (!status) status = bind_inputs(run, error);
    if (!status) status = run->device->api->stream_new(run->device->handle, &run->stream, error);
    return status;
}

bp_status bp_run_new(const bp_model *model, const bp_open_device *device, const bp_run_settings *settings, bp_run **out, bp_error *error) {
    bp_run *run = calloc(1, sizeof *run);
    if (!run) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    run->model = model;
    run->device = device;
    bp_status status = set_up(run, settings, error);
    if (status) bp_run_free(run);
    else *out = run;
    return status;
}

void bp_run_free(bp_run *run) {
    if (!run) return;
    const bp_device_api *api = run->device->api;
    bp_device *device = run->device->handle;
    for (uint32_t i = 0; i < N_PROGRAMS; i++)
        if (run->programs[i]) api->program_free(device, run->programs[i]);
    if (run->stream) api->stream_free(device, run->stream);
    if (run->state) api->buffer_free(device, run->state);
    if (run->inputs) api->buffer_free(device, run->inputs);
    if (run->output) api->buffer_free(device, run->output);
    bp_weights_free(run->device, &run->weights);
    bp_builder_free(run->builder);
    free(run->verdicts);
    free(run->bindings);
    free(run->symbols);
    free(run->staged);
    free(run->logits);
    free(run);
}

static bp_status enable_profile(bp_run *run, bp_program *program, bp_error *error) {
    const bp_profile_api *profile = run->device->api->extension ? run->device->api->extension(run->device->handle, BP_PROFILE_ID) : NULL;
    if (!profile) return bp_fail(error, BP_E_UNSUPPORTED, "backend %s cannot profile", run->device->backend->name);
    return profile->enable(run->device->handle, program, 1, error);
}

/* The program for n tokens: one token, a few, or a chunk of a prompt; compiled on first use. */
static bp_status program_for(bp_run *run, int64_t n, bp_program **out, bp_error *error) {
    int which = n == 1 ? 0 : n <= SMALL_BATCH ? 1 : 2;
    *out = run->programs[which];
    if (*out) return BP_OK;
    int64_t min = which == 0 ? 1 : which == 1 ? 2 : SMALL_BATCH + 1, max = which == 0 ? 1 : which == 1 ? SMALL_BATCH : run->batch;
    max = BP_MIN(max, run->batch);
    bp_range *ranges = bp_new_array(run->graph->n_symbols, sizeof *ranges);
    if (!ranges) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    ranges[run->n_tokens] = (bp_range){ min, max, max };
    ranges[run->n_outputs] = (bp_range){ 1, max, 1 };
    ranges[run->n_sequences] = (bp_range){ 1, 1, 1 };
    ranges[run->n_kv] = (bp_range){ 1, run->context, BP_MIN(run->context, 1024) };
    const bp_options options = { .size = sizeof options, .ranges = ranges };
    bp_status status = run->device->api->compile(run->device->handle, run->graph, &options, out, error);
    free(ranges);
    if (status) return status;
    run->programs[which] = *out;
    return run->profiling ? enable_profile(run, *out, error) : BP_OK;
}

static bp_status write_input(bp_run *run, int which, int64_t count, bp_error *error) {
    return run->device->api->write(run->device->handle, run->inputs, run->input_at[which], run->staged, (uint64_t)count * sizeof(int32_t), error);
}

/* With one sequence the j-th block of the cache holds its j-th block of tokens. */
static bp_status write_inputs(bp_run *run, const int32_t *tokens, int64_t n, int64_t n_outputs, bp_error *error) {
    bp_status status = run->device->api->write(run->device->handle, run->inputs, run->input_at[IN_TOKENS], tokens, (uint64_t)n * sizeof(int32_t), error);
    for (int64_t i = 0; i < n; i++) run->staged[i] = (int32_t)(run->length + i);
    if (!status) status = write_input(run, IN_POSITIONS, n, error);
    if (!status) status = write_input(run, IN_SLOTS, n, error);
    memset(run->staged, 0, (size_t)n * sizeof(int32_t));
    if (!status) status = write_input(run, IN_SEQUENCES, n, error);
    for (int64_t i = 0; i < run->cache.table_width; i++) run->staged[i] = (int32_t)i;
    if (!status) status = write_input(run, IN_BLOCK_TABLE, run->cache.table_width, error);
    run->staged[0] = (int32_t)(run->length + n);
    if (!status) status = write_input(run, IN_KV_LEN, 1, error);
    for (int64_t i = 0; i < n_outputs; i++) run->staged[i] = (int32_t)(n - n_outputs + i);
    return status ? status : write_input(run, IN_OUTPUT_ROWS, n_outputs, error);
}

/* Compute n tokens, n <= batch; the last n_outputs rows of logits go to `to`. */
static bp_status step(bp_run *run, const int32_t *tokens, int64_t n, int64_t n_outputs, float *to, bp_error *error) {
    bp_program *program;
    uint64_t sequence;
    bp_status status = program_for(run, n, &program, error);
    if (!status) status = write_inputs(run, tokens, n, n_outputs, error);
    if (status) return status;
    run->symbols[run->n_tokens] = n;
    run->symbols[run->n_outputs] = n_outputs;
    run->symbols[run->n_sequences] = 1;
    run->symbols[run->n_kv] = run->length + n;
    const bp_device_api *api = run->device->api;
    status = api->submit(run->stream, program, run->symbols, run->bindings, run->n_bindings, &sequence, error);
    if (!status) status = api->wait(run->stream, sequence, -1, error);
    if (!status)
        status = api->read(run->device->handle, run->output, 0, to, (uint64_t)(n_outputs * run->model->hp.n_vocab) * sizeof(float), error);
    if (!status) run->length += n;
    return status;
}

static bp_status check_feed(const bp_run *run, const int32_t *tokens, int64_t n, bp_error *error) {
    if (n < 1) return bp_fail(error, BP_E_INVALID, "no tokens to compute");
    if (n > run->context - run->length)
        return bp_fail(error, BP_E_INVALID, "%lld tokens do not fit in the context of %lld (raise --context)", (long long)(run->length + n), (long long)run->context);
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= run->model->hp.n_vocab)
            return bp_fail(error, BP_E_INVALID, "token %d is outside the vocabulary of %lld", tokens[i], (long long)run->model->hp.n_vocab);
    return BP_OK;
}

bp_status bp_run_feed(bp_run *run, const int32_t *tokens, int64_t n, bool all, const float **logits, bp_error *error) {
    bp_status status = check_feed(run, tokens, n, error);
    if (status) return status;
    const size_t width = (size_t)run->model->hp.n_vocab;
    if (!bp_grow((void **)&run->logits, &run->logits_capacity, width * (size_t)(all ? n : 1), sizeof *run->logits))
        return bp_fail(error, BP_E_NO_MEMORY, "out of memory for logits");
    for (int64_t at = 0; !status && at < n;) {
        int64_t now = BP_MIN(run->batch, n - at);
        status = step(run, tokens + at, now, all ? now : 1, run->logits + (all ? (size_t)at * width : 0), error);
        at += now;
    }
    *logits = run->logits;
    return status;
}

int64_t bp_run_length(const bp_run *run) { return run->length; }
int64_t bp_run_context(const bp_run *run) { return run->context; }
void bp_run_truncate(bp_run *run, int64_t n) { run->length = BP_MAX(BP_MIN(n, run->length), 0); }

bp_status bp_run_profile(bp_run *run, bool on, bp_error *error) {
    run->profiling = on;
    bp_status status = BP_OK;
    for (uint32_t i = 0; on && !status && i < N_PROGRAMS; i++)
        if (run->programs[i]) status = enable_profile(run, run->programs[i], error);
    return status;
}

static void print_program(const bp_profile_entry *e, uint32_t n, const char *title, FILE *to) {
    uint64_t total = 0, calls = 0;
    for (uint32_t i = 0; i < n; i++) total += e[i].nanoseconds;
    for (uint32_t i = 0; i < n; i++) calls = BP_MAX(calls, e[i].calls);
    if (!calls) return;
    fprintf(to, "%s: %llu runs, %.3f ms each\n", title, (unsigned long long)calls, (double)total / 1e6 / (double)calls);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ns = 0, bytes = 0;
        bool first = true;
        for (uint32_t k = 0; k < n; k++)
            if (!strcmp(e[k].what, e[i].what)) {
                first = first && k >= i;
                ns += e[k].nanoseconds;
                bytes += e[k].bytes;
            }
        if (!first) continue;
        fprintf(to, "  %-32s %8.3f ms %5.1f %%", e[i].what, (double)ns / 1e6 / (double)calls, total ? 100.0 * (double)ns / (double)total : 0);
        if (bytes && ns) fprintf(to, " %7.2f GB/s", (double)bytes / (double)ns);
        fputc('\n', to);
    }
}

void bp_run_profile_print(bp_run *run, FILE *to) {
    static const char *const titles[N_PROGRAMS] = { "one token", "2 to 8 tokens", "prompt chunks" };
    const bp_profile_api *profile = run->device->api->extension ? run->device->api->extension(run->device->handle, BP_PROFILE_ID) : NULL;
    bp_profile_entry *entries = bp_new_array(PROFILE_ENTRIES, sizeof *entries);
    bp_error ignored = BP_ERROR_INIT;
    for (uint32_t i = 0; profile && entries && i < N_PROGRAMS; i++) {
        uint32_t n = 0;
        if (run->programs[i] && !profile->read(run->device->handle, run->programs[i], entries, PROFILE_ENTRIES, &n, &ignored))
            print_program(entries, BP_MIN(n, (uint32_t)PROFILE_ENTRIES), titles[i], to);
    }
    free(entries);
}

void bp_run_explain(const bp_run *run, FILE *to) {
    bp_device_info info = { .size = sizeof info };
    bp_error ignored = BP_ERROR_INIT;
    run->device->api->info(run->device->handle, &info, &ignored);
    fprintf(to, "device: %s (%s), backend %s %s\n", info.name ? info.name : "?", info.detail ? info.detail : "", run->device->backend->name, run->device->backend->version);
    fprintf(to, "weights: %.1f MB mapped, %.1f MB packed\n", (double)run->weights.mapped_bytes / 1e6, (double)run->weights.packed_bytes / 1e6);
    fprintf(to, "KV cache: %.1f MB for %lld tokens, %s\n", (double)run->state_bytes / 1e6, (long long)run->context, bp_type(run->cache.type).name);
    uint32_t slow = 0;
    for (uint32_t i = 0; i < run->graph->n_nodes; i++) slow += run->verdicts[i].level == BP_VERDICT_SLOW;
    fprintf(to, "graph: %u nodes, all on %s, %u of them slow there\n", run->graph->n_nodes, run->device->backend->name, slow);
    for (uint32_t i = 0; i < run->graph->n_nodes; i++)
        if (run->verdicts[i].level == BP_VERDICT_SLOW) fprintf(to, "  node %u: %s\n", i, run->verdicts[i].why ? run->verdicts[i].why : "slow");
}
