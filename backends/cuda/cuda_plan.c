/* compile: values and nodes are copied and checked, planners make launches, temporaries share memory, kernels are built. */
#include "backends/cuda/cuda_plan.h"

#include <stdlib.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_modules.h"
#include "backends/cuda/cuda_program.h"

enum { GRAPH_TOKENS = 16 }; /* programs of more tokens than that are launched with the grids that they need */

static const char *fill_node(const cuda_op *op, const bp_node *n, cuda_tensor *const *tensors, uint32_t n_values, cuda_node *to) {
    *to = (cuda_node){ .op = n->op, .index = to->index, .n_in = n->n_in, .n_out = n->n_out };
    if (!op->plan) return "this backend does not have the op";
    if (n->n_in > op->inputs || n->n_out > op->outputs) return "too many inputs or outputs";
    uint32_t size = op->params_size < sizeof to->params ? op->params_size : (uint32_t)sizeof to->params;
    if (n->params && n->params_size) memcpy(&to->params, n->params, n->params_size < size ? n->params_size : size);
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (v == BP_NONE) continue;
        if (v >= n_values) return "a value that is not there";
        if (!tensors[v]->rank) return "a value of a type, shape or layout that this backend does not know";
        if (i < n->n_in) to->in[i] = tensors[v];
        else to->out[i - n->n_in] = tensors[v];
    }
    return cuda_check(to);
}

static bool weight_bytes(const bp_device *d, const cuda_tensor *t, uint64_t *bytes) {
    if (!cuda_tensor_size(t->type, t->n, bytes)) return false;
    if (t->layout == BP_LAYOUT_ROWS) return true;
    bp_weight_layout l = { sizeof l, BP_LAYOUT_ROWS, *bytes, CUDA_ALIGN, 1 };
    cuda_weight_layout(d, t, false, &l);
    *bytes = l.bytes;
    return l.layout == t->layout;
}

static bool fill_tensor(const bp_device *d, const bp_value *v, const int64_t *symbols, cuda_tensor *t) {
    t->type = v->type, t->layout = v->layout, t->rank = v->rank, t->role = v->role;
    bool good = cuda_tensor_shape(v, symbols, t->n) && weight_bytes(d, t, &t->bytes);
    if (!good) t->rank = 0;
    return good;
}

static bool symbols_exist(const bp_graph *g, const bp_value *v) {
    bool good = v->rank >= 1 && v->rank <= BP_MAX_RANK;
    for (uint32_t k = 0; good && k < v->rank; k++) good = v->dim[k].symbol == 0 || v->dim[k].symbol < g->n_symbols;
    return good;
}

static const char *node_name(uint32_t id) {
    cuda_op op;
    cuda_op_of(id, &op);
    return op.name ? op.name : "?";
}

/* ---- assess ---- */

static const char *judge(const bp_device *d, const bp_node *n, cuda_tensor *const *tensors, uint32_t n_values) {
    cuda_node node = { 0 };
    cuda_op op;
    cuda_op_of(n->op, &op);
    const char *why = fill_node(&op, n, tensors, n_values, &node);
    return why || !op.refuse ? why : op.refuse(d, &node);
}

/* Numbers for the symbols that all differ, so that sizes fit each other only where the symbols do. */
static void distinct(int64_t *symbols, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) symbols[i] = 64 + i;
}

bp_status cuda_assess(bp_device *d, const bp_graph *g, bp_verdict *verdicts, bp_error *error) {
    cuda_tensor *tensors = calloc((size_t)g->n_values + 1, sizeof *tensors), **list = calloc((size_t)g->n_values + 1, sizeof *list);
    int64_t *symbols = calloc((size_t)g->n_symbols + 1, sizeof *symbols);
    bool good = tensors && list && symbols;
    if (good) distinct(symbols, g->n_symbols);
    for (uint32_t i = 0; good && i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        list[i] = &tensors[i];
        if (symbols_exist(g, v)) fill_tensor(d, v, symbols, &tensors[i]);
    }
    for (uint32_t i = 0; good && i < g->n_nodes; i++) {
        const char *why = judge(d, bp_graph_node(g, i), list, g->n_values);
        verdicts[i] = (bp_verdict){ why ? BP_VERDICT_NO : BP_VERDICT_YES, 0, why };
    }
    free(tensors), free(list), free(symbols);
    return good ? BP_OK : cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
}

/* ---- compile ---- */

static bp_status copy_values(bp_program *p, const bp_graph *g, const int64_t *symbols, bp_error *error) {
    for (uint32_t i = 0; i < g->n_values; i++) {
        const bp_value *v = bp_graph_value(g, i);
        cuda_tensor *t = p->plan.tensors[i];
        bool good = symbols_exist(g, v);
        for (uint32_t k = 0; good && k < v->rank; k++) {
            const bp_dim *d = &v->dim[k];
            t->dim[k] = *d;
            good = d->symbol == 0 || d->value >= 0;
            t->varies[k] = d->symbol && d->value && p->ranges[d->symbol].min < p->ranges[d->symbol].max;
        }
        t->index = i;
        if (!good || !fill_tensor(p->plan.device, v, symbols, t))
            return cuda_fail(error, BP_E_INVALID, "cuda: %.100s: not a valid type, shape or layout", v->name ? v->name : "?");
    }
    return BP_OK;
}

static bp_status copy_nodes(bp_program *p, const bp_graph *g, bp_error *error) {
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bp_node *from = bp_graph_node(g, i);
        cuda_node *to = &p->plan.nodes[i];
        to->index = i;
        cuda_op op;
        cuda_op_of(from->op, &op);
        const char *why = fill_node(&op, from, p->plan.tensors, g->n_values, to);
        if (!why && op.refuse) why = op.refuse(p->plan.device, to);
        if (why) return cuda_fail(error, BP_E_INVALID, "cuda: node %u (%s): %s", i, node_name(from->op), why);
    }
    return BP_OK;
}

static bp_status list_readers(cuda_plan *p) {
    uint32_t total = 0;
    p->reader_first = calloc((size_t)p->n_values + 2, sizeof *p->reader_first);
    for (uint32_t i = 0; i < p->n_nodes; i++) total += p->nodes[i].n_in;
    p->readers = calloc((size_t)total + 1, sizeof *p->readers);
    if (!p->reader_first || !p->readers) return BP_E_NO_MEMORY;
    for (uint32_t i = 0; i < p->n_nodes; i++)
        for (uint32_t k = 0; k < p->nodes[i].n_in; k++)
            if (p->nodes[i].in[k]) p->reader_first[p->nodes[i].in[k]->index + 2]++;
    for (uint32_t v = 2; v < p->n_values + 2; v++) p->reader_first[v] += p->reader_first[v - 1];
    for (uint32_t i = 0; i < p->n_nodes; i++)
        for (uint32_t k = 0; k < p->nodes[i].n_in; k++)
            if (p->nodes[i].in[k]) p->readers[p->reader_first[p->nodes[i].in[k]->index + 1]++] = i;
    return BP_OK;
}

static const char *check_order(const cuda_plan *p, const cuda_node *n) {
    for (uint32_t k = 0; k < n->n_in; k++)
        if (n->in[k] && !cuda_available(p, n->in[k])) return "it reads a value that nothing has written";
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (!n->out[k]) continue;
        if (n->out[k]->role != BP_ROLE_TEMP && n->out[k]->role != BP_ROLE_OUTPUT && n->out[k]->role != BP_ROLE_STATE)
            return "it writes a value that is no output";
        if (n->out[k]->role != BP_ROLE_STATE && p->written[n->out[k]->index]) return "it writes a value that another node writes";
    }
    return NULL;
}

/* MATMUL_EXPERTS without ids: expert u for row u. The planner is given ids that say so. */
static void number_experts(cuda_plan *p, cuda_node *n) {
    const cuda_tensor *out = n->out[0];
    int64_t each = out->n[1], all = each * out->n[2];
    int32_t *ids = cuda_plan_alloc(p, (size_t)all * sizeof *ids + 4);
    for (int64_t i = 0; ids && i < all; i++) ids[i] = (int32_t)(i % each);
    cuda_tensor *t = ids ? cuda_constant(p, ids, (uint64_t)all * sizeof *ids + 4) : NULL;
    if (!t) return;
    t->type = BP_TYPE_I32, t->rank = 2;
    for (int k = 0; k < 2; k++) t->n[k] = out->n[k + 1], t->dim[k] = out->dim[k + 1], t->varies[k] = out->varies[k + 1];
    n->in[2] = t;
    if (n->n_in < 3) n->n_in = 3;
}

static bp_status plan_nodes(cuda_plan *p, bp_error *error) {
    for (uint32_t i = 0; i < p->n_nodes && !p->status; i++) {
        const cuda_node *n = &p->nodes[i];
        if (p->planned[i]) continue;
        const char *why = check_order(p, n);
        if (why) return cuda_fail(error, BP_E_INVALID, "cuda: node %u (%s): %s", i, node_name(n->op), why);
        p->now = i;
        cuda_claim(p, i);
        if (n->op == BP_OP_MATMUL_EXPERTS && !n->in[2]) number_experts(p, &p->nodes[i]);
        if (p->status) break;
        cuda_op op;
        if (cuda_op_of(n->op, &op)) op.plan(p, n);
    }
    for (uint32_t i = 0; i < p->n_launches; i++)
        if (p->launches[i].n_args > CUDA_MAX_ARGS)
            return cuda_fail(error, BP_E_INTERNAL, "cuda: %s has too many arguments", p->launches[i].what);
    return p->status ? cuda_fail(error, p->status, "%s", p->error.message) : BP_OK;
}

static bp_status get_kernels(cuda_plan *p, bp_error *error) {
    cuda_want *wants = calloc((size_t)p->n_launches + 1, sizeof *wants);
    if (!wants) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_launches; i++) {
        const cuda_launch *l = &p->launches[i];
        if (!l->call) wants[n++] = (cuda_want){ l->source, l->function, l->options, l->shared, NULL };
    }
    bp_status s = cuda_modules_get(p->device->modules, wants, n, error);
    n = 0;
    for (uint32_t i = 0; !s && i < p->n_launches; i++)
        if (!p->launches[i].call) p->launches[i].handle = wants[n++].handle;
    free(wants);
    return s;
}

/* ---- Memory ---- */

static void find_lifetimes(bp_program *p) {
    for (uint32_t i = 0; i < p->plan.n_launches; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        for (uint32_t k = 0; k < l->n_args; k++) {
            const cuda_arg *a = &l->args[k];
            if (a->kind != CUDA_ARG_READ && a->kind != CUDA_ARG_WRITE && a->kind != CUDA_ARG_UPDATE) continue;
            uint32_t v = a->tensor->index;
            if (!p->first[v]) p->first[v] = i + 1;
            p->last[v] = i + 1;
        }
    }
    for (cuda_constant_value *c = p->plan.constants; c; c = c->next)
        p->first[c->tensor->index] = 1, p->last[c->tensor->index] = BP_NONE;
}

static bool together(const bp_program *p, uint32_t a, uint32_t b) {
    return p->need[a] && p->first[a] <= p->last[b] && p->first[b] <= p->last[a];
}

/* The lowest place for each temporary that no other one living at the same time has. */
static uint64_t place_temporaries(bp_program *p) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < p->plan.n_tensors; i++) {
        if (!p->need[i]) continue;
        for (uint32_t j = 0; j < i; j++) {
            if (!together(p, j, i) || p->offset[j] >= p->offset[i] + p->need[i] || p->offset[i] >= p->offset[j] + p->need[j]) continue;
            p->offset[i] = p->offset[j] + p->need[j];
            j = BP_NONE; /* look at all again, from the first */
        }
        if (p->offset[i] + p->need[i] > end) end = p->offset[i] + p->need[i];
    }
    return end;
}

static bp_status plan_memory(bp_program *p, uint64_t limit, bp_error *error) {
    uint32_t n = p->plan.n_tensors;
    uint64_t sum = 0;
    p->offset = calloc((size_t)n + 1, 8), p->need = calloc((size_t)n + 1, 8), p->addresses = calloc((size_t)n + 1, 8);
    p->first = calloc((size_t)n + 1, 4), p->last = calloc((size_t)n + 1, 4), p->bound = calloc((size_t)n + 1, 1);
    if (!p->offset || !p->need || !p->addresses || !p->first || !p->last || !p->bound)
        return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    find_lifetimes(p);
    for (uint32_t i = 0; i < n; i++) {
        const cuda_tensor *t = p->plan.tensors[i];
        if (t->role != BP_ROLE_TEMP || !p->first[i]) continue;
        p->need[i] = (t->bytes + CUDA_ALIGN) / CUDA_ALIGN * CUDA_ALIGN;
        if (__builtin_add_overflow(sum, p->need[i], &sum) || sum > INT64_MAX)
            return cuda_fail(error, BP_E_NO_MEMORY, "cuda: the temporaries are too large");
    }
    p->memory_bytes = place_temporaries(p);
    if (limit && p->memory_bytes > limit)
        return cuda_fail(error, BP_E_NO_MEMORY, "cuda: temporaries need %llu bytes, and %llu are allowed",
                         (unsigned long long)p->memory_bytes, (unsigned long long)limit);
    bp_status s = cuda_take(p->plan.device, p->memory_bytes, &p->memory, error);
    for (uint32_t i = 0; !s && i < n; i++)
        if (p->need[i]) p->addresses[i] = p->memory + p->offset[i];
    bp_buffer all = { p->memory, p->memory_bytes };
    for (cuda_constant_value *c = p->plan.constants; !s && c; c = c->next)
        s = cuda_write(p->plan.device, &all, p->offset[c->tensor->index], c->bytes, c->tensor->bytes, error);
    return s;
}

/* ---- Arguments ---- */

/* The dimensions whose product a size is; missing ones are 1. */
static void size_key(const cuda_tensor *t, enum cuda_size_of what, bp_dim key[BP_MAX_RANK]) {
    for (uint32_t k = 0; k < BP_MAX_RANK; k++) {
        bool taken = what <= CUDA_AXIS_3 ? k == (uint32_t)what : what == CUDA_COUNT || k > 0;
        key[k] = taken && k < t->rank ? t->dim[k] : (bp_dim){ .value = 1 };
    }
    if (what <= CUDA_AXIS_3 && what) key[1] = key[what], key[what] = what > CUDA_AXIS_1 ? (bp_dim){ .value = 1 } : key[1];
}

static bool same_size(const cuda_size_slot *s, const cuda_tensor *t, enum cuda_size_of what) {
    bp_dim a[BP_MAX_RANK], b[BP_MAX_RANK];
    size_key(s->tensor, s->what, a);
    size_key(t, what, b);
    for (uint32_t k = 0; k < BP_MAX_RANK; k++)
        if (a[k].value != b[k].value || a[k].symbol != b[k].symbol || (a[k].symbol && a[k].plus != b[k].plus)) return false;
    return true;
}

static uint32_t slot_of(bp_program *p, const cuda_tensor *t, enum cuda_size_of what) {
    uint32_t i = 0;
    while (i < p->n_sizes && !same_size(&p->size_slots[i], t, what)) i++;
    if (i == p->n_sizes) p->size_slots[p->n_sizes++] = (cuda_size_slot){ t, what };
    return i;
}

static void fill_argument(bp_program *p, const cuda_arg *a, cuda_slot_value *to) {
    if (a->kind == CUDA_ARG_NUMBER) {
        memcpy(&to->number, &a->number, sizeof to->number);
    } else if (a->kind == CUDA_ARG_SIZE) {
        int64_t n = cuda_size_of_tensor(a->tensor, a->what);
        to->size.fixed = n > INT32_MAX ? INT32_MAX : (int32_t)n;
        to->size.at = cuda_size_varies(a->tensor, a->what) ? p->sizes + 4 * slot_of(p, a->tensor, a->what) : 0;
    }
}

static bp_status prepare_arguments(bp_program *p, bp_error *error) {
    uint32_t total = 0, sizes = 0;
    for (uint32_t i = 0; i < p->plan.n_launches; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        total += l->n_args;
        for (uint32_t k = 0; k < l->n_args; k++)
            sizes += l->args[k].kind == CUDA_ARG_SIZE && cuda_size_varies(l->args[k].tensor, l->args[k].what);
    }
    p->arguments = calloc((size_t)total + 1, sizeof *p->arguments), p->parameters = calloc((size_t)total + 1, sizeof *p->parameters);
    p->first_argument = calloc((size_t)p->plan.n_launches + 1, 4);
    p->size_slots = calloc((size_t)sizes + 1, sizeof *p->size_slots), p->size_values = calloc((size_t)sizes + 1, 4);
    p->size_bytes = ((uint64_t)sizes + 1) * 4;
    if (!p->arguments || !p->parameters || !p->first_argument || !p->size_slots || !p->size_values)
        return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    bp_status s = cuda_take(p->plan.device, p->size_bytes, &p->sizes, error);
    uint32_t at = 0;
    for (uint32_t i = 0; !s && i < p->plan.n_launches; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        p->first_argument[i] = at;
        for (uint32_t k = 0; k < l->n_args; k++, at++) {
            p->parameters[at] = &p->arguments[at];
            fill_argument(p, &l->args[k], &p->arguments[at]);
        }
    }
    if (!s && p->n_sizes > CUDA_MAX_SIZES) s = cuda_fail(error, BP_E_UNSUPPORTED, "cuda: the graph has %u different sizes", p->n_sizes);
    return s;
}

/* ---- All together ---- */

static bool allocate(bp_program *p, const bp_graph *g) {
    cuda_plan *plan = &p->plan;
    size_t values = (size_t)g->n_values + 1, nodes = (size_t)g->n_nodes + 1;
    plan->n_values = plan->n_tensors = g->n_values;
    plan->n_nodes = g->n_nodes;
    plan->tensor_capacity = g->n_values + 64;
    plan->tensors = calloc(plan->tensor_capacity, sizeof *plan->tensors);
    cuda_tensor *tensors = cuda_plan_alloc(plan, values * sizeof *tensors);
    plan->nodes = calloc(nodes, sizeof *plan->nodes), plan->planned = calloc(nodes, 1), plan->written = calloc(values, 1);
    plan->rounded = calloc(values, sizeof *plan->rounded), plan->makers = calloc(values, sizeof *plan->makers);
    plan->unnormed = calloc(values, sizeof *plan->unnormed);
    p->ranges = calloc((size_t)g->n_symbols + 1, sizeof *p->ranges), p->symbols = calloc((size_t)g->n_symbols + 1, 8);
    bool good = plan->tensors && tensors && plan->nodes && plan->planned && plan->written && plan->rounded && plan->makers &&
                plan->unnormed && p->ranges && p->symbols;
    for (uint32_t i = 0; good && i < g->n_values; i++) {
        plan->tensors[i] = &tensors[i];
        plan->makers[i].launch = BP_NONE;
    }
    return good;
}

static bp_status copy_graph(bp_program *p, const bp_graph *g, const bp_options *o, bp_error *error) {
    bool few = true;
    int64_t *symbols = p->symbols;
    p->plan.longest = INT64_MAX;
    p->n_symbols = g->n_symbols;
    for (uint32_t i = 1; i < g->n_symbols; i++) {
        p->ranges[i] = o->ranges[i];
        if (p->ranges[i].min < 0 || p->ranges[i].min > p->ranges[i].max)
            return cuda_fail(error, BP_E_INVALID, "cuda: symbol %u has an empty range", i);
        const char *name = g->symbols && g->symbols[i] ? g->symbols[i] : "";
        if (!strcmp(name, BP_SYMBOL_N_TOKENS)) few = p->ranges[i].max <= GRAPH_TOKENS;
        if (!strcmp(name, BP_SYMBOL_N_KV)) p->plan.longest = p->ranges[i].max;
    }
    p->capture = p->plan.device->graphs && (few || p->plan.device->graphs_always);
    distinct(symbols, g->n_symbols);
    bp_status s = copy_values(p, g, symbols, error);
    if (!s) s = copy_nodes(p, g, error);
    for (uint32_t i = 1; i < g->n_symbols; i++) symbols[i] = p->ranges[i].max;
    if (!s) s = copy_values(p, g, symbols, error);
    return s ? s : copy_nodes(p, g, error);
}

static bp_status build(bp_program *p, const bp_graph *g, const bp_options *o, bp_error *error) {
    bp_device *d = p->plan.device;
    bp_status s = copy_graph(p, g, o, error);
    if (!s && list_readers(&p->plan)) s = cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    if (!s) s = plan_nodes(&p->plan, error);
    for (uint32_t i = 0; !s && i < p->plan.n_launches; i++) {
        const cuda_launch *l = &p->plan.launches[i];
        for (uint32_t k = 0; l->call && k < l->n_args; k++)
            if (l->args[k].kind == CUDA_ARG_SIZE && cuda_size_varies(l->args[k].tensor, l->args[k].what)) p->capture = false;
    }
    if (!s) s = get_kernels(&p->plan, error);
    if (!s) s = plan_memory(p, BP_HAS(bp_options, o, memory_limit) ? o->memory_limit : 0, error);
    if (!s) s = prepare_arguments(p, error);
    if (!s) s = cuda_result(d, d->cu->EventCreate(&p->done, CU_EVENT_DISABLE_TIMING), "creating an event", error);
    return s;
}

bp_status cuda_compile(bp_device *d, const bp_graph *g, const bp_options *o, bp_program **out, bp_error *error) {
    if (g->n_symbols > 1 && (!o || !BP_HAS(bp_options, o, ranges)))
        return cuda_fail(error, BP_E_INVALID, "cuda: compile needs the ranges of the graph's symbols");
    bp_status s = cuda_enter(d, error);
    if (s) return s;
    static const bp_options none = { .size = sizeof none };
    bp_program *p = calloc(1, sizeof *p);
    if (!p) return cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    p->plan.device = d;
    p->plan.ahead.launch = BP_NONE;
    p->plan.error = (bp_error)BP_ERROR_INIT;
    p->plan.deterministic = o && o->deterministic;
    pthread_mutex_init(&p->lock, NULL);
    s = allocate(p, g) ? build(p, g, o ? o : &none, error) : cuda_fail(error, BP_E_NO_MEMORY, "cuda: out of memory");
    if (s) cuda_program_free(d, p);
    else *out = p;
    return s;
}

static void free_plan(cuda_plan *p) {
    while (p->chunks) {
        cuda_chunk *c = p->chunks;
        p->chunks = c->next;
        free(c);
    }
    free(p->tensors), free(p->nodes), free(p->planned), free(p->reader_first), free(p->readers), free(p->written);
    free(p->rounded), free(p->makers), free(p->unnormed), free(p->launches);
}

void cuda_program_free(bp_device *d, bp_program *p) {
    if (!p) return;
    if (d->cu->CtxSetCurrent(d->context) == CUDA_SUCCESS) {
        if (p->done && p->busy) d->cu->EventSynchronize(p->done);
        for (uint32_t i = 0; i < p->n_graphs; i++) d->cu->GraphExecDestroy(p->graphs[i].exec);
        for (uint32_t i = 0; p->marks && i <= p->plan.n_launches; i++)
            if (p->marks[i]) d->cu->EventDestroy(p->marks[i]);
        if (p->done) d->cu->EventDestroy(p->done);
        if (p->side) d->cu->StreamDestroy(p->side);
        cuda_give(d, p->memory, p->memory_bytes);
        cuda_give(d, p->sizes, p->size_bytes);
    }
    for (uint32_t i = 0; i < p->n_graphs; i++) free(p->graphs[i].addresses);
    free_plan(&p->plan);
    free(p->ranges), free(p->symbols), free(p->offset), free(p->need), free(p->first), free(p->last);
    free(p->bound), free(p->size_slots), free(p->size_values), free(p->addresses), free(p->arguments), free(p->parameters);
    free(p->first_argument), free(p->nanoseconds), free(p->calls), free(p->marks);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
