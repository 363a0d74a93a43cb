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
    if (a->order != b->order) return a->order < b->order ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static bool same_text(const bp_prefix *a, const bp_prefix *b) {
    return a->text.size == b->text.size && !memcmp(a->text.data, b->text.data, a->text.size);
}

static bool add_branch(bp_prefixes *p, uint8_t byte, bp_prefix_range range) {
    void *branches = p->branches, *bytes = p->bytes;
    bool done = bp_grow(&branches, &p->branch_room, p->n_branches + 1, sizeof range);
    p->branches = branches;
    done = bp_grow(&bytes, &p->byte_room, p->n_branches + 1, 1) && done;
    p->bytes = bytes;
    if (!done) return false;
    p->bytes[p->n_branches] = byte;
    p->branches[p->n_branches++] = range;
    return true;
}

/* The branches of the tokens of a range, which are alike up to depth. */
static bool add_branches(bp_prefixes *p, uint32_t from, uint32_t to, uint32_t depth) {
    if (from < to && p->sorted[from].text.size == depth) from++;
    for (uint32_t at = from, end; at < to; at = end) {
        uint8_t byte = (uint8_t)p->sorted[at].text.data[depth];
        for (end = at + 1; end < to && (uint8_t)p->sorted[end].text.data[depth] == byte;) end++;
        bool ends = p->sorted[at].text.size == depth + 1;
        if (!add_branch(p, byte, (bp_prefix_range){ at, end, BP_PREFIX_NONE, ends ? p->sorted[at].id : -1 }))
            return false;
    }
    return true;
}

static bool add_node(bp_prefixes *p, bp_prefix_node node) {
    void *nodes = p->nodes;
    bool done = bp_grow(&nodes, &p->node_room, p->n_nodes + 1, sizeof node);
    p->nodes = nodes;
    if (done) p->nodes[p->n_nodes++] = node;
    return done;
}

/* The tree, level by level: what several tokens begin with, up to DEEPEST bytes. */
static bool grow_tree(bp_prefixes *p) {
    enum { DEEPEST = 32 };
    if (!add_branches(p, 0, p->n, 0)) return false;
    for (size_t level = 0, at = 0, end; level + 1 < DEEPEST && at < p->n_branches; level++) {
        for (end = p->n_branches; at < end; at++) {
            bp_prefix_range range = p->branches[at];
            if (range.to - range.from < 2) continue;
            size_t first = p->n_branches;
            if (!add_branches(p, range.from, range.to, (uint32_t)level + 1) || p->n_branches >= UINT32_MAX) return false;
            p->branches[at].node = (uint32_t)p->n_nodes;
            if (!add_node(p, (bp_prefix_node){ (uint32_t)first, (uint32_t)(p->n_branches - first) })) return false;
        }
    }
    return true;
}

bool bp_prefixes_sort(bp_prefixes *p) {
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
    bool done = grow_tree(p);
    for (unsigned byte = 0; byte < 256; byte++) p->roots[byte] = BP_PREFIX_NONE;
    for (uint32_t i = 0; done && i < p->n_branches && p->branches[i].from == (i ? p->branches[i - 1].to : 0); i++) {
        p->roots[p->bytes[i]] = i; /* the first level comes first */
        if (p->branches[i].to == p->n) break;
    }
    return done;
}

void bp_prefixes_free(bp_prefixes *p) {
    free(p->sorted);
    free(p->nodes);
    free(p->branches);
    free(p->bytes);
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

/* The branch of a node for a byte; NULL: none. */
static const bp_prefix_range *find_branch(const bp_prefixes *p, uint32_t node, uint8_t byte) {
    enum { FEW = 8 };
    uint32_t from = p->nodes[node].first, to = from + p->nodes[node].n;
    while (to - from > FEW) {
        uint32_t middle = from + (to - from) / 2;
        if (p->bytes[middle] <= byte) from = middle;
        else to = middle;
    }
    for (; from < to; from++)
        if (p->bytes[from] == byte) return &p->branches[from];
    return NULL;
}

/* Below the tree: among tokens that are alike up to depth. */
static bool step_sorted(const bp_prefixes *p, bp_prefix_walk *walk, unsigned byte) {
    uint32_t from = walk->range.from, to = walk->range.to, depth = walk->depth;
    if (from < to && p->sorted[from].text.size == depth) from++; /* the token that ends here */
    from = lower_bound(p, from, to, depth, byte);
    to = lower_bound(p, from, to, depth, byte + 1);
    if (from == to) return false;
    bool ends = p->sorted[from].text.size == depth + 1;
    walk->range = (bp_prefix_range){ from, to, BP_PREFIX_NONE, ends ? p->sorted[from].id : -1 };
    return true;
}

bool bp_prefix_step(const bp_prefixes *p, bp_prefix_walk *walk, char byte, int32_t *id) {
    unsigned value = (unsigned char)byte;
    const bp_prefix_range *branch = NULL;
    if (!walk->depth) {
        if (!p->n || p->roots[value] == BP_PREFIX_NONE) return false;
        branch = &p->branches[p->roots[value]];
    } else if (walk->range.node != BP_PREFIX_NONE) {
        branch = find_branch(p, walk->range.node, (uint8_t)value);
        if (!branch) return false;
    }
    if (branch) walk->range = *branch;
    else if (!step_sorted(p, walk, value)) return false;
    walk->depth++;
    *id = walk->range.id;
    return true;
}
