#include "core/text/grammar_automaton.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"

enum { END = 0, DEAD = 1, INLINE_NODES = 128, BUILD_DEPTH = 4 * BP_EXPR_MAX_DEPTH };

typedef struct building {
    bp_rules *r;
    bp_automaton *a;
    uint8_t *facts;
    uint32_t *starts;  /* the first node of each rule, 0: not built */
    uint32_t *sizes;   /* nodes that a rule takes in place of its call; INLINE_NODES and more: it is called */
    uint32_t *waiting; /* rules that are called and not built yet */
    size_t n_waiting;
    uint32_t depth;
} building;

uint32_t bp_automaton_node(bp_rules *r, bp_automaton *a, bp_node node) {
    if (r->status) return DEAD;
    if (a->n_nodes >= BP_AUTOMATON_MAX_NODES) {
        bp_rules_fail(r, BP_E_REFUSED, "the grammar is too large: its automaton has more than %d nodes",
                      BP_AUTOMATON_MAX_NODES);
        return DEAD;
    }
    void *nodes = a->nodes;
    bool grown = bp_grow(&nodes, &a->room_nodes, a->n_nodes + 1, sizeof *a->nodes);
    a->nodes = nodes;
    if (!grown) {
        bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
        return DEAD;
    }
    a->nodes[a->n_nodes] = node;
    return (uint32_t)a->n_nodes++;
}

uint32_t bp_automaton_bytes(bp_rules *r, bp_automaton *a, const bp_edge *edges, size_t n) {
    void *all = a->edges;
    bool grown = bp_grow(&all, &a->room_edges, a->n_edges + n, sizeof *a->edges);
    a->edges = all;
    if (!grown || a->n_edges + n > BP_AUTOMATON_MAX_NODES * 4u) {
        bp_rules_fail(r, BP_E_REFUSED, "the grammar is too large for its automaton");
        return DEAD;
    }
    if (n) memcpy(a->edges + a->n_edges, edges, n * sizeof *edges);
    a->n_edges += n;
    return bp_automaton_node(r, a, (bp_node){ .kind = BP_N_BYTES, .a = (uint32_t)(a->n_edges - n), .b = (uint32_t)n });
}

static uint32_t build(building *b, uint32_t expr, uint32_t next);

static uint32_t literal(building *b, const uint8_t *bytes, size_t n, uint32_t next) {
    for (; n; n--) next = bp_automaton_bytes(b->r, b->a, &(bp_edge){ bytes[n - 1], bytes[n - 1], next }, 1);
    return next;
}

/* Literals side by side, sorted: one node for each beginning that they share. */
static uint32_t literals(building *b, const bp_expr **l, size_t n, size_t at, uint32_t next) {
    if (n == 1) return literal(b, (const uint8_t *)l[0]->data + at, l[0]->n - at, next);
    bool ends = false;
    while (n && l[0]->n == at) ends = true, l++, n--;
    if (!n) return next;
    bp_edge edges[256];
    size_t made = 0;
    for (size_t i = 0, end; i < n; i = end) {
        uint8_t byte = ((const uint8_t *)l[i]->data)[at];
        for (end = i + 1; end < n && ((const uint8_t *)l[end]->data)[at] == byte; end++) {}
        edges[made++] = (bp_edge){ byte, byte, literals(b, l + i, end - i, at + 1, next) };
    }
    uint32_t node = bp_automaton_bytes(b->r, b->a, edges, made);
    if (!ends) return node;
    return bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_SPLIT, .a = node, .b = next });
}

static int by_bytes(const void *x, const void *y) {
    const bp_expr *a = *(const bp_expr *const *)x, *b = *(const bp_expr *const *)y;
    const size_t n = BP_MIN(a->n, b->n);
    int order = n ? memcmp(a->data, b->data, n) : 0;
    return order ? order : a->n < b->n ? -1 : a->n > b->n;
}

enum { MAX_SHARED = 512 /* bytes of a literal that may share beginnings: bounds the depth of literals() */ };

/* The literal that a part is, by itself or as the only part of a sequence; NULL: it is something else. */
static const bp_expr *literal_of(const bp_expr *exprs, uint32_t part) {
    while ((exprs[part].kind == BP_X_SEQUENCE || exprs[part].kind == BP_X_CHOICE) &&
           exprs[part].first == exprs[part].last && exprs[part].first)
        part = exprs[part].first;
    return exprs[part].kind == BP_X_LITERAL && exprs[part].n && exprs[part].n <= MAX_SHARED ? &exprs[part] : NULL;
}

static uint32_t choice(building *b, uint32_t expr, uint32_t next) {
    const bp_expr *exprs = b->r->exprs;
    size_t n = 0, n_literals = 0;
    for (uint32_t part = exprs[expr].first; part; part = exprs[part].next) n++;
    const bp_expr **l = bp_new_array(n, sizeof *l);
    if (!l) return bp_rules_fail(b->r, BP_E_NO_MEMORY, "grammar: out of memory"), DEAD;
    uint32_t node = DEAD;
    for (uint32_t part = exprs[expr].first; part; part = exprs[part].next) {
        if (!(b->facts[part] & BP_FACT_ENDS)) continue;
        l[n_literals] = literal_of(exprs, part);
        if (l[n_literals]) {
            n_literals++;
            continue;
        }
        uint32_t other = build(b, part, next);
        node = node == DEAD ? other
                            : bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_SPLIT, .a = other, .b = node });
    }
    if (n_literals) {
        qsort(l, n_literals, sizeof *l, by_bytes);
        uint32_t other = literals(b, l, n_literals, 0, next);
        node = node == DEAD ? other
                            : bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_SPLIT, .a = other, .b = node });
    }
    free(l);
    return node;
}

/* Parts are built from the last to the first, since each needs the node after it. */
static uint32_t sequence(building *b, uint32_t expr, uint32_t next) {
    const bp_expr *exprs = b->r->exprs;
    size_t n = 0;
    for (uint32_t part = exprs[expr].first; part; part = exprs[part].next) n++;
    uint32_t *parts = bp_new_array(n, sizeof *parts);
    if (!parts) return bp_rules_fail(b->r, BP_E_NO_MEMORY, "grammar: out of memory"), DEAD;
    n = 0;
    for (uint32_t part = exprs[expr].first; part; part = exprs[part].next) parts[n++] = part;
    while (n) next = build(b, parts[--n], next);
    free(parts);
    return next;
}

static uint32_t repeat(building *b, const bp_expr *e, uint32_t next) {
    bool empty = b->facts[e->first] & BP_FACT_EMPTY;
    uint32_t least = empty ? 0 : e->at_least, most = e->at_most;
    if (!most || !(b->facts[e->first] & BP_FACT_ENDS)) return next;
    if (least == 1 && most == 1) return build(b, e->first, next);
    uint32_t part = e->first;
    if (most == 1 || (most == BP_REPEAT_NO_END && least <= 1)) {
        uint32_t node = bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_SPLIT, .b = next });
        uint32_t body = build(b, part, most == 1 ? next : node);
        if (!b->r->status) b->a->nodes[node].a = body;
        return least ? body : node;
    }
    uint32_t body = build(b, part, END);
    return bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_LOOP, .empty = empty, .a = body, .b = next,
                                                    .at_least = least, .at_most = most });
}

static uint32_t call(building *b, uint32_t rule, uint32_t next) {
    if (b->sizes[rule] < INLINE_NODES) return build(b, b->r->rules[rule].expr, next);
    if (!b->starts[rule]) {
        b->starts[rule] = bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_SPLIT, .b = DEAD });
        b->waiting[b->n_waiting++] = rule;
    }
    return bp_automaton_node(b->r, b->a, (bp_node){ .kind = BP_N_CALL, .a = b->starts[rule], .b = next });
}

static uint32_t build(building *b, uint32_t expr, uint32_t next) {
    if (b->r->status || !(b->facts[expr] & BP_FACT_ENDS)) return DEAD;
    if (b->depth >= BUILD_DEPTH) return bp_rules_fail(b->r, BP_E_REFUSED, "the grammar is nested too deep"), DEAD;
    b->depth++;
    const bp_expr *e = &b->r->exprs[expr];
    uint32_t node = DEAD;
    switch (e->kind) {
    case BP_X_LITERAL: node = literal(b, e->data, e->n, next); break;
    case BP_X_CLASS: node = bp_automaton_class(b->r, b->a, e->data, e->n, next); break;
    case BP_X_SEQUENCE: node = sequence(b, expr, next); break;
    case BP_X_CHOICE: node = choice(b, expr, next); break;
    case BP_X_REPEAT: node = repeat(b, e, next); break;
    case BP_X_RULE: node = call(b, e->n, next); break;
    case BP_X_TOKEN:
        b->a->has_tokens = true;
        node = bp_automaton_node(b->r, b->a,
                                 (bp_node){ .kind = BP_N_TOKEN, .negated = e->negated, .token = e->n, .b = next });
        break;
    }
    b->depth--;
    return node;
}

/* How many nodes an expression takes at least; INLINE_NODES where it is too large, repeats without end or counts. */
static uint32_t size_of(building *b, uint32_t expr, uint8_t *open) {
    const bp_expr *exprs = b->r->exprs, *e = &exprs[expr];
    if (e->kind == BP_X_LITERAL) return BP_MIN(e->n, (uint32_t)INLINE_NODES);
    if (e->kind == BP_X_CLASS) return BP_MIN(1 + e->n, (uint32_t)INLINE_NODES);
    if (e->kind == BP_X_REPEAT && e->at_most > 1) return INLINE_NODES;
    if (e->kind == BP_X_RULE) return open[e->n] ? INLINE_NODES : b->sizes[e->n] ? b->sizes[e->n] : INLINE_NODES;
    uint32_t size = 1;
    for (uint32_t part = e->first; part && size < INLINE_NODES; part = exprs[part].next) size += size_of(b, part, open);
    return BP_MIN(size, (uint32_t)INLINE_NODES);
}

/* Small rules without repetition stand in place of their calls: what characters are made of, mostly. A rule is sized
 * after those it calls, as far as passes in both directions come. */
static void size_rules(building *b) {
    enum { PASSES = 4 };
    uint8_t *open = bp_new_array(b->r->n_rules, 1);
    if (!open) {
        bp_rules_fail(b->r, BP_E_NO_MEMORY, "grammar: out of memory");
        return;
    }
    size_t n = b->r->n_rules;
    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < n; i++) {
            size_t rule = pass % 2 ? i : n - 1 - i;
            if (b->sizes[rule] && b->sizes[rule] < INLINE_NODES) continue;
            open[rule] = 1;
            b->sizes[rule] = size_of(b, b->r->rules[rule].expr, open);
            open[rule] = 0;
        }
    }
    free(open);
}

static void mark_classes(bp_automaton *a) {
    bool begins[257] = { [0] = true };
    for (size_t i = 0; i < a->n_edges; i++) begins[a->edges[i].first] = begins[a->edges[i].last + 1] = true;
    uint32_t class = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        if (byte && begins[byte]) class++;
        if (begins[byte]) a->byte_of[class] = (uint8_t)byte;
        a->class_of[byte] = (uint8_t)class;
    }
    a->n_classes = class + 1;
}

static void refuse_undefined(bp_rules *r) {
    for (size_t i = 0; i < r->n_rules && !r->status; i++) {
        const bp_rule *rule = &r->rules[i];
        if (rule->expr) continue;
        char where[48] = "";
        if (rule->line) snprintf(where, sizeof where, "line %u, column %u: ", rule->line, rule->column);
        bp_rules_fail(r, BP_E_INVALID, "%sthere is no rule '%.80s'", where, rule->name);
    }
}

static void build_all(building *b, uint32_t root) {
    bp_automaton *a = b->a;
    bp_automaton_node(b->r, a, (bp_node){ .kind = BP_N_END });
    bp_automaton_node(b->r, a, (bp_node){ .kind = BP_N_DEAD });
    b->sizes[root] = INLINE_NODES;
    a->start = call(b, root, END);
    while (b->n_waiting && !b->r->status) {
        uint32_t rule = b->waiting[--b->n_waiting];
        uint32_t start = build(b, b->r->rules[rule].expr, END);
        a->nodes[b->starts[rule]].a = start;
    }
    /* A rule begins at a node that leads to its first one: calls can name it before it is built. */
    for (size_t i = 0; i < a->n_nodes; i++)
        if (a->nodes[i].kind == BP_N_CALL) a->nodes[i].a = a->nodes[a->nodes[i].a].a;
    mark_classes(a);
}

static void check_root(building *b, uint32_t root) {
    bp_rules *r = b->r;
    if (!bp_rules_facts(r, b->facts)) bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    bp_rules_refuse_left_recursion(r, b->facts);
    if (!r->status && !(b->facts[r->rules[root].expr] & BP_FACT_ENDS))
        bp_rules_fail(r, BP_E_INVALID, "no text that ends fits '%.80s'", r->rules[root].name);
}

void bp_automaton_build(bp_rules *r, uint32_t root, bp_automaton *out) {
    building b = { .r = r, .a = out };
    *out = (bp_automaton){ 0 };
    refuse_undefined(r);
    if (r->status) return;
    b.facts = bp_new_array(r->n_exprs, 1);
    b.starts = bp_new_array(r->n_rules, sizeof *b.starts);
    b.sizes = bp_new_array(r->n_rules, sizeof *b.sizes);
    b.waiting = bp_new_array(r->n_rules, sizeof *b.waiting);
    if (!b.facts || !b.starts || !b.sizes || !b.waiting) bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    if (!r->status) check_root(&b, root);
    if (!r->status) size_rules(&b);
    if (!r->status) build_all(&b, root);
    free(b.facts);
    free(b.starts);
    free(b.sizes);
    free(b.waiting);
}

void bp_automaton_free(bp_automaton *a) {
    free(a->nodes);
    free(a->edges);
    *a = (bp_automaton){ 0 };
}
