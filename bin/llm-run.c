/* llm-run: text in, the model's continuation or answer out. Text alone on stdout; messages and timings on stderr. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/run/sampler.h"
#include "core/run/session.h"
#include "core/text/chat.h"

enum { OWN_PROMPT, OWN_FILE, OWN_COUNT, OWN_CHAT, OWN_JSON, OWN_EXPLAIN, OWN_PROFILE, OWN_LIST, OWN_TIMINGS, OWN_SPECIAL,
       OWN_LOGPROBS };
enum { MAX_PROMPT_BYTES = 64 << 20, DEFAULT_TOKENS = 128 };

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct generation {
    bp_session *session;
    bp_sampler *sampler;
    int64_t limit;
    bool json;
    uint32_t n_top; /* with JSON: likeliest tokens to print beside each */
    bp_text pending; /* bytes that do not yet end a UTF-8 character */
    bp_text answer;  /* all bytes, for the history of a chat */
    int64_t n_prompt, n_made;
    double prompt_seconds, made_seconds;
} generation;

/* Write all whole characters of the pending bytes; with `end` the rest as well. */
static void flush_text(generation *g, bool end) {
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

static void add_token_json(const generation *g, bp_text *line, int32_t id, const bp_text *piece, float logprob) {
    bp_text own = { 0 };
    if (!piece) bp_token_bytes(g->session->tokenizer, id, true, &own, NULL);
    bp_text_format(line, "\"id\": %d, \"text\": \"", id);
    bp_text_json(line, bp_text_get(piece ? piece : &own), piece ? piece->size : own.size);
    bp_text_format(line, "\", \"logprob\": %.6g", (double)logprob);
    bp_text_free(&own);
}

static void add_top_json(const generation *g, bp_text *line, const float *logits) {
    static bp_logprob top[BP_MAX_TOP_LOGPROBS];
    uint32_t n = bp_logprobs_top(logits, (int32_t)g->session->model->hp.n_vocab, top, g->n_top);
    bp_text_adds(line, ", \"top\": [");
    for (uint32_t i = 0; i < n; i++) {
        bp_text_adds(line, i ? ", {" : "{");
        add_token_json(g, line, top[i].id, NULL, top[i].logprob);
        bp_text_adds(line, "}");
    }
    bp_text_adds(line, "]");
}

static void print_json(const generation *g, int32_t id, const bp_text *piece, float logprob, const float *logits) {
    bp_text line = { 0 };
    bp_text_adds(&line, "{");
    add_token_json(g, &line, id, piece, logprob);
    if (g->n_top) add_top_json(g, &line, logits);
    bp_text_adds(&line, "}\n");
    fputs(bp_text_get(&line), stdout);
    fflush(stdout);
    bp_text_free(&line);
}

static bp_status show(generation *g, int32_t id, float logprob, const float *logits, bp_error *error) {
    bp_text piece = { 0 };
    bp_status status = bp_token_bytes(g->session->tokenizer, id, false, &piece, error);
    bp_text_add(&g->answer, bp_text_get(&piece), piece.size);
    if (g->json) {
        print_json(g, id, &piece, logprob, logits);
    } else {
        bp_text_add(&g->pending, bp_text_get(&piece), piece.size);
        flush_text(g, false);
    }
    bp_text_free(&piece);
    return status;
}

static bp_status generate(generation *g, const bp_tokens *prompt, bp_error *error) {
    const float *logits;
    int32_t id;
    float logprob = 0;
    double begin = now();
    bp_status status = bp_run_feed(g->session->run, BP_SEQUENCE_MAIN, prompt->ids, (int64_t)prompt->count, false, &logits, error);
    for (size_t i = 0; !status && i < prompt->count; i++) status = bp_sampler_accept_prompt(g->sampler, prompt->ids[i]);
    g->n_prompt += (int64_t)prompt->count;
    g->prompt_seconds += now() - begin;
    begin = now();
    for (int64_t i = 0; !status && i < g->limit && !interrupted; i++) {
        status = bp_sampler_next(g->sampler, logits, (int32_t)g->session->model->hp.n_vocab, &id,
                                 g->json ? &logprob : NULL);
        if (status) bp_fail(error, status, "the model gave no token to choose: all its logits are NaN or -infinity, or none of them fits the grammar");
        if (status || bp_token_ends(g->session->tokenizer, id)) break;
        status = bp_sampler_accept(g->sampler, id);
        if (!status) status = show(g, id, logprob, logits, error);
        g->n_made++;
        if (bp_run_length(g->session->run, BP_SEQUENCE_MAIN) >= bp_run_context(g->session->run)) break;
        if (!status && i + 1 < g->limit) status = bp_run_feed(g->session->run, BP_SEQUENCE_MAIN, &id, 1, false, &logits, error);
    }
    g->made_seconds += now() - begin;
    if (!g->json) flush_text(g, true);
    return status;
}

static bp_status run_prompt(generation *g, const char *text, size_t n, uint32_t flags, bp_error *error) {
    bp_tokens tokens = { 0 };
    bp_status status = bp_tokenize(g->session->tokenizer, text, n, flags, &tokens, error);
    if (!status && !tokens.count) status = bp_fail(error, BP_E_INVALID, "the prompt is empty");
    if (!status) status = generate(g, &tokens, error);
    free(tokens.ids);
    return status;
}

/* A conversation: messages as the template gets them. */
typedef struct conversation {
    bp_chat *chat;
    json_t *messages;
} conversation;

static bp_status say(conversation *c, const char *role, const char *content, size_t n, bp_error *error) {
    json_t *text = json_stringn(content, n);
    if (!text) return bp_fail(error, BP_E_INVALID, "the message of the %s is not valid UTF-8", role);
    if (json_array_append_new(c->messages, json_pack("{s:s, s:o}", "role", role, "content", text)))
        return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    return BP_OK;
}

static bp_status render(const conversation *c, bp_text *out, bp_error *error) {
    json_t *all = json_pack("{s:O, s:n, s:n, s:b}", "messages", c->messages, "tools", "documents", "add_generation_prompt", 1);
    if (!all) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    bp_status status = bp_chat_render(c->chat, all, out, error);
    json_decref(all);
    return status;
}

/* One turn: the whole conversation is rendered and computed anew. */
static bp_status chat_turn(generation *g, conversation *c, const char *line, bp_error *error) {
    bp_text prompt = { 0 };
    bp_status status = say(c, "user", line, strlen(line), error);
    if (!status) status = render(c, &prompt, error);
    uint32_t how = BP_TOKENIZE_SPECIAL;
    if (!status && bp_chat_has_bos(c->chat, bp_text_get(&prompt), prompt.size)) how |= BP_TOKENIZE_NO_BOS;
    if (!status) status = bp_run_truncate(g->session->run, BP_SEQUENCE_MAIN, 0, error);
    bp_sampler_reset(g->sampler);
    bp_text_clear(&g->answer);
    if (!status) status = run_prompt(g, bp_text_get(&prompt), prompt.size, how, error);
    if (!status) status = say(c, "assistant", bp_text_get(&g->answer), g->answer.size, error);
    bp_text_free(&prompt);
    interrupted = 0;
    return status;
}

/* The model's own template; plain ChatML, said in words, where it has none. */
static bp_status open_chat(const bp_gguf *file, conversation *c, bp_error *error) {
    bp_status status = bp_chat_open(file, NULL, &c->chat, error);
    if (status == BP_E_NOT_FOUND) {
        fputs("llm-run: the model has no chat template: ChatML is used, which it may not have learned\n", stderr);
        status = bp_chat_open_chatml(file, &c->chat, error);
    }
    c->messages = json_array();
    return !status && !c->messages ? bp_fail(error, BP_E_NO_MEMORY, "out of memory") : status;
}

static bp_status hold_conversation(generation *g, conversation *c, bp_error *error) {
    char *line = NULL;
    size_t room = 0;
    bp_status status = BP_OK;
    while (!status) {
        if (isatty(STDIN_FILENO)) fputs("> ", stderr);
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0) break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        if (!strcmp(line, "/quit")) break;
        if (!strcmp(line, "/help")) {
            fputs("/clear forgets the conversation, /quit ends; Ctrl-C stops an answer\n", stderr);
        } else if (!strcmp(line, "/clear")) {
            json_array_clear(c->messages);
        } else if (line[0] == '/') {
            fprintf(stderr, "unknown command %s: try /help\n", line);
        } else if (n) {
            status = chat_turn(g, c, line, error);
            putchar('\n');
        }
    }
    free(line);
    return status;
}

static bp_status chat(generation *g, const char *first, bp_error *error) {
    conversation c = { 0 };
    bp_status status = open_chat(g->session->model->file, &c, error);
    if (!status && first) status = chat_turn(g, &c, first, error);
    if (first) putchar('\n');
    if (!status && !first) status = hold_conversation(g, &c, error);
    json_decref(c.messages);
    bp_chat_free(c.chat);
    return status;
}

static bp_status complete(generation *g, const bp_own_flag *own, bp_error *error) {
    bp_text text = { 0 };
    bp_status status = BP_OK;
    if (own[OWN_PROMPT].value) bp_text_adds(&text, own[OWN_PROMPT].value);
    else status = bp_file_read(own[OWN_FILE].value ? own[OWN_FILE].value : "-", MAX_PROMPT_BYTES, &text, error);
    if (!status) status = run_prompt(g, bp_text_get(&text), text.size, own[OWN_SPECIAL].value ? BP_TOKENIZE_SPECIAL : 0, error);
    if (!g->json) putchar('\n');
    bp_text_free(&text);
    return status;
}

static void print_timings(const generation *g) {
    fprintf(stderr, "prompt: %lld tokens, %.1f tokens/s; generated: %lld tokens, %.1f tokens/s\n", (long long)g->n_prompt,
            (double)g->n_prompt / BP_MAX(g->prompt_seconds, 1e-9), (long long)g->n_made, (double)g->n_made / BP_MAX(g->made_seconds, 1e-9));
}

static bp_status read_logprobs(generation *g, const char *value, bp_error *error) {
    if (!value) return BP_OK;
    char *end;
    long n = strtol(value, &end, 10);
    if (*end || end == value || n < 0 || n > BP_MAX_TOP_LOGPROBS)
        return bp_fail(error, BP_E_INVALID, "--logprobs '%s': give a number from 0 to %d", value, BP_MAX_TOP_LOGPROBS);
    if (!g->json) return bp_fail(error, BP_E_INVALID, "--logprobs: they are printed with --json only");
    g->n_top = (uint32_t)n;
    return BP_OK;
}

static bp_status run(bp_config *config, const bp_own_flag *own, bp_error *error) {
    if (own[OWN_LIST].value) return bp_plugin_list(config, stdout, error);
    bp_session session;
    generation g = { .session = &session, .limit = DEFAULT_TOKENS, .json = own[OWN_JSON].value };
    if (own[OWN_COUNT].value) {
        char *end;
        g.limit = strtoll(own[OWN_COUNT].value, &end, 10);
        if (*end || end == own[OWN_COUNT].value || g.limit < -1) return bp_fail(error, BP_E_INVALID, "-n '%s' is not a number of tokens", own[OWN_COUNT].value);
        if (g.limit == -1) g.limit = INT64_MAX;
    }
    bp_status status = read_logprobs(&g, own[OWN_LOGPROBS].value, error);
    if (status) return status;
    status = bp_session_open(config, true, &session, error);
    if (status) return status;
    bp_sampler_settings settings = bp_sampler_settings_from(config);
    status = bp_sampler_new(&settings, session.tokenizer, &g.sampler, error);
    if (own[OWN_EXPLAIN].value) {
        bp_run_explain(session.run, stdout);
    } else if (!status) {
        if (own[OWN_PROFILE].value) status = bp_run_profile(session.run, true, error);
        if (!status) status = own[OWN_CHAT].value ? chat(&g, own[OWN_PROMPT].value, error) : complete(&g, own, error);
        if (!status && (own[OWN_TIMINGS].value || isatty(STDERR_FILENO))) print_timings(&g);
        if (!status && own[OWN_PROFILE].value) bp_run_profile_print(session.run, stderr);
    }
    bp_sampler_free(g.sampler);
    bp_text_free(&g.pending);
    bp_text_free(&g.answer);
    bp_session_close(&session);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_PROMPT] = { "-p,--prompt", true, "text to continue (with --chat: one question)", NULL },
        [OWN_FILE] = { "-f,--file", true, "read the text from a file (-: stdin, the default)", NULL },
        [OWN_COUNT] = { "-n,--n-predict", true, "tokens to generate at most (default 128; -1: to the context's end)", NULL },
        [OWN_CHAT] = { "--chat", false, "hold a conversation", NULL },
        [OWN_JSON] = { "--json", false, "print one JSON object a token: id, text, logprob", NULL },
        [OWN_EXPLAIN] = { "--explain", false, "print where everything runs, and end", NULL },
        [OWN_PROFILE] = { "--profile", false, "print the time of each op at the end", NULL },
        [OWN_LIST] = { "--list-backends", false, "print the backends that were found and their devices, and end", NULL },
        [OWN_TIMINGS] = { "--timings", false, "print speeds at the end, also where stderr is no terminal", NULL },
        [OWN_SPECIAL] = { "--special", false, "parse special tokens in the prompt", NULL },
        [OWN_LOGPROBS] = { "--logprobs", true, "with --json: also the n likeliest tokens and their log-probabilities", NULL },
    };
    bp_config *config;
    bp_error error = BP_ERROR_INIT;
    bool done;
    int exit_status = bp_command_begin(argc, argv, "continue a text with a language model", own, BP_COUNT(own), &config, &done);
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    if (!done && run(config, own, &error)) exit_status = bp_command_fail("llm-run", &error);
    bp_config_free(config);
    return exit_status;
}
