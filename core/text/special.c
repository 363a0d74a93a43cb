#include <stdlib.h>

#include "core/base/size.h"
#include "core/text/vocab.h"

typedef struct sized { uint32_t byte, length; } sized;

static int by_byte_then_longest(const void *left, const void *right) {
    const sized *a = left, *b = right;
    if (a->byte != b->byte) return a->byte < b->byte ? -1 : 1;
    return a->length == b->length ? 0 : a->length > b->length ? -1 : 1;
}

static bool is_matched(const bp_tokenizer *t, uint32_t id) {
    return (bp_type_is_special(t->types[id]) || t->types[id] == BP_TOKEN_USER) && t->tokens[id].size;
}

static void index_lengths(bp_specials *s, sized *found, size_t n) {
    uint32_t count = 0, byte = 0;
    qsort(found, n, sizeof *found, by_byte_then_longest);
    for (size_t i = 0; i < n; i++) {
        if (i && !by_byte_then_longest(&found[i - 1], &found[i])) continue;
        while (byte <= found[i].byte) s->first[byte++] = count;
        s->lengths[count++] = found[i].length;
    }
    while (byte <= 256) s->first[byte++] = count;
}

bool bp_specials_load(bp_tokenizer *t) {
    bp_specials *s = &t->specials;
    size_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) n += is_matched(t, i);
    sized *found = bp_new_array(n, sizeof *found);
    s->lengths = bp_new_array(n, sizeof *s->lengths);
    bool ok = found && s->lengths;
    n = 0;
    for (uint32_t i = 0; ok && i < t->n; i++) {
        if (!is_matched(t, i)) continue;
        bp_gguf_string text = t->tokens[i];
        found[n++] = (sized){ (unsigned char)text.data[0], (uint32_t)text.size };
        ok = bp_map_add(&s->by_text, text.data, text.size, i) != BP_MAP_NO_MEMORY;
    }
    if (ok) index_lengths(s, found, n);
    free(found);
    return ok;
}

void bp_specials_free(bp_specials *s) {
    bp_map_free(&s->by_text);
    free(s->lengths);
}

int32_t bp_specials_match(const bp_tokenizer *t, const char *text, size_t n, bool control) {
    const bp_specials *s = &t->specials;
    unsigned byte = (unsigned char)text[0];
    uint32_t id;
    for (uint32_t i = s->first[byte]; i < s->first[byte + 1]; i++) {
        if (s->lengths[i] > n || !bp_map_find(&s->by_text, text, s->lengths[i], &id)) continue;
        if (control || t->types[id] == BP_TOKEN_USER) return (int32_t)id;
    }
    return -1;
}
