/* Character classes as bytes: ranges of code points become ranges of bytes of their UTF-8 forms. */
#include <stdlib.h>

#include "core/base/size.h"
#include "core/text/grammar_automaton.h"

enum { LONGEST = 4 };

/* Characters of one length whose bytes lie in these ranges, independently of each other. */
typedef struct byte_ranges {
    uint8_t n;
    uint8_t first[LONGEST], last[LONGEST];
} byte_ranges;

typedef struct byte_list {
    byte_ranges *items;
    size_t n, room;
    bool failed;
} byte_list;

static int encode(uint32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3F));
    out[0] = (uint8_t)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

static void add(byte_list *list, uint32_t first, uint32_t last) {
    void *items = list->items;
    bool grown = bp_grow(&items, &list->room, list->n + 1, sizeof *list->items);
    list->items = items;
    if (!grown) {
        list->failed = true;
        return;
    }
    byte_ranges *made = &list->items[list->n++];
    made->n = (uint8_t)encode(first, made->first);
    encode(last, made->last);
}

/* Cut a range where lengths change and where lower bytes do not run through all of their values. */
static void cut(byte_list *list, uint32_t first, uint32_t last) {
    static const uint32_t longest[] = { 0x7F, 0x7FF, 0xFFFF };
    for (size_t i = 0; i < BP_COUNT(longest); i++) {
        if (first > longest[i] || last <= longest[i]) continue;
        cut(list, first, longest[i]);
        first = longest[i] + 1;
    }
    for (int i = 1; first >= 0x80 && i < LONGEST; i++) {
        uint32_t low = (1u << (6 * i)) - 1;
        if ((first & ~low) == (last & ~low)) break;
        if (first & low) {
            cut(list, first, first | low);
            cut(list, (first | low) + 1, last);
            return;
        }
        if ((last & low) != low) {
            cut(list, first, (last & ~low) - 1);
            cut(list, last & ~low, last);
            return;
        }
    }
    add(list, first, last);
}

typedef struct class_builder {
    bp_rules *r;
    bp_automaton *a;
    uint32_t next;
    uint32_t rest[LONGEST]; /* nodes of 1, 2, 3 bytes from 80 to BF: shared; 0: not made */
} class_builder;

static uint32_t full_rest(class_builder *b, int n) {
    if (!n) return b->next;
    if (!b->rest[n]) {
        bp_edge edge = { 0x80, 0xBF, full_rest(b, n - 1) };
        b->rest[n] = bp_automaton_bytes(b->r, b->a, &edge, 1);
    }
    return b->rest[n];
}

static bool is_full(const byte_ranges *item, int from) {
    for (int i = from; i < LONGEST && i < item->n; i++)
        if (item->first[i] != 0x80 || item->last[i] != 0xBF) return false;
    return true;
}

/* The node for byte `at` of items [0, n), which agree in all bytes before it. */
static uint32_t build(class_builder *b, const byte_ranges *items, size_t n, int at) {
    if (at >= LONGEST || at >= items[0].n) return b->next;
    if (at && n == 1 && is_full(items, at)) return full_rest(b, items[0].n - at);
    bp_edge edges[256];
    size_t made = 0;
    for (size_t i = 0, end; i < n && made < BP_COUNT(edges); i = end) {
        for (end = i + 1; end < n && items[end].first[at] == items[i].first[at]; end++) {}
        edges[made++] = (bp_edge){ items[i].first[at], items[i].last[at], build(b, items + i, end - i, at + 1) };
    }
    return bp_automaton_bytes(b->r, b->a, edges, made);
}

uint32_t bp_automaton_class(bp_rules *r, bp_automaton *a, const bp_range *ranges, size_t n, uint32_t next) {
    byte_list list = { 0 };
    class_builder b = { .r = r, .a = a, .next = next };
    for (size_t i = 0; i < n; i++) cut(&list, ranges[i].first, ranges[i].last);
    if (list.failed) bp_rules_fail(r, BP_E_NO_MEMORY, "grammar: out of memory");
    uint32_t node = list.failed || !list.n ? 1 : build(&b, list.items, list.n, 0);
    free(list.items);
    return node;
}
