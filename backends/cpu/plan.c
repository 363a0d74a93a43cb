/* Plan: nodes become tasks, barriers are put where one task needs another's result, temporaries share memory. */
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/program.h"

static cpu_tensor *scratch(bp_program *p, cpu_task *t, int slot, uint64_t bytes) {
    cpu_tensor *s = &p->tensors[p->n_tensors++];
    s->role = BP_ROLE_TEMP;
    s->bytes = bytes;
    t->scratch[slot] = s;
    return s;
}

static cpu_task *add(bp_program *p, const cpu_task *t, cpu_kernel *run, uint32_t reads, uint32_t writes, bool out) {
    cpu_task *to = &p->tasks[p->n_tasks];
    *to = *t;
    to->taken = &p->taken[p->n_tasks++];
    to->run = run, to->scratch_reads = reads, to->scratch_writes = writes, to->writes_out = out;
    return to;
}

/* AMX adds in another order than the kernels for a few tokens. */
static enum cpu_level level_of(const bp_program *p) {
    return p->deterministic && p->device->level == CPU_AMX ? CPU_AVX512 : p->device->level;
}

static void plan_matmul(bp_program *p, cpu_task *t) {
    const cpu_tensor *w = t->in[0], *x = t->in[1];
    t->format = cpu_activation_format(level_of(p), w->type, w->layout, p->device->exact);
    for (uint32_t i = p->n_tasks; i-- > 0;) {
        const cpu_task *e = &p->tasks[i];
        if (e->run == cpu_run_prepare && e->in[1] == x && e->format == t->format) {
            t->scratch[0] = e->scratch[0];
            break;
        }
    }
    if (!t->scratch[0]) {
        scratch(p, t, 0, cpu_activation_bytes(t->format, x->n[0], cpu_rows(x)));
        add(p, t, cpu_run_prepare, 0, 1, false);
    }
    scratch(p, t, 1, cpu_matmul_room(t->format, w->n[0], cpu_rows(x)) * p->device->threads);
    add(p, t, cpu_run_matmul, 1, 2, true);
}

/* An earlier task that does `run` for the same pairs of tokens and experts; x: and for the same rows in the same form. */
static const cpu_task *done_for_pairs(const bp_program *p, const cpu_task *t, cpu_kernel *run, bool x) {
    for (uint32_t i = p->n_tasks; i-- > 0;) {
        const cpu_task *e = &p->tasks[i];
        bool same = e->run == run && e->in[2] == t->in[2] && e->in[0]->n[2] == t->in[0]->n[2] &&
                    e->out[0]->n[1] == t->out[0]->n[1] && e->out[0]->n[2] == t->out[0]->n[2];
        if (same && (!x || (e->in[1] == t->in[1] && e->format == t->format))) return e;
    }
    return NULL;
}

static void plan_experts(bp_program *p, cpu_task *t) {
    const cpu_tensor *w = t->in[0];
    uint64_t n_in = (uint64_t)w->n[0], pairs = (uint64_t)(t->out[0]->n[1] * t->out[0]->n[2]);
    t->format = cpu_activation_format(level_of(p), w->type, w->layout, p->device->exact);
    for (uint64_t n = 1; n <= pairs; n++) {
        uint64_t each = (cpu_activation_bytes(t->format, w->n[0], (int64_t)n) + n - 1) / n;
        if (each > t->unit) t->unit = (each + 63) / 64 * 64;
    }
    const cpu_task *group = done_for_pairs(p, t, cpu_run_experts_group, false);
    const cpu_task *rows = done_for_pairs(p, t, cpu_run_experts_prepare, true);
    if (group) t->scratch[0] = group->scratch[0];
    else scratch(p, t, 0, ((uint64_t)w->n[2] + 1 + pairs) * 4);
    for (int i = 1; rows && i < 3; i++) t->scratch[i] = rows->scratch[i];
    if (!rows) scratch(p, t, 1, pairs * n_in * 4), scratch(p, t, 2, pairs * t->unit);
    scratch(p, t, 3, pairs * (uint64_t)w->n[1] * 4);
    scratch(p, t, 4, cpu_matmul_room(t->format, w->n[0], (int64_t)pairs) * p->device->threads);
    if (!group) add(p, t, cpu_run_experts_group, 0, 1, false);
    if (!rows) add(p, t, cpu_run_experts_prepare, 1, 6, false);
    add(p, t, cpu_run_experts, 5, 8 | 16, true);
}

static bool plan_attention(bp_program *p, cpu_task *t) {
    uint64_t bytes[2];
    if (!cpu_attention_scratch(t, bytes)) return false;
    scratch(p, t, 0, bytes[0]);
    scratch(p, t, 1, bytes[1]);
    add(p, t, cpu_run_attention, 0, 3, true);
    if (bytes[1]) add(p, t, cpu_run_attention_merge, 2, 0, true);
    return true;
}

static bool plan_node(bp_program *p, cpu_task *t) {
    const bp_attention_params *a = &t->params.attention;
    uint64_t threads = p->device->threads, own = 0;
    if (t->op == BP_OP_ATTENTION) return plan_attention(p, t);
    if (t->op == BP_OP_MATMUL) plan_matmul(p, t);
    else if (t->op == BP_OP_MATMUL_EXPERTS) plan_experts(p, t);
    else {
        if (t->op == BP_OP_CONVERT) own = (uint64_t)t->in[0]->n[0];
        if (t->op == BP_OP_ROUTE_EXPERTS) own = 5 * (uint64_t)t->in[0]->n[0];
        if (t->op == BP_OP_ATTENTION_SCORES) own = a->head_dim;
        if (t->op == BP_OP_ATTENTION_MIX) own = (uint64_t)t->in[1]->n[0];
        if (own) scratch(p, t, 0, own * threads * 4);
        add(p, t, cpu_op_kernel(t->op), 0, own ? 1 : 0, true);
    }
    return true;
}

static const char *fill_task(const bp_device *d, const bp_node *n, cpu_tensor *tensors, uint32_t n_values, cpu_task *t) {
    memset(t, 0, sizeof *t);
    t->device = d, t->op = n->op;
    if (!cpu_op_name(n->op)) return "an unknown op";
    if (n->n_in > cpu_op_inputs(n->op) || n->n_out > cpu_op_outputs(n->op)) return "too many inputs or outputs";
    uint32_t size = cpu_op_params_size(n->op);
    if (n->params && n->params_size) memcpy(&t->params, n->params, n->params_size < size ? n->params_size : size);
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (v == BP_NONE) continue;
        if (v >= n_values) return "a value that is not there";
        if (i < n->n_in) t->in[i] = &tensors[v];
        else t->out[i - n->n_in] = &tensors[v];
    }
    return cpu_check(t);
}

static bool fill_tensor(const bp_device *d, const bp_value *v, const int64_t *symbols, cpu_tensor *t) {
    memset(t, 0, sizeof *t);
    t->type = v->type, t->layout = v->layout, t->rank = v->rank, t->role = v->role;
    return bp_value_numbers(v, symbols, t->n) && cpu_weight_size(d, t, &t->bytes);
}

static bool symbols_exist(const bp_graph *g, const bp_value *v) {
    bool good = v->rank <= BP_MAX_RANK;
    for (uint32_t k = 0; good && k < v->rank; k++) good = v->dim[k].symbol == 0 || v->dim[k].symbol < g->n_symbols;
    return good;
}

bp_status cpu_assess(bp_device *d, const bp_graph *g, bp_verdict *verdicts, bp_error *error) {
    cpu_tensor *tensors = calloc((size_t)g->n_values + 1, sizeof *tensors);
    int64_t *symbols = calloc((size_t)g->n_symbols + 1, sizeof *symbols);
    bool good = tensors && symbols;
    for (uint32_t i = 0; good && i < g->n_symbols; i++) symbols[i] = 64 + i;
    for (uint32_t i = 0; good && i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        if (!symbols_exist(g, v) || !fill_tensor(d, v, symbols, &tensors[i])) tensors[i].type = BP_TYPE_LIMIT;
    }
    for (uint32_t i = 0; good && i < g->n_nodes; i++) {
        cpu_task t;
        const char *why = fill_task(d, bp_graph_node(g, i), tensors, g->n_values, &t);
        verdicts[i] = (bp_verdict){ why ? BP_VERDICT_NO : BP_VERDICT_YES, 0, why };
    }
    free(tensors);
    free(symbols);
    return good ? BP_OK : cpu_fail(error, BP_E_NO_MEMORY, "cpu: out of memory");
}

typedef struct epochs {
    uint32_t *read, *wrote; /* the epoch + 1 of each tensor's last use */
    uint32_t now;
} epochs;

/* Each tensor that a task touches; write tells how. Returns how many. */
static uint32_t touched(const bp_program *p, const cpu_task *t, uint32_t *which, bool *write) {
    uint32_t n = 0;
    for (int i = 0; i < CPU_MAX_IN; i++) {
        if (t->in[i]) write[n] = false, which[n++] = (uint32_t)(t->in[i] - p->tensors);
    }
    for (int i = 0; i < CPU_MAX_OUT; i++) {
        if (t->out[i] && t->writes_out) write[n] = true, which[n++] = (uint32_t)(t->out[i] - p->tensors);
    }
    for (uint32_t i = 0; i < CPU_MAX_SCRATCH; i++) {
        bool w = t->scratch_writes >> i & 1, r = t->scratch_reads >> i & 1;
        if (t->scratch[i] && (w || r)) write[n] = w, which[n++] = (uint32_t)(t->scratch[i] - p->tensors);
    }
    return n;
}

static void place_barriers(bp_program *p, epochs *e) {
    uint32_t which[CPU_MAX_IN + CPU_MAX_OUT + CPU_MAX_SCRATCH];
    bool write[CPU_MAX_IN + CPU_MAX_OUT + CPU_MAX_SCRATCH];
    for (uint32_t i = 0; i < p->n_tasks; i++) {
        uint32_t n = touched(p, &p->tasks[i], which, write);
        bool wait = false;
        for (uint32_t j = 0; j < n; j++) {
            wait = wait || e->wrote[which[j]] == e->now + 1 || (write[j] && e->read[which[j]] == e->now + 1);
        }
        p->tasks[i].barrier = wait;
        e->now += wait;
        for (uint32_t j = 0; j < n; j++) {
            uint32_t v = which[j];
            *(write[j] ? &e->wrote[v] : &e->read[v]) = e->now + 1;
            if (p->first[v] == 0) p->first[v] = e->now + 1;
            p->last[v] = e->now + 1;
        }
    }
}

static bool together(const bp_program *p, uint32_t a, uint32_t b) {
    return p->need[a] && p->first[a] <= p->last[b] && p->first[b] <= p->last[a];
}

/* The lowest place for each temporary that no other one living at the same time has. */
static uint64_t place_temporaries(bp_program *p) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        if (!p->need[i]) continue;
        bool moved = true;
        while (moved) {
            moved = false;
            for (uint32_t j = 0; j < i; j++) {
                if (!together(p, j, i) || p->offset[j] >= p->offset[i] + p->need[i]) continue;
                if (p->offset[i] >= p->offset[j] + p->need[j]) continue;
                p->offset[i] = p->offset[j] + p->need[j];
                moved = true;
            }
        }
        if (p->offset[i] + p->need[i] > end) end = p->offset[i] + p->need[i];
    }
    return end;
}

static bp_status plan_memory(bp_program *p, const bp_options *o, bp_error *error) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        if (p->tensors[i].role != BP_ROLE_TEMP || !p->first[i]) continue;
        p->need[i] = (p->tensors[i].bytes + 127) / 64 * 64;
        if (__builtin_add_overflow(sum, p->need[i], &sum)) return cpu_fail(error, BP_E_NO_MEMORY, "cpu: temporaries too large");
    }
    uint64_t bytes = place_temporaries(p);
    if (o->memory_limit && bytes > o->memory_limit) {
        return cpu_fail(error, BP_E_NO_MEMORY, "cpu: temporaries need %llu bytes", (unsigned long long)bytes);
    }
    p->memory = p->device->host->alloc(p->device->host->self, bytes + 64, CPU_ALIGN);
    if (!p->memory) return cpu_fail(error, BP_E_NO_MEMORY, "cpu: no memory for %llu bytes", (unsigned long long)bytes);
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        if (p->need[i]) p->tensors[i].data = p->memory + p->offset[i];
    }
    return BP_OK;
}

static bool allocate(bp_program *p, const bp_graph *g, epochs *e) {
    size_t n = (size_t)g->n_values + CPU_MAX_SCRATCH * (size_t)g->n_nodes + 1, nodes = (size_t)g->n_nodes + 1;
    p->tensors = calloc(n, sizeof *p->tensors), p->values = calloc(n, sizeof *p->values);
    p->offset = calloc(n, sizeof *p->offset), p->need = calloc(n, sizeof *p->need);
    p->first = calloc(n, sizeof *p->first), p->last = calloc(n, sizeof *p->last), p->bound = calloc(n, 1);
    p->tasks = calloc(3 * nodes, sizeof *p->tasks), p->ranges = calloc((size_t)g->n_symbols + 1, sizeof *p->ranges);
    p->taken = calloc(3 * nodes, sizeof *p->taken), p->nanoseconds = calloc(nodes, 8), p->calls = calloc(nodes, 8);
    e->read = calloc(n, sizeof *e->read), e->wrote = calloc(n, sizeof *e->wrote);
    return p->tensors && p->values && p->offset && p->need && p->first && p->last && p->bound && p->tasks && p->ranges &&
           p->taken && p->nanoseconds && p->calls && e->read && e->wrote;
}

static bp_status copy_values(bp_program *p, const bp_graph *g, const int64_t *most, bp_error *error) {
    p->n_values = p->n_tensors = g->n_values;
    for (uint32_t i = 0; i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        bool good = v->rank <= BP_MAX_RANK;
        for (uint32_t k = 0; good && k < v->rank; k++) {
            good = v->dim[k].symbol == 0 || (v->dim[k].symbol < g->n_symbols && v->dim[k].value >= 0);
        }
        memcpy(&p->values[i], v, sizeof *v);
        if (!good || !fill_tensor(p->device, v, most, &p->tensors[i])) {
            return cpu_fail(error, BP_E_INVALID, "cpu: %s: not a valid type, shape or layout", v->name);
        }
    }
    return BP_OK;
}

static bp_status build(bp_program *p, const bp_graph *g, const bp_options *o, epochs *e, const int64_t *most, bp_error *error) {
    bp_status s = copy_values(p, g, most, error);
    for (uint32_t i = 0; !s && i < g->n_nodes; i++) {
        cpu_task t;
        const char *why = fill_task(p->device, bp_graph_node(g, i), p->tensors, p->n_values, &t);
        t.node = i;
        if (!why && !plan_node(p, &t)) why = "its scratch memory is too large";
        if (why) s = cpu_fail(error, BP_E_INVALID, "cpu: node %u (%s): %s", i, cpu_op_name(t.op) ? cpu_op_name(t.op) : "?", why);
    }
    if (s) return s;
    place_barriers(p, e);
    return plan_memory(p, o, error);
}

bp_status cpu_compile(bp_device *d, const bp_graph *g, const bp_options *o, bp_program **out, bp_error *error) {
    bp_program *p = calloc(1, sizeof *p);
    int64_t *most = calloc((size_t)g->n_symbols + 1, sizeof *most);
    epochs e = { 0 };
    bp_status s = BP_E_NO_MEMORY;
    if (p && most && allocate(p, g, &e)) {
        p->device = d, p->deterministic = o->deterministic, p->n_nodes = g->n_nodes, p->n_symbols = g->n_symbols;
        pthread_mutex_init(&p->lock, NULL);
        for (uint32_t i = 1; i < g->n_symbols; i++) p->ranges[i] = o->ranges[i], most[i] = o->ranges[i].max;
        s = build(p, g, o, &e, most, error);
    } else {
        cpu_fail(error, s, "cpu: out of memory");
    }
    free(most), free(e.read), free(e.wrote);
    if (s) cpu_program_free(d, p);
    else *out = p;
    return s;
}

void cpu_program_free(bp_device *d, bp_program *p) {
    if (!p) return;
    d->host->free(d->host->self, p->memory);
    free(p->tensors), free(p->values), free(p->offset), free(p->need), free(p->first), free(p->last), free(p->bound);
    free(p->tasks), free(p->taken), free(p->ranges), free(p->nanoseconds), free(p->calls);
    free(p);
}
