/* From text to token ids and back, as the model's file defines it (keys tokenizer.ggml.*): BPE ("gpt2", "gemma4") with
 * the pre-tokenizer that tokenizer.ggml.pre names, SentencePiece-style BPE ("llama"), WordPiece ("bert"), Unigram ("t5"),
 * RWKV's longest match ("rwkv") and PLaMo-2's cheapest way ("plamo2"); or as a tokenizer.json defines it. Immutable once
 * made: any thread. */
#ifndef BP_TEXT_TOKENIZER_H
#define BP_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"
#include "core/base/text.h"
#include "core/gguf/gguf.h"

typedef struct bp_tokenizer bp_tokenizer;

typedef struct bp_tokens { /* a list of ids that grows; all zeros is empty; free ids with free() */
    int32_t *ids;
    size_t count, capacity;
} bp_tokens;

/* Append the ids of a list like "1,2,3", an option's value; an empty list is none. Errors name the option. */
bp_status bp_tokens_parse(const char *option, const char *list, bp_tokens *out, bp_error *error);

enum { BP_TOKENIZE_SPECIAL = 1 /* parse special tokens in the text */, BP_TOKENIZE_NO_BOS = 2 /* add no BOS or EOS */ };

/* The file outlives the tokenizer. */
bp_status bp_tokenizer_new(const bp_gguf *file, bp_tokenizer **out, bp_error *error);
/* From a tokenizer.json of Hugging Face's tokenizers, or a folder that holds one (tokenizer_config.json beside it names
 * BOS and EOS). BP_E_UNSUPPORTED lists all parts that are not known. */
bp_status bp_tokenizer_open_json(const char *path, bp_tokenizer **out, bp_error *error);
/* The same from memory; name is for messages. */
bp_status bp_tokenizer_parse_json(const char *data, size_t n, const char *name, bp_tokenizer **out, bp_error *error);
/* Is path such a file, by its ending, or a folder? */
bool bp_tokenizer_is_json(const char *path);
void bp_tokenizer_free(bp_tokenizer *tokenizer);

/* Append the ids of text (UTF-8; invalid bytes are encoded by bytes). flags: BP_TOKENIZE_*. */
bp_status bp_tokenize(const bp_tokenizer *t, const char *text, size_t n, uint32_t flags, bp_tokens *out, bp_error *e);

int32_t bp_vocab_size(const bp_tokenizer *t);
int32_t bp_token_bos(const bp_tokenizer *t); /* -1: none */
int32_t bp_token_eos(const bp_tokenizer *t);
bool bp_token_ends(const bp_tokenizer *t, int32_t id); /* end of text, of turn, of message */
bool bp_token_is_special(const bp_tokenizer *t, int32_t id); /* control token */
/* The tokens that the file says are never to be sampled (tokenizer.ggml.suppress_tokens); the tokenizer's. */
const bp_tokens *bp_tokens_suppressed(const bp_tokenizer *t);
const char *bp_tokenizer_pre(const bp_tokenizer *t); /* the name as in tokenizer.ggml.pre, NULL: none known */
int32_t bp_token_find(const bp_tokenizer *t, const char *text); /* the token of exactly this text (as the file has it), -1 */

/* Append the exact bytes of one token (control tokens: nothing unless special). May be part of a UTF-8 character. */
bp_status bp_token_bytes(const bp_tokenizer *t, int32_t id, bool special, bp_text *out, bp_error *e);
/* Append the text of ids: what is tokenized comes back (for SPM the space that encoding put first is taken off). */
bp_status bp_detokenize(const bp_tokenizer *t, const int32_t *ids, size_t n, bool special, bp_text *out, bp_error *e);

#endif
