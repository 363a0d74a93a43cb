/* llm-embed: texts in, their embeddings out: pooled over the tokens and of length 1. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/run/session.h"

enum { OWN_PROMPT, OWN_FILE, OWN_TOKENS, OWN_POOLING, OWN_AS_IS, OWN_JSON, OWN_RAW };
enum { MAX_TEXT_BYTES = 64 << 20, MAX_TEXTS = 1 << 20, BATCH = 512, TEXTS_AT_ONCE = 8 };

typedef struct texts {
    bp_tokens *list;
    size_t count, capacity;
} texts;

static bp_status new_text(texts *t, bp_tokens **out, bp_error *error) {
    if (t->count == MAX_TEXTS) return bp_fail(error, BP_E_INVALID, "more than %d texts; give them in parts", MAX_TEXTS);
    if (!bp_grow((void **)&t->list, &t->capacity, t->count + 1, sizeof *t->list)) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    t->list[t->count] = (bp_tokens){ 0 };
    *out = &t->list[t->count++];
    return BP_OK;
}

static bp_status add_ids(const char *text, texts *t, bp_error *error) {
    bp_tokens *out;
    bp_status status = new_text(t, &out, error);
    return status ? status : bp_tokens_parse("--tokens", text, out, error);
}

static bp_status add_text(const bp_session *s, const char *text, size_t n, texts *t, bp_error *error) {
    bp_tokens *out;
    bp_status status = new_text(t, &out, error);
    return status ? status : bp_tokenize(s->tokenizer, text, n, 0, out, error);
}

/* Every line that is not empty is a text. */
static bp_status add_lines(const bp_session *s, const bp_text *file, texts *t, bp_error *error) {
    bp_status status = BP_OK;
    for (size_t at = 0; !status && at < file->size;) {
        const char *line = file->data + at, *end = memchr(line, '\n', file->size - at);
        size_t n = end ? (size_t)(end - line) : file->size - at;
        at += n + 1;
        if (n && line[n - 1] == '\r') n--;
        if (n) status = add_text(s, line, n, t, error);
    }
    return status;
}

static bp_status read_texts(const bp_session *s, const bp_own_flag *own, texts *t, bp_error *error) {
    if (own[OWN_TOKENS].value) return add_ids(own[OWN_TOKENS].value, t, error);
    if (own[OWN_PROMPT].value) return add_text(s, own[OWN_PROMPT].value, strlen(own[OWN_PROMPT].value), t, error);
    bp_text file = { 0 };
    bp_status status = bp_file_read(own[OWN_FILE].value ? own[OWN_FILE].value : "-", MAX_TEXT_BYTES, &file, error);
    if (!status) status = add_lines(s, &file, t, error);
    bp_text_free(&file);
    return status;
}

/* The longest text decides the context, and the batch, in which a text must be whole; short texts share one. What the model
 * cannot hold is an error. The cache lives for a batch alone, so it is exact. */
static bp_status fit(const bp_session *s, const texts *t, bp_run_settings *settings, bp_error *error) {
    const int64_t room = s->model->hp.n_context;
    settings->context = 0;
    for (size_t i = 0; i < t->count; i++) {
        int64_t n = (int64_t)t->list[i].count;
        if (!n) return bp_fail(error, BP_E_INVALID, "text %zu is empty", i + 1);
        if (n > room)
            return bp_fail(error, BP_E_INVALID, "text %zu has %lld tokens, but the model has %lld positions: shorten or split it", i + 1,
                           (long long)n, (long long)room);
        settings->context = BP_MAX(settings->context, n);
    }
    settings->batch = BP_MAX(settings->context, BATCH);
    settings->sequences = (int64_t)BP_MIN(t->count, (size_t)TEXTS_AT_ONCE);
    settings->cache_type = BP_TYPE_F32;
    return t->count ? BP_OK : bp_fail(error, BP_E_INVALID, "no text given: use -p TEXT, -f FILE or --tokens 1,2,3");
}

static bp_status choose_pooling(const bp_session *s, const char *name, bp_graph_output *output, bp_error *error) {
    static const struct { const char *name; uint32_t kind; } kinds[] = {
        { "none", BP_POOLING_NONE }, { "mean", BP_POOLING_MEAN }, { "cls", BP_POOLING_CLS }, { "last", BP_POOLING_LAST },
    };
    *output = (bp_graph_output){ BP_OUTPUT_EMBEDDING, s->model->pooling };
    if (!name && s->model->pooling > BP_POOLING_LAST)
        return bp_fail(error, BP_E_UNSUPPORTED, "this model ranks texts (pooling_type %u), it does not embed them; --pooling chooses a kind all the same",
                       s->model->pooling);
    if (!name) return BP_OK;
    for (size_t i = 0; i < BP_COUNT(kinds); i++)
        if (!strcmp(name, kinds[i].name)) {
            output->pooling = kinds[i].kind;
            return BP_OK;
        }
    return bp_fail(error, BP_E_INVALID, "--pooling '%.20s' is none of none, mean, cls, last", name);
}

/* A row divided by its length; false where it is not of finite numbers. */
static bool finish_row(const float *row, int64_t n, bool as_is, double *out) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)row[i] * row[i];
    double by = as_is || sum == 0 ? 1 : 1 / sqrt(sum);
    for (int64_t i = 0; i < n; i++) out[i] = row[i] * by;
    return isfinite(sum);
}

static void print_row(const double *row, int64_t n, bool raw) {
    for (int64_t i = 0; i < n; i++) printf("%s%.9g", i ? raw ? " " : "," : "", row[i]);
    if (raw) putchar('\n');
}

/* What is wanted of the rows, and a place for one. */
typedef struct printer {
    bool raw, as_is, each; /* each: a row a token */
    int64_t width;
    double *row;
} printer;

/* The rows of text i: as JSON its object in the list, raw a line a row. */
static bp_status print_text(const printer *p, size_t i, const float *rows, size_t n_rows, bp_error *error) {
    for (size_t r = 0; r < n_rows; r++) {
        if (!finish_row(rows + r * (size_t)p->width, p->width, p->as_is, p->row))
            return bp_fail(error, BP_E_INVALID, "the embedding of text %zu is not of finite numbers", i + 1);
        if (!p->raw && !r) printf("%s\n  {\"object\": \"embedding\", \"index\": %zu, \"embedding\": [", i ? "," : "{\"object\": \"list\", \"data\": [", i);
        if (!p->raw && p->each) fputs(r ? ",[" : "[", stdout);
        print_row(p->row, p->width, p->raw);
        if (!p->raw && p->each) putchar(']');
    }
    if (!p->raw) fputs("]}", stdout);
    return BP_OK;
}

/* Texts from `first` on that fit together in a batch; *n: how many. */
static bp_status embed_some(bp_session *s, const texts *t, size_t first, const printer *p, size_t *n, bp_error *error) {
    bp_batch_entry entries[TEXTS_AT_ONCE];
    int64_t room = bp_run_batch_size(s->run);
    for (*n = 0; *n < TEXTS_AT_ONCE && first + *n < t->count && (int64_t)t->list[first + *n].count <= room; ++*n) {
        const bp_tokens *text = &t->list[first + *n];
        entries[*n] = (bp_batch_entry){ (int32_t)*n, text->ids, (int64_t)text->count, true };
        room -= (int64_t)text->count;
    }
    const float *rows;
    bp_status status = bp_run_batch(s->run, entries, (int64_t)*n, &rows, error);
    for (size_t i = 0; !status && i < *n; i++) {
        size_t n_rows = p->each ? t->list[first + i].count : 1;
        status = print_text(p, first + i, rows, n_rows, error);
        rows += n_rows * (size_t)p->width;
        if (!status) status = bp_run_truncate(s->run, (int32_t)i, 0, error);
    }
    return status;
}

static bp_status embed_all(bp_session *s, const texts *t, const bp_graph_output *output, const bp_own_flag *own, bp_error *error) {
    size_t n_tokens = 0;
    printer p = { own[OWN_RAW].value, own[OWN_AS_IS].value, output->pooling == BP_POOLING_NONE, bp_run_width(s->run), NULL };
    p.row = bp_new_array((size_t)p.width, sizeof *p.row);
    bp_status status = p.row ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (size_t i = 1; i < BP_MIN(t->count, (size_t)TEXTS_AT_ONCE); i++) bp_run_open(s->run);
    for (size_t at = 0, n; !status && at < t->count; at += n) status = embed_some(s, t, at, &p, &n, error);
    for (size_t i = 0; i < t->count; i++) n_tokens += t->list[i].count;
    if (!status && !p.raw) printf("\n], \"usage\": {\"prompt_tokens\": %zu, \"total_tokens\": %zu}}\n", n_tokens, n_tokens);
    if (!status && (fflush(stdout) || ferror(stdout))) status = bp_fail(error, BP_E_IO, "cannot write to the standard output");
    free(p.row);
    return status;
}

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    bp_session session = { 0 };
    bp_run_settings settings;
    texts t = { 0 };
    bp_status status = bp_run_settings_from(config, &settings, error);
    if (!status) status = bp_session_load(config, !own[OWN_TOKENS].value, &session, error);
    if (!status) status = choose_pooling(&session, own[OWN_POOLING].value, &settings.output, error);
    if (!status) status = read_texts(&session, own, &t, error);
    if (!status) status = fit(&session, &t, &settings, error);
    if (!status) status = bp_session_start(&session, &settings, error);
    if (!status) status = embed_all(&session, &t, &settings.output, own, error);
    for (size_t i = 0; i < t.count; i++) free(t.list[i].ids);
    free(t.list);
    bp_session_close(&session);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_PROMPT] = { "-p,--prompt", true, "the text", NULL },
        [OWN_FILE] = { "-f,--file", true, "read texts from a file, one a line (-: stdin, the default)", NULL },
        [OWN_TOKENS] = { "--tokens", true, "token ids in place of a text, like 1,2,3", NULL },
        [OWN_POOLING] = { "--pooling", true, "none (a row a token), mean, cls or last (default: what the model says)", NULL },
        [OWN_AS_IS] = { "--no-normalize", false, "leave embeddings as long as they are", NULL },
        [OWN_JSON] = { "--json", false, "print one JSON object: data[i].embedding (the default)", NULL },
        [OWN_RAW] = { "--raw", false, "print bare numbers, one embedding a line", NULL },
    };
    bp_config *config;
    bp_error error = BP_ERROR_INIT;
    bool done;
    int exit_status = bp_command_begin(argc, argv, "print embeddings of texts", own, BP_COUNT(own), &config, &done);
    if (!done && run(config, own, &error)) exit_status = bp_command_fail("llm-embed", &error);
    bp_config_free(config);
    return exit_status;
}
