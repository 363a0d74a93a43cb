/* A model's answer taken apart while it streams: content, reasoning, and tool calls, in the format that the model's
 * chat template shows (answer_markers.def).
 *
 * Feed the answer as text with its special tokens (they are the markers). A marker is never handed on in part. A tool
 * call is handed on while it comes: its name as soon as its arguments begin, then these in pieces, which together are
 * JSON: as the model wrote them where it writes JSON, else converted (tags, Python). In which pieces the answer is fed
 * makes no difference to the sum of what is handed on. What turns out to be no call before its name was handed on comes
 * back as content, with its marker; afterwards the call keeps what was handed on, be it cut off or no valid JSON.
 * White space at the ends of reasoning, before calls and after reasoning is dropped. One thread at a time. */
#ifndef BP_TEXT_ANSWER_H
#define BP_TEXT_ANSWER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "backplane/status.h"

enum { BP_ANSWER_MAX_CALL = 16 << 20 }; /* bytes of a call that are held back; where there are more, it is none */

enum bp_answer_kind {
    BP_ANSWER_CONTENT,
    BP_ANSWER_REASONING,
    BP_ANSWER_CALL,     /* a call begins: its name */
    BP_ANSWER_ARGUMENTS /* of that call: the next part of the JSON text */
};

/* kind: bp_answer_kind; call: number of the call, from 0; n bytes of text, valid during the call, never empty;
 * characters are whole. */
typedef void (*bp_answer_sink)(void *user, int kind, uint32_t call, const char *text, size_t n);

typedef struct bp_answer bp_answer;

/* template_text: the chat template (NULL: all is content). prompt: the rendered prompt (n bytes), whose end may have
 * opened the reasoning already. tools: the functions that the model may call, as the template got them (NULL: not
 * known; kept by reference): where a format does not show the types of arguments, the schema does; JSON without a
 * marker is a call where it names one of them. */
bp_status bp_answer_new(const char *template_text, const char *prompt, size_t n, const json_t *tools,
                        bp_answer_sink sink, void *user, bp_answer **out, bp_error *error);
bp_status bp_answer_feed(bp_answer *answer, const char *data, size_t n, bp_error *error);
bp_status bp_answer_end(bp_answer *answer, bp_error *error); /* hand on what is left */
void bp_answer_free(bp_answer *answer);

/* A whole answer as a message in OpenAI's form: role, content, and where there are any reasoning_content and
 * tool_calls (arguments as text, ids call_0, call_1, …). */
bp_status bp_answer_message(const char *template_text, const char *prompt, size_t n_prompt, const json_t *tools,
                            const char *text, size_t n, json_t **out, bp_error *error);

/* What a sink gets as the `delta` of a chat.completion.chunk: content, reasoning_content, or tool_calls with index, id
 * and name first and pieces of arguments later. NULL where memory ends; the caller's. */
json_t *bp_answer_delta(int kind, uint32_t call, const char *text, size_t n);

#endif
