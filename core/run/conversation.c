#include "core/run/conversation.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/base/size.h"
#include "core/text/answer.h"
#include "core/text/chat.h"

struct bp_conversation {
    const bp_session *session;
    bp_chat *chat;
    json_t *messages;
    bp_tokens held; /* what the sequence was fed for this conversation */
};

bp_status bp_conversation_new(const bp_session *session, bp_conversation **out, bool *has_template, bp_error *error) {
    bp_conversation *c = calloc(1, sizeof *c);
    if (!c) return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    c->session = session;
    c->messages = json_array();
    bp_status status = c->messages ? bp_chat_open(session->model->file, NULL, &c->chat, error) : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    *has_template = status != BP_E_NOT_FOUND;
    if (!*has_template) status = bp_chat_open_chatml(session->model->file, &c->chat, error);
    if (status) bp_conversation_free(c);
    else *out = c;
    return status;
}

void bp_conversation_free(bp_conversation *c) {
    if (!c) return;
    json_decref(c->messages);
    bp_chat_free(c->chat);
    free(c->held.ids);
    free(c);
}

bp_status bp_conversation_say(bp_conversation *c, const char *role, const char *content, size_t n, bp_error *error) {
    json_t *text = json_stringn(content, n);
    if (!text) return bp_fail(error, BP_E_INVALID, "the message of the %s is not valid UTF-8", role);
    if (json_array_append_new(c->messages, json_pack("{s:s, s:o}", "role", role, "content", text)))
        return bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    return BP_OK;
}

void bp_conversation_clear(bp_conversation *c) { json_array_clear(c->messages); }

static bp_status render(const bp_conversation *c, bp_text *prompt, bp_tokens *ids, bp_error *error) {
    json_t *all = json_pack("{s:O, s:n, s:n, s:b}", "messages", c->messages, "tools", "documents", "add_generation_prompt", 1);
    bp_status status = all ? bp_chat_render(c->chat, all, prompt, error) : bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    uint32_t how = BP_TOKENIZE_SPECIAL;
    if (!status && bp_chat_has_bos(c->chat, bp_text_get(prompt), prompt->size)) how |= BP_TOKENIZE_NO_BOS;
    if (!status) status = bp_tokenize(c->session->tokenizer, bp_text_get(prompt), prompt->size, how, ids, error);
    if (!status && !ids->count) status = bp_fail(error, BP_E_INVALID, "the chat template renders nothing");
    json_decref(all);
    return status;
}

/* The answer, taken apart into content, reasoning and calls, becomes part of the conversation. */
static bp_status remember(bp_conversation *c, const bp_text *prompt, const bp_text *answer, bp_error *error) {
    json_t *message;
    bp_status status = bp_answer_message(bp_chat_source(c->chat), bp_text_get(prompt), prompt->size, NULL, bp_text_get(answer),
                                         answer->size, &message, error);
    if (!status && json_array_append_new(c->messages, message)) status = bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    return status;
}

/* Keep of the sequence what the new text begins with, but at least one token is left to compute. */
static bp_status keep_prefix(bp_conversation *c, const bp_generation *g, const bp_tokens *ids, size_t *kept, bp_error *error) {
    const size_t most = BP_MIN(BP_MIN(c->held.count, ids->count - 1), (size_t)bp_run_length(g->run, g->sequence));
    for (*kept = 0; *kept < most && c->held.ids[*kept] == ids->ids[*kept]; ++*kept) {}
    bp_status status = bp_run_truncate(g->run, g->sequence, (int64_t)*kept, error);
    if (status != BP_E_UNSUPPORTED) return status;
    *kept = 0; /* a recurrent state: from the beginning */
    return bp_run_truncate(g->run, g->sequence, 0, error);
}

/* Passes tokens on and collects the answer. */
typedef struct listener {
    const bp_generation *given;
    bp_conversation *c;
    bp_text answer; /* with special tokens: they are the marks of reasoning and calls */
    bool failed;
} listener;

static bool hold(bp_conversation *c, int32_t id) {
    if (!bp_grow((void **)&c->held.ids, &c->held.capacity, c->held.count + 1, sizeof *c->held.ids)) return false;
    c->held.ids[c->held.count++] = id;
    return true;
}

static bool listen(void *self, const bp_generated *token) {
    listener *l = self;
    l->failed = l->failed || bp_token_bytes(l->c->session->tokenizer, token->id, true, &l->answer, NULL) || !hold(l->c, token->id);
    return l->given->each(l->given->self, token) && !l->failed;
}

bp_status bp_conversation_answer(bp_conversation *c, const bp_generation *g, bp_generation_result *result, bp_error *error) {
    bp_tokens ids = { 0 };
    bp_text prompt = { 0 };
    listener l = { .given = g, .c = c };
    bp_generation inner = *g;
    size_t kept = 0;
    *result = (bp_generation_result){ 0 };
    bp_status status = render(c, &prompt, &ids, error);
    if (!status) status = keep_prefix(c, g, &ids, &kept, error);
    if (!status) {
        bp_sampler_reset(g->sampler);
        for (size_t i = 0; i < kept; i++) bp_sampler_accept_prompt(g->sampler, ids.ids[i]);
        c->held.count = 0;
        for (size_t i = 0; i < ids.count; i++) l.failed = l.failed || !hold(c, ids.ids[i]);
        inner.each = listen, inner.self = &l;
        status = bp_generate(&inner, ids.ids + kept, (int64_t)(ids.count - kept), result, error);
    }
    if (!status && (l.failed || l.answer.failed)) status = bp_fail(error, BP_E_NO_MEMORY, "out of memory");
    if (!status) status = remember(c, &prompt, &l.answer, error);
    c->held.count = BP_MIN(c->held.count, (size_t)bp_run_length(g->run, g->sequence));
    bp_text_free(&l.answer);
    bp_text_free(&prompt);
    free(ids.ids);
    return status;
}
