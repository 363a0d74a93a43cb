/* llm-bench: speed of prompt processing and of generation, beside the machine's own read bandwidth. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fail.h"
#include "core/base/parallel.h"
#include "core/base/size.h"
#include "core/device/bandwidth.h"
#include "core/run/command.h"
#include "core/run/session.h"

enum { OWN_PROMPT, OWN_COUNT, OWN_REPEAT, OWN_DEPTH, OWN_JSON };
enum { MAX_REPEAT = 1000 };

static int by_size(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

/* Tokens a second of one test: a prompt of n tokens at once (steps = 1), or n single tokens (steps = n). */
static bp_status measure(bp_session *s, int64_t depth, int64_t n, bool single, double *speed, bp_error *error) {
    const float *logits;
    int32_t *ids = bp_new_array((size_t)(depth + n), sizeof *ids);
    if (!ids) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < depth + n; i++) ids[i] = (int32_t)((i * 31 + 17) % s->model->hp.n_vocab);
    bp_status status = bp_run_truncate(s->run, BP_SEQUENCE_MAIN, 0, error);
    if (!status) status = depth ? bp_run_feed(s->run, BP_SEQUENCE_MAIN, ids, depth, false, &logits, error) : BP_OK;
    double begin = bp_now();
    int32_t next; /* what greedy generation takes from the device */
    for (int64_t i = 0; !status && single && i < n; i++) status = bp_run_next(s->run, BP_SEQUENCE_MAIN, ids + depth + i, 1, &next, error);
    if (!status && !single) status = bp_run_feed(s->run, BP_SEQUENCE_MAIN, ids + depth, n, false, &logits, error);
    *speed = (double)n / (bp_now() - begin);
    free(ids);
    return status;
}

/* Bytes that one token reads at least: all weights, but of the embedding only where it is the output as well. */
static double bytes_a_token(const bp_model *model) {
    double bytes = 0;
    bool tied = !bp_gguf_find_tensor(model->file, "output.weight");
    for (uint64_t i = 0; i < bp_gguf_n_tensors(model->file); i++) {
        const bp_gguf_tensor *t = bp_gguf_tensor_at(model->file, i);
        if (tied || strcmp(t->name, "token_embd.weight")) bytes += (double)t->bytes;
    }
    return bytes;
}

typedef struct plan {
    int64_t prompt, count, repeat, depth;
    bool json;
    double bandwidth; /* bytes a second; 0: not known */
    bool first;
} plan;

static bp_status test(bp_session *s, plan *p, bool single, bp_error *error) {
    int64_t n = single ? p->count : p->prompt;
    double speeds[MAX_REPEAT], ignored;
    if (!n) return BP_OK;
    bp_status status = measure(s, 0, single ? BP_MIN(n, 4) : n, single, &ignored, error); /* compile, warm up */
    for (int64_t i = 0; !status && i < p->repeat; i++) status = measure(s, p->depth, n, single, &speeds[i], error);
    if (status) return status;
    qsort(speeds, (size_t)p->repeat, sizeof *speeds, by_size);
    double median = speeds[p->repeat / 2], share = single && p->bandwidth > 0 ? median * bytes_a_token(s->model) / p->bandwidth : 0;
    char name[64], depth[32] = "", limit[32] = "null";
    if (p->depth) snprintf(depth, sizeof depth, "@%lld", (long long)p->depth);
    snprintf(name, sizeof name, "%s%lld%s", single ? "tg" : "pp", (long long)n, depth);
    if (share > 0) snprintf(limit, sizeof limit, "%.3f", share);
    if (p->json)
        printf("%s{\"test\": \"%s\", \"tokens_per_second\": {\"median\": %.3f, \"min\": %.3f, \"max\": %.3f}, \"share_of_limit\": %s}",
               p->first ? "" : ", ", name, median, speeds[0], speeds[p->repeat - 1], limit);
    else
        printf("%10s %10.2f tokens/s (%.2f to %.2f)  share of the read bandwidth: %s\n", name, median, speeds[0], speeds[p->repeat - 1], limit);
    p->first = false;
    return BP_OK;
}

static bp_status number(const bp_own_flag *flag, int64_t otherwise, int64_t max, int64_t *out, bp_error *error) {
    char *end;
    *out = flag->value ? strtoll(flag->value, &end, 10) : otherwise;
    if (flag->value && (*end || end == flag->value || *out < 0 || *out > max))
        return bp_command_usage(error, "%s '%s' is not a number in 0…%lld", flag->flag, flag->value, (long long)max);
    return BP_OK;
}

static bp_status bench(bp_config *config, const bp_own_flag *own, bp_error *error) {
    plan p = { .json = own[OWN_JSON].value, .first = true };
    bp_status status = number(&own[OWN_PROMPT], 512, 1 << 20, &p.prompt, error);
    if (!status) status = number(&own[OWN_COUNT], 128, 1 << 20, &p.count, error);
    if (!status) status = number(&own[OWN_REPEAT], 5, MAX_REPEAT, &p.repeat, error);
    if (!status) status = number(&own[OWN_DEPTH], 0, 1 << 20, &p.depth, error);
    if (!status && !p.repeat) status = bp_command_usage(error, "-r must be at least 1");
    bp_session s;
    if (!status) status = bp_session_open(config, false, &s, error);
    if (status) return status;
    int64_t threads = bp_config_int(config, BP_OPT_THREADS);
    p.bandwidth = bp_device_bandwidth(&s.devices.list[0], threads > 0 ? (uint32_t)threads : bp_cpu_count());
    if (p.json) putchar('[');
    else if (p.bandwidth > 0) printf("read bandwidth: %.1f GB/s; a token reads at least %.3f GB\n", p.bandwidth / 1e9, bytes_a_token(s.model) / 1e9);
    status = test(&s, &p, false, error);
    if (!status) status = test(&s, &p, true, error);
    if (p.json) puts("]");
    bp_session_close(&s);
    return status;
}

int main(int argc, char **argv) {
    bp_own_flag own[] = {
        [OWN_PROMPT] = { "-p,--n-prompt", true, "tokens of the prompt test (default 512; 0: none)", NULL },
        [OWN_COUNT] = { "-n,--n-gen", true, "tokens of the generation test (default 128; 0: none)", NULL },
        [OWN_REPEAT] = { "-r,--repetitions", true, "times each test is run (default 5)", NULL },
        [OWN_DEPTH] = { "-d,--depth", true, "tokens in the cache before each test (default 0)", NULL },
        [OWN_JSON] = { "--json", false, "print JSON", NULL },
    };
    return bp_command_main(argc, argv, "measure the speed of a model", own, BP_COUNT(own), bench);
}
