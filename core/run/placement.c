#define _GNU_SOURCE
#include "core/run/placement.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"
#include "core/base/size.h"
#include "core/graph/op_name.h"

enum { RESERVE_BYTES = 1 << 29 }; /* of a device's free memory: temporaries, inputs and outputs, kernels */

enum fallback { FALLBACK_ERROR, FALLBACK_WARN, FALLBACK_ALLOW };

static bp_status fallback_from(const bp_config *config, enum fallback *out, bp_error *error) {
    static const char *const names[] = { "error", "warn", "allow" };
    const char *text = bp_config_text(config, BP_OPT_FALLBACK);
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *out = (enum fallback)i;
            return BP_OK;
        }
    return bp_fail(error, BP_E_INVALID, "fallback '%s' is none of error, warn, allow", text);
}

static bp_status open_next(bp_config *config, bp_devices *d, const char *name, bp_error *error) {
    if (d->count == BP_MAX_DEVICES) return bp_fail(error, BP_E_INVALID, "more than %d devices", BP_MAX_DEVICES);
    bp_status status = bp_device_open_name(config, name, &d->list[d->count], error);
    if (!status) d->count++;
    return status;
}

bp_status bp_devices_open(bp_config *config, bp_devices *out, bp_error *error) {
    *out = (bp_devices){ 0 };
    const char *names = bp_config_text(config, BP_OPT_DEVICES);
    if (!names || !*names) {
        bp_status status = bp_device_select(config, &out->list[0], error);
        out->count = status ? 0 : 1;
        return status;
    }
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, ",");
        char *name = strndup(at + strspn(at, " "), n - BP_MIN(strspn(at, " "), n));
        if (!name) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
        for (size_t end = strlen(name); end && name[end - 1] == ' ';) name[--end] = '\0';
        bp_status status = open_next(config, out, name, error);
        free(name);
        if (status) {
            bp_devices_close(out);
            return status;
        }
        at += n + (at[n] == ',');
    }
    return BP_OK;
}

void bp_devices_close(bp_devices *d) {
    while (d->count) {
        bp_open_device *last = &d->list[--d->count];
        last->api->close(last->handle);
    }
}

/* The N of "blk.N.…" or "k_cache.N"; -1 where a name has none. */
static int32_t layer_of_name(const char *name) {
    static const char *const prefixes[] = { "blk.", "k_cache.", "v_cache." };
    for (size_t i = 0; i < BP_COUNT(prefixes); i++) {
        const size_t size = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], size)) continue;
        char *end;
        long n = strtol(name + size, &end, 10);
        return end != name + size && n >= 0 && n < INT32_MAX ? (int32_t)n : -1;
    }
    return -1;
}

/* Layers by the weights that nodes read; a node without one belongs to the layer before it. What comes after the last
 * layer's last weight is the output. */
static void find_layers(const bp_graph *g, int64_t n_layers, int32_t *layer) {
    uint32_t last_layered = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *n = bp_graph_node(g, i);
        int32_t at = i ? layer[i - 1] : -1;
        for (uint32_t k = 0; k < n->n_in; k++) {
            int32_t named = n->in[k] == BP_NONE ? -1 : layer_of_name(bp_graph_value(g, n->in[k])->name);
            if (named >= 0 && named < n_layers) at = BP_MAX(at, named), last_layered = i;
        }
        layer[i] = at;
    }
    for (uint32_t i = last_layered + 1; i < g->n_nodes; i++) layer[i] = (int32_t)n_layers;
}

/* Bytes that the weights first read in each layer take on a device: bytes[layer + 1], n_layers + 2 of them. */
static bp_status weight_bytes(const bp_open_device *d, const bp_graph *g, const int32_t *layer, uint64_t *bytes, bp_error *error) {
    bool *seen = bp_new_array(g->n_values, sizeof *seen);
    bp_status status = seen ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    for (uint32_t i = g->n_nodes; !status && i-- > 0;) {
        const bp_node *n = bp_graph_node(g, i);
        for (uint32_t k = 0; !status && k < n->n_in; k++) {
            const uint32_t v = n->in[k];
            if (v == BP_NONE || seen[v] || bp_graph_value(g, v)->role != BP_ROLE_WEIGHT) continue;
            bp_weight_layout layout = { .size = sizeof layout };
            status = d->api->layout(d->handle, g, v, &layout, error);
            bytes[layer[i] + 1] += layout.bytes;
            seen[v] = true;
        }
    }
    free(seen);
    return status;
}

/* How many of the last layers, with the output, fit in the memory that device 0 has free. */
static bp_status fitting_layers(const bp_open_device *d, const bp_graph *g, const int32_t *layer, int64_t n_layers,
                                uint64_t cache_bytes, int64_t *fit, bp_error *error) {
    bp_device_info info = { .size = sizeof info };
    *fit = n_layers;
    bp_status status = d->api->info(d->handle, &info, error);
    if (status || info.host_memory || !info.memory_free) return status;
    uint64_t *bytes = bp_new_array((size_t)n_layers + 2, sizeof *bytes);
    if (!bytes) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    status = weight_bytes(d, g, layer, bytes, error);
    uint64_t used = RESERVE_BYTES + bytes[n_layers + 1];
    for (*fit = 0; *fit < n_layers; ++*fit) {
        used += bytes[n_layers - *fit] + cache_bytes;
        if (used + (*fit + 1 == n_layers ? bytes[0] : 0) > info.memory_free) break;
    }
    free(bytes);
    return status;
}

static bp_status wanted_layers(const bp_config *config, int64_t n_layers, int64_t *out, bp_error *error) {
    const char *text = bp_config_text(config, BP_OPT_LAYERS);
    char *end = NULL;
    *out = -1;
    if (!strcmp(text, "auto")) return BP_OK;
    if (!strcmp(text, "all")) *out = n_layers;
    else *out = strtoll(text, &end, 10);
    if ((end && (*end || end == text)) || *out < 0) return bp_fail(error, BP_E_INVALID, "layers '%s' is none of auto, all, or a number of layers", text);
    *out = BP_MIN(*out, n_layers);
    return BP_OK;
}

/* The layer whose cache the node reads, where it reads one (layers may read that of a layer before them); else its own. */
static int64_t layer_of_cache(const bp_graph *g, uint32_t node, int64_t own) {
    const bp_node *n = bp_graph_node(g, node);
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (n->in[k] == BP_NONE || bp_graph_value(g, n->in[k])->role != BP_ROLE_STATE) continue;
        const int64_t named = layer_of_name(bp_graph_value(g, n->in[k])->name);
        if (named >= 0) return named;
    }
    return own;
}

/* As many of the last layers, on_first of them at most, as no layer among them reads a cache of one before them. */
static int64_t separable_layers(const bp_graph *g, const bp_placement *p, int64_t on_first) {
    int64_t first = p->n_layers - on_first, before;
    do {
        before = first;
        for (uint32_t i = 0; i < g->n_nodes; i++)
            if (p->layer[i] >= first && p->layer[i] < p->n_layers && layer_of_cache(g, i, p->layer[i]) < first)
                first = p->layer[i] + 1;
    } while (first != before);
    if (p->n_layers - first < on_first)
        bp_log(BP_LOG_WARN, "%lld layers cannot be placed apart from those whose caches they read: %lld are", (long long)on_first,
               (long long)(p->n_layers - first));
    return p->n_layers - first;
}

/* Layers from p->first_layer on go to device 0, those before it in equal shares to the others. */
static void split_layers(bp_placement *p, const bp_devices *devices, const bp_graph *g) {
    const int64_t before = p->first_layer, others = devices->count > 1 ? devices->count - 1 : 1;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        int64_t at = BP_MAX(p->layer[i], 0);
        p->owner[i] = before == 0 || p->layer[i] >= before ? 0 : (uint32_t)(1 + at * others / before);
    }
}

static bp_status place_layers(bp_config *config, bp_devices *devices, const bp_graph *g, uint64_t cache_bytes, bp_placement *p, bp_error *error) {
    int64_t on_first;
    bp_status status = wanted_layers(config, p->n_layers, &on_first, error);
    if (!status && on_first < 0) {
        status = fitting_layers(&devices->list[0], g, p->layer, p->n_layers, cache_bytes, &on_first, error);
        if (!status && on_first < p->n_layers)
            bp_log(BP_LOG_WARN, "%lld of %lld layers fit on backend %s; the others run on %s", (long long)on_first, (long long)p->n_layers,
                   devices->list[0].backend->name, devices->count > 1 ? devices->list[1].backend->name : "cpu");
    }
    p->first_layer = p->n_layers - (status ? 0 : separable_layers(g, p, on_first));
    if (!status && p->first_layer > 0 && devices->count == 1) status = open_next(config, devices, "cpu", error);
    if (!status) split_layers(p, devices, g);
    return status;
}

static bp_status assess(const bp_open_device *d, const bp_graph *g, bp_verdict **verdicts, bp_error *error) {
    *verdicts = bp_new_array(g->n_nodes, sizeof **verdicts);
    if (!*verdicts) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    return d->api->assess(d->handle, g, *verdicts, error);
}

/* Nodes that share a state stay together: where one was moved, all move. */
static bool follow_states(const bp_graph *g, bp_placement *p, uint32_t moved) {
    bool changed = false;
    const bp_node *m = bp_graph_node(g, moved);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *n = bp_graph_node(g, i);
        if (p->owner[i] == p->owner[moved]) continue;
        for (uint32_t a = 0; a < n->n_in + n->n_out; a++)
            for (uint32_t b = 0; b < m->n_in + m->n_out; b++) {
                uint32_t v = a < n->n_in ? n->in[a] : n->out[a - n->n_in], w = b < m->n_in ? m->in[b] : m->out[b - m->n_in];
                if (v != w || v == BP_NONE || bp_graph_value(g, v)->role != BP_ROLE_STATE) continue;
                p->owner[i] = p->owner[moved];
                changed = true;
            }
    }
    return changed;
}

static bp_status refuse(const bp_open_device *d, const bp_graph *g, uint32_t node, const char *why, bp_error *error) {
    const bp_node *n = bp_graph_node(g, node);
    return bp_fail(error, BP_E_UNSUPPORTED, "backend %s refuses %s (%s): %s", d->backend->name, bp_op_name(n->op),
                   n->n_out && n->out[0] != BP_NONE ? bp_graph_value(g, n->out[0])->name : "?", why ? why : "no reason given");
}

/* Give a refused node to the first other device that takes it. */
static bp_status move_node(bp_config *config, bp_devices *devices, const bp_graph *g, uint32_t node, bp_placement *p,
                           bp_verdict *of_device[BP_MAX_DEVICES], bp_error *error) {
    static const char *const further[] = { "cpu", "reference" };
    const uint32_t from = p->owner[node];
    for (uint32_t d = 0, next = 0; d < BP_MAX_DEVICES; d++) {
        while (d >= devices->count && next < BP_COUNT(further)) {
            bool open = false;
            for (uint32_t i = 0; i < devices->count; i++) open = open || !strcmp(devices->list[i].backend->name, further[next]);
            bp_error why = BP_ERROR_INIT;
            if (!open && open_next(config, devices, further[next], &why)) bp_log(BP_LOG_INFO, "no fallback to %s: %s", further[next], why.message);
            next++;
        }
        if (d >= devices->count) break;
        bp_status status = of_device[d] ? BP_OK : assess(&devices->list[d], g, &of_device[d], error);
        if (status) return status;
        if (of_device[d][node].level == BP_VERDICT_NO) continue;
        p->owner[node] = d;
        p->n_moved++;
        return BP_OK;
    }
    return refuse(&devices->list[from], g, node, of_device[from][node].why, error);
}

static bp_status settle_refusals(bp_config *config, bp_devices *devices, const bp_graph *g, bp_placement *p, bp_verdict *of_device[BP_MAX_DEVICES],
                                 bp_error *error) {
    enum fallback policy = FALLBACK_WARN;
    bp_status status = fallback_from(config, &policy, error);
    for (bool changed = true; !status && changed;) {
        changed = false;
        for (uint32_t i = 0; !status && i < g->n_nodes; i++) {
            const uint32_t d = p->owner[i];
            if (!of_device[d]) status = assess(&devices->list[d], g, &of_device[d], error);
            if (status || of_device[d][i].level != BP_VERDICT_NO) continue;
            if (policy == FALLBACK_ERROR) return refuse(&devices->list[d], g, i, of_device[d][i].why, error);
            status = move_node(config, devices, g, i, p, of_device, error);
            if (status) break;
            if (policy == FALLBACK_WARN)
                bp_log(BP_LOG_WARN, "%s runs on %s: %s refuses it (%s)", bp_op_name(bp_graph_node(g, i)->op), devices->list[p->owner[i]].backend->name,
                       devices->list[d].backend->name, of_device[d][i].why ? of_device[d][i].why : "no reason given");
            follow_states(g, p, i);
            changed = true;
        }
    }
    for (uint32_t i = 0; !status && i < g->n_nodes; i++) p->verdicts[i] = of_device[p->owner[i]][i];
    return status;
}

bp_status bp_placement_new(bp_config *config, bp_devices *devices, const bp_graph *g, int64_t n_layers, uint64_t cache_bytes_a_layer,
                           bp_placement *out, bp_error *error) {
    bp_verdict *of_device[BP_MAX_DEVICES] = { 0 };
    *out = (bp_placement){ .owner = bp_new_array(g->n_nodes, sizeof *out->owner), .verdicts = bp_new_array(g->n_nodes, sizeof *out->verdicts),
                           .layer = bp_new_array(g->n_nodes, sizeof *out->layer), .n_layers = n_layers };
    bp_status status = out->owner && out->verdicts && out->layer ? BP_OK : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    if (!status) {
        find_layers(g, n_layers, out->layer);
        status = place_layers(config, devices, g, cache_bytes_a_layer, out, error);
    }
    if (!status) status = settle_refusals(config, devices, g, out, of_device, error);
    for (uint32_t i = 0; i < BP_MAX_DEVICES; i++) free(of_device[i]);
    if (status) bp_placement_free(out);
    return status;
}

void bp_placement_free(bp_placement *p) {
    free(p->owner);
    free(p->verdicts);
    free(p->layer);
    *p = (bp_placement){ 0 };
}
