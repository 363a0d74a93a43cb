#include "core/text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/fail.h"

struct bp_chat {
    bp_arena arena;
    bp_jinja *jinja;
    const char *source, *bos, *eos; /* bos, eos: NULL where there is none */
};

static const char chatml[] =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + "
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const char *keep(bp_chat *chat, const char *text) {
    return text ? bp_arena_text(&chat->arena, text, strlen(text)) : NULL;
}

bp_status bp_chat_new(const char *text, size_t n, const char *bos, const char *eos, bp_chat **out, bp_error *error) {
    bp_chat *chat = calloc(1, sizeof *chat);
    *out = NULL;
    if (!chat) return bp_fail(error, BP_E_NO_MEMORY, "chat template: out of memory");
    chat->bos = keep(chat, bos);
    chat->eos = keep(chat, eos);
    chat->source = bp_arena_text(&chat->arena, text, n);
    bp_status status = BP_OK;
    if (!chat->source || (bos && !chat->bos) || (eos && !chat->eos))
        status = bp_fail(error, BP_E_NO_MEMORY, "chat template: out of memory");
    if (!status) status = bp_jinja_compile(text, n, &chat->jinja, error);
    if (status) bp_chat_free(chat);
    else *out = chat;
    return status;
}

void bp_chat_free(bp_chat *chat) {
    if (!chat) return;
    bp_jinja_free(chat->jinja);
    bp_arena_free(&chat->arena);
    free(chat);
}

/* The text of the token whose id a key holds; NULL where there is none. */
static const char *token_text(const bp_gguf *file, const char *key, bp_text *text) {
    int64_t id;
    bp_gguf_string token;
    if (!bp_gguf_int(bp_gguf_find(file, key), 0, &id) || id < 0) return NULL;
    if (!bp_gguf_string_at(bp_gguf_find(file, "tokenizer.ggml.tokens"), (uint64_t)id, &token)) return NULL;
    bp_text_add(text, token.data, token.size);
    return bp_text_get(text);
}

static bp_status with_tokens(const bp_gguf *file, const char *text, size_t n, bp_chat **out, bp_error *error) {
    bp_text bos = { 0 }, eos = { 0 };
    bp_status status = bp_chat_new(text, n, token_text(file, "tokenizer.ggml.bos_token_id", &bos),
                                   token_text(file, "tokenizer.ggml.eos_token_id", &eos), out, error);
    bp_text_free(&bos);
    bp_text_free(&eos);
    return status;
}

bp_status bp_chat_open(const bp_gguf *file, const char *name, bp_chat **out, bp_error *error) {
    bp_text key = { 0 };
    bp_gguf_string text;
    *out = NULL;
    bp_text_format(&key, name ? "tokenizer.chat_template.%s" : "tokenizer.chat_template", name);
    bool there = bp_gguf_string_at(bp_gguf_find(file, bp_text_get(&key)), 0, &text);
    bp_status status = BP_OK;
    if (!there)
        status = bp_fail(error, BP_E_NOT_FOUND, "%s: no %s: the model has no such chat template", bp_gguf_path(file),
                         bp_text_get(&key));
    if (!status && (status = with_tokens(file, text.data, text.size, out, error)))
        bp_fail_in(error, "%s: %s: ", bp_gguf_path(file), bp_text_get(&key));
    bp_text_free(&key);
    return status;
}

bp_status bp_chat_open_chatml(const bp_gguf *file, bp_chat **out, bp_error *error) {
    return with_tokens(file, chatml, sizeof chatml - 1, out, error);
}

const char *bp_chat_source(const bp_chat *chat) { return chat->source; }

bool bp_chat_has_bos(const bp_chat *chat, const char *text, size_t n) {
    size_t size = chat->bos ? strlen(chat->bos) : 0;
    return size && n >= size && !memcmp(text, chat->bos, size);
}

bp_status bp_chat_render(const bp_chat *chat, const json_t *variables, bp_text *out, bp_error *error) {
    json_t *all = json_copy((json_t *)variables); /* shallow */
    if (!json_is_object(all)) {
        json_decref(all);
        return bp_fail(error, BP_E_INVALID, "chat template: the variables must be a JSON object");
    }
    if (chat->bos && !json_object_get(all, "bos_token")) json_object_set_new(all, "bos_token", json_string(chat->bos));
    if (chat->eos && !json_object_get(all, "eos_token")) json_object_set_new(all, "eos_token", json_string(chat->eos));
    bp_status status = bp_jinja_render(chat->jinja, all, out, error);
    json_decref(all);
    return status;
}
