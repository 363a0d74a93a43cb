/* Inside of a grammar. Private to core/text. */
#ifndef BP_TEXT_GRAMMAR_INTERNAL_H
#define BP_TEXT_GRAMMAR_INTERNAL_H

#include "core/text/grammar.h"
#include "core/text/grammar_state.h"
#include "core/text/grammar_trie.h"

enum { BP_MASKS_MAX_BYTES = 64 << 20 /* masks kept; then they are made anew */ };

/* What a state allows while the rule it is in goes on: its tokens, and the trie nodes where the rule may end and the
 * token does not. */
typedef struct bp_local {
    uint64_t *bits; /* a mask; NULL: the list ids */
    uint32_t *ids, n_ids;
    uint32_t *exits, n_exits;
} bp_local;

struct bp_grammar {
    bp_automaton automaton;
    const bp_grammar_vocab *vocab; /* NULL: none */
    bp_states states;
    uint32_t start;
    bp_local *locals;
    size_t n_locals, room_locals;
    uint64_t **masks;
    size_t n_masks, room_masks;
    size_t kept_bytes; /* of locals and masks */
    uint64_t *scratch; /* a mask */
    uint32_t *exits;   /* of the walk under way */
    size_t n_exits, room_exits;
    bp_grammar_matcher *matchers; /* all of them, linked */
};

struct bp_grammar_matcher {
    bp_grammar *grammar;
    bp_grammar_matcher *previous, *next;
    uint32_t *history; /* the state after each step; DEAD: the text was ended */
    size_t n, room;
    uint32_t state;
};

/* Make a grammar of rules, which are freed; the rule `root` is the whole. */
bp_status bp_grammar_from_rules(bp_rules *rules, uint32_t root, const bp_grammar_vocab *vocab, bp_grammar **out,
                                bp_error *error);
/* The mask of a state; NULL where it failed: see states.status. */
const uint64_t *bp_grammar_mask(bp_grammar *g, uint32_t state);
void bp_grammar_forget_masks(bp_grammar *g);

#endif
