/* The engine interface: include/backplane/engine.h. */
#include "backplane/engine.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/generate.h"
#include "core/run/session.h"
#include "core/text/chat.h"

enum { MAX_FLAGS = 4096 };

struct bp_engine {
    bp_config *config;
    bp_session session;
    bp_device_info device;
    char architecture[64];
    bp_tokens tokens;
    bp_text text;
};

const char *bp_engine_version(void) { return BP_VERSION; }

static bp_status read_flags(bp_engine *e, const char *const *flags, uint32_t n, bp_error *error) {
    bp_status status = bp_config_new(&e->config, error);
    if (status) return status;
    if (n > MAX_FLAGS) return bp_fail(error, BP_E_INVALID, "more than %d flags", MAX_FLAGS);
    char **argv = bp_new_array((size_t)n + 2, sizeof *argv);
    if (!argv) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    argv[0] = (char[]){ "backplane" };
    for (uint32_t i = 0; i < n; i++) argv[i + 1] = (char *)(uintptr_t)flags[i]; /* the parser reads them alone */
    status = bp_config_arguments(e->config, (int)n + 1, argv, NULL, 0, error);
    free(argv);
    return status;
}

static void describe(bp_engine *e) {
    const bp_open_device *d = &e->session.devices.list[0];
    bp_gguf_string name = { 0 };
    e->device.size = sizeof e->device;
    d->api->info(d->handle, &e->device, NULL);
    bp_gguf_string_at(bp_gguf_find(e->session.model->file, "general.architecture"), 0, &name);
    const size_t n = BP_MIN(name.size, sizeof e->architecture - 1);
    if (n) memcpy(e->architecture, name.data, n);
}

bp_status bp_engine_open(const char *const *flags, uint32_t n_flags, bp_engine **engine, bp_error *error) {
    bp_engine *e = calloc(1, sizeof *e);
    if (!e) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = read_flags(e, flags, n_flags, error);
    if (!status) status = bp_session_open(e->config, true, &e->session, error);
    if (status) {
        bp_engine_close(e);
        return status;
    }
    describe(e);
    *engine = e;
    return BP_OK;
}

void bp_engine_close(bp_engine *e) {
    if (!e) return;
    bp_session_close(&e->session);
    /* Backends keep their host table, and with it the configuration, as long as the process lives. */
    free(e->tokens.ids);
    bp_text_free(&e->text);
    free(e);
}

bp_status bp_engine_describe(bp_engine *e, bp_engine_info *info, bp_error *error) {
    if (info->size < sizeof(uint32_t)) return bp_fail(error, BP_E_INVALID, "bp_engine_info.size is not set");
    const bp_tokenizer *t = e->session.tokenizer;
    const bp_engine_info all = { .size = info->size, .n_vocab = bp_run_n_vocab(e->session.run), .n_context = bp_run_context(e->session.run),
                                 .n_batch = bp_run_batch_size(e->session.run), .n_sequences = bp_config_int(e->config, BP_OPT_SEQUENCES),
                                 .bos = bp_token_bos(t), .eos = bp_token_eos(t), .architecture = e->architecture,
                                 .backend = e->session.devices.list[0].backend->name, .device = e->device.name };
    memcpy(info, &all, BP_MIN(info->size, sizeof all));
    return BP_OK;
}

bp_status bp_engine_tokenize(bp_engine *e, const char *text, uint64_t n_bytes, uint32_t flags, const int32_t **ids, uint64_t *n, bp_error *error) {
    e->tokens.count = 0;
    bp_status status = bp_tokenize(e->session.tokenizer, text, n_bytes, flags, &e->tokens, error);
    *ids = e->tokens.ids;
    *n = status ? 0 : e->tokens.count;
    return status;
}

bp_status bp_engine_detokenize(bp_engine *e, const int32_t *ids, uint64_t n, uint32_t flags, const char **text, uint64_t *n_bytes, bp_error *error) {
    bp_text_clear(&e->text);
    bp_status status = bp_detokenize(e->session.tokenizer, ids, n, flags & BP_TEXT_SPECIAL, &e->text, error);
    *text = bp_text_get(&e->text);
    *n_bytes = status ? 0 : e->text.size;
    return status;
}

static bp_status open_chat(const bp_gguf *file, bp_chat **chat, bp_error *error) {
    bp_status status = bp_chat_open(file, NULL, chat, error);
    return status == BP_E_NOT_FOUND ? bp_chat_open_chatml(file, chat, error) : status;
}

bp_status bp_engine_render_chat(bp_engine *e, const char *variables, const char **text, uint64_t *n_bytes, uint32_t *has_bos, bp_error *error) {
    bp_chat *chat = NULL;
    json_error_t where;
    json_t *all = json_loads(variables, JSON_REJECT_DUPLICATES, &where);
    bp_status status = all ? BP_OK : bp_fail(error, BP_E_INVALID, "the variables are no JSON: line %d, column %d: %s", where.line, where.column, where.text);
    if (!status && !json_is_object(all)) status = bp_fail(error, BP_E_INVALID, "the variables are no JSON object");
    if (!status) status = open_chat(e->session.model->file, &chat, error);
    bp_text_clear(&e->text);
    if (!status) status = bp_chat_render(chat, all, &e->text, error);
    *text = bp_text_get(&e->text);
    *n_bytes = status ? 0 : e->text.size;
    if (!status && has_bos) *has_bos = bp_chat_has_bos(chat, *text, *n_bytes);
    bp_chat_free(chat);
    json_decref(all);
    return status;
}

bp_status bp_engine_sequence_open(bp_engine *e, int32_t *sequence, bp_error *error) {
    *sequence = bp_run_open(e->session.run);
    return *sequence >= 0 ? BP_OK : bp_fail(error, BP_E_REFUSED, "all sequences are open (raise --sequences)");
}

bp_status bp_engine_sequence_fork(bp_engine *e, int32_t from, int32_t *sequence, bp_error *error) {
    return bp_run_fork(e->session.run, from, sequence, error);
}

void bp_engine_sequence_close(bp_engine *e, int32_t sequence) { bp_run_close(e->session.run, sequence); }
int64_t bp_engine_sequence_length(const bp_engine *e, int32_t sequence) { return bp_run_length(e->session.run, sequence); }

bp_status bp_engine_sequence_truncate(bp_engine *e, int32_t sequence, int64_t n, bp_error *error) {
    return bp_run_truncate(e->session.run, sequence, n, error);
}

bp_status bp_engine_compute(bp_engine *e, const bp_engine_entry *entries, uint32_t n_entries, const float **logits, bp_error *error) {
    bp_batch_entry *batch = bp_new_array(n_entries, sizeof *batch);
    if (!batch) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n_entries; i++) batch[i] = (bp_batch_entry){ entries[i].sequence, entries[i].tokens, entries[i].n, entries[i].all != 0 };
    bp_status status = bp_run_batch(e->session.run, batch, n_entries, logits, error);
    free(batch);
    return status;
}

typedef struct listener {
    bp_engine_token_fn *each;
    void *self;
} listener;

static bool pass_on(void *self, const bp_generated *g) {
    const listener *l = self;
    const bp_engine_token token = { .size = sizeof token, .id = g->id, .logprob = g->logprob, .text = g->bytes, .n_bytes = g->n_bytes };
    return l->each(l->self, &token) == 0;
}

bp_status bp_engine_generate(bp_engine *e, int32_t sequence, const int32_t *prompt, uint64_t n_prompt, int64_t max_tokens, bp_engine_token_fn *each,
                             void *self, uint32_t *end, bp_error *error) {
    const bp_sampler_settings settings = bp_sampler_settings_from(e->config);
    listener l = { each, self };
    bp_generation_result result;
    bp_generation g = { .run = e->session.run, .tokenizer = e->session.tokenizer, .sequence = sequence, .limit = max_tokens, .logprobs = true,
                        .each = pass_on, .self = &l };
    bp_status status = bp_sampler_new(&settings, e->session.tokenizer, &g.sampler, error);
    if (status) return status;
    status = bp_generate(&g, prompt, (int64_t)n_prompt, &result, error);
    if (end) *end = (uint32_t)result.end;
    bp_sampler_free(g.sampler);
    return status;
}
