/* What can be said of expressions before they are used: may they be empty, can they end, do they call themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/text.h"
#include "core/text/grammar_expr.h"

/* Facts are derived bottom up, each expression once: a counter of parts that the fact still waits for. */
typedef struct derivation {
    const bp_rules *r;
    uint8_t *facts, fact;
    uint32_t *waits, *rule_of; /* rule_of: the rule whose whole expression this is, + 1 */
    uint32_t *queue;
    size_t n_queue;
} derivation;

static void derive(derivation *d, uint32_t expr) {
    if (!expr || d->facts[expr] & d->fact) return;
    d->facts[expr] |= d->fact;
    d->queue[d->n_queue++] = expr;
}

static bool holds_alone(const bp_expr *e, uint8_t fact) {
    switch (e->kind) {
    case BP_X_LITERAL: return fact == BP_FACT_ENDS || !e->n;
    case BP_X_CLASS: return fact == BP_FACT_ENDS && e->n;
    case BP_X_TOKEN: return fact == BP_FACT_ENDS;
    case BP_X_SEQUENCE: return !e->first;
    case BP_X_REPEAT: return !e->at_least;
    default: return false;
    }
}

static void tell_parent(derivation *d, uint32_t parent) {
    const bp_expr *p = &d->r->exprs[parent];
    if (p->kind == BP_X_SEQUENCE && --d->waits[parent]) return;
    derive(d, parent);
}

static void derive_all(derivation *d) {
    const bp_rules *r = d->r;
    memset(d->waits, 0, r->n_exprs * sizeof *d->waits);
    for (size_t i = 1; i < r->n_exprs; i++) d->waits[r->exprs[i].parent]++;
    for (size_t i = 1; i < r->n_exprs; i++)
        if (holds_alone(&r->exprs[i], d->fact)) derive(d, (uint32_t)i);
    while (d->n_queue) {
        uint32_t expr = d->queue[--d->n_queue];
        if (r->exprs[expr].parent) tell_parent(d, r->exprs[expr].parent);
        if (!d->rule_of[expr]) continue;
        for (uint32_t use = r->rules[d->rule_of[expr] - 1].references; use; use = r->exprs[use].same) derive(d, use);
    }
}

bool bp_rules_facts(const bp_rules *r, uint8_t *facts) {
    derivation d = { .r = r, .facts = facts };
    d.waits = bp_new_array(r->n_exprs, sizeof *d.waits);
    d.rule_of = bp_new_array(r->n_exprs, sizeof *d.rule_of);
    d.queue = bp_new_array(r->n_exprs, sizeof *d.queue);
    bool there = d.waits && d.rule_of && d.queue;
    for (size_t i = 0; there && i < r->n_rules; i++) d.rule_of[r->rules[i].expr] = (uint32_t)i + 1;
    if (there && r->n_exprs) {
        d.rule_of[0] = 0;
        for (d.fact = BP_FACT_EMPTY; d.fact <= BP_FACT_ENDS; d.fact <<= 1) derive_all(&d);
    }
    free(d.waits);
    free(d.rule_of);
    free(d.queue);
    return there;
}

/* A walk, depth first, over the rules that a rule may call before it has taken a byte. */
typedef struct walk {
    bp_rules *r;
    const uint8_t *facts;
    uint8_t *color; /* 0: not seen, 1: open, 2: done */
    uint32_t *path, *at; /* open rules, and for each the next expression to look at */
    size_t depth;
} walk;

/* The expression to look at after `expr`, within its rule: 0 at the end. `inside`: parts of expr come first. */
static uint32_t next_first(const walk *w, uint32_t expr, bool inside) {
    const bp_expr *exprs = w->r->exprs;
    if (inside && exprs[expr].first) return exprs[expr].first;
    for (; exprs[expr].parent; expr = exprs[expr].parent) {
        bool goes_on = exprs[exprs[expr].parent].kind != BP_X_SEQUENCE || w->facts[expr] & BP_FACT_EMPTY;
        if (goes_on && exprs[expr].next) return exprs[expr].next;
    }
    return 0;
}

static void report(walk *w, uint32_t rule) {
    bp_text names = { 0 };
    const bp_rule *first = &w->r->rules[rule];
    size_t begin = w->depth;
    while (begin && w->path[begin - 1] != rule) begin--;
    for (size_t i = begin ? begin - 1 : 0; i < w->depth && names.size < 80; i++)
        bp_text_format(&names, "%s, ", w->r->rules[w->path[i]].name);
    char where[48] = "";
    if (first->line) snprintf(where, sizeof where, "line %u, column %u: ", first->line, first->column);
    bp_rules_fail(w->r, BP_E_INVALID, "%sleft recursion: '%.60s' may begin with itself (%s%s): put something before it",
                  where, first->name, bp_text_get(&names), first->name);
    bp_text_free(&names);
}

static void enter(walk *w, uint32_t rule) {
    w->color[rule] = 1;
    w->at[w->depth] = w->r->rules[rule].expr;
    w->path[w->depth++] = rule;
}

static void walk_from(walk *w, uint32_t rule) {
    enter(w, rule);
    while (w->depth && !w->r->status) {
        uint32_t expr = w->at[w->depth - 1];
        if (!expr) {
            w->color[w->path[--w->depth]] = 2;
            continue;
        }
        const bp_expr *e = &w->r->exprs[expr];
        w->at[w->depth - 1] = next_first(w, expr, true);
        if (e->kind != BP_X_RULE) continue;
        if (w->color[e->n] == 1) report(w, e->n);
        else if (!w->color[e->n]) enter(w, e->n);
    }
}

void bp_rules_refuse_left_recursion(bp_rules *r, const uint8_t *facts) {
    walk w = { .r = r, .facts = facts };
    w.color = bp_new_array(r->n_rules, 1);
    w.path = bp_new_array(r->n_rules, sizeof *w.path);
    w.at = bp_new_array(r->n_rules, sizeof *w.at);
    if (!w.color || !w.path || !w.at) bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    for (uint32_t i = 0; !r->status && i < r->n_rules; i++)
        if (!w.color[i]) walk_from(&w, i);
    free(w.color);
    free(w.path);
    free(w.at);
}
