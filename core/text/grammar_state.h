/* Where a grammar can be after some bytes: a set of places in its automaton, each with its stack. Sets and stacks are
 * kept once each and have numbers; what follows a set on each byte is worked out once. Private to core/text. One thread
 * at a time. */
#ifndef BP_TEXT_GRAMMAR_STATE_H
#define BP_TEXT_GRAMMAR_STATE_H

#include "core/text/grammar_automaton.h"

enum {
    BP_STATE_DEAD = 0,                   /* the empty set */
    BP_STATE_MAX_PLACES = 4096,          /* places in a set: more are an ambiguity that is refused */
    BP_STATES_SOFT_BYTES = 64 << 20,     /* memory at which the sets not in use are forgotten */
    BP_STATES_HARD_BYTES = 512 << 20,    /* memory at which a step is refused */
};

/* A stack: where to come back to, and what lies under it. 0 is the empty one. */
typedef struct bp_frame {
    uint32_t node; /* CALL or LOOP */
    uint32_t at_least, at_most; /* LOOP: repetitions still due and still allowed, with the one that is under way */
    uint32_t under;
    uint32_t round;  /* closure in which it was last put on */
    uint32_t short_form; /* see bp_state_short; UINT32_MAX: not known */
} bp_frame;

typedef struct bp_place { /* a BYTES or TOKEN node and its stack; node 0 with stack 0: the text may end here */
    uint32_t node, frame;
} bp_place;

typedef struct bp_state {
    bp_place *places; /* sorted; in the arena */
    uint32_t n;
    bool may_end;        /* places[0] is the end */
    uint32_t short_form; /* UINT32_MAX: not known */
    uint32_t mask;       /* for grammar_mask.c: 1 + number, 0: none */
    uint32_t local;
    uint32_t *next; /* [n_classes]: the state after a byte of each class; UINT32_MAX: not known; NULL: none is */
} bp_state;

typedef struct bp_index { /* open addressing: hash -> number + 1 */
    uint32_t *slots;
    size_t n_slots, count;
} bp_index;

typedef struct bp_states {
    const bp_automaton *a;
    uint32_t longest; /* bytes of the longest token */
    bp_arena arena;
    size_t bytes; /* in use, about */
    bp_frame *frames;
    size_t n_frames, room_frames;
    bp_index frame_index;
    bp_state *all;
    size_t n, room;
    bp_index index;
    uint32_t round;
    bp_place *found, *todo; /* the closure under way */
    size_t n_found, n_todo, room_found, room_todo;
    bp_index seen;
    bp_status status; /* the first failure: places too many, no memory; then steps lead to DEAD */
} bp_states;

/* The automaton outlives the states. */
bool bp_states_begin(bp_states *s, const bp_automaton *a, uint32_t longest);
void bp_states_free(bp_states *s);

uint32_t bp_state_start(bp_states *s);
/* The state after one more byte of this class. */
uint32_t bp_state_step_class(bp_states *s, uint32_t state, uint32_t class);
static inline uint32_t bp_state_step(bp_states *s, uint32_t state, uint8_t byte) {
    uint32_t class = s->a->class_of[byte];
    uint32_t *next = s->all[state].next;
    return next && next[class] != UINT32_MAX ? next[class] : bp_state_step_class(s, state, class);
}
/* The state after a token that the grammar names by its id: TOKEN places alone move. */
uint32_t bp_state_step_token(bp_states *s, uint32_t state, uint32_t id);
static inline bool bp_state_may_end(const bp_states *s, uint32_t state) {
    return s->all[state].may_end;
}
/* A set of places; they are sorted. */
uint32_t bp_state_of(bp_states *s, bp_place *places, size_t n);
/* The state of the places that follow where `frame` is taken off. */
uint32_t bp_state_after(bp_states *s, uint32_t frame);
/* A state that allows the same tokens: counts that no token reaches the end of are made equal. */
uint32_t bp_state_short(bp_states *s, uint32_t state);
/* The stack `frame` down to the frame `floor` (left out), shortened as above. */
uint32_t bp_frame_above(bp_states *s, uint32_t frame, uint32_t floor);
uint32_t bp_frame_of(bp_states *s, uint32_t node, uint32_t at_least, uint32_t at_most, uint32_t under);
/* Bring a state over from `from`, which is left as it is. */
uint32_t bp_state_copy(bp_states *to, bp_states *from, uint32_t state);

#endif
