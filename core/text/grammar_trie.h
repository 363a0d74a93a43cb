/* A vocabulary as a trie of its tokens' bytes, in the order of a walk that visits parents first. Private to core/text.
 */
#ifndef BP_TEXT_GRAMMAR_TRIE_H
#define BP_TEXT_GRAMMAR_TRIE_H

#include "core/text/grammar.h"

enum { BP_TRIE_LONGEST = 1024 /* longer tokens are never allowed */ };

typedef struct bp_trie_node {
    uint32_t after; /* the first node that is not below this one */
    uint32_t first; /* its tokens are ids[first] to ids[first of the node after it - 1] */
    uint16_t depth;
    uint8_t byte;
} bp_trie_node;

struct bp_grammar_vocab {
    const bp_tokenizer *tokenizer; /* NULL: none */
    int32_t n_tokens;
    uint32_t n_words; /* of a mask */
    uint64_t *ends;   /* tokens that end a text, as a mask */
    char *bytes;      /* of token id: offsets[id] to offsets[id + 1] */
    uint32_t *offsets;
    bp_trie_node *nodes; /* n_nodes, and one more as a fence; [0] is the root */
    uint32_t n_nodes;
    int32_t *ids;
    uint32_t longest;
};

/* The token of exactly this text, -1. */
int32_t bp_grammar_vocab_find(const bp_grammar_vocab *vocab, const char *text, size_t n);

#endif
