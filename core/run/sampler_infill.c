/* Infill: choosing for text that is put between two others, where stopping early is better than going astray. To follow
 * top_k and top_p. The rules and their numbers are llama.cpp's ("infill" sampler). */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/run/sampler_state.h"

enum { MAX_INFILL = 256 }; /* candidates looked at: each pair is compared */
static const double END_SHARE = 3, LEAST_PROBABILITY = 0.2;

struct infill {
    bp_sampler *sampler;
    bp_candidates *c;
    double p[MAX_INFILL];
    bp_text pieces[MAX_INFILL];
};

static bool ends(const struct infill *f, size_t i) { return bp_token_ends(f->sampler->tokenizer, f->c->items[i].id); }

static void keep(struct infill *f, size_t to, size_t from) {
    f->c->items[to] = f->c->items[from];
    f->p[to] = f->p[from];
}

/* Ends alone, where they are likely enough for the number of candidates. */
static bool keep_ends(struct infill *f) {
    double end = 0, text = 0;
    size_t kept = 0;
    for (size_t i = 0; i < f->c->n; i++) *(ends(f, i) ? &end : &text) += f->p[i];
    if (!(END_SHARE * end * (double)f->c->n > text)) return false;
    for (size_t i = 0; i < f->c->n; i++)
        if (ends(f, i)) keep(f, kept++, i);
    f->c->n = kept;
    return true;
}

static bool is_prefix(const bp_text *a, const bp_text *b) {
    return a->size && a->size <= b->size && !memcmp(a->data, b->data, a->size);
}

/* Of two candidates of which one begins the other, the likelier takes the probability of both. */
static void join_prefixes(struct infill *f) {
    for (size_t i = 0; i < f->c->n; i++) {
        for (size_t j = 0; j < f->c->n; j++) {
            if (i == j || f->p[i] <= 0 || f->p[j] <= 0 || !is_prefix(&f->pieces[i], &f->pieces[j])) continue;
            size_t to = f->p[j] > f->p[i] ? j : i, from = to == i ? j : i;
            f->p[to] += f->p[from];
            f->p[from] = 0;
        }
    }
}

/* Drop texts below a probability; ends stay. Returns how many texts are left. */
static size_t drop_unlikely(struct infill *f, double least) {
    size_t kept = 0, texts = 0;
    double total = 0;
    for (size_t i = 0; i < f->c->n; i++) {
        bool end = ends(f, i);
        if ((f->p[i] < least || f->p[i] <= 0) && !end) continue;
        texts += !end;
        keep(f, kept++, i);
    }
    f->c->n = kept;
    for (size_t i = 0; i < kept; i++) total += f->p[i];
    for (size_t i = 0; i < kept && total > 0; i++) f->p[i] /= total;
    return texts;
}

static void load(struct infill *f) {
    bp_candidates *c = f->c;
    bp_candidates_sort(c, MAX_INFILL);
    c->n = BP_MIN(c->n, (size_t)MAX_INFILL);
    double greatest = c->items[0].logit, total = bp_candidates_total(c, greatest);
    for (size_t i = 0; i < c->n; i++) {
        f->p[i] = bp_weight(c->items[i].logit, greatest) / total;
        f->pieces[i] = (bp_text){ 0 };
        bp_token_bytes(f->sampler->tokenizer, c->items[i].id, true, &f->pieces[i], NULL);
    }
}

static void end_text(struct infill *f) {
    f->c->n = 1;
    f->c->items[0] = (bp_candidate){ BP_MAX(bp_token_eos(f->sampler->tokenizer), 0), 0 };
    f->p[0] = 1;
}

void bp_step_infill(bp_sampler *sampler, bp_candidates *c) {
    struct infill f = { .sampler = sampler, .c = c };
    load(&f);
    size_t n_pieces = c->n;
    if (!keep_ends(&f)) {
        join_prefixes(&f);
        size_t texts = drop_unlikely(&f, LEAST_PROBABILITY);
        if (texts) drop_unlikely(&f, 1 / ((double)texts + 1));
        else end_text(&f);
    }
    for (size_t i = 0; i < n_pieces; i++) bp_text_free(&f.pieces[i]);
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (f.p[i] > 0) c->items[kept++] = (bp_candidate){ c->items[i].id, (float)log(f.p[i]) };
    c->n = kept;
}
