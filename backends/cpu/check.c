/* Shapes and types: every op's inputs, outputs and parameters are looked at before any kernel sees them. */
#include "backends/cpu/cpu.h"

const char *cpu_check(const cpu_task *t) {
    bp_checked_node n = { .op = t->op, .params = t->params };
    for (int i = 0; i < CPU_MAX_IN; i++) n.in[i] = t->in[i] ? &t->in[i]->operand : NULL;
    for (int i = 0; i < CPU_MAX_OUT; i++) n.out[i] = t->out[i] ? &t->out[i]->operand : NULL;
    const char *why = bp_node_fits(&n);
    if (!why && t->op == BP_OP_CAUSAL_CONV && t->in[1]->n[0] > CPU_MAX_KERNEL) return "a kernel wider than this backend has";
    return why;
}
