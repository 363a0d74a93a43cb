/* Holding a model's output to a grammar: GBNF, a regular expression or a JSON schema. A matcher knows which tokens may
 * come next (a bit each), moves with each token, and can be moved back.
 *
 * Grammars work on bytes: a token may hold several characters, or a part of one. The method: a pushdown automaton whose
 * states are kept; for a state inside a rule, the tokens that stay in the rule are found once, and only those that
 * leave it are looked at anew, in a trie of the vocabulary (after Dong et al., "XGrammar", 2024).
 *
 * Threads: a vocabulary is immutable and any thread may use it. A grammar and all of its matchers belong to one thread
 * at a time, since they share what they learn. Different grammars are independent of each other. */
#ifndef BP_TEXT_GRAMMAR_H
#define BP_TEXT_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"
#include "core/base/text.h"
#include "core/text/tokenizer.h"

typedef struct bp_grammar_vocab bp_grammar_vocab;
typedef struct bp_grammar bp_grammar;
typedef struct bp_grammar_matcher bp_grammar_matcher;

/* The tokens of a vocabulary as a trie of their bytes. Control tokens have no bytes: a grammar allows one only by
 * naming it, and those that end a text where the grammar may end. n_tokens: how many logits a mask covers; 0: as many
 * as the tokenizer has. The tokenizer outlives the vocabulary. */
bp_status bp_grammar_vocab_new(const bp_tokenizer *t, int32_t n_tokens, bp_grammar_vocab **out, bp_error *error);

/* The tokenizer's own, which is made once, by whichever thread comes first, and lives as long as the tokenizer. */
bp_status bp_grammar_vocab_shared(const bp_tokenizer *t, const bp_grammar_vocab **out, bp_error *error);

typedef struct bp_grammar_token { /* for a vocabulary without a tokenizer */
    const char *bytes;
    uint32_t n;
    bool ends; /* ends a text; its bytes are not looked at */
} bp_grammar_token;
bp_status bp_grammar_vocab_of(const bp_grammar_token *tokens, int32_t n, bp_grammar_vocab **out, bp_error *error);
void bp_grammar_vocab_free(bp_grammar_vocab *vocab);

/* Make a grammar. Errors name line and column (GBNF), position (regular expression) or JSON pointer (schema).
 * vocab: may be NULL, then bytes alone are matched and no masks made; it outlives the grammar.
 *
 * GBNF as llama.cpp's users write it: name ::= …, alternatives |, groups (), "literals", [classes], [^classes], ., the
 * repetitions * + ? {m} {m,} {m,n}, escapes \n \r \t \\ \" \[ \] \- \^ \xNN \uNNNN \UNNNNNNNN (code points), comments
 * from #, and tokens by text or id, <token> <[id]>, or any other than that, !<token> !<[id]>. The whole is the rule
 * `root`. A rule that may begin with itself is an error. */
bp_status bp_grammar_gbnf(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out, bp_error *error);
/* The regular expressions of ECMAScript, as JSON schemas use them; the whole text has to fit. */
bp_status bp_grammar_regex(const char *text, size_t n, const bp_grammar_vocab *vocab, bp_grammar **out,
                           bp_error *error);
/* A JSON schema (draft 4 to 2020-12). What it says and cannot be held to is an error, BP_E_UNSUPPORTED, that names the
 * place. whitespace: allow spaces and line ends between tokens of JSON; otherwise the text is compact.
 * Narrower than the specification: properties come in the order given, then additional ones; an object with
 * `properties` or `patternProperties` takes others only where additionalProperties says so; a schema without `type`
 * that limits one type stands for this type; characters in strings that are matched with a pattern, format or key are
 * escaped only where JSON asks for it. */
bp_status bp_grammar_json_schema(const char *text, size_t n, bool whitespace, const bp_grammar_vocab *vocab,
                                 bp_grammar **out, bp_error *error);
/* After its matchers. */
void bp_grammar_free(bp_grammar *grammar);

bp_status bp_grammar_matcher_new(bp_grammar *grammar, bp_grammar_matcher **out, bp_error *error);
void bp_grammar_matcher_free(bp_grammar_matcher *matcher);
/* Back to before the first token. */
void bp_grammar_matcher_reset(bp_grammar_matcher *matcher);

/* Which tokens may come next: bit id % 64 of (*mask)[id / 64] is set. Valid until the next call for this grammar. After
 * a token that ended the text only such tokens are allowed. BP_E_REFUSED: the grammar is too ambiguous here. */
bp_status bp_grammar_matcher_mask(bp_grammar_matcher *matcher, const uint64_t **mask, bp_error *error);
/* The same, applied: logits [n_vocab] of other tokens become -infinity. BP_E_INVALID where no token is allowed. */
bp_status bp_grammar_matcher_apply(bp_grammar_matcher *matcher, float *logits, int32_t n_vocab, bp_error *error);
/* Move by a token; BP_E_INVALID and no move where the grammar does not allow it. */
bp_status bp_grammar_matcher_accept(bp_grammar_matcher *matcher, int32_t id, bp_error *error);
/* Move by bytes, as one step for rollback. */
bp_status bp_grammar_matcher_accept_bytes(bp_grammar_matcher *matcher, const char *bytes, size_t n, bp_error *error);
/* Take back the last n steps; all where there are fewer. */
void bp_grammar_matcher_rollback(bp_grammar_matcher *matcher, size_t n);
size_t bp_grammar_matcher_steps(const bp_grammar_matcher *matcher);
/* The text so far is whole: it may end here. */
bool bp_grammar_matcher_may_end(const bp_grammar_matcher *matcher);
bool bp_grammar_matcher_ended(const bp_grammar_matcher *matcher); /* a token that ends the text was accepted */
/* Append the bytes that have to come next, whatever the model says, where there is one way only; may end inside a
 * character. The matcher does not move. */
void bp_grammar_matcher_forced(bp_grammar_matcher *matcher, bp_text *out);

#endif
