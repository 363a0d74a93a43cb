/* llm-run: text in, the model's continuation or answer out. Text alone on stdout; messages and timings on stderr. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/device/cancel.h"
#include "core/run/command.h"
#include "core/run/conversation.h"

enum { OWN_PROMPT, OWN_FILE, OWN_COUNT, OWN_CHAT, OWN_SYSTEM, OWN_JSON, OWN_EXPLAIN, OWN_PROFILE, OWN_LIST, OWN_TIMINGS, OWN_SPECIAL,
       OWN_LOGPROBS };
enum { MAX_PROMPT_BYTES = 64 << 20, DEFAULT_TOKENS = 128 };

/* The first Ctrl-C stops the work at hand, a second one the program. */
static void on_interrupt(int signal_number) {
    bp_cancel_set(1);
    signal(signal_number, SIG_DFL);
}

static void listen_to_interrupts(void) {
    struct sigaction action = { .sa_handler = on_interrupt };
    bp_cancel_set(0);
    sigaction(SIGINT, &action, NULL);
}

typedef struct printer {
    bp_session *session;
    bool json;
    uint32_t n_top;  /* with JSON: likeliest tokens to print beside each */
    bp_text pending; /* bytes that do not yet end a UTF-8 character */
    bp_generation_result total;
} printer;

/* Write all whole characters of the pending bytes; with `end` the rest as well. */
static void flush_text(printer *g, bool end) {
    size_t at = 0;
    while (at < g->pending.size) {
        int n = bp_utf8_length(g->pending.data + at, g->pending.size - at);
        if (n < 0 && !end) break;
        at += n > 0 ? (size_t)n : 1;
    }
    fwrite(bp_text_get(&g->pending), 1, at, stdout);
    fflush(stdout);
    if (at) memmove(g->pending.data, g->pending.data + at, g->pending.size - at);
    g->pending.size -= at;
}

static void add_token_json(bp_text *line, int32_t id, const char *bytes, size_t n_bytes, float logprob) {
    bp_text_format(line, "\"id\": %d, \"text\": \"", id);
    bp_text_json(line, bytes, n_bytes);
    bp_text_format(line, "\", \"logprob\": %.6g", (double)logprob);
}

static void add_top_json(const printer *g, bp_text *line, const float *logits) {
    static bp_logprob top[BP_MAX_TOP_LOGPROBS];
    uint32_t n = bp_logprobs_top(logits, bp_run_n_vocab(g->session->run), top, g->n_top);
    bp_text_adds(line, ", \"top\": [");
    for (uint32_t i = 0; i < n; i++) {
        bp_text piece = { 0 };
        bp_text_adds(line, i ? ", {" : "{");
        bp_token_bytes(g->session->tokenizer, top[i].id, true, &piece, NULL);
        add_token_json(line, top[i].id, bp_text_get(&piece), piece.size, top[i].logprob);
        bp_text_adds(line, "}");
        bp_text_free(&piece);
    }
    bp_text_adds(line, "]");
}

static void print_json(const printer *g, const bp_generated *token) {
    bp_text line = { 0 };
    bp_text_adds(&line, "{");
    add_token_json(&line, token->id, token->bytes, token->n_bytes, token->logprob);
    if (g->n_top) add_top_json(g, &line, token->logits);
    bp_text_adds(&line, "}\n");
    fputs(bp_text_get(&line), stdout);
    fflush(stdout);
    bp_text_free(&line);
}

static bool show(void *self, const bp_generated *token) {
    printer *g = self;
    if (g->json) {
        print_json(g, token);
    } else {
        bp_text_add(&g->pending, token->bytes, token->n_bytes);
        flush_text(g, false);
    }
    return !ferror(stdout);
}

/* After a generation: the rest of its text, its figures, and a word where the context ended it. */
static void finish(printer *g, const bp_generation_result *r) {
    if (!g->json) flush_text(g, true);
    g->total.n_prompt += r->n_prompt;
    g->total.n_made += r->n_made;
    g->total.prompt_seconds += r->prompt_seconds;
    g->total.made_seconds += r->made_seconds;
    if (r->end == BP_END_CONTEXT) fprintf(stderr, "llm-run: the context of %lld tokens is full (raise --context)\n", (long long)bp_run_context(g->session->run));
}

/* A generation that Ctrl-C ended before its first token is no failure. */
static bp_status pass_cancelled(bp_status status) { return status == BP_E_CANCELLED ? BP_OK : status; }

static bp_status chat_turn(printer *g, const bp_generation *how, bp_conversation *c, const char *line, bp_error *error) {
    bp_generation_result result = { 0 };
    listen_to_interrupts();
    bp_status status = bp_conversation_say(c, "user", line, strlen(line), error);
    if (!status) status = pass_cancelled(bp_conversation_answer(c, how, &result, error));
    finish(g, &result);
    if (!g->json) putchar('\n');
    return status;
}

/* A word that begins with '/': false ends the conversation. */
static bool chat_command(bp_conversation *c, const char *line) {
    if (!strcmp(line, "/quit")) return false;
    if (!strcmp(line, "/clear")) bp_conversation_clear(c);
    else if (!strcmp(line, "/help")) fputs("/clear forgets the conversation, /quit ends; Ctrl-C stops an answer\n", stderr);
    else fprintf(stderr, "unknown command %s: try /help\n", line);
    return true;
}

static bp_status hold_conversation(printer *g, const bp_generation *how, bp_conversation *c, bp_error *error) {
    char *line = NULL;
    size_t room = 0;
    bp_status status = BP_OK;
    while (!status) {
        if (isatty(STDIN_FILENO)) fputs("> ", stderr);
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0) break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        if (line[0] == '/' && !chat_command(c, line)) break;
        if (n && line[0] != '/') status = chat_turn(g, how, c, line, error);
    }
    free(line);
    return status;
}

static bp_status chat(printer *g, const bp_generation *how, const bp_own_flag *own, bp_error *error) {
    bp_conversation *c;
    bool has_template;
    const char *first = own[OWN_PROMPT].value, *system = own[OWN_SYSTEM].value;
    bp_status status = bp_conversation_new(g->session, &c, &has_template, error);
    if (status) return status;
    if (!has_template) fputs("llm-run: the model has no chat template: ChatML is used, which it may not have learned\n", stderr);
    if (system) status = bp_conversation_say(c, "system", system, strlen(system), error);
    if (!status) status = first ? chat_turn(g, how, c, first, error) : hold_conversation(g, how, c, error);
    bp_conversation_free(c);
    return status;
}

static bp_status complete(printer *g, const bp_generation *how, const bp_own_flag *own, bp_error *error) {
    bp_text text = { 0 };
    bp_tokens ids = { 0 };
    bp_generation_result result = { 0 };
    bp_status status = BP_OK;
    if (own[OWN_PROMPT].value) bp_text_adds(&text, own[OWN_PROMPT].value);
    else status = bp_file_read(own[OWN_FILE].value ? own[OWN_FILE].value : "-", MAX_PROMPT_BYTES, &text, error);
    if (!status) status = bp_tokenize(g->session->tokenizer, bp_text_get(&text), text.size, own[OWN_SPECIAL].value ? BP_TOKENIZE_SPECIAL : 0, &ids, error);
    listen_to_interrupts();
    if (!status) status = pass_cancelled(bp_generate(how, ids.ids, (int64_t)ids.count, &result, error));
    finish(g, &result);
    if (!status && !g->json) putchar('\n');
    free(ids.ids);
    bp_text_free(&text);
    return status;
}

static void print_timings(const printer *g) {
    const bp_generation_result *r = &g->total;
    fprintf(stderr, "prompt: %lld tokens, %.1f tokens/s; generated: %lld tokens, %.1f tokens/s\n", (long long)r->n_prompt,
            (double)r->n_prompt / BP_MAX(r->prompt_seconds, 1e-9), (long long)r->n_made, (double)r->n_made / BP_MAX(r->made_seconds, 1e-9));
}

static bp_status read_logprobs(printer *g, const char *value, bp_error *error) {
    if (!value) return BP_OK;
    char *end;
    long n = strtol(value, &end, 10);
    if (*end || end == value || n < 0 || n > BP_MAX_TOP_LOGPROBS)
        return bp_command_usage(error, "--logprobs '%s': give a number from 0 to %d", value, BP_MAX_TOP_LOGPROBS);
    if (!g->json) return bp_command_usage(error, "--logprobs: they are printed with --json only");
    g->n_top = (uint32_t)n;
    return BP_OK;
}

static bp_status read_limit(const char *value, int64_t *limit, bp_error *error) {
    char *end;
    *limit = DEFAULT_TOKENS;
    if (!value) return BP_OK;
    *limit = strtoll(value, &end, 10);
    if (*end || end == value || *limit < -1) return bp_command_usage(error, "-n '%s' is not a number of tokens", value);
    if (*limit == -1) *limit = INT64_MAX;
    return BP_OK;
}

static bp_status use_model(printer *g, bp_generation *how, const bp_own_flag *own, bp_error *error) {
    how->run = g->session->run, how->tokenizer = g->session->tokenizer, how->logprobs = g->json, how->each = show, how->self = g;
    if (own[OWN_EXPLAIN].value) {
        bp_run_explain(how->run, stdout);
        return BP_OK;
    }
    bp_status status = own[OWN_PROFILE].value ? bp_run_profile(how->run, true, error) : BP_OK;
    if (!status) status = own[OWN_CHAT].value ? chat(g, how, own, error) : complete(g, how, own, error);
    if (!status && (own[OWN_TIMINGS].value || isatty(STDERR_FILENO))) print_timings(g);
    if (!status && own[OWN_PROFILE].value) bp_run_profile_print(how->run, stderr);
    return status;
}

/* The model with its sampler; then devices and run, which find the likeliest tokens where these are enough. */
static bp_status open_session(bp_config *config, printer *g, bp_generation *how, bp_error *error) {
    const bp_sampler_settings sampling = bp_sampler_settings_from(config);
    bp_run_settings settings;
    bp_status status = bp_run_settings_from(config, &settings, error);
    if (!status) status = bp_session_load(config, true, g->session, error);
    if (status) return status;
    status = bp_sampler_new(&sampling, g->session->tokenizer, &how->sampler, error);
    if (!status && !g->json && !bp_sampler_is_greedy(how->sampler)) settings.output.likeliest = bp_sampler_reach(how->sampler);
    if (!status) return bp_session_start(g->session, &settings, error);
    bp_session_close(g->session);
    return status;
}

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    if (own[OWN_LIST].value) return bp_plugin_list(config, stdout, error);
    bp_session session;
    printer g = { .session = &session, .json = own[OWN_JSON].value };
    bp_generation how = { .sequence = BP_SEQUENCE_MAIN };
    bp_status status = read_limit(own[OWN_COUNT].value, &how.limit, error);
    if (!status) status = read_logprobs(&g, own[OWN_LOGPROBS].value, error);
    if (!status) status = open_session(config, &g, &how, error);
    if (!status) {
        status = use_model(&g, &how, own, error);
        bp_text_free(&g.pending);
        bp_session_close(&session);
    }
    bp_sampler_free(how.sampler);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_PROMPT] = { "-p,--prompt", true, "text to continue (with --chat: one question)", NULL },
        [OWN_FILE] = { "-f,--file", true, "read the text from a file (-: stdin, the default)", NULL },
        [OWN_COUNT] = { "-n,--n-predict", true, "tokens to generate at most (default 128; -1: to the context's end)", NULL },
        [OWN_CHAT] = { "--chat", false, "hold a conversation", NULL },
        [OWN_SYSTEM] = { "--system", true, "with --chat: the system's message", NULL },
        [OWN_JSON] = { "--json", false, "print one JSON object a token: id, text, logprob", NULL },
        [OWN_EXPLAIN] = { "--explain", false, "print where everything runs, and end", NULL },
        [OWN_PROFILE] = { "--profile", false, "print the time of each op at the end", NULL },
        [OWN_LIST] = { "--list-backends", false, "print the backends that were found and their devices, and end", NULL },
        [OWN_TIMINGS] = { "--timings", false, "print speeds at the end, also where stderr is no terminal", NULL },
        [OWN_SPECIAL] = { "--special", false, "parse special tokens in the prompt", NULL },
        [OWN_LOGPROBS] = { "--logprobs", true, "with --json: also the n likeliest tokens and their log-probabilities", NULL },
    };
    return bp_command_main(argc, argv, "continue a text with a language model", own, BP_COUNT(own), run);
}
