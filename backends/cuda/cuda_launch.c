/* The interface that planners use: launches, scratch, fusion. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cuda/cuda_check.h"
#include "backends/cuda/cuda_program.h"

void cuda_plan_fail(cuda_plan *p, bp_status status, const char *format, ...) {
    if (p->status) return; /* the first one counts */
    va_list args;
    va_start(args, format);
    vsnprintf(p->error.message, sizeof p->error.message, format, args);
    va_end(args);
    p->status = p->error.status = status;
}

static void no_memory(cuda_plan *p) { cuda_plan_fail(p, BP_E_NO_MEMORY, "cuda: out of memory"); }

void *cuda_plan_alloc(cuda_plan *p, size_t bytes) {
    size_t head = (sizeof(cuda_chunk) + 15) / 16 * 16;
    cuda_chunk *c = bytes < SIZE_MAX - head ? calloc(1, head + bytes) : NULL;
    if (!c) {
        no_memory(p);
        return NULL;
    }
    c->next = p->chunks;
    p->chunks = c;
    return (char *)c + head;
}

static bool grow_launches(cuda_plan *p) {
    if (p->n_launches < p->launch_capacity) return true;
    uint32_t capacity = p->launch_capacity ? 2 * p->launch_capacity : 64;
    cuda_launch *more = realloc(p->launches, capacity * sizeof *more);
    if (!more) return false;
    p->launches = more;
    p->launch_capacity = capacity;
    return true;
}

static cuda_launch *next_launch(cuda_plan *p, const cuda_node *n) {
    if (!grow_launches(p)) no_memory(p);
    cuda_launch *l = p->n_launches < p->launch_capacity ? &p->launches[p->n_launches++] : &p->spare;
    memset(l, 0, sizeof *l);
    l->node = n->index;
    l->n_nodes = 1;
    for (int i = 0; i < 3; i++) l->grid[i] = (cuda_extent){ .times = 1, .per = 1 }, l->block[i] = 1;
    return l;
}

cuda_launch *cuda_add(cuda_plan *p, const cuda_node *n, const char *source, const char *function, uint32_t block,
                      const char *options, ...) {
    cuda_launch *l = next_launch(p, n);
    l->source = source, l->function = l->what = function;
    l->block[0] = block;
    va_list args;
    va_start(args, options);
    int length = vsnprintf(l->options, sizeof l->options, options, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof l->options) cuda_plan_fail(p, BP_E_INTERNAL, "cuda: too many options for %s", function);
    return l;
}

cuda_launch *cuda_add_call(cuda_plan *p, const cuda_node *n, const char *what, cuda_call_fn *call, const void *self) {
    cuda_launch *l = next_launch(p, n);
    l->what = what, l->call = call, l->self = self;
    return l;
}

void cuda_grid(cuda_launch *l, int axis, const cuda_tensor *t, enum cuda_size_of what, int64_t per) {
    l->grid[axis] = (cuda_extent){ t, what, per, 1, 0 };
}

/* ---- Arguments ---- */

static cuda_arg *next_arg(cuda_launch *l, enum cuda_arg_kind kind, cuda_tensor *t) {
    static cuda_arg nowhere; /* more than CUDA_MAX_ARGS: the planner's defect, found when the plan is finished */
    cuda_arg *a = l->n_args < CUDA_MAX_ARGS ? &l->args[l->n_args] : &nowhere;
    l->n_args++;
    *a = (cuda_arg){ .kind = kind, .tensor = t };
    return a;
}

void cuda_arg_read(cuda_launch *l, cuda_tensor *t) { next_arg(l, t ? CUDA_ARG_READ : CUDA_ARG_NULL, t); }
void cuda_arg_write(cuda_launch *l, cuda_tensor *t) { next_arg(l, t ? CUDA_ARG_WRITE : CUDA_ARG_NULL, t); }
void cuda_arg_update(cuda_launch *l, cuda_tensor *t) { next_arg(l, t ? CUDA_ARG_UPDATE : CUDA_ARG_NULL, t); }
void cuda_arg_size(cuda_launch *l, cuda_tensor *t, enum cuda_size_of what) { next_arg(l, CUDA_ARG_SIZE, t)->what = what; }
void cuda_arg_int(cuda_launch *l, int32_t v) { next_arg(l, CUDA_ARG_NUMBER, NULL)->number.i = v; }
void cuda_arg_int64(cuda_launch *l, int64_t v) { next_arg(l, CUDA_ARG_NUMBER, NULL)->number.l = v; }
void cuda_arg_float(cuda_launch *l, float v) { next_arg(l, CUDA_ARG_NUMBER, NULL)->number.f = v; }

int64_t cuda_size_of_tensor(const cuda_tensor *t, enum cuda_size_of what) {
    if (what <= CUDA_AXIS_3) return t->n[what];
    return cuda_rows(t) * (what == CUDA_COUNT ? t->n[0] : 1);
}

bool cuda_size_varies(const cuda_tensor *t, enum cuda_size_of what) {
    if (what <= CUDA_AXIS_3) return t->varies[what];
    return t->varies[1] || t->varies[2] || t->varies[3] || (what == CUDA_COUNT && t->varies[0]);
}

/* ---- The plan ---- */

const bp_device *cuda_plan_device(const cuda_plan *p) { return p->device; }
bool cuda_plan_deterministic(const cuda_plan *p) { return p->deterministic; }
int64_t cuda_plan_longest(const cuda_plan *p) { return p->longest; }

cuda_tensor *cuda_scratch(cuda_plan *p, uint64_t bytes) {
    if (p->n_tensors == p->tensor_capacity) {
        uint32_t capacity = 2 * p->tensor_capacity + 16;
        cuda_tensor **more = realloc(p->tensors, capacity * sizeof *more);
        if (!more) {
            no_memory(p);
            return NULL;
        }
        p->tensors = more;
        p->tensor_capacity = capacity;
    }
    cuda_tensor *t = cuda_plan_alloc(p, sizeof *t);
    if (!t) return NULL;
    *t = (cuda_tensor){ .index = p->n_tensors, .type = BP_TYPE_LIMIT, .role = BP_ROLE_TEMP, .rank = 1, .bytes = bytes,
                        .n = { 1, 1, 1, 1 } };
    p->tensors[p->n_tensors++] = t;
    return t;
}

cuda_tensor *cuda_constant(cuda_plan *p, const void *from, uint64_t bytes) {
    cuda_constant_value *c = cuda_plan_alloc(p, sizeof *c);
    cuda_tensor *t = cuda_scratch(p, bytes);
    void *copy = cuda_plan_alloc(p, bytes);
    if (!c || !t || !copy) return NULL;
    memcpy(copy, from, bytes);
    *c = (cuda_constant_value){ p->constants, t, copy };
    p->constants = c;
    return t;
}

uint32_t cuda_node_count(const cuda_plan *p) { return p->n_nodes; }
const cuda_node *cuda_node_at(const cuda_plan *p, uint32_t i) { return &p->nodes[i]; }
bool cuda_planned(const cuda_plan *p, uint32_t i) { return p->planned[i]; }

void cuda_claim(cuda_plan *p, uint32_t i) {
    p->planned[i] = true;
    for (uint32_t k = 0; k < p->nodes[i].n_out; k++)
        if (p->nodes[i].out[k]) p->written[p->nodes[i].out[k]->index] = true;
}

bool cuda_available(const cuda_plan *p, const cuda_tensor *t) {
    return t->role != BP_ROLE_TEMP && t->role != BP_ROLE_OUTPUT ? true : t->index >= p->n_values || p->written[t->index];
}

uint32_t cuda_reader_count(const cuda_plan *p, const cuda_tensor *t) {
    return t->index < p->n_values ? p->reader_first[t->index + 1] - p->reader_first[t->index] : 0;
}

const cuda_node *cuda_reader(const cuda_plan *p, const cuda_tensor *t, uint32_t i) {
    return &p->nodes[p->readers[p->reader_first[t->index] + i]];
}

bool cuda_private_to(const cuda_plan *p, const cuda_tensor *t, const cuda_node *reader) {
    if (t->role != BP_ROLE_TEMP) return false;
    for (uint32_t i = 0; i < cuda_reader_count(p, t); i++)
        if (cuda_reader(p, t, i) != reader) return false;
    return true;
}

/* ---- Rounded activations ---- */

void cuda_can_round(cuda_plan *p, const cuda_tensor *x, uint32_t arg) {
    if (x->index < p->n_values && x->n[0] % 32 == 0) p->makers[x->index] = (cuda_maker){ p->n_launches - 1, arg };
}

const cuda_unnormed *cuda_unnormed_of(const cuda_plan *p, const cuda_tensor *y) {
    return y->index < p->n_values && p->unnormed[y->index].scaled ? &p->unnormed[y->index] : NULL;
}

void cuda_leave_norm(cuda_plan *p, const cuda_tensor *y, cuda_unnormed instead) { p->unnormed[y->index] = instead; }

cuda_q8 cuda_quantised(cuda_plan *p, const cuda_node *n, cuda_tensor *x) {
    cuda_q8 none = { NULL, NULL };
    if (x->n[0] % 32 || x->n[0] == 0) {
        cuda_plan_fail(p, BP_E_INTERNAL, "cuda: rows of %lld values cannot be rounded in blocks", (long long)x->n[0]);
        return none;
    }
    if (x->index < p->n_values && p->rounded[x->index].codes) return p->rounded[x->index];
    uint64_t values = (uint64_t)x->n[0] * (uint64_t)cuda_rows(x);
    cuda_q8 q = { cuda_scratch(p, values), cuda_scratch(p, values / 32 * 8) };
    if (!q.codes || !q.scales) return none;
    cuda_maker maker = x->index < p->n_values ? p->makers[x->index] : (cuda_maker){ BP_NONE, 0 };
    if (maker.launch != BP_NONE) {
        cuda_launch *l = &p->launches[maker.launch];
        l->args[maker.arg] = (cuda_arg){ .kind = CUDA_ARG_WRITE, .tensor = q.codes };
        l->args[maker.arg + 1] = (cuda_arg){ .kind = CUDA_ARG_WRITE, .tensor = q.scales };
    } else {
        cuda_launch *l = cuda_add(p, n, "quantise.cu", "quantise", 256, "%s", "");
        l->grid[0] = (cuda_extent){ x, CUDA_COUNT, 256 * 4, 1, 0 };
        l->waits = true;
        cuda_arg_read(l, x);
        cuda_arg_write(l, q.codes);
        cuda_arg_write(l, q.scales);
        cuda_arg_size(l, x, CUDA_AXIS_0);
        cuda_arg_size(l, x, CUDA_ROWS);
    }
    if (x->index < p->n_values) p->rounded[x->index] = q;
    return q;
}
