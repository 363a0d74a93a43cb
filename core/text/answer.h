/* A model's answer taken apart while it streams: content, reasoning, and tool calls, in the format that the model's
 * chat template shows (Hermes/Qwen, Qwen3-Coder, GLM, Llama 3.x, Mistral, DeepSeek, gpt-oss Harmony, Granite, Phi-4,
 * Command-R, Kimi: answer_markers.def).
 *
 * Feed the answer as text with its special tokens (they are the markers). A marker is never handed on in part. A tool
 * call is handed on once it is whole: its name, then its arguments as the model wrote them. One that is malformed comes
 * back as content, with its markers. White space at the ends of reasoning, before calls and after reasoning is dropped.
 * One thread at a time. */
#ifndef BP_TEXT_ANSWER_H
#define BP_TEXT_ANSWER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"

enum { BP_ANSWER_MAX_CALL = 16 << 20 }; /* bytes of a call; a longer one is content */

enum bp_answer_kind {
    BP_ANSWER_CONTENT,
    BP_ANSWER_REASONING,
    BP_ANSWER_CALL,     /* a call begins: its name */
    BP_ANSWER_ARGUMENTS /* of that call: JSON text */
};

/* kind: bp_answer_kind; call: number of the call, from 0; n bytes of text, valid during the call, never empty;
 * characters are cut only where they were fed in parts. */
typedef void (*bp_answer_sink)(void *user, int kind, uint32_t call, const char *text, size_t n);

typedef struct bp_answer bp_answer;

/* template_text: the chat template (NULL: all is content). prompt: the rendered prompt (n bytes), whose end may have
 * opened the reasoning already. */
bp_status bp_answer_new(const char *template_text, const char *prompt, size_t n, bp_answer_sink sink, void *user,
                        bp_answer **out, bp_error *error);
bp_status bp_answer_feed(bp_answer *answer, const char *data, size_t n, bp_error *error);
bp_status bp_answer_end(bp_answer *answer, bp_error *error); /* hand on what is left */
void bp_answer_free(bp_answer *answer);

/* A whole answer as a message in OpenAI's form: role, content, and where there are any reasoning_content and
 * tool_calls (arguments as text, ids call_0, call_1, …). */
bp_status bp_answer_message(const char *template_text, const char *prompt, size_t n_prompt, const char *text, size_t n,
                            json_t **out, bp_error *error);

#endif
