/* Chats as the text that a model was trained on: by the template of the model's file (tokenizer.chat_template), or by
 * one that is given. The variables are those of transformers' apply_chat_template: `messages` in OpenAI form (content a
 * text or a list of parts; tool_calls as they are given, arguments as a text or an object), `tools`,
 * `add_generation_prompt`, and any other that the template reads (`enable_thinking`, …). A rendered text holds special
 * tokens: tokenize it with BP_TOKENIZE_SPECIAL. */
#ifndef BP_TEXT_CHAT_H
#define BP_TEXT_CHAT_H

#include <stdbool.h>

#include "core/gguf/gguf.h"
#include "core/text/jinja.h"

typedef struct bp_chat bp_chat; /* immutable: any thread */

/* A template and the texts of the tokens that begin and end texts (NULL: none), which are copied. */
bp_status bp_chat_new(const char *text, size_t n, const char *bos, const char *eos, bp_chat **out, bp_error *error);
/* The file's template; name: a further one (tokenizer.chat_template.NAME, such as "tool_use"), NULL: the standard one.
 * BP_E_NOT_FOUND where there is none. */
bp_status bp_chat_open(const bp_gguf *file, const char *name, bp_chat **out, bp_error *error);
/* For a model without a template: plain ChatML, with the file's tokens. */
bp_status bp_chat_open_chatml(const bp_gguf *file, bp_chat **out, bp_error *error);
void bp_chat_free(bp_chat *chat);

const char *bp_chat_source(const bp_chat *chat); /* the template's text, terminated */
/* Append the chat. bos_token and eos_token are added to the variables unless they are given. */
bp_status bp_chat_render(const bp_chat *chat, const json_t *variables, bp_text *out, bp_error *error);
/* Does a rendered text begin with the token that begins texts, so that the tokenizer must not add it again? */
bool bp_chat_has_bos(const bp_chat *chat, const char *text, size_t n);

#endif
