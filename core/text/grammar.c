#include "core/text/grammar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/grammar_internal.h"

bp_status bp_grammar_from_rules(bp_rules *rules, uint32_t root, const bp_grammar_vocab *vocab, bp_grammar **out,
                                bp_error *error) {
    bp_grammar *g = calloc(1, sizeof *g);
    if (!g) bp_rules_fail(rules, BP_E_NO_MEMORY, "grammar: out of memory");
    if (!rules->status) bp_automaton_build(rules, root, &g->automaton);
    bp_status status = rules->status;
    if (status) bp_fail(error, status, "%s", rules->error.message);
    bp_rules_free(rules);
    if (!status) {
        g->vocab = vocab;
        if (vocab) g->scratch = bp_new_array(vocab->n_words, sizeof *g->scratch);
        bool begun = bp_states_begin(&g->states, &g->automaton, vocab ? vocab->longest : 0);
        if (!begun || (vocab && !g->scratch)) status = bp_fail(error, BP_E_NO_MEMORY, "grammar: out of memory");
        else g->start = bp_state_start(&g->states);
    }
    if (!status && g->states.status)
        status = bp_fail(error, g->states.status, "the grammar is too ambiguous: it can begin in more than %d ways",
                         BP_STATE_MAX_PLACES);
    if (status) bp_grammar_free(g);
    else *out = g;
    return status;
}

void bp_grammar_free(bp_grammar *g) {
    if (!g) return;
    bp_grammar_forget_masks(g);
    bp_states_free(&g->states);
    bp_automaton_free(&g->automaton);
    free(g->locals);
    free(g->masks);
    free(g->scratch);
    free(g->exits);
    free(g);
}

bp_status bp_grammar_matcher_new(bp_grammar *grammar, bp_grammar_matcher **out, bp_error *error) {
    bp_grammar_matcher *m = calloc(1, sizeof *m);
    if (!m) return bp_fail(error, BP_E_NO_MEMORY, "no memory for a grammar's matcher");
    *m = (bp_grammar_matcher){ .grammar = grammar, .next = grammar->matchers, .state = grammar->start };
    if (m->next) m->next->previous = m;
    grammar->matchers = m;
    *out = m;
    return BP_OK;
}

void bp_grammar_matcher_free(bp_grammar_matcher *m) {
    if (!m) return;
    if (m->previous) m->previous->next = m->next;
    else m->grammar->matchers = m->next;
    if (m->next) m->next->previous = m->previous;
    free(m->history);
    free(m);
}

void bp_grammar_matcher_reset(bp_grammar_matcher *m) {
    m->n = 0;
    m->state = m->grammar->start;
}

static void copy_matcher(bp_states *to, bp_states *from, bp_grammar_matcher *m, uint32_t *known) {
    for (size_t i = 0; i <= m->n; i++) {
        uint32_t *state = i < m->n ? &m->history[i] : &m->state;
        if (*state && !known[*state]) known[*state] = bp_state_copy(to, from, *state);
        *state = known[*state];
    }
}

/* Keep the states that are in use and forget the others. Where there is no memory for that, all stay. */
static void forget_states(bp_grammar *g) {
    bp_states fresh = { 0 }, old = g->states;
    uint32_t *known = bp_new_array(old.n, sizeof *known);
    if (!known || !bp_states_begin(&fresh, &g->automaton, old.longest)) {
        free(known);
        bp_states_free(&fresh);
        return;
    }
    bp_grammar_forget_masks(g);
    g->start = known[g->start] = bp_state_copy(&fresh, &old, g->start);
    for (bp_grammar_matcher *m = g->matchers; m; m = m->next) copy_matcher(&fresh, &old, m, known);
    g->states = fresh;
    bp_states_free(&old);
    free(known);
}

/* Before every use: no failure is left over, and what was learnt does not fill the memory. */
static void tidy(bp_grammar *g) {
    g->states.status = BP_OK;
    if (g->states.bytes > BP_STATES_SOFT_BYTES) forget_states(g);
}

static bp_status failed(const bp_grammar *g, bp_error *error) {
    if (g->states.status == BP_E_NO_MEMORY) return bp_fail(error, BP_E_NO_MEMORY, "grammar: out of memory");
    return bp_fail(error, g->states.status, "the grammar is too ambiguous: more than %d ways to go on at once",
                   BP_STATE_MAX_PLACES);
}

bp_status bp_grammar_matcher_mask(bp_grammar_matcher *m, const uint64_t **mask, bp_error *error) {
    if (!m->grammar->vocab) return bp_fail(error, BP_E_INVALID, "the grammar was made without a vocabulary");
    tidy(m->grammar);
    const uint64_t *bits = bp_grammar_mask(m->grammar, m->state);
    if (!bits) return failed(m->grammar, error);
    *mask = bits;
    return BP_OK;
}

bp_status bp_grammar_matcher_apply(bp_grammar_matcher *m, float *logits, int32_t n_vocab, bp_error *error) {
    const uint64_t *mask;
    bp_status status = bp_grammar_matcher_mask(m, &mask, error);
    uint64_t any = 0;
    for (int32_t i = 0; !status && i < n_vocab; i += 64) {
        uint64_t word = i < m->grammar->vocab->n_tokens ? mask[i / 64] : 0;
        any |= word;
        for (int32_t id = i; word != UINT64_MAX && id < n_vocab && id < i + 64; id++)
            if (!(word >> (id - i) & 1)) logits[id] = -INFINITY;
    }
    if (!status && !any) status = bp_fail(error, BP_E_INVALID, "no token of the vocabulary fits the grammar here");
    return status;
}

static bp_status move(bp_grammar_matcher *m, uint32_t state, bp_error *error) {
    void *history = m->history;
    bool grown = bp_grow(&history, &m->room, m->n + 1, sizeof *m->history);
    m->history = history;
    if (!grown) return bp_fail(error, BP_E_NO_MEMORY, "grammar: out of memory");
    m->history[m->n++] = m->state;
    m->state = state;
    return BP_OK;
}

static uint32_t after_bytes(bp_states *s, uint32_t state, const char *bytes, size_t n) {
    for (size_t i = 0; i < n && state; i++) state = bp_state_step(s, state, (uint8_t)bytes[i]);
    return state;
}

/* The places that the token's bytes lead to, and those that its id leads to. */
static uint32_t after_token(bp_grammar *g, uint32_t state, int32_t id) {
    bp_states *s = &g->states;
    const bp_grammar_vocab *v = g->vocab;
    uint32_t from = v->offsets[id], n = v->offsets[id + 1] - from;
    uint32_t by_bytes = n ? after_bytes(s, state, v->bytes + from, n) : BP_STATE_DEAD;
    if (!g->automaton.has_tokens) return by_bytes;
    uint32_t by_name = bp_state_step_token(s, state, (uint32_t)id);
    if (!by_bytes || !by_name) return by_bytes | by_name;
    size_t n1 = s->all[by_bytes].n, n2 = s->all[by_name].n;
    bp_place *both = bp_new_array(n1 + n2, sizeof *both);
    if (!both) return s->status = BP_E_NO_MEMORY, (uint32_t)BP_STATE_DEAD;
    if (n1) memcpy(both, s->all[by_bytes].places, n1 * sizeof *both);
    if (n2) memcpy(both + n1, s->all[by_name].places, n2 * sizeof *both);
    uint32_t made = bp_state_of(s, both, n1 + n2);
    free(both);
    return made;
}

bp_status bp_grammar_matcher_accept(bp_grammar_matcher *m, int32_t id, bp_error *error) {
    bp_grammar *g = m->grammar;
    if (!g->vocab) return bp_fail(error, BP_E_INVALID, "the grammar was made without a vocabulary");
    if (id < 0 || id >= g->vocab->n_tokens) return bp_fail(error, BP_E_INVALID, "there is no token %d", id);
    tidy(g);
    bool ends = g->vocab->ends[id / 64] >> (id % 64) & 1;
    if (ends && (!m->state || bp_state_may_end(&g->states, m->state))) return move(m, BP_STATE_DEAD, error);
    uint32_t next = m->state
                        ? ends ? bp_state_step_token(&g->states, m->state, (uint32_t)id) : after_token(g, m->state, id)
                        : BP_STATE_DEAD;
    if (g->states.status) return failed(g, error);
    if (!next) return bp_fail(error, BP_E_INVALID, "the grammar does not allow token %d here", id);
    return move(m, next, error);
}

bp_status bp_grammar_matcher_accept_bytes(bp_grammar_matcher *m, const char *bytes, size_t n, bp_error *error) {
    tidy(m->grammar);
    uint32_t next = after_bytes(&m->grammar->states, m->state, bytes, n);
    if (m->grammar->states.status) return failed(m->grammar, error);
    if (!next && (n || !m->state)) return bp_fail(error, BP_E_INVALID, "the grammar does not allow this text here");
    return move(m, next, error);
}

void bp_grammar_matcher_rollback(bp_grammar_matcher *m, size_t n) {
    n = BP_MIN(n, m->n);
    if (!n) return;
    m->n -= n;
    m->state = m->history[m->n];
}

size_t bp_grammar_matcher_steps(const bp_grammar_matcher *m) { return m->n; }

bool bp_grammar_matcher_may_end(const bp_grammar_matcher *m) {
    return !m->state || bp_state_may_end(&m->grammar->states, m->state);
}

bool bp_grammar_matcher_ended(const bp_grammar_matcher *m) { return !m->state; }

/* The only byte that a state allows, -1 where there are several or none or the text may end. */
static int only_byte(const bp_grammar *g, uint32_t state) {
    const bp_state *at = &g->states.all[state];
    int only = -1;
    for (uint32_t i = 0; i < at->n; i++) {
        const bp_node *node = &g->automaton.nodes[at->places[i].node];
        if (node->kind != BP_N_BYTES || node->b != 1) return -1;
        const bp_edge *edge = &g->automaton.edges[node->a];
        if (edge->first != edge->last || (only >= 0 && only != edge->first)) return -1;
        only = edge->first;
    }
    return only;
}

void bp_grammar_matcher_forced(bp_grammar_matcher *m, bp_text *out) {
    enum { MOST = 4096, MOST_PLACES = 1 << 16 }; /* bytes, and places of the states on the way: ambiguous ones have many */
    tidy(m->grammar);
    uint32_t state = m->state, places = 0;
    for (int n = 0, byte; n < MOST && places < MOST_PLACES && (byte = only_byte(m->grammar, state)) >= 0; n++) {
        places += m->grammar->states.all[state].n;
        uint32_t next = bp_state_step(&m->grammar->states, state, (uint8_t)byte);
        if (!next) break;
        bp_text_add(out, (const char[]){ (char)byte }, 1);
        state = next;
    }
}
