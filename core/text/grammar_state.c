#include "core/text/grammar_state.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/size.h"

enum { SMALL = 1024 /* slots of a new index */ };

static uint32_t fail(bp_states *s, bp_status status) {
    if (!s->status) s->status = status;
    return BP_STATE_DEAD;
}

static uint64_t frame_hash(const bp_states *s, uint32_t i) { return bp_hash(&s->frames[i], 4 * sizeof(uint32_t)); }
static uint64_t state_hash(const bp_states *s, uint32_t i) {
    return bp_hash(s->all[i].places, s->all[i].n * sizeof(bp_place));
}
static uint64_t place_hash(const bp_states *s, uint32_t i) { return bp_hash(&s->found[i], sizeof(bp_place)); }

static bool room_in(bp_states *s, bp_index *index, uint64_t (*hash)(const bp_states *, uint32_t)) {
    if (index->count * 2 < index->n_slots) return true;
    size_t n_slots = index->n_slots ? index->n_slots * 2 : SMALL;
    uint32_t *slots = calloc(n_slots, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < index->n_slots; i++) {
        if (!index->slots[i]) continue;
        size_t at = hash(s, index->slots[i] - 1) & (n_slots - 1);
        while (slots[at]) at = (at + 1) & (n_slots - 1);
        slots[at] = index->slots[i];
    }
    if (index != &s->seen) s->bytes += (n_slots - index->n_slots) * sizeof *slots;
    free(index->slots);
    index->slots = slots;
    index->n_slots = n_slots;
    return true;
}

uint32_t bp_frame_of(bp_states *s, uint32_t node, uint32_t at_least, uint32_t at_most, uint32_t under) {
    bp_frame made = { node, at_least, at_most, under, 0, UINT32_MAX };
    void *frames = s->frames;
    bool room = bp_grow(&frames, &s->room_frames, s->n_frames + 1, sizeof *s->frames);
    s->frames = frames;
    if (!room || !room_in(s, &s->frame_index, frame_hash)) return fail(s, BP_E_NO_MEMORY);
    size_t mask = s->frame_index.n_slots - 1, at = bp_hash(&made, 4 * sizeof(uint32_t)) & mask;
    for (; s->frame_index.slots[at]; at = (at + 1) & mask) {
        uint32_t there = s->frame_index.slots[at] - 1;
        if (!memcmp(&s->frames[there], &made, 4 * sizeof(uint32_t))) return there;
    }
    s->frames[s->n_frames] = made;
    s->bytes += sizeof made;
    s->frame_index.slots[at] = (uint32_t)s->n_frames + 1;
    s->frame_index.count++;
    return (uint32_t)s->n_frames++;
}

static int by_place(const void *x, const void *y) {
    const bp_place *a = x, *b = y;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static uint32_t add_state(bp_states *s, const bp_place *places, size_t n) {
    void *all = s->all;
    bool room = bp_grow(&all, &s->room, s->n + 1, sizeof *s->all);
    s->all = all;
    bp_place *copy = bp_arena_alloc(&s->arena, n * sizeof *places);
    if (!room || !copy) return fail(s, BP_E_NO_MEMORY);
    if (n) memcpy(copy, places, n * sizeof *places);
    s->all[s->n] = (bp_state){ .places = copy, .n = (uint32_t)n, .short_form = UINT32_MAX,
                                .may_end = n && !places[0].node };
    s->bytes += n * sizeof *places + sizeof *s->all;
    return (uint32_t)s->n++;
}

/* Sorted and each once. */
static size_t sort_places(bp_place *places, size_t n) {
    size_t made = 0;
    if (n > 1) qsort(places, n, sizeof *places, by_place);
    for (size_t i = 0; i < n; i++)
        if (!made || by_place(&places[made - 1], &places[i])) places[made++] = places[i];
    return made;
}

uint32_t bp_state_of(bp_states *s, bp_place *places, size_t n) {
    if (s->status) return BP_STATE_DEAD;
    if (n > BP_STATE_MAX_PLACES || s->bytes > BP_STATES_HARD_BYTES) return fail(s, BP_E_REFUSED);
    n = sort_places(places, n);
    if (!room_in(s, &s->index, state_hash)) return fail(s, BP_E_NO_MEMORY);
    size_t mask = s->index.n_slots - 1, at = bp_hash(places, n * sizeof *places) & mask;
    for (; s->index.slots[at]; at = (at + 1) & mask) {
        const bp_state *there = &s->all[s->index.slots[at] - 1];
        if (there->n == n && (!n || !memcmp(there->places, places, n * sizeof *places))) return s->index.slots[at] - 1;
    }
    uint32_t made = add_state(s, places, n);
    if (s->status) return BP_STATE_DEAD;
    s->index.slots[at] = made + 1;
    s->index.count++;
    return made;
}

bool bp_states_begin(bp_states *s, const bp_automaton *a, uint32_t longest) {
    *s = (bp_states){ .a = a, .longest = longest };
    bp_place none = { 0, 0 };
    bp_frame_of(s, 0, 0, 0, 0);
    bp_state_of(s, &none, 0);
    return !s->status;
}

void bp_states_free(bp_states *s) {
    for (size_t i = 0; i < s->n; i++) free(s->all[i].next);
    bp_arena_free(&s->arena);
    free(s->frames);
    free(s->frame_index.slots);
    free(s->all);
    free(s->index.slots);
    free(s->found);
    free(s->todo);
    free(s->seen.slots);
    *s = (bp_states){ 0 };
}

/* Closure: from places of any kind to places that wait for a byte, a token or the end. */
static void push(bp_states *s, uint32_t node, uint32_t frame) {
    if (node == 1 || s->status) return;
    void *todo = s->todo;
    bool room = bp_grow(&todo, &s->room_todo, s->n_todo + 1, sizeof *s->todo);
    s->todo = todo;
    if (!room) fail(s, BP_E_NO_MEMORY);
    else s->todo[s->n_todo++] = (bp_place){ node, frame };
}

/* False where the place was here before in this closure. found holds every place seen. */
static bool is_new(bp_states *s, bp_place place) {
    void *found = s->found;
    bool room = bp_grow(&found, &s->room_found, s->n_found + 1, sizeof *s->found);
    s->found = found;
    if (!room || !room_in(s, &s->seen, place_hash)) return fail(s, BP_E_NO_MEMORY);
    if (s->n_found >= 16 * BP_STATE_MAX_PLACES) return fail(s, BP_E_REFUSED);
    size_t mask = s->seen.n_slots - 1, at = bp_hash(&place, sizeof place) & mask;
    for (; s->seen.slots[at]; at = (at + 1) & mask)
        if (!memcmp(&s->found[s->seen.slots[at] - 1], &place, sizeof place)) return false;
    s->seen.slots[at] = (uint32_t)s->n_found + 1;
    s->seen.count++;
    s->found[s->n_found++] = place;
    return true;
}

static void turn(bp_states *s, uint32_t node, uint32_t at_least, uint32_t at_most, uint32_t under) {
    const bp_node *loop = &s->a->nodes[node];
    if (!at_least) push(s, loop->b, under);
    if (!at_most) return;
    uint32_t frame = bp_frame_of(s, node, at_least, at_most, under);
    s->frames[frame].round = s->round;
    push(s, loop->a, frame);
}

/* A body that took nothing since its turn began is no turn: what may follow was reached without it. */
static void come_back(bp_states *s, uint32_t at) {
    bp_frame f = s->frames[at];
    const bp_node *node = &s->a->nodes[f.node];
    if (node->kind == BP_N_CALL) {
        push(s, node->b, f.under);
    } else if (!node->empty || f.round != s->round) {
        uint32_t most = f.at_most == BP_REPEAT_NO_END ? f.at_most : f.at_most - 1;
        turn(s, f.node, f.at_least ? f.at_least - 1 : 0, most, f.under);
    }
}

static void expand(bp_states *s, bp_place p) {
    const bp_node *node = &s->a->nodes[p.node];
    switch (node->kind) {
    case BP_N_END:
        if (p.frame) come_back(s, p.frame);
        break;
    case BP_N_SPLIT:
        push(s, node->b, p.frame);
        push(s, node->a, p.frame);
        break;
    case BP_N_CALL: push(s, node->a, node->b ? bp_frame_of(s, p.node, 0, 0, p.frame) : p.frame); break;
    case BP_N_LOOP: turn(s, p.node, node->at_least, node->at_most, p.frame); break;
    }
}

static void begin_closure(bp_states *s) {
    s->round++;
    s->n_todo = s->n_found = 0;
    if (s->seen.n_slots > SMALL && s->seen.count * 16 < s->seen.n_slots) s->seen.n_slots = SMALL; /* quick to clear */
    if (s->seen.count) memset(s->seen.slots, 0, s->seen.n_slots * sizeof *s->seen.slots);
    s->seen.count = 0;
}

static uint32_t end_closure(bp_states *s) {
    while (s->n_todo && !s->status) {
        bp_place p = s->todo[--s->n_todo];
        if (is_new(s, p)) expand(s, p);
    }
    size_t n = 0;
    for (size_t i = 0; i < s->n_found; i++) {
        uint8_t kind = s->a->nodes[s->found[i].node].kind;
        bool waits = kind == BP_N_BYTES || kind == BP_N_TOKEN || (kind == BP_N_END && !s->found[i].frame);
        if (waits) s->found[n++] = s->found[i];
    }
    return bp_state_of(s, s->found, n);
}

uint32_t bp_state_start(bp_states *s) {
    begin_closure(s);
    push(s, s->a->start, 0);
    return end_closure(s);
}

uint32_t bp_state_after(bp_states *s, uint32_t frame) {
    begin_closure(s);
    push(s, 0, frame);
    return end_closure(s);
}

static uint32_t target(const bp_automaton *a, const bp_node *node, uint8_t byte) {
    uint32_t low = node->a, high = node->a + node->b;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (a->edges[middle].last < byte) low = middle + 1;
        else high = middle;
    }
    return low < node->a + node->b && a->edges[low].first <= byte ? a->edges[low].to : 1;
}

static bool make_next(bp_states *s, uint32_t state) {
    size_t bytes = s->a->n_classes * sizeof(uint32_t);
    if (s->all[state].next) return true;
    uint32_t *next = malloc(bytes);
    if (!next) return false;
    s->all[state].next = memset(next, 0xFF, bytes);
    s->bytes += bytes;
    return true;
}

uint32_t bp_state_step_class(bp_states *s, uint32_t state, uint32_t class) {
    if (s->status) return BP_STATE_DEAD;
    if (!make_next(s, state)) return fail(s, BP_E_NO_MEMORY);
    if (s->all[state].next[class] != UINT32_MAX) return s->all[state].next[class];
    uint8_t byte = s->a->byte_of[class];
    begin_closure(s);
    for (uint32_t i = 0; i < s->all[state].n; i++) {
        bp_place p = s->all[state].places[i];
        const bp_node *node = &s->a->nodes[p.node];
        if (node->kind == BP_N_BYTES) push(s, target(s->a, node, byte), p.frame);
    }
    uint32_t next = end_closure(s);
    if (!s->status) s->all[state].next[class] = next;
    return next;
}

uint32_t bp_state_step_token(bp_states *s, uint32_t state, uint32_t id) {
    begin_closure(s);
    for (uint32_t i = 0; i < s->all[state].n; i++) {
        bp_place p = s->all[state].places[i];
        const bp_node *node = &s->a->nodes[p.node];
        if (node->kind == BP_N_TOKEN && (node->token == id) != node->negated) push(s, node->b, p.frame);
    }
    return end_closure(s);
}
