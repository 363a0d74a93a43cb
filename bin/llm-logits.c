/* llm-logits: the logits that a model gives, as JSON: the tests' window into the model. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/run/command.h"
#include "core/run/session.h"

enum { OWN_TOKENS, OWN_ALL, OWN_CHUNK, OWN_GREEDY };

static void print_row(const float *row, int64_t n) {
    putchar('[');
    for (int64_t i = 0; i < n; i++) printf("%s%.9g", i ? "," : "", (double)row[i]);
    putchar(']');
}

/* Feed in pieces of `chunk` tokens (0: all at once); prints one row, or with all each row. *last: the last row. */
static bp_status print_logits(bp_session *s, const bp_tokens *tokens, bool all, size_t chunk, const float **last, bp_error *error) {
    const int64_t n_vocab = s->model->hp.n_vocab;
    const float *logits = NULL;
    if (!chunk) chunk = tokens->count;
    for (size_t at = 0; at < tokens->count; at += chunk) {
        size_t now = BP_MIN(chunk, tokens->count - at);
        bp_status status = bp_run_feed(s->run, BP_SEQUENCE_MAIN, tokens->ids + at, (int64_t)now, all, &logits, error);
        if (status) return status;
        if (!at) printf(all ? "{\"logits\": [" : "{\"logits\": ");
        for (size_t i = 0; all && i < now; i++) {
            if (at + i) putchar(',');
            print_row(logits + i * (size_t)n_vocab, n_vocab);
        }
    }
    if (all) putchar(']');
    else print_row(logits, n_vocab);
    *last = all ? logits + ((tokens->count - 1) % chunk) * (size_t)n_vocab : logits;
    return BP_OK;
}

static int32_t argmax(const float *row, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (row[i] > row[best]) best = i;
    return (int32_t)best;
}

/* Continue with the likeliest token n times; the first comes from the last row printed. */
static bp_status print_greedy(bp_session *s, const float *last, int64_t n, bp_error *error) {
    printf(", \"greedy\": [");
    for (int64_t i = 0; i < n; i++) {
        int32_t next = argmax(last, s->model->hp.n_vocab);
        printf("%s%d", i ? "," : "", next);
        bp_status status = i + 1 < n ? bp_run_feed(s->run, BP_SEQUENCE_MAIN, &next, 1, false, &last, error) : BP_OK;
        if (status) return status;
    }
    putchar(']');
    return BP_OK;
}

static bp_status logits(bp_config *config, const bp_own_flag *own, bp_error *error) {
    bp_tokens tokens = { 0 };
    bp_session session = { 0 };
    const float *last = NULL;
    bp_status status = bp_tokens_parse("--tokens", own[OWN_TOKENS].value ? own[OWN_TOKENS].value : "", &tokens, error);
    if (!status && !tokens.count) status = bp_command_usage(error, "no tokens: give --tokens 1,2,3");
    if (!status) status = bp_session_open(config, false, &session, error);
    long chunk = own[OWN_CHUNK].value ? strtol(own[OWN_CHUNK].value, NULL, 10) : 0;
    if (!status) status = print_logits(&session, &tokens, own[OWN_ALL].value, chunk > 0 ? (size_t)chunk : 0, &last, error);
    if (!status && own[OWN_GREEDY].value) status = print_greedy(&session, last, strtol(own[OWN_GREEDY].value, NULL, 10), error);
    if (!status) puts("}");
    bp_session_close(&session);
    free(tokens.ids);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_TOKENS] = { "--tokens", true, "token ids to feed, like 1,2,3", NULL },
        [OWN_ALL] = { "--all", false, "logits of every position, not of the last alone", NULL },
        [OWN_CHUNK] = { "--chunk", true, "feed this many tokens at a time (default: all at once)", NULL },
        [OWN_GREEDY] = { "--greedy", true, "also the ids of this many greedy continuation tokens", NULL },
    };
    return bp_command_main(argc, argv, "print the logits of a model", own, BP_COUNT(own), logits);
}
