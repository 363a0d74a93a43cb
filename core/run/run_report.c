/* A run in words: --explain and --profile. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op_name.h"
#include "core/run/run_internal.h"

enum { PROFILE_ENTRIES = 1 << 16 };

bp_status bp_run_profile(bp_run *run, bool on, bp_error *error) {
    bp_status status = BP_OK;
    for (uint32_t i = 0; !status && i < run->n_executors; i++) status = bp_executor_profile(run->executors[i], on, error);
    return status;
}

static void print_program(const bp_profile_entry *e, uint32_t n, const char *backend, const char *title, FILE *to) {
    uint64_t total = 0, calls = 0;
    for (uint32_t i = 0; i < n; i++) total += e[i].nanoseconds;
    for (uint32_t i = 0; i < n; i++) calls = BP_MAX(calls, e[i].calls);
    if (!calls) return;
    fprintf(to, "%s on %s: %llu runs, %.3f ms each\n", title, backend, (unsigned long long)calls, (double)total / 1e6 / (double)calls);
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
    bp_profile_entry *entries = bp_new_array(PROFILE_ENTRIES, sizeof *entries);
    bp_error ignored = BP_ERROR_INIT;
    for (uint32_t i = 0; entries && i < run->n_executors; i++)
        for (int class = 0; class < BP_N_CLASSES; class++) {
            uint32_t n = 0;
            if (!bp_executor_profile_read(run->executors[i], class, entries, PROFILE_ENTRIES, &n, &ignored))
                print_program(entries, BP_MIN(n, (uint32_t)PROFILE_ENTRIES), bp_executor_device(run->executors[i])->backend->name, bp_class_ranges[class].name, to);
        }
    free(entries);
}

static void explain_device(const bp_open_device *d, FILE *to) {
    bp_device_info info = { .size = sizeof info };
    bp_error ignored = BP_ERROR_INIT;
    d->api->info(d->handle, &info, &ignored);
    fprintf(to, "device: %s (%s), backend %s %s\n", info.name ? info.name : "?", info.detail ? info.detail : "", d->backend->name, d->backend->version);
}

static void explain_part(const bp_run *run, uint32_t i, FILE *to) {
    const bp_part *part = bp_executor_part(run->executors[i]);
    const bp_executor_memory m = bp_executor_memory_of(run->executors[i]);
    const int32_t first = run->placement.layer[part->whole_node[0]], last = run->placement.layer[part->whole_node[part->graph.n_nodes - 1]];
    fprintf(to, "part %u on %s: %u nodes, ", i + 1, bp_executor_device(run->executors[i])->backend->name, part->graph.n_nodes);
    fprintf(to, first < 0 ? "from the embedding" : "from layer %d", first);
    fprintf(to, last >= run->placement.n_layers ? " to the output" : " to layer %d", last);
    fprintf(to, "; weights %.1f MB mapped, %.1f MB packed; cache %.1f MB\n", (double)m.mapped / 1e6, (double)m.packed / 1e6, (double)m.state / 1e6);
}

void bp_run_explain(const bp_run *run, FILE *to) {
    for (uint32_t i = 0; i < run->devices->count; i++) explain_device(&run->devices->list[i], to);
    for (uint32_t i = 0; i < run->n_executors; i++) explain_part(run, i, to);
    fprintf(to, "cache: %lld tokens for each of %lld sequences, %s\n", (long long)run->limits.context, (long long)run->limits.sequences, bp_type(run->cache.type).name);
    uint32_t slow = 0;
    for (uint32_t i = 0; i < run->graph->n_nodes; i++) slow += run->placement.verdicts[i].level == BP_VERDICT_SLOW;
    fprintf(to, "graph: %u nodes; %u ops split into finer ones; %u nodes moved from the device that refused them; %u slow\n", run->graph->n_nodes,
            run->n_split, run->placement.n_moved, slow);
    for (uint32_t i = 0; i < run->graph->n_nodes; i++)
        if (run->placement.verdicts[i].level == BP_VERDICT_SLOW)
            fprintf(to, "  %s: %s\n", bp_op_name(bp_graph_node(run->graph, i)->op), run->placement.verdicts[i].why ? run->placement.verdicts[i].why : "slow");
}
