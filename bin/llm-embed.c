/* llm-embed: texts in, their embeddings out: pooled over the tokens and of length 1. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/run/command.h"
#include "core/run/embed.h"
#include "core/run/session.h"

enum { OWN_PROMPT, OWN_FILE, OWN_TOKENS, OWN_POOLING, OWN_AS_IS, OWN_JSON, OWN_RAW };
enum { MAX_TEXT_BYTES = 64 << 20, MAX_TEXTS = 1 << 20 };

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
    bp_tokens *out = NULL;
    bp_status status = new_text(t, &out, error);
    return status ? status : bp_tokens_parse("--tokens", text, out, error);
}

static bp_status add_text(const bp_session *s, const char *text, size_t n, texts *t, bp_error *error) {
    bp_tokens *out = NULL;
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
static bp_status print_text(void *self, size_t i, const float *rows, size_t n_rows, bp_error *error) {
    const printer *p = self;
    for (size_t r = 0; r < n_rows; r++) {
        if (!bp_embed_row(rows + r * (size_t)p->width, p->width, p->as_is, p->row))
            return bp_fail(error, BP_E_INVALID, "the embedding of text %zu is not of finite numbers", i + 1);
        if (!p->raw && !r) printf("%s\n  {\"object\": \"embedding\", \"index\": %zu, \"embedding\": [", i ? "," : "{\"object\": \"list\", \"data\": [", i);
        if (!p->raw && p->each) fputs(r ? ",[" : "[", stdout);
        print_row(p->row, p->width, p->raw);
        if (!p->raw && p->each) putchar(']');
    }
    if (!p->raw) fputs("]}", stdout);
    return BP_OK;
}

static bp_status embed_all(bp_session *s, const bp_run_settings *settings, const texts *t, const bp_own_flag *own, bp_error *error) {
    size_t n_tokens = 0;
    printer p = { own[OWN_RAW].value, own[OWN_AS_IS].value, settings->output.pooling == BP_POOLING_NONE, bp_run_width(s->run), NULL };
    p.row = bp_new_array((size_t)p.width, sizeof *p.row);
    bp_status status = p.row ? bp_embed_texts(s->run, settings, t->list, t->count, print_text, &p, error) : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
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
    if (!status) status = bp_embed_output(session.model, own[OWN_POOLING].value, &settings, error);
    if (!status) status = read_texts(&session, own, &t, error);
    if (!status && !t.count) status = bp_fail(error, BP_E_INVALID, "no text given: use -p TEXT, -f FILE or --tokens 1,2,3");
    if (!status) status = bp_embed_fit(session.model, t.list, t.count, &settings, error);
    if (!status) status = bp_session_start(&session, &settings, error);
    if (!status) status = embed_all(&session, &settings, &t, own, error);
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
    return bp_command_main(argc, argv, "print embeddings of texts", own, BP_COUNT(own), run);
}
