/* A grammar as a pushdown automaton over bytes. A rule is a piece of automaton that is called: the place to come back
 * to lies on a stack. Counted repetitions are calls whose place on the stack also holds what is still due, so that
 * {1,1000000} costs no more than {1,2}. Immutable once made. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_AUTOMATON_H
#define BP_TEXT_GRAMMAR_AUTOMATON_H

#include "core/text/grammar_expr.h"

enum { BP_AUTOMATON_MAX_NODES = 1 << 21 };

enum bp_node_kind {
    BP_N_END,   /* the rule is done: node 0, the only one */
    BP_N_DEAD,  /* nothing goes on from here: node 1, the only one */
    BP_N_BYTES, /* b edges from edges[a] on, sorted and apart */
    BP_N_SPLIT, /* goes on at a and at b */
    BP_N_CALL,  /* the rule that begins at a, then b */
    BP_N_LOOP,  /* the body that begins at a, at_least to at_most times, then b */
    BP_N_TOKEN, /* the token with id `token` (negated: any other), then b */
};

typedef struct bp_edge {
    uint8_t first, last; /* bytes, both included */
    uint32_t to;
} bp_edge;

typedef struct bp_node {
    uint8_t kind;
    bool negated; /* TOKEN */
    bool empty;   /* LOOP: the body may be empty; then at_least is 0 */
    uint32_t a, b;
    uint32_t at_least, at_most; /* LOOP */
    uint32_t token;
} bp_node;

typedef struct bp_automaton {
    bp_node *nodes;
    size_t n_nodes, room_nodes;
    bp_edge *edges;
    size_t n_edges, room_edges;
    uint32_t start;
    bool has_tokens;
    uint8_t class_of[256]; /* bytes that no edge tells apart have the same class */
    uint8_t byte_of[256];  /* a byte of each class */
    uint32_t n_classes;
} bp_automaton;

/* Build from rules whose rule `root` is the whole. Errors go into r. Rules that no finite text fits are left out;
 * where the root is one of them, that is the error. */
void bp_automaton_build(bp_rules *r, uint32_t root, bp_automaton *out);
void bp_automaton_free(bp_automaton *a);

/* For the files that build: a new node or 1 (DEAD) where there is no room, which is then said in r. */
uint32_t bp_automaton_node(bp_rules *r, bp_automaton *a, bp_node node);
/* The node of some edges, which are copied. */
uint32_t bp_automaton_bytes(bp_rules *r, bp_automaton *a, const bp_edge *edges, size_t n);
/* The node of one character of a class as UTF-8, then next. */
uint32_t bp_automaton_class(bp_rules *r, bp_automaton *a, const bp_range *ranges, size_t n, uint32_t next);

#endif
