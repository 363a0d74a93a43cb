#include "core/text/prefixes.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

static int compare(const void *left, const void *right) {
    const bp_prefix *a = left, *b = right;
    size_t n = BP_MIN(a->text.size, b->text.size);
    int order = n ? memcmp(a->text.data, b->text.data, n) : 0;
    if (order) return order;
    if (a->text.size != b->text.size) return a->text.size < b->text.size ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static bool same_text(const bp_prefix *a, const bp_prefix *b) {
    return a->text.size == b->text.size && !memcmp(a->text.data, b->text.data, a->text.size);
}

void bp_prefixes_sort(bp_prefixes *p) {
    uint32_t kept = 0;
    if (p->n) qsort(p->sorted, p->n, sizeof *p->sorted, compare);
    for (uint32_t i = 0; i < p->n; i++) {
        if (!p->sorted[i].text.size || (kept && same_text(&p->sorted[kept - 1], &p->sorted[i]))) continue;
        p->sorted[kept++] = p->sorted[i];
    }
    p->n = kept;
    uint32_t at = 0;
    for (unsigned byte = 0; byte <= 256; byte++) {
        while (at < kept && (unsigned char)p->sorted[at].text.data[0] < byte) at++;
        p->first[byte] = at;
    }
}

void bp_prefixes_free(bp_prefixes *p) {
    free(p->sorted);
    *p = (bp_prefixes){ 0 };
}

/* The first in [from, to) whose byte at depth is at least `byte`; all of them are longer than depth. */
static uint32_t lower_bound(const bp_prefixes *p, uint32_t from, uint32_t to, uint32_t depth, unsigned byte) {
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if ((unsigned char)p->sorted[middle].text.data[depth] < byte) from = middle + 1;
        else to = middle;
    }
    return from;
}

bool bp_prefix_step(const bp_prefixes *p, bp_prefix_walk *walk, char byte, int32_t *id) {
    unsigned value = (unsigned char)byte;
    uint32_t from = walk->from, to = walk->to, depth = walk->depth;
    if (!depth) {
        from = p->first[value], to = p->first[value + 1];
    } else {
        if (from < to && p->sorted[from].text.size == depth) from++; /* the token that ends here */
        from = lower_bound(p, from, to, depth, value);
        to = lower_bound(p, from, to, depth, value + 1);
    }
    *walk = (bp_prefix_walk){ from, to, depth + 1 };
    if (from == to) return false;
    *id = p->sorted[from].text.size == depth + 1 ? p->sorted[from].id : -1;
    return true;
}
