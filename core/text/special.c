/* Tokens that are matched in the text itself. */
#include "core/base/size.h"
#include "core/text/vocab.h"

static bool is_matched(const bp_tokenizer *t, uint32_t id) {
    return (bp_type_is_special(t->types[id]) || t->types[id] == BP_TOKEN_USER) && t->tokens[id].size;
}

bool bp_specials_load(bp_tokenizer *t) {
    bp_prefixes *p = &t->specials;
    size_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) n += is_matched(t, i);
    p->sorted = bp_new_array(n, sizeof *p->sorted);
    if (!p->sorted) return false;
    for (uint32_t i = 0; i < t->n; i++)
        if (is_matched(t, i)) p->sorted[p->n++] = (bp_prefix){ t->tokens[i], (int32_t)i };
    bp_prefixes_sort(p);
    return true;
}

int32_t bp_specials_match(const bp_tokenizer *t, const char *text, size_t n, bool control) {
    bp_prefix_walk walk = bp_prefix_begin(&t->specials);
    int32_t longest = -1, id;
    for (size_t i = 0; i < n && bp_prefix_step(&t->specials, &walk, text[i], &id); i++)
        if (id >= 0 && (control || t->types[id] == BP_TOKEN_USER)) longest = id;
    return longest;
}
