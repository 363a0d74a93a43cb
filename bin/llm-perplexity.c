/* llm-perplexity: how well a model foretells a text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/size.h"
#include "core/run/command.h"
#include "core/run/session.h"

enum { OWN_PROMPT, OWN_FILE, OWN_TOKENS, OWN_SPECIAL, OWN_JSON };
enum { MAX_TEXT_BYTES = 1 << 30, PIECE = 64 }; /* tokens whose logits are looked at together */

typedef struct score {
    double sum, squares; /* of the negative log-likelihoods, in nats */
    int64_t n;
} score;

/* Of token `next` in the softmax of a row. */
static double negative_log_likelihood(const float *row, int64_t n, int32_t next) {
    float top = row[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++) top = row[i] > top ? row[i] : top;
    for (int64_t i = 0; i < n; i++) sum += exp((double)row[i] - (double)top);
    return (double)top + log(sum) - (double)row[next];
}

/* One window of the text, from an empty cache: each token but the first is foretold from those before it. */
static bp_status score_window(bp_session *s, const int32_t *ids, int64_t n, score *total, bp_error *error) {
    const int64_t n_vocab = bp_run_n_vocab(s->run);
    bp_status status = bp_run_truncate(s->run, BP_SEQUENCE_MAIN, 0, error);
    for (int64_t at = 0; !status && at + 1 < n; at += PIECE) {
        const float *logits;
        const int64_t now = BP_MIN(PIECE, n - 1 - at);
        status = bp_run_feed(s->run, BP_SEQUENCE_MAIN, ids + at, now, true, &logits, error);
        for (int64_t i = 0; !status && i < now; i++) {
            const double nll = negative_log_likelihood(logits + i * n_vocab, n_vocab, ids[at + i + 1]);
            total->sum += nll;
            total->squares += nll * nll;
            total->n++;
        }
    }
    return status;
}

static bp_status read_ids(bp_session *s, const bp_own_flag *own, bp_tokens *ids, bp_error *error) {
    if (own[OWN_TOKENS].value) return bp_tokens_parse("--tokens", own[OWN_TOKENS].value, ids, error);
    bp_text text = { 0 };
    bp_status status = BP_OK;
    if (own[OWN_PROMPT].value) bp_text_adds(&text, own[OWN_PROMPT].value);
    else status = bp_file_read(own[OWN_FILE].value ? own[OWN_FILE].value : "-", MAX_TEXT_BYTES, &text, error);
    if (!status) status = bp_tokenize(s->tokenizer, bp_text_get(&text), text.size, own[OWN_SPECIAL].value ? BP_TOKENIZE_SPECIAL : 0, ids, error);
    bp_text_free(&text);
    return status;
}

static void print_score(const score *t, bool json) {
    const double n = (double)t->n, mean = t->sum / n, variance = t->n > 1 ? (t->squares - n * mean * mean) / (n - 1) : 0;
    const double error = sqrt(fmax(variance, 0) / n);
    if (json) printf("{\"tokens\": %lld, \"mean_nll\": %.9g, \"standard_error\": %.6g, \"perplexity\": %.9g}\n", (long long)t->n, mean, error, exp(mean));
    else printf("perplexity %.4f (± %.4f) over %lld tokens; %.6f nats a token\n", exp(mean), exp(mean) * error, (long long)t->n, mean);
}

static bp_status measure(bp_config *config, const bp_own_flag *own, bp_error *error) {
    bp_session s;
    bp_tokens ids = { 0 };
    score total = { 0 };
    bp_status status = bp_session_open(config, !own[OWN_TOKENS].value, &s, error);
    if (status) return status;
    status = read_ids(&s, own, &ids, error);
    if (!status && ids.count < 2) status = bp_fail(error, BP_E_INVALID, "a text of at least two tokens is needed; this has %zu", ids.count);
    const int64_t window = bp_run_context(s.run);
    for (int64_t at = 0; !status && at + 1 < (int64_t)ids.count; at += window) status = score_window(&s, ids.ids + at, BP_MIN(window, (int64_t)ids.count - at), &total, error);
    if (!status) print_score(&total, own[OWN_JSON].value);
    free(ids.ids);
    bp_session_close(&s);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_PROMPT] = { "-p,--prompt", true, "the text", NULL },
        [OWN_FILE] = { "-f,--file", true, "read the text from a file (-: stdin, the default)", NULL },
        [OWN_TOKENS] = { "--tokens", true, "token ids in place of a text, like 1,2,3", NULL },
        [OWN_SPECIAL] = { "--special", false, "parse special tokens in the text", NULL },
        [OWN_JSON] = { "--json", false, "print JSON", NULL },
    };
    return bp_command_main(argc, argv, "measure how well a model foretells a text, in windows of --context tokens", own, BP_COUNT(own), measure);
}
