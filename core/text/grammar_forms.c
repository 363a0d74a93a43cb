/* States that allow the same tokens: counts that no token reaches the end of are made equal, and stacks are cut where
 * a rule was called. */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/text/grammar_state.h"

/* A frame over another: as `frame` says, but shortened. */
static uint32_t shortened(bp_states *s, uint32_t frame, uint32_t under) {
    bp_frame f = s->frames[frame];
    uint32_t far = s->longest + 1;
    if (f.at_least > far) f.at_least = far;
    if (f.at_most > far && s->a->nodes[f.node].kind == BP_N_LOOP) f.at_most = BP_REPEAT_NO_END;
    return bp_frame_of(s, f.node, f.at_least, f.at_most, under);
}

static uint32_t short_frame(bp_states *s, uint32_t frame) {
    uint32_t *path = NULL, made = 0;
    size_t n = 0, room = 0;
    for (; frame && s->frames[frame].short_form == UINT32_MAX; frame = s->frames[frame].under) {
        if (!bp_grow((void **)&path, &room, n + 1, sizeof *path)) {
            s->status = BP_E_NO_MEMORY;
            free(path);
            return 0;
        }
        path[n++] = frame;
    }
    if (frame) made = s->frames[frame].short_form;
    while (n) {
        made = shortened(s, path[--n], made);
        s->frames[path[n]].short_form = made;
    }
    free(path);
    return made;
}

uint32_t bp_frame_above(bp_states *s, uint32_t frame, uint32_t floor) {
    enum { MOST = 2 * BP_EXPR_MAX_DEPTH };
    uint32_t path[MOST], n = 0, made = 0;
    for (; frame != floor && n < MOST; frame = s->frames[frame].under) path[n++] = frame;
    if (frame != floor) s->status = BP_E_REFUSED;
    while (n) made = shortened(s, path[--n], made);
    return made;
}

uint32_t bp_state_short(bp_states *s, uint32_t state) {
    if (s->all[state].short_form != UINT32_MAX) return s->all[state].short_form;
    uint32_t n = s->all[state].n, kept = 0;
    bp_place *places = bp_new_array(n, sizeof *places);
    if (!places) return s->status = BP_E_NO_MEMORY, (uint32_t)BP_STATE_DEAD;
    for (uint32_t i = 0; i < n; i++)
        places[i] = (bp_place){ s->all[state].places[i].node, short_frame(s, s->all[state].places[i].frame) };
    kept = bp_state_of(s, places, n);
    free(places);
    if (!s->status) s->all[state].short_form = s->all[kept].short_form = kept;
    return kept;
}

/* The frame of `to` that says what `frame` says in `from`. */
static uint32_t copy_frame(bp_states *to, bp_states *from, uint32_t frame) {
    uint32_t *path = NULL, made = 0;
    size_t n = 0, room = 0;
    for (; frame; frame = from->frames[frame].under) {
        if (!bp_grow((void **)&path, &room, n + 1, sizeof *path)) {
            to->status = BP_E_NO_MEMORY;
            break;
        }
        path[n++] = frame;
    }
    while (n && !to->status) {
        bp_frame f = from->frames[path[--n]];
        made = bp_frame_of(to, f.node, f.at_least, f.at_most, made);
    }
    free(path);
    return made;
}

uint32_t bp_state_copy(bp_states *to, bp_states *from, uint32_t state) {
    uint32_t n = from->all[state].n;
    bp_place *places = bp_new_array(n, sizeof *places);
    if (!places) return to->status = BP_E_NO_MEMORY, (uint32_t)BP_STATE_DEAD;
    for (uint32_t i = 0; i < n; i++)
        places[i] =
            (bp_place){ from->all[state].places[i].node, copy_frame(to, from, from->all[state].places[i].frame) };
    uint32_t made = bp_state_of(to, places, n);
    free(places);
    return made;
}
