/* Chats as the text that a model was trained on: built-in formats, chosen by what tokenizer.chat_template contains.
 * The rendered text holds special tokens (tokenize it with BP_TOKENIZE_SPECIAL) but not the first BOS, which the
 * tokenizer adds. */
#ifndef BP_TEXT_CHAT_H
#define BP_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "backplane/status.h"
#include "core/base/text.h"
#include "core/gguf/gguf.h"

typedef struct bp_chat_format bp_chat_format; /* static */

typedef struct bp_chat_message {
    const char *role; /* system (first only), user or assistant */
    const char *content;
} bp_chat_message;

/* The format of the file's chat template; NULL and an error where there is none or it is not one that is built in. */
const bp_chat_format *bp_chat_detect(const bp_gguf *file, bp_error *error);
/* chatml, llama2, llama3, mistral-v1, mistral-v3, gemma, phi3, zephyr, ...; NULL: unknown. */
const bp_chat_format *bp_chat_find(const char *name);
const char *bp_chat_name(const bp_chat_format *format);

/* Append the chat; with add_generation_prompt also the beginning of the assistant's answer. Where the template has a
 * default system message and the chat has none, it is put first. */
bp_status bp_chat_render(const bp_chat_format *f, const bp_chat_message *messages, size_t n, bool add_generation_prompt,
                         bp_text *out, bp_error *error);

#endif
