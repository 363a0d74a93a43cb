/* Which tokens a state allows. */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/text/grammar_internal.h"

void bp_grammar_forget_masks(bp_grammar *g) {
    for (size_t i = 0; i < g->n_masks; i++) free(g->masks[i]);
    for (size_t i = 0; i < g->n_locals; i++) {
        free(g->locals[i].bits);
        free(g->locals[i].ids);
        free(g->locals[i].exits);
    }
    for (size_t i = 0; i < g->states.n; i++) g->states.all[i].mask = g->states.all[i].local = 0;
    g->n_masks = g->n_locals = 0;
    g->kept_bytes = 0;
}

static void add_exit(bp_grammar *g, uint32_t node) {
    void *exits = g->exits;
    bool grown = bp_grow(&exits, &g->room_exits, g->n_exits + 1, sizeof *g->exits);
    g->exits = exits;
    if (grown) g->exits[g->n_exits++] = node;
    else g->states.status = BP_E_NO_MEMORY;
}

/* Set the bits of all tokens below trie node `from` whose further bytes `state` allows. exits: also note the nodes with
 * more below them where the state may end. */
static void walk(bp_grammar *g, uint32_t state, uint32_t from, bool exits, uint64_t *bits) {
    const bp_trie_node *nodes = g->vocab->nodes;
    const int32_t *ids = g->vocab->ids;
    uint32_t stack[BP_TRIE_LONGEST + 1], base = nodes[from].depth, end = nodes[from].after;
    bp_states *s = &g->states;
    stack[0] = state;
    for (uint32_t i = from + 1; i < end;) {
        uint32_t depth = nodes[i].depth - base;
        uint32_t next = bp_state_step(s, stack[depth - 1], nodes[i].byte);
        if (!next) {
            i = nodes[i].after;
            continue;
        }
        stack[depth] = next;
        for (uint32_t t = nodes[i].first; t < nodes[i + 1].first; t++)
            bits[ids[t] / 64] |= UINT64_C(1) << (ids[t] % 64);
        if (exits && bp_state_may_end(s, next) && nodes[i].after > i + 1) add_exit(g, i);
        i++;
    }
}

static void *keep(bp_grammar *g, const void *data, size_t bytes) {
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy) return g->states.status = BP_E_NO_MEMORY, NULL;
    if (bytes) memcpy(copy, data, bytes);
    g->kept_bytes += bytes;
    return copy;
}

static uint32_t count_bits(const uint64_t *bits, uint32_t n_words) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_words; i++) n += (uint32_t)__builtin_popcountll(bits[i]);
    return n;
}

static void list_bits(const uint64_t *bits, uint32_t n_words, uint32_t *ids) {
    for (uint32_t i = 0; i < n_words; i++)
        for (uint64_t word = bits[i]; word; word &= word - 1) *ids++ = i * 64 + (uint32_t)__builtin_ctzll(word);
}

/* Few tokens are kept as a list. */
static void keep_tokens(bp_grammar *g, const uint64_t *bits, bp_local *out) {
    uint32_t n_words = g->vocab->n_words, n = count_bits(bits, n_words);
    if (n >= n_words) {
        out->bits = keep(g, bits, n_words * sizeof *bits);
        return;
    }
    out->n_ids = n;
    out->ids = malloc((n ? n : 1) * sizeof *out->ids);
    if (out->ids) list_bits(bits, n_words, out->ids);
    else g->states.status = BP_E_NO_MEMORY;
    g->kept_bytes += n * sizeof *out->ids;
}

/* local: a state whose stacks end where its rule was called. */
static const bp_local *local_of(bp_grammar *g, uint32_t local) {
    bp_states *s = &g->states;
    if (s->all[local].local) return &g->locals[s->all[local].local - 1];
    void *locals = g->locals;
    bool grown = bp_grow(&locals, &g->room_locals, g->n_locals + 1, sizeof *g->locals);
    g->locals = locals;
    if (!grown) return s->status = BP_E_NO_MEMORY, NULL;
    bp_local *made = &g->locals[g->n_locals++];
    *made = (bp_local){ 0 };
    g->n_exits = 0;
    memset(g->scratch, 0, g->vocab->n_words * sizeof *g->scratch);
    walk(g, local, 0, true, g->scratch);
    keep_tokens(g, g->scratch, made);
    made->n_exits = (uint32_t)g->n_exits;
    made->exits = keep(g, g->exits, g->n_exits * sizeof *g->exits);
    if (s->status) return NULL;
    s->all[local].local = (uint32_t)g->n_locals;
    return made;
}

static void add_local(bp_grammar *g, const bp_local *local, uint64_t *bits) {
    for (uint32_t i = 0; i < local->n_ids; i++) bits[local->ids[i] / 64] |= UINT64_C(1) << (local->ids[i] % 64);
    for (uint32_t i = 0; local->bits && i < g->vocab->n_words; i++) bits[i] |= local->bits[i];
}

/* The frame under which a place's rule was called, past the counted repetitions inside the rule. */
static uint32_t floor_of(const bp_grammar *g, uint32_t frame) {
    while (frame && g->automaton.nodes[g->states.frames[frame].node].kind == BP_N_LOOP)
        frame = g->states.frames[frame].under;
    return frame;
}

typedef struct grounded {
    uint32_t floor;
    bp_place place;
} grounded;

static int by_floor(const void *x, const void *y) {
    const grounded *a = x, *b = y;
    return a->floor < b->floor ? -1 : a->floor > b->floor;
}

static void add_group(bp_grammar *g, const grounded *group, size_t n, uint64_t *bits) {
    bp_states *s = &g->states;
    bp_place *places = bp_new_array(n, sizeof *places);
    if (!places) s->status = BP_E_NO_MEMORY;
    for (size_t i = 0; i < n && !s->status; i++)
        places[i] = (bp_place){ group[i].place.node, bp_frame_above(s, group[i].place.frame, group[i].floor) };
    const bp_local *local = s->status ? NULL : local_of(g, bp_state_of(s, places, n));
    free(places);
    if (!local) return;
    add_local(g, local, bits);
    if (!group->floor || !local->n_exits) return;
    uint32_t after = bp_state_after(s, group->floor);
    for (uint32_t i = 0; after && i < local->n_exits; i++) walk(g, after, local->exits[i], false, bits);
}

static void add_bytes(bp_grammar *g, uint32_t state, uint64_t *bits) {
    bp_states *s = &g->states;
    size_t n = 0, end;
    grounded *all = bp_new_array(s->all[state].n, sizeof *all);
    if (!all) {
        s->status = BP_E_NO_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < s->all[state].n; i++) {
        bp_place p = s->all[state].places[i];
        if (g->automaton.nodes[p.node].kind == BP_N_BYTES) all[n++] = (grounded){ floor_of(g, p.frame), p };
    }
    if (n) qsort(all, n, sizeof *all, by_floor);
    for (size_t i = 0; i < n && !s->status; i = end) {
        for (end = i + 1; end < n && all[end].floor == all[i].floor; end++) {}
        add_group(g, all + i, end - i, bits);
    }
    free(all);
}

static void add_named(bp_grammar *g, uint32_t state, uint64_t *bits) {
    const bp_grammar_vocab *v = g->vocab;
    for (uint32_t i = 0; i < g->states.all[state].n; i++) {
        const bp_node *node = &g->automaton.nodes[g->states.all[state].places[i].node];
        if (node->kind != BP_N_TOKEN) continue;
        for (int32_t id = 0; node->negated && id < v->n_tokens; id++)
            if ((uint32_t)id != node->token && !(v->ends[id / 64] >> (id % 64) & 1))
                bits[id / 64] |= UINT64_C(1) << (id % 64);
        if (!node->negated && node->token < (uint32_t)v->n_tokens)
            bits[node->token / 64] |= UINT64_C(1) << (node->token % 64);
    }
}

static uint64_t *new_mask(bp_grammar *g) {
    size_t bytes = g->vocab->n_words * sizeof(uint64_t);
    if (g->kept_bytes + bytes > BP_MASKS_MAX_BYTES) bp_grammar_forget_masks(g);
    void *masks = g->masks;
    bool grown = bp_grow(&masks, &g->room_masks, g->n_masks + 1, sizeof *g->masks);
    g->masks = masks;
    uint64_t *bits = grown ? calloc(1, bytes) : NULL;
    if (!bits) return g->states.status = BP_E_NO_MEMORY, NULL;
    g->masks[g->n_masks++] = bits;
    g->kept_bytes += bytes;
    return bits;
}

const uint64_t *bp_grammar_mask(bp_grammar *g, uint32_t state) {
    if (state == BP_STATE_DEAD) return g->vocab->ends;
    state = bp_state_short(&g->states, state);
    if (g->states.status) return NULL;
    if (g->states.all[state].mask) return g->masks[g->states.all[state].mask - 1];
    uint64_t *bits = new_mask(g);
    if (!bits) return NULL;
    uint32_t number = (uint32_t)g->n_masks;
    add_bytes(g, state, bits);
    if (g->automaton.has_tokens) add_named(g, state, bits);
    if (bp_state_may_end(&g->states, state))
        for (uint32_t i = 0; i < g->vocab->n_words; i++) bits[i] |= g->vocab->ends[i];
    if (g->states.status) return NULL;
    g->states.all[state].mask = number;
    return bits;
}
