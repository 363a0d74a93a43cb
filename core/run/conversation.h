/* A conversation with a model: messages, rendered by the model's chat template, answered in one sequence. What the sequence
 * already holds of the rendered text is not computed again. */
#ifndef BP_RUN_CONVERSATION_H
#define BP_RUN_CONVERSATION_H

#include "core/run/generate.h"
#include "core/run/session.h"

typedef struct bp_conversation bp_conversation;

/* Session and what it holds outlive the conversation. *has_template: false where the model has none, and ChatML is used. */
bp_status bp_conversation_new(const bp_session *session, bp_conversation **out, bool *has_template, bp_error *error);
void bp_conversation_free(bp_conversation *c);

/* Add a message of role "system", "user" or "assistant"; BP_E_INVALID where it is not UTF-8. */
bp_status bp_conversation_say(bp_conversation *c, const char *role, const char *content, size_t n, bp_error *error);
/* Forget all messages. */
void bp_conversation_clear(bp_conversation *c);

/* Render the messages, generate the answer as g says (its sampler is reset first), and add it as the assistant's message. */
bp_status bp_conversation_answer(bp_conversation *c, const bp_generation *g, bp_generation_result *result, bp_error *error);

#endif
