/* Backplane's engine interface, for applications: open a model, turn text into tokens and back, compute logits, generate.
 * Link with libbackplane (pkg-config: backplane-engine). The interface for backends is backend.h.
 *
 * Threads. One engine is used by one thread at a time; several engines may be used at once.
 * Ownership. What a call returns through a `**` belongs to the caller, who frees it with the call named beside it; other
 * pointers lead to memory of the engine, valid until the next call on it unless it says otherwise.
 * Failure. A status other than BP_OK comes with a sentence in the caller's bp_error (status.h), and nothing has changed.
 * Growth. Structs begin with their size, set by whoever fills them, and grow only at their ends. */
#ifndef BACKPLANE_ENGINE_H
#define BACKPLANE_ENGINE_H

#include <stdint.h>

#include "backplane/status.h"

#if defined(__GNUC__)
#define BP_API __attribute__((visibility("default")))
#else
#define BP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bp_engine bp_engine;

/* "0.1.0" */
BP_API const char *bp_engine_version(void);

/* Open a model on a backend. flags: n_flags words as `llm-run` takes them ("-m", "model.gguf", "--backend", "cpu", "--config",
 * "cpu.ini", "--temperature", "0.7"); `llm-run --help` lists them. A model must be named. Close with bp_engine_close. */
BP_API bp_status bp_engine_open(const char *const *flags, uint32_t n_flags, bp_engine **engine, bp_error *error);
BP_API void bp_engine_close(bp_engine *engine); /* NULL is allowed */

typedef struct bp_engine_info {
    uint32_t size;            /* set by the caller; members past it are not written */
    int32_t n_vocab;          /* width of a row of logits */
    int64_t n_context;        /* tokens that a sequence may have */
    int64_t n_batch;          /* tokens that one call may compute */
    int64_t n_sequences;      /* that may be open at once */
    int32_t bos, eos;         /* -1: the model has none */
    const char *architecture; /* "llama"; texts live as long as the engine */
    const char *backend;      /* "cpu" */
    const char *device;       /* "Intel(R) Xeon(R) Processor" */
} bp_engine_info;
BP_API bp_status bp_engine_describe(bp_engine *engine, bp_engine_info *info, bp_error *error);

/* Text and tokens. */
enum {
    BP_TEXT_SPECIAL = 1, /* tokenize: special tokens in the text are parsed; detokenize: they are written out */
    BP_TEXT_NO_BOS = 2,  /* tokenize: add no BOS or EOS */
};
/* *ids [*n], valid until the next call of this function. text: n_bytes of UTF-8; invalid bytes are encoded as bytes. */
BP_API bp_status bp_engine_tokenize(bp_engine *engine, const char *text, uint64_t n_bytes, uint32_t flags, const int32_t **ids,
                                    uint64_t *n, bp_error *error);
/* *text [*n_bytes], zero-terminated, valid until the next call of this function. */
BP_API bp_status bp_engine_detokenize(bp_engine *engine, const int32_t *ids, uint64_t n, uint32_t flags, const char **text,
                                      uint64_t *n_bytes, bp_error *error);

/* Render a conversation by the model's chat template (ChatML where it has none). variables: a JSON object as transformers'
 * apply_chat_template takes it: "messages" (OpenAI's form), "tools", "add_generation_prompt", … *text [*n_bytes],
 * zero-terminated, valid until the next call of this or of detokenize. Tokenize it with BP_TEXT_SPECIAL, and BP_TEXT_NO_BOS
 * where *has_bos (may be NULL) is 1. */
BP_API bp_status bp_engine_render_chat(bp_engine *engine, const char *variables, const char **text, uint64_t *n_bytes,
                                       uint32_t *has_bos, bp_error *error);

/* Sequences: texts whose computed state is kept. Number 0 is open from the start. Tokens are appended by compute and
 * generate. A fork shares the memory of what it was forked from until either grows. BP_E_REFUSED: all are open. */
BP_API bp_status bp_engine_sequence_open(bp_engine *engine, int32_t *sequence, bp_error *error);
BP_API bp_status bp_engine_sequence_fork(bp_engine *engine, int32_t from, int32_t *sequence, bp_error *error);
BP_API void bp_engine_sequence_close(bp_engine *engine, int32_t sequence);
BP_API int64_t bp_engine_sequence_length(const bp_engine *engine, int32_t sequence);
/* Forget all tokens from position n on; models with recurrent state: n = 0 only, else BP_E_UNSUPPORTED. */
BP_API bp_status bp_engine_sequence_truncate(bp_engine *engine, int32_t sequence, int64_t n, bp_error *error);

/* The next tokens of one sequence, for a batch. */
typedef struct bp_engine_entry {
    int32_t sequence;
    uint32_t all;          /* 1: logits of each of its tokens; 0: of the last alone */
    const int32_t *tokens; /* n of them, at least 1 */
    int64_t n;
} bp_engine_entry;
/* Append and compute the tokens of n_entries sequences together (each at most once; n_batch tokens in all). *logits: rows
 * [n_vocab] in the order of the entries and their tokens, valid until the next compute or generate. */
BP_API bp_status bp_engine_compute(bp_engine *engine, const bp_engine_entry *entries, uint32_t n_entries, const float **logits,
                                   bp_error *error);

/* One generated token; its text may end within a UTF-8 character. */
typedef struct bp_engine_token {
    uint32_t size;
    int32_t id;
    float logprob; /* natural logarithm of its probability */
    uint32_t reserved;
    const char *text; /* n_bytes; valid during the call */
    uint64_t n_bytes;
} bp_engine_token;
/* Called for each token in the caller's thread; a result other than 0 ends the generation. */
typedef int32_t bp_engine_token_fn(void *self, const bp_engine_token *token);

enum bp_engine_end {
    BP_ENDED_LIMIT = 0,   /* max_tokens were made */
    BP_ENDED_TEXT = 1,    /* the model ended its text */
    BP_ENDED_CONTEXT = 2, /* the sequence is full */
    BP_ENDED_CALLER = 3,  /* the callback wanted it */
};
/* Append a prompt (at least one token, any number of batches) to a sequence and generate up to max_tokens after it, sampled
 * as the engine's flags say. *end (may be NULL) says why it ended. */
BP_API bp_status bp_engine_generate(bp_engine *engine, int32_t sequence, const int32_t *prompt, uint64_t n_prompt, int64_t max_tokens,
                                    bp_engine_token_fn *each, void *self, uint32_t *end, bp_error *error);

#ifdef __cplusplus
}
#endif

#endif
